"""`import-data`: adds public safety sets and your own files to a data folder."""

from __future__ import annotations

import argparse
import csv
import fcntl
import gzip
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

from postern.contract.feedback import COLUMN as FEEDBACK
from pydantic import ValidationError

from model_training.data.public_sets import PRESETS, Columns, Preset
from model_training.data.rows import PoolRow, Source, dump_json, read_sources, write_atomically
from model_training.errors import DataInvalid, first_problem

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_FORMATS: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all arguments of `import-data`."""
    parser.add_argument(
        "--preset",
        choices=[*PRESETS, "own"],
        required=True,
        help="format of the columns; `own`: CSV or JSON Lines with the columns of the data folder",
    )
    parser.add_argument(
        "--from",
        dest="origin",
        metavar="PATH_OR_ID",
        help="a file (.csv, .json, .jsonl, .parquet) or a hub id (default: that of the preset)",
    )
    parser.add_argument("--to", type=Path, required=True, help="data folder to add to")
    parser.add_argument("--name", help="name of the source (default: that of the preset)")
    parser.add_argument(
        "--label-kind",
        choices=["human", "construction", "mixed", "model"],
        help="who labelled (default: that of the preset; own: human); a teacher may dispute all "
        "labels except those of people",
    )
    parser.add_argument(
        "--test",
        action="store_true",
        help="make it a test set: nothing trains on it, and generated rows stay clear of it",
    )


def import_data(arguments: argparse.Namespace) -> None:
    """Write one file of rows and its entry in `sources.json`, and report what was left out.

    Raises DataInvalid with file and line if it is unreadable, lacks a column, or has a wrong value.
    """
    name = arguments.name or arguments.preset
    if not _NAME.fullmatch(name):
        raise DataInvalid(
            f"--name {name!r}: the name of a source may contain only a to z, 0 to 9 and _"
        )
    preset = PRESETS.get(arguments.preset)
    if preset is None:
        if arguments.origin is None:
            raise DataInvalid("--preset own needs --from FILE")
        found = read_own(Path(arguments.origin), name)
    else:
        found = _pool_rows(read_columns(preset, arguments.origin), preset, name)
    rows, left_out = _keep(found)
    if not rows:
        raise DataInvalid(f"{arguments.origin or name}: contains no usable row")
    split: Literal["train", "test"] = "test" if arguments.test else "train"
    source = Source(
        name=name,
        file=f"{split}/{name}.jsonl.gz",
        split=split,
        licence=preset.licence if preset else "own",
        permissive=preset.permissive if preset else True,
        default=split == "train",
        label_kind=arguments.label_kind or (preset.label_kind if preset else "human"),
    )
    _add(arguments.to, source, rows)
    more = "".join(f", {count} left out ({why})" for why, count in sorted(left_out.items()))
    print(f"{source.file}: {len(rows)} rows{more}")


def read_columns(preset: Preset, origin: str | None) -> Iterator[Columns]:
    """Rows by column name, through the `datasets` library. Raises DataInvalid."""
    import datasets  # imports pyarrow and pandas, which only this command needs

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        try:
            if origin is not None and Path(origin).exists():
                found = datasets.load_dataset(
                    _format(Path(origin)), data_files=str(origin), split="train", cache_dir=cache
                )
            else:
                found = datasets.load_dataset(
                    origin or preset.hub_id, preset.config, split=preset.split
                )
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as exc:
            reason = str(exc).strip().splitlines() or [type(exc).__name__]
            raise DataInvalid(
                f"{origin or preset.hub_id}: cannot be read: {reason[0][:200]}"
            ) from exc
        missing = [column for column in preset.columns if column not in found.column_names]
        if missing:
            raise DataInvalid(
                f"{origin or preset.hub_id}: has no column {missing[0]!r}; "
                f"it has {', '.join(found.column_names)}"
            )
        yield from found.select_columns(list(preset.columns))


def read_own(path: Path, name: str) -> Iterator[PoolRow]:
    """Rows of a CSV or JSON Lines file with the data folder's columns; `source` is filled in."""
    lines = _csv_lines(path) if path.suffix == ".csv" else _json_lines(path)
    for number, fields in lines:
        fields.pop(FEEDBACK, None)  # what the server said, in files that it writes
        unknown = sorted(set(fields) - set(PoolRow.model_fields))
        if unknown:
            raise DataInvalid(f"{path}:{number}: unknown column {unknown[0]!r}")
        try:
            yield PoolRow.model_validate({**fields, "source": name})
        except ValidationError as exc:
            raise DataInvalid(f"{path}:{number}: {first_problem(exc)}") from exc


def _pool_rows(rows: Iterable[Columns], preset: Preset, name: str) -> Iterator[PoolRow]:
    for number, row in enumerate(rows, start=1):
        try:
            yield PoolRow.model_validate({"source": name, **preset.read(row)})
        except ValidationError as exc:
            raise DataInvalid(f"{name}, row {number}: {first_problem(exc)}") from exc
        except (ValueError, AttributeError) as exc:
            raise DataInvalid(f"{name}, row {number}: a value has the wrong type") from exc


def _keep(rows: Iterable[PoolRow]) -> tuple[list[PoolRow], Counter[str]]:
    kept: list[PoolRow] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        if not row.prompt.strip():
            left_out["empty prompt"] += 1
        elif row.prompt.strip().upper() == "REDACTED":  # Aegis stores the text elsewhere
            left_out["redacted"] += 1
        else:
            kept.append(row)
    return kept, left_out


def _add(folder: Path, source: Source, rows: Iterable[PoolRow]) -> None:
    """Write the rows first: a source that is listed must exist."""
    catalogue = folder / "sources.json"
    content = "".join(row.model_dump_json() + "\n" for row in rows).encode("utf-8", "replace")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel imports must not drop each other's entry
        known = read_sources(folder) if catalogue.exists() else []
        entries = json.loads(catalogue.read_text()) if known else []
        write_atomically(folder / source.file, gzip.compress(content, mtime=0))
        others = [entry for entry in entries if entry["name"] != source.name]
        write_atomically(catalogue, dump_json([*others, source.model_dump()]))


def _format(path: Path) -> str:
    if path.suffix not in _FORMATS:
        raise DataInvalid(f"{path}: must be one of {', '.join(_FORMATS)}")
    return _FORMATS[path.suffix]


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise DataInvalid(f"{path}:{number}: is not JSON") from exc
        if not isinstance(fields, dict):
            raise DataInvalid(f"{path}:{number}: is not a JSON object")
        yield number, fields


def _csv_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Empty cells count as absent: CSV cannot tell an empty response from none."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        if "prompt" not in (reader.fieldnames or ()):
            raise DataInvalid(f"{path}:1: has no column 'prompt'")
        for row in reader:
            if None in row or None in row.values():
                raise DataInvalid(f"{path}:{reader.line_num}: has a different number of columns")
            fields: dict[str, Any] = {key: value for key, value in row.items() if value != ""}
            for name in ("prompt_label", "response_label"):
                if name in fields:
                    fields[name] = {"0": 0, "1": 1}.get(fields[name].strip(), fields[name])
            yield reader.line_num, {"prompt": "", **fields}
    except csv.Error as exc:
        raise DataInvalid(f"{path}:{reader.reader.line_num}: {exc}") from exc


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = path.read_bytes()[: exc.start].count(b"\n") + 1
        raise DataInvalid(f"{path}:{line}: is not UTF-8") from exc
    except OSError as exc:
        raise DataInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
