"""The behaviour cases, asked of running servers: what their clients get, policies and all."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from model_training.data.rows import Row, write_atomically
from model_training.errors import RecipeInvalid, ServerUnusable
from model_training.evaluation.behaviour.cases import KINDS, changed_cases, plain_cases
from model_training.evaluation.behaviour.gate import by_kind, caught_prompts
from model_training.recipe.augmentation import Http
from model_training.run.candidate import write_json

_REQUEST_ROWS: Final = 16
Flagged = npt.NDArray[np.bool_]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "--server",
        action="append",
        required=True,
        metavar="URL",
        help="address of a Postern server; repeat it to compare several",
    )
    parser.add_argument("--api-key-file", type=Path, help="file with the key of these servers")
    parser.add_argument("--cases", type=int, default=100, help="cases of a kind (default: 100)")
    parser.add_argument("--output", type=Path, required=True, help="folder for JSON and Markdown")


def run(arguments: argparse.Namespace) -> None:
    """Write `behaviour.json` and `behaviour.md`, and print the table.

    Raises RecipeInvalid, ServerUnavailable, ServerUnusable.
    """
    if arguments.cases < 1:
        raise RecipeInvalid("--cases: at least 1")
    try:
        servers = {
            # A few at once, so that the server fills its batches.
            url: Http(base_url=url, api_key_file=arguments.api_key_file, concurrency=4)
            for url in arguments.server
        }
    except ValidationError as exc:
        raise RecipeInvalid("--server: an address begins with http:// or https://") from exc
    found = compare(servers, arguments.cases)
    table = markdown(found)
    write_json(arguments.output / "behaviour.json", found)
    write_atomically(arguments.output / "behaviour.md", table.encode())
    print(table, end="")


def compare(servers: Mapping[str, Http], count: int) -> dict[str, dict[str, Any]]:
    """{server: {kind: {"right", "n", "interval_95"}}} at each server's own operating point.

    Changed cases are made from the harmful prompts that every server flags unchanged, so that all
    are asked the same. Raises ServerUnavailable, ServerUnusable.
    """
    plain = plain_cases(count)
    flagged = {name: ask(server, plain) for name, server in servers.items()}
    by_all = np.logical_and.reduce(list(flagged.values()))
    changed = changed_cases(caught_prompts(plain, by_all), count)
    return {
        name: by_kind([*plain, *changed], np.append(flagged[name], ask(server, changed)))
        for name, server in servers.items()
    }


def ask(server: Http, rows: Sequence[Row]) -> Flagged:
    """(n,) the verdicts of `/classify`. Raises ServerUnavailable, ServerUnusable."""
    from model_training.teachers.http_json import JsonClient, Refused  # httpx

    parts = [rows[at : at + _REQUEST_ROWS] for at in range(0, len(rows), _REQUEST_ROWS)]

    async def ask_all() -> list[list[bool]]:
        room = asyncio.Semaphore(server.concurrency)

        async def ask_one(client: JsonClient, part: Sequence[Row]) -> list[bool]:
            async with room:
                found = await client.post("classify", _body(part), lambda reply: _read(reply, part))
            if isinstance(found, Refused):
                raise ServerUnusable(f"/classify refused cases with status {found.status}")
            answered: list[bool] = found
            return answered

        async with JsonClient(server) as client:
            return await asyncio.gather(*(ask_one(client, part) for part in parts))

    return np.array([one for part in asyncio.run(ask_all()) for one in part], dtype=np.bool_)


def markdown(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each kind, a column for each server: right verdicts of the cases."""
    lines = [f"| kind | {' | '.join(found)} |", "|---" * (len(found) + 1) + "|"]
    for kind in KINDS:
        cells = [f"{one[kind]['right']} of {one[kind]['n']}" for one in found.values()]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _body(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "inputs": [
            {"prompt": row.prompt} | ({} if row.response is None else {"response": row.response})
            for row in rows
        ]
    }


def _read(reply: Any, rows: Sequence[Row]) -> list[bool]:
    """Raises ValueError for a reply of another form."""
    try:
        found = [one["harmful"] for one in reply["results"]]
    except (KeyError, TypeError) as exc:
        raise ValueError("no verdicts") from exc
    if len(found) != len(rows) or not all(isinstance(one, bool) for one in found):
        raise ValueError("another number of verdicts, or something else")
    return found
