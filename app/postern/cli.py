"""The `postern` command. Errors give one line on standard error and exit code 2."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType
from typing import Any, TextIO
from urllib.parse import urlsplit

from postern import __version__, streams
from postern.backlog import command as backlog_command
from postern.backlog.command import Usage
from postern.backlog.judge import judge, running
from postern.calibration import command as calibrate_command
from postern.composition.services import build_services
from postern.composition.student import load_student
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.contract.moderation import Options
from postern.main import serve
from postern.settings.settings import FIELDS, Settings, read_settings

# Other users of the machine can read keys on a command line.
_NOT_A_FLAG = frozenset({"api_keys", "upstream_api_key"})
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
    backlog_command.add_to(classify)
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
    "workers",
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
        is_plain = field.default is not None and field.default_factory is None
        default = f"; default {_shown(field.default)}" if is_plain else ""
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
        raise Usage("the URL must start with http:// and name a host")
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
    is_file = backlog_command.asks_for_a_file(arguments)
    if arguments.threshold is not None and not 0.0 <= arguments.threshold <= 1.0:
        raise Usage("--threshold must lie between 0 and 1")
    options = Options(arguments.operating_point, arguments.threshold)
    # asyncio's own handler waits for the loop, which a blocking read does not reach.
    signal.signal(signal.SIGINT, _interrupt)
    if is_file:
        return backlog_command.run(arguments, _settings(arguments), options)
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
        raise Usage("the text is not valid UTF-8")
    return Exchange(prompt, response)


async def _classify_one(settings: Settings, exchange: Exchange, options: Options) -> dict[str, Any]:
    async with running(settings) as services:
        (reply,) = await judge(services, (exchange,), options)
        return reply


def _opened(path: Path | None) -> TextIO:
    if path is None:
        return open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)
    try:
        return path.open("w", encoding="utf-8")
    except OSError as exc:
        raise Usage(f"{path}: cannot be written ({exc.strerror})") from exc
