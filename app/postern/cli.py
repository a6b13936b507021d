"""The `postern` command. Errors give one line on standard error and exit code 2."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import Any, TextIO
from urllib.parse import urlsplit

from pydantic import ValidationError
from tqdm import tqdm

from postern import __version__, streams
from postern.calibration import command as calibrate_command
from postern.clock import now
from postern.composition.services import build_services
from postern.composition.student import load_student
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.contract.moderation import Options
from postern.endpoints.classify_body import Asked, ExchangeIn
from postern.endpoints.classify_reply import classify_reply
from postern.endpoints.services import Services
from postern.main import serve
from postern.settings.settings import FIELDS, Settings, read_settings

# Other users of the machine can read keys on a command line.
_NOT_A_FLAG = frozenset({"api_keys", "upstream_api_key"})
_LINES_AT_ONCE = 32
_NO_DEADLINE_S = 3600.0
_PROBE_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    streams.keep_open()
    arguments = parser().parse_args(argv)
    try:
        code = int(arguments.run(arguments))
        failure = streams.finish()
    except PosternError as exc:
        streams.complain(f"postern: {exc}")
        return 2
    except KeyboardInterrupt:
        return 130
    except OSError as exc:
        if isinstance(exc, BrokenPipeError):
            streams.finish()
            return 130
        failure, code = exc.strerror or type(exc).__name__, 2
        streams.finish()
    if failure is not None:
        streams.complain(f"postern: cannot read or write ({failure})")
        return 2
    return code


def parser() -> argparse.ArgumentParser:
    """All options of the `postern` command."""
    parser = argparse.ArgumentParser(
        prog="postern", description="Judge prompts and responses for harm, with a small model."
    )
    parser.add_argument("--version", action="version", version=f"postern {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    server = commands.add_parser("serve", help="start the server", description="Start the server.")
    _add_settings(server, tuple(FIELDS))
    server.set_defaults(run=_serve)

    classify = commands.add_parser(
        "classify",
        help="judge text here, without a server",
        description="Judge one prompt, one pair or a file. The exit code is 0 whatever the "
        "verdict.",
    )
    classify.add_argument(
        "prompt", nargs="?", help="the prompt; without it, standard input is the prompt"
    )
    classify.add_argument("--response", help="judge this response to the prompt")
    classify.add_argument(
        "--jsonl",
        metavar="FILE",
        help="judge JSON Lines of {prompt, response?}; - is standard input. A line that cannot be "
        "judged gives a line with `error` and exit code 2 at the end",
    )
    classify.add_argument(
        "--output", metavar="FILE", type=Path, help="write here instead of standard output"
    )
    classify.add_argument(
        "--operating-point", help="name of an operating point of the artifact (see postern info)"
    )
    classify.add_argument(
        "--threshold", type=float, help="probability from which a verdict is harmful, 0 to 1"
    )
    _add_settings(classify, _LOCAL_SETTINGS)
    classify.set_defaults(run=_classify)

    probe = commands.add_parser(
        "probe",
        help="check the health of a running server",
        description="Ask a health URL. Exit code 0 if it answers 200, else 1.",
    )
    probe.add_argument("url", help="for example http://127.0.0.1:8000/readyz")
    probe.set_defaults(run=_probe)

    info = commands.add_parser(
        "info", help="show the artifact", description="Show the artifact and its figures as JSON."
    )
    _add_settings(info, ("artifact",))
    calibrate = calibrate_command.add_to(commands)
    _add_settings(calibrate, ("artifact", "intra_op_threads"))
    calibrate.set_defaults(run=lambda given: calibrate_command.run(given, _settings(given)))
    info.set_defaults(run=_info)
    return parser


_LOCAL_SETTINGS = (
    "artifact",
    "intra_op_threads",
    "max_batch_tokens",
    "max_exchange_chars",
    "max_exchange_tokens",
)


def _add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add a flag for each setting, with the description from its section of the settings."""
    for name in names:
        if name in _NOT_A_FLAG:
            continue
        field = FIELDS[name].info
        default = "" if field.default is None else f"; default {_shown(field.default)}"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"setting_{name}",
            default=argparse.SUPPRESS,
            metavar=name.rsplit("_", 1)[-1].upper(),
            help=f"{field.description} [POSTERN_{name.upper()}{default}]".replace("%", "%%"),
        )


def _shown(default: object) -> str:
    return (
        f"artifacts/{default.parent.name}/{default.name}"
        if isinstance(default, Path)
        else str(default)
    )


def _settings(arguments: argparse.Namespace) -> Settings:
    prefix = "setting_"
    return read_settings(
        **{
            name.removeprefix(prefix): value
            for name, value in vars(arguments).items()
            if name.startswith(prefix)
        }
    )


def _serve(arguments: argparse.Namespace) -> int:
    serve(_settings(arguments))
    return 0


def _probe(arguments: argparse.Namespace) -> int:
    url = urlsplit(arguments.url)
    if url.scheme != "http" or not url.hostname:
        raise _Usage("the URL must start with http:// and name a host")
    connection = HTTPConnection(url.hostname, url.port or 80, timeout=_PROBE_S)
    try:
        connection.request("GET", url.path or "/")
        return 0 if connection.getresponse().status == HTTPStatus.OK else 1
    except (OSError, HTTPException):
        return 1
    finally:
        connection.close()


def _info(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    services, _ = build_services(settings, load_student(settings))
    print(services.info.model_dump_json(indent=2))
    return 0


def _classify(arguments: argparse.Namespace) -> int:
    if arguments.jsonl is not None and (arguments.prompt or arguments.response):
        raise _Usage("--jsonl cannot be combined with a prompt or --response")
    if arguments.threshold is not None and not 0.0 <= arguments.threshold <= 1.0:
        raise _Usage("--threshold must lie between 0 and 1")
    options = Options(arguments.operating_point, arguments.threshold)
    # asyncio's own handler waits for the loop, which a blocking read does not reach.
    signal.signal(signal.SIGINT, _interrupt)
    if arguments.jsonl is not None:
        return asyncio.run(_classify_lines(arguments, options))
    exchange = _exchange(arguments)
    with _opened(arguments.output) as output:
        reply = asyncio.run(_classify_one(_settings(arguments), exchange, options))
        print(json.dumps(reply, indent=2), file=output)
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _exchange(arguments: argparse.Namespace) -> Exchange:
    prompt, response = arguments.prompt, arguments.response
    if prompt is None:
        prompt = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    # Bytes that are not UTF-8 arrive as lone surrogates, from the command line too.
    if any("\ud800" <= character <= "\udfff" for character in prompt + (response or "")):
        raise _Usage("the text is not valid UTF-8")
    return Exchange(prompt, response)


class _Usage(PosternError):
    """The arguments on the command line cannot be combined."""


async def _classify_one(settings: Settings, exchange: Exchange, options: Options) -> dict[str, Any]:
    async with _running(settings) as services:
        return await _judge(services, exchange, options)


async def _classify_lines(arguments: argparse.Namespace, options: Options) -> int:
    failures = 0
    async with _running(_settings(arguments)) as services:
        with _lines(arguments.jsonl) as lines, _opened(arguments.output) as output:
            bar = tqdm(unit="line", disable=None, file=sys.stderr)
            for chunk in _chunks(lines):
                for reply in await asyncio.gather(
                    *(_judge_line(services, number, line, options) for number, line in chunk)
                ):
                    failures += "error" in reply
                    print(json.dumps(reply), file=output)
                    bar.update()
            bar.close()
    if failures:
        print(f"postern: {failures} lines could not be judged", file=sys.stderr)
    return 2 if failures else 0


async def _judge_line(
    services: Services, number: int, line: str, options: Options
) -> dict[str, Any]:
    try:
        given = ExchangeIn.model_validate_json(line.encode("utf-8", "surrogatepass"))
        reply = await _judge(services, Exchange(given.prompt, given.response), options)
    except ValidationError as exc:
        problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        return {"line": number, "error": problem["msg"]}
    except PosternError as exc:
        return {"line": number, "error": str(exc)}
    return {"line": number, **reply}


async def _judge(services: Services, exchange: Exchange, options: Options) -> dict[str, Any]:
    moderation = await services.pipeline.moderate(
        (exchange,), options, deadline=now() + _NO_DEADLINE_S
    )
    asked = Asked((exchange,), (None,), options)
    reply = classify_reply(moderation, asked, request_id="", identity=services.identity)
    (result,) = reply["results"]
    del result["index"]
    return {"model": reply["model"], "operating_point": reply["operating_point"], **result}


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Services]:
    services, batcher = build_services(settings, load_student(settings))
    batcher.start()
    services.pipeline.cascade.start()
    try:
        yield services
    finally:
        await services.pipeline.cascade.close()
        await batcher.close()


def _chunks(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines without blank ones, a few at a time, because a file may not fit in memory."""
    chunk: list[tuple[int, str]] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            chunk.append((number, line))
        if len(chunk) == _LINES_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _lines(name: str) -> TextIO:
    # Bad bytes become lone surrogates, which the parser then refuses with their line number.
    if name == "-":
        return open(sys.stdin.fileno(), encoding="utf-8", errors="surrogateescape", closefd=False)
    try:
        return open(name, encoding="utf-8", errors="surrogateescape")
    except OSError as exc:
        raise _Usage(f"{name}: cannot be read ({exc.strerror})") from exc


def _opened(path: Path | None) -> TextIO:
    if path is None:
        return open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)
    try:
        return path.open("w", encoding="utf-8")
    except OSError as exc:
        raise _Usage(f"{path}: cannot be written ({exc.strerror})") from exc
