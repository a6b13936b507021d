"""Compares the server's own counters with what the client saw."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.client import BROKEN, UNANSWERED, Client
from loadtests.scenarios import PATH

_REQUESTS = re.compile(rf'^postern_requests_total{{route="{PATH}",status="(\d+)"}} (\S+)$', re.M)
_VERDICTS = re.compile(r"^postern_verdicts_total\{[^}]*\} (\S+)$", re.M)
# A reply is counted when it has been sent, so the last may be counted a moment after it came.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class ServerCounts:
    """Requests to `/classify` by status, and verdicts."""

    requests: Counter[str] = field(default_factory=Counter)
    verdicts: int = 0

    @classmethod
    def parsed(cls, text: str) -> ServerCounts:
        requests = Counter({status: int(float(value)) for status, value in _REQUESTS.findall(text)})
        return cls(requests, sum(int(float(value)) for value in _VERDICTS.findall(text)))

    def since(self, before: ServerCounts) -> ServerCounts:
        grown = Counter(self.requests)
        grown.subtract(before.requests)
        return ServerCounts(+grown, self.verdicts - before.verdicts)


async def read_counts(client: Client) -> ServerCounts | None:
    """None if the server is not Postern, or does not let us read."""
    answer = await client.ask(client.target.get("/metrics"))
    if answer.outcome != "200" or b"postern_requests_total" not in answer.body:
        return None
    return ServerCounts.parsed(answer.body.decode())


def differences(
    outcomes: Mapping[str, int], texts: int, server: ServerCounts, *, exact: bool = False
) -> dict[str, dict[str, int]]:
    """Where client and server disagree; empty where they do not.

    What broke off or went unanswered here may have any status there, so those are compared as sums.
    exact: each of those must have reached the server.
    """
    lost = outcomes.get(BROKEN, 0) + outcomes.get(UNANSWERED, 0)
    found: dict[str, dict[str, int]] = {}
    spare = 0
    for status in sorted({*outcomes, *server.requests} - {BROKEN, UNANSWERED}):
        here, there = outcomes.get(status, 0), server.requests.get(status, 0)
        spare += max(0, there - here)
        if there < here or (there > here and not lost):
            found[status] = {"client": here, "server": there}
    if spare > lost or (exact and spare != lost):
        found["lost"] = {"client": lost, "server": spare}
    if server.verdicts < texts or (server.verdicts > texts and not lost):
        found["verdicts"] = {"client": texts, "server": server.verdicts}
    return found


async def settled_differences(
    client: Client,
    outcomes: Mapping[str, int],
    texts: int,
    before: ServerCounts,
    *,
    exact: bool = False,
) -> dict[str, dict[str, int]]:
    """`differences`, read again for some seconds while there are any."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_S
    while True:
        now = await read_counts(client)
        found = differences(outcomes, texts, (now or ServerCounts()).since(before), exact=exact)
        if not found or loop.time() > deadline:
            return found
        await asyncio.sleep(0.1)
