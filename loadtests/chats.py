"""Chats through the guarded proxy: how a client asks, what it reads, and what it made of it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httptools

from loadtests.hostile_upstream import answer_to

PATH = "/v1/chat/completions"
HUNG = "hung"
BUSY = "busy"
"""What a client sees if the server refuses a chat for want of time."""
_BUSY_CODES = (
    *("queue_full", "deadline_unreachable", "text_work_full", "overloaded"),
    "deadline_exceeded",
)
# The judged prompt and its judged answer, at the least: streams are scored several times.
_VERDICTS_OF_A_CHAT = 2


@dataclass(frozen=True)
class Chat:
    """One question, with a number that no other question has. more: fields of the request."""

    model: str
    stream: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    # Verdicts on known chats are remembered between runs, and the counts would not agree.
    number: str = field(default_factory=lambda: str(random.SystemRandom().randrange(10**9)))

    @property
    def body(self) -> bytes:
        question = f"Tell me a story about train {self.number}."
        messages = [{"role": "user", "content": question}]
        asked = {"model": self.model, "stream": self.stream, "messages": messages}
        return json.dumps(asked | dict(self.more)).encode()

    def seen(self, reply: Reply) -> str:
        """A status; "200 error" for a stream that ends with one; "200 other" where the answer is
        not the whole right one; BUSY; "cut"."""
        if not reply.whole:
            return "cut"
        if reply.status != "200":
            return BUSY if _code(_json(reply.body)) in _BUSY_CODES else reply.status
        events = [part[6:] for part in reply.body.split(b"\n\n") if part.startswith(b"data: ")]
        done = bool(events) and events[-1] == b"[DONE]"
        contents = [_json(one) for one in (events[:-1] if done else events)]
        if contents and "error" in contents[-1] and not done:
            return BUSY if _code(contents[-1]) in _BUSY_CODES else "200 error"
        said = _said(contents if self.stream else [_json(reply.body)])
        right = said == "".join(answer_to(self.number)) and done is self.stream
        return "200" if right else "200 other"


def _json(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _code(content: Mapping[str, Any]) -> Any:
    error = content.get("error")
    return error.get("code") if isinstance(error, dict) else None


def _said(contents: list[dict[str, Any]]) -> str:
    choices = [one for content in contents for one in content.get("choices", [])]
    parts = [one.get("message") or one.get("delta") or {} for one in choices]
    return "".join(part.get("content") or "" for part in parts)


@dataclass
class Reply:
    """All bytes of a connection, read as one reply. whole: it came to its end."""

    status: str = "cut"
    body: bytes = b""
    whole: bool = False

    @classmethod
    def read(cls, data: bytes) -> Reply:
        reply = cls()
        parser = httptools.HttpResponseParser(reply)
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            return reply
        reply.status = str(parser.get_status_code()) if data else "cut"
        return reply

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


@dataclass(frozen=True)
class Expected:
    """seen: what a well-built server shows. outcome: how `postern_proxied_total` counts it; None
    where it is refused before it is a chat."""

    seen: frozenset[str]
    outcome: str | None

    @classmethod
    def of(cls, *seen: str, outcome: str | None) -> Expected:
        return cls(frozenset(seen), outcome)


@dataclass
class ChatTally:
    """What all clients of the guarded proxy saw.

    left: chats that the server began and whose client left. unsure: chats that may have any outcome
    or none, the left ones among them. seen: by kind, what `Chat.seen` told. good: what well-behaved
    clients saw.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    left: int = 0
    unsure: int = 0
    verdicts: int = 0
    good: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)

    def leave(self) -> None:
        self.left += 1
        self.unsure += 1

    def note(self, name: str, status: str, seen: str, expected: Expected) -> None:
        """status: that of the reply; seen: what `Chat.seen` makes of it."""
        self.statuses[status] += 1
        self.seen[f"{name}: {seen}"] += 1
        if seen == "200":
            self.verdicts += _VERDICTS_OF_A_CHAT
        if seen not in expected.seen:
            self.unsure += 1
            if seen != BUSY:
                self.unexpected[f"{name}: {seen} for {sorted(expected.seen)}"] += 1
        elif expected.outcome is not None:
            self.outcomes[expected.outcome] += 1
