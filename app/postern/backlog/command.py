"""`postern classify` of a file: its arguments, and what it reads, judges and writes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from postern import streams
from postern.backlog.formats import Columns, Csv, JsonLines, Row
from postern.backlog.judge import judge, running, what_decides
from postern.backlog.lanes import Lanes
from postern.backlog.output import Kept, Note, OutputInvalid, Stream, is_regular
from postern.backlog.records import CsvEnds, LineEnds, Records, record_limit
from postern.backlog.run import CONTINUES, Source, begin, judge_rows
from postern.clock import now
from postern.contract.errors import PosternError
from postern.contract.moderation import Options
from postern.inference.engine import engine_for, usable_cores
from postern.settings.settings import Settings


class Usage(PosternError):
    """The arguments on the command line cannot be combined, or a file cannot be read."""


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for files."""
    parser.add_argument(
        "--jsonl",
        metavar="FILE",
        help="judge JSON Lines of {prompt, response?}; - is standard input. A line that cannot be "
        "judged gives a line with `error` and exit code 2 at the end",
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="judge the rows of a CSV file; - is standard input. The output has its columns and "
        "those of the verdict. A row that cannot be judged gives a row with `error` and exit code "
        "2 at the end",
    )
    for name, what in (
        ("prompt", "name of the column with the prompt; default prompt"),
        ("response", "name of the column with the response, which may be empty; default response"),
    ):
        parser.add_argument(f"--{name}-column", metavar="NAME", help=f"{what} (with --csv)")
    parser.add_argument(
        "--column-prefix",
        metavar="TEXT",
        help="put this before the names of the verdict's columns (with --csv)",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write here instead of standard output"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue --output where an interrupted run stopped; begin if there is none",
    )
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show how far it is on standard error; default: if that is a terminal",
    )


def asks_for_a_file(arguments: argparse.Namespace) -> bool:
    """Whether a file is to be judged. Raises Usage."""
    given = [flag for flag in ("jsonl", "csv") if getattr(arguments, flag) is not None]
    if len(given) > 1:
        raise Usage("--jsonl cannot be combined with --csv")
    if given and (arguments.prompt or arguments.response):
        raise Usage(f"--{given[0]} cannot be combined with a prompt or --response")
    columns = (arguments.prompt_column, arguments.response_column, arguments.column_prefix)
    if arguments.csv is None and any(one is not None for one in columns):
        raise Usage("--prompt-column, --response-column and --column-prefix need --csv")
    if arguments.resume and (not given or arguments.output is None):
        raise Usage("--resume needs --jsonl or --csv, and --output")
    return bool(given)


def run(arguments: argparse.Namespace, settings: Settings, options: Options) -> int:
    """Judge a file. Raises Usage, OutputInvalid, ColumnsInvalid and what starting raises."""
    with ExitStack() as stack:
        source = _source(arguments, settings, stack)
        kept: Kept | None = None
        output: Kept | Stream
        if arguments.output is not None and is_regular(arguments.output):
            output = kept = Kept(arguments.output, clock=now)
            stack.callback(kept.close)
        elif arguments.resume:
            raise Usage(f"{arguments.output}: is no file that could be continued")
        else:
            output = Stream(stack.enter_context(_stream(arguments.output)))
        try:
            errors = asyncio.run(_judge_all(source, output, arguments, settings, options))
        except KeyboardInterrupt:
            if kept is not None and kept.note.job:  # it has begun
                rows = kept.note.rows
                streams.complain(f"postern: interrupted after {rows} {source.unit}s; {CONTINUES}")
            raise
    if errors:
        streams.complain(f"postern: {errors} {source.unit}s could not be judged")
    return 2 if errors else 0


async def _judge_all(
    source: Source,
    output: Kept | Stream,
    arguments: argparse.Namespace,
    settings: Settings,
    options: Options,
) -> int:
    async with running(settings) as services:
        # An unknown operating point is not each row's mistake.
        services.pipeline.policy.point(
            "prompt", operating_point=options.operating_point, threshold=options.threshold
        )
        job = json.loads(json.dumps(source.job | what_decides(services, settings, options)))
        note = Note(job=job)
        if isinstance(output, Kept):
            note = begin(output, note, source, resume=arguments.resume)
        workers = engine_for(settings.engine, usable_cores()).workers
        lanes = Lanes[Row](lambda exchanges: judge(services, exchanges, options), workers=workers)
        with _bar(arguments.progress, source, note) as bar:

            def show(done: int, rows: int) -> None:
                if not bar.disable:
                    per_s = (rows - note.rows) / (bar.format_dict["elapsed"] or 1.0)
                    text = f"{rows} {source.unit}s, {per_s:.0f}/s"
                    bar.set_postfix_str(text, refresh=False)
                    bar.update(done - bar.n)

            return await judge_rows(source, output, note, lanes, show)


def _source(arguments: argparse.Namespace, settings: Settings, stack: ExitStack) -> Source:
    """Open the input and check its columns. Raises Usage."""
    name: str = arguments.jsonl if arguments.csv is None else arguments.csv
    file, size = stack.enter_context(_opened(name))
    if size is not None and arguments.output is not None and _is_same(arguments.output, name):
        raise Usage("--output is the input")
    limit = record_limit(settings.limits.max_exchange_chars)
    records = Records(
        file.read,
        LineEnds() if arguments.csv is None else CsvEnds(),
        limit_bytes=limit,
        ready=lambda: bool(select.select([file], [], [], 0)[0]),
    )
    if arguments.csv is None:
        job: dict[str, Any] = {"format": "jsonl"}
        return Source(records, JsonLines(limit_bytes=limit), job, size, "line")
    columns = Columns(
        arguments.prompt_column or "prompt",
        arguments.response_column,
        arguments.column_prefix or "",
    )
    try:
        form = Csv(records.next(), columns, limit_bytes=limit)
    except PosternError as exc:
        raise Usage(f"{'standard input' if name == '-' else name}: {exc}") from exc
    return Source(records, form, {"format": "csv", "columns": asdict(columns)}, size, "row")


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and, if it is regular, its bytes."""
    given = sys.stdin.fileno() if name == "-" else name
    try:
        file = open(given, "rb", buffering=0, closefd=name != "-")  # noqa: SIM115 - closed below
        found = os.fstat(file.fileno())
    except OSError as exc:
        raise Usage(f"{name}: cannot be read ({exc.strerror})") from exc
    with file:
        yield file, found.st_size if stat.S_ISREG(found.st_mode) else None


def _is_same(output: Path, name: str) -> bool:
    try:
        return name != "-" and output.samefile(name)
    except OSError:
        return False


@contextmanager
def _stream(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        with open(sys.stdout.fileno(), "wb", closefd=False) as output:
            yield output
        return
    try:
        opened = path.open("wb")
    except OSError as exc:
        raise OutputInvalid(f"{path}: cannot be written ({exc.strerror})") from exc
    with opened:
        yield opened


def _bar(wanted: bool | None, source: Source, note: Note) -> AbstractContextManager[tqdm[Any]]:
    """Counts the input's bytes, because the number of rows is not known."""
    bar: tqdm[Any] = tqdm(
        total=source.size,
        initial=note.input_bytes,
        unit="B",
        unit_scale=True,
        disable=None if wanted is None else not wanted,
        file=sys.stderr,
    )
    return bar
