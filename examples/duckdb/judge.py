"""Judges a table of a DuckDB database and puts the verdicts into a table beside it.

python examples/duckdb/judge.py chats.duckdb chats

Reads the columns `prompt` and, if there is one, `response`. Makes the table `chats_verdicts`, whose
column `id` is the `rowid` of the judged row. Needs Postern and `duckdb`. A run that was
stopped goes on where it was, because the exported file and its verdicts stay beside the database
until the table is made.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import duckdb

TYPES = {
    "id": "BIGINT",
    "prompt": "VARCHAR",
    "response": "VARCHAR",
    "harmful": "BOOLEAN",
    "probability": "DOUBLE",
    "threshold": "DOUBLE",
    "operating_point": "VARCHAR",
    "decided_by": "VARCHAR",
    "deferred": "BOOLEAN",
    "degraded": "BOOLEAN",
    "language": "VARCHAR",
    "language_supported": "BOOLEAN",
    "tokens": "INTEGER",
    "windows": "INTEGER",
    "categories": "VARCHAR",
    "error": "VARCHAR",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge a table of a DuckDB database.")
    parser.add_argument("database", type=Path)
    parser.add_argument("table")
    arguments = parser.parse_args()
    with duckdb.connect(str(arguments.database)) as database:
        table = database.table(arguments.table)
        exported = arguments.database.with_name(f"{arguments.table}_to_judge.csv")
        verdicts = arguments.database.with_name(f"{arguments.table}_verdicts.csv")
        response = "response" if "response" in table.columns else "NULL AS response"
        rows = table.project(f"rowid AS id, prompt, {response}").order("id")
        rows.to_csv(str(exported), header=True)
        judge(exported, verdicts)
        read = database.read_csv(
            str(verdicts), header=True, columns=TYPES, escapechar='"', parallel=False
        )
        name = f"{arguments.table}_verdicts"
        database.execute(f'DROP TABLE IF EXISTS "{name}"')
        read.project("* EXCLUDE (prompt, response)").create(name)
        made = database.table(name)
        print(made.aggregate("harmful, count(*) AS rows, count(error) AS errors").order("harmful"))
    exported.unlink()
    verdicts.unlink()
    return 0


def judge(exported: Path, verdicts: Path) -> None:
    """Exit code 2 may mean that some rows have an `error`; a line on standard error says so."""
    command = [sys.executable, "-m", "postern", "classify"]
    given = ["--csv", str(exported), "--output", str(verdicts), "--resume"]
    done = subprocess.run([*command, *given], check=False)
    unfinished = verdicts.with_name(f"{verdicts.name}.progress").exists()
    if done.returncode not in (0, 2) or unfinished or not verdicts.exists():
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    sys.exit(main())
