"""Compares the server's own counters with what the client saw."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loadtests.chats import PATH as CHATS
from loadtests.chats import ChatTally
from loadtests.client import BROKEN, UNANSWERED, Client
from loadtests.scenarios import PATH

_REQUESTS = r'^postern_requests_total{{route="{}",status="(\d+)"}} (\S+)$'
_PROXIED = r'^postern_proxied_total{outcome="(\w+)"} (\S+)$'
_VERDICTS = re.compile(r"^postern_verdicts_total\{[^}]*\} (\S+)$", re.M)
# The server counts a reply after sending it, so the last count may lag behind the reply.
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class ServerCounts:
    """Requests to `/classify` by status, verdicts, chats by status, and chats by outcome."""

    requests: Counter[str] = field(default_factory=Counter)
    verdicts: int = 0
    chats: Counter[str] = field(default_factory=Counter)
    proxied: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parsed(cls, text: str) -> ServerCounts:
        return cls(
            _by_label(_REQUESTS.format(PATH), text),
            sum(int(float(value)) for value in _VERDICTS.findall(text)),
            _by_label(_REQUESTS.format(CHATS), text),
            _by_label(_PROXIED, text),
        )

    def since(self, before: ServerCounts) -> ServerCounts:
        return ServerCounts(
            _grown(self.requests, before.requests),
            self.verdicts - before.verdicts,
            _grown(self.chats, before.chats),
            _grown(self.proxied, before.proxied),
        )


def _by_label(pattern: str, text: str) -> Counter[str]:
    found = re.findall(pattern, text, re.M)
    return Counter({label: int(float(value)) for label, value in found})


def _grown(now: Counter[str], before: Counter[str]) -> Counter[str]:
    grown = Counter(now)
    grown.subtract(before)
    return +grown


async def read_counts(client: Client) -> ServerCounts | None:
    """The server's counts; None if the server is not Postern or denies access."""
    answer = await client.ask(client.target.get("/metrics"))
    if answer.outcome != "200" or b"postern_requests_total" not in answer.body:
        return None
    return ServerCounts.parsed(answer.body.decode())


def differences(
    outcomes: Mapping[str, int], texts: int, server: ServerCounts, *, exact: bool = False
) -> dict[str, dict[str, int]]:
    """Where client and server disagree; empty if they agree.

    A request that broke or went unanswered for the client may have any status at the server, so
    sums of these are compared. exact: each of these requests must have reached the server.
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


def chat_differences(tally: ChatTally, server: ServerCounts) -> dict[str, dict[str, int]]:
    """The same for chats: their statuses are exact, and so are their outcomes but for those that
    nobody here can tell."""
    statuses = tally.statuses + Counter({BROKEN: tally.left})
    outcomes = tally.outcomes + Counter({BROKEN: tally.unsure})
    found = {
        f"chats {name}": one
        for name, one in differences(statuses, 0, ServerCounts(server.chats), exact=True).items()
    }
    for name, one in differences(outcomes, 0, ServerCounts(server.proxied)).items():
        found[f"proxied {name}"] = one
    return found


def differences_with_chats(
    outcomes: Mapping[str, int],
    texts: int,
    tally: ChatTally,
    server: ServerCounts,
    *,
    exact: bool = False,
) -> dict[str, dict[str, int]]:
    """Both. How many pieces of a stream are judged is the server's own affair, so verdicts may be
    more than `texts` and those of whole chats."""
    texts += tally.verdicts
    found = differences(outcomes, texts, server, exact=exact)
    if server.verdicts > texts:
        found.pop("verdicts", None)
    return found | chat_differences(tally, server)


async def settled_differences(
    client: Client,
    outcomes: Mapping[str, int],
    texts: int,
    before: ServerCounts,
    *,
    exact: bool = False,
    chats: ChatTally | None = None,
) -> dict[str, dict[str, int]]:
    """`differences`, reading the counters again for some seconds while there are any.

    chats: None if there were none.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE_S
    while True:
        now = await read_counts(client)
        server = (now or ServerCounts()).since(before)
        found = (
            differences(outcomes, texts, server, exact=exact)
            if chats is None
            else differences_with_chats(outcomes, texts, chats, server, exact=exact)
        )
        if not found or loop.time() > deadline:
            return found
        await asyncio.sleep(0.1)
