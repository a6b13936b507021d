"""The hold-back buffer: what of a streamed answer waits, what is to be scored, what may go.

Laws, held by property tests: what is released of a choice is a beginning of what came; nothing is
released before a verdict covered it; whatever was not cut is released in the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

from postern.chat_guard.readable import (
    Path,
    opened,
    whole_characters,
)
from postern.contract.errors import UpstreamInvalid

Event = TypeVar("Event")
ScoreAt = Literal["sentence", "tokens"]

# About what chat models count as tokens: eight letters of a word, a mark, a character of a script
# without spaces.
_TOKEN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]{1,8}|[^\w\s]|_")
_SENTENCE_END: Final = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]*_]*\s|[\u3002\uff01\uff1f\uff61]|\n"
)
_CHARS_PER_TOKEN: Final = 16
# "1. ", "Mr. ", "Oh! ": not worth a forward pass each.
_SHORTEST_SENTENCE_TOKENS: Final = 5
_CALLS: Final = frozenset({"tool_calls", "function_call"})
# Textless events (the role, a filter's notes) wait for the first verdict, so that it can still
# choose the status of the reply; no more of them than this.
_MAX_LEAD: Final = 16
MAX_CHOICES: Final = 128


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """When held text is scored: at sentence ends or not, and after so many tokens at the latest.

    tail_chars: of a long answer, what is scored before its end; at the end all of it is.
    """

    at: ScoreAt
    every_tokens: int
    tail_chars: int

    def due(self, text: str) -> bool:
        tokens = sum(1 for _ in _TOKEN.finditer(text))
        # White space alone counts as no token, and must not be gathered for ever.
        if tokens >= self.every_tokens or len(text) >= _CHARS_PER_TOKEN * self.every_tokens:
            return True
        ended = self.at == "sentence" and _SENTENCE_END.search(text) is not None
        return ended and tokens >= _SHORTEST_SENTENCE_TOKENS


@dataclass(frozen=True, slots=True)
class Bounds:
    """chars: of all text of one choice; held_bytes: of all events that wait."""

    chars: int
    held_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Text to be scored, and up to which event the verdict on it counts."""

    choice: int
    text: str
    upto: int
    complete: bool
    """All of the answer, not the tail of it."""


@dataclass(slots=True)
class _Choice:
    channels: dict[Path, list[str]] = field(default_factory=dict)
    chars: int = 0
    unscored: list[str] = field(default_factory=list)
    waits: bool = False
    """An event waits for a verdict."""
    calling: bool = False
    """A tool is being called: its arguments mean something only when they are complete."""
    finished: bool = False
    cut: bool = False
    scored: int = -1


@dataclass(frozen=True, slots=True)
class _Held(Generic[Event]):
    number: int
    choice: int | None
    waits: bool
    event: Event
    n_bytes: int


class HoldBack(Generic[Event]):
    """All choices of one streamed answer. Pure: no clock, no I/O."""

    def __init__(self, rule: ScoreRule, bounds: Bounds) -> None:
        self._rule = rule
        self._bounds = bounds
        self._choices: dict[int, _Choice] = {}
        self._held: list[_Held[Event]] = []
        self._held_bytes = 0
        self._number = 0
        self._released_text = False
        self._ended = False
        self._may_release = False

    @property
    def cut_choices(self) -> int:
        return sum(choice.cut for choice in self._choices.values())

    @property
    def complete(self) -> bool:
        """Every choice that has begun has said how it ended."""
        return bool(self._choices) and all(
            choice.finished or choice.cut for choice in self._choices.values()
        )

    def add(
        self,
        choice: int | None,
        fragments: Iterable[tuple[Path, str]],
        event: Event,
        *,
        n_bytes: int,
        finished: bool = False,
    ) -> None:
        """Takes an event with the text of one choice, or (None) of no choice at all.

        Raises UpstreamInvalid when a bound is passed.
        """
        waits = blocked = False
        if choice is not None:
            if not 0 <= choice < MAX_CHOICES:
                raise UpstreamInvalid("the upstream numbers its choices wrongly")
            state = self._choices.setdefault(choice, _Choice())
            if state.cut:
                return
            blocked = state.waits
            waits = self._read(state, fragments, finished=finished)
        # Thousands of pieces of a tool call may be held: they are not gone through for each.
        self._may_release = self._may_release or not (waits or blocked)
        self._held.append(_Held(self._number, choice, waits, event, n_bytes))
        self._number += 1
        self._held_bytes += n_bytes
        if self._held_bytes > self._bounds.held_bytes:
            raise UpstreamInvalid("the upstream sends more than can be held back")

    def _read(
        self, state: _Choice, fragments: Iterable[tuple[Path, str]], *, finished: bool
    ) -> bool:
        """Whether the event has to wait for a verdict."""
        has_text = False
        for path, text in fragments:
            has_text = True
            state.channels.setdefault(path, []).append(text)
            state.unscored.append(text)
            state.chars += len(text)
            state.calling = state.calling or any(part in _CALLS for part in path[:2])
        if state.chars > self._bounds.chars:
            raise UpstreamInvalid("the answer is longer than can be judged")
        state.finished = state.finished or finished
        only_tail = finished and state.chars > self._rule.tail_chars
        waits = has_text or only_tail
        state.waits = state.waits or waits
        return waits

    def end(self) -> None:
        """Nothing more will come: all that waits is to be scored, in full."""
        self._ended = self._may_release = True
        for state in self._choices.values():
            state.waits = state.waits or (
                not state.finished and not state.cut and state.chars > self._rule.tail_chars
            )

    def due(self) -> list[Snapshot]:
        """What is to be scored now; the order is that of the choices."""
        return [
            self._snapshot(number, state)
            for number, state in sorted(self._choices.items())
            if self._is_due(state)
        ]

    def _is_due(self, state: _Choice) -> bool:
        if state.cut or not state.waits:
            return False
        if state.finished or self._ended:
            return True
        return not state.calling and self._rule.due("".join(state.unscored))

    def _snapshot(self, number: int, state: _Choice) -> Snapshot:
        for parts in state.channels.values():
            parts[:] = ["".join(parts)]
        complete = state.finished or self._ended
        text = "\n".join(
            opened(parts[0]) if any(name in _CALLS for name in path[:2]) else parts[0]
            for path, parts in state.channels.items()
        )
        if not complete:
            text = _tail(text, self._rule.tail_chars)
        return Snapshot(number, whole_characters(text), self._number - 1, complete)

    def passed(self, snapshot: Snapshot) -> None:
        """The text was judged and found harmless."""
        self._may_release = True
        state = self._choices[snapshot.choice]
        state.scored = max(state.scored, snapshot.upto)
        still = [one for one in self._held if one.choice == snapshot.choice and one.waits]
        state.waits = any(one.number > state.scored for one in still)
        if not state.waits:
            state.unscored = []

    def cut(self, choice: int) -> None:
        """The text was found harmful: what waits of this choice, and all that follows, is gone."""
        self._may_release = True
        state = self._choices[choice]
        state.cut, state.waits, state.unscored = True, False, []
        state.channels.clear()
        self._held = [one for one in self._held if one.choice != choice]
        self._held_bytes = sum(one.n_bytes for one in self._held)

    def take(self) -> list[Event]:
        """The events that may go now, in order."""
        if not self._may_release:
            return []
        self._may_release = False
        free: list[_Held[Event]] = []
        kept: list[_Held[Event]] = []
        blocked: set[int] = set()
        for one in self._held:
            if one.choice is None:
                (kept if kept else free).append(one)
            elif one.choice in blocked or (
                one.waits and one.number > self._choices[one.choice].scored
            ):
                blocked.add(one.choice)
                kept.append(one)
            else:
                free.append(one)
        has_text = any(one.waits for one in free)
        begun = has_text or self._released_text or self._ended or self.cut_choices > 0
        if not begun and not self.complete and len(self._held) < _MAX_LEAD:
            return []
        self._released_text = self._released_text or has_text
        self._held = kept
        self._held_bytes = sum(one.n_bytes for one in kept)
        return [one.event for one in free]


def _tail(text: str, length: int) -> str:
    """The last `length` characters, from the beginning of a word on."""
    if len(text) <= length:
        return text
    tail = text[-length:]
    word = tail.find(" ", 0, 64)
    return tail[word + 1 :]
