"""Writes what `on_device/` reads of Python: `python -m scripts.on_device`; `--check` only compares.

`--fuzz COUNT --seed SEED --output FILE` writes random exchanges with Python's answers to a file
that `node on_device/test/differences.mjs FILE` compares with what TypeScript makes of them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from scripts.on_device import cases, fuzz, languages, tables

FOLDER: Final = Path(__file__).resolve().parents[2] / "on_device"


def files() -> dict[str, bytes]:
    """Path below `on_device/` -> content of every generated file."""
    identifier = languages.packed(_present(languages.FILE))
    return {
        "src/tables.ts": tables.module(identifier).encode(),
        "golden/cases.json": cases.document().encode(),
        languages.FILE: identifier,
        languages.LICENCE_FILE: languages.licence().encode(),
    }


def differing() -> list[str]:
    """Files that are missing, or differ from what this Python writes."""
    return [name for name, content in files().items() if _present(name) != content]


def _present(name: str) -> bytes | None:
    path = FOLDER / name
    return path.read_bytes() if path.is_file() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--fuzz", type=int, metavar="COUNT")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    if asked.fuzz is not None:
        if asked.output is None:
            parser.error("--fuzz needs --output")
        fuzz.write(asked.output, count=asked.fuzz, seed=asked.seed)
        return 0
    if asked.check:
        stale = differing()
        print(*(f"{name} is not current" for name in stale), sep="\n", file=sys.stderr)
        return 1 if stale else 0
    for name, content in files().items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
