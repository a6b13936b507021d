"""The hold-back buffer: decides which text of a streamed answer waits, is scored, or may pass.

Property tests hold these laws: the released text of a choice is a beginning of what came; nothing
is released before a verdict covers it; whatever was not cut is released in the end; and all of this
depends only on the events and their text, not on when their bytes came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from postern.chat_guard.bounds import MAX_CHOICES
from postern.chat_guard.pacing import Pacer, ScoreRule
from postern.chat_guard.readable import Found, Path
from postern.chat_guard.said import Said
from postern.contract.errors import UpstreamInvalid

Event = TypeVar("Event")

# Chat completions and Messages, in this order.
_CALLS: Final = frozenset({"tool_calls", "function_call", "input"})
# Events without text (the role, a filter's notes) wait for the first verdict, so that it can still
# choose the status of the reply. This limits their number.
_MAX_LEAD: Final = 16


@dataclass(frozen=True, slots=True)
class Bounds:
    """chars: text of one choice; all_chars: of all choices together; held_bytes: of all waiting
    events."""

    chars: int
    held_bytes: int
    all_chars: int = 1 << 62


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Text to score, and the last event that the verdict on it covers."""

    choice: int
    text: str
    beside: str
    """Text beside the answer, in the same events."""
    upto: int
    complete: bool
    """Whether this is the whole answer, not its tail."""
    tokens: int
    """Tokens of the answer up to here."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[Event]):
    number: int
    waits: bool
    event: Event
    n_bytes: int


@dataclass(slots=True)
class _Choice(Generic[Event]):
    pacer: Pacer
    said: Said = field(default_factory=Said)
    held: deque[_Held[Event]] = field(default_factory=deque)
    last_waiting: int = -1
    """Number of the last event that has to wait for a verdict."""
    calling: bool = False
    """A tool is being called: its arguments have a meaning only when they are complete."""
    finished: bool = False
    cut: bool = False
    scored: int = -1
    sure_tokens: int = 0
    """Tokens of the text that was last found harmless."""

    @property
    def waits(self) -> bool:
        return self.last_waiting > self.scored


class HoldBack(Generic[Event]):
    """All choices of one streamed answer. No clock, no I/O."""

    def __init__(self, rule: ScoreRule, bounds: Bounds, *, whole_at_end: bool = False) -> None:
        """whole_at_end: score the whole answer at its end, even if all of it was scored before."""
        self._rule = rule
        self._whole_at_end = whole_at_end
        self._bounds = bounds
        self._choices: dict[int, _Choice[Event]] = {}
        self._others: deque[_Held[Event]] = deque()
        """Events of no choice."""
        self._held_bytes = 0
        self._n_held = 0
        self._chars = 0
        self._number = 0
        self._released_text = False
        self._ended = False

    @property
    def cut_choices(self) -> int:
        return sum(choice.cut for choice in self._choices.values())

    @property
    def complete(self) -> bool:
        """Whether every choice that has begun has ended."""
        return bool(self._choices) and all(
            choice.finished or choice.cut for choice in self._choices.values()
        )

    def add(
        self,
        choice: int | None,
        found: Sequence[Found],
        event: Event,
        *,
        n_bytes: int,
        finished: bool = False,
        beside: Sequence[tuple[Path, str]] = (),
        ends_a_call: bool = False,
    ) -> Snapshot | None:
        """Take an event with the text of one choice, or None of none. Returns what is due.

        beside: text in the event that belongs to no choice; it is attributed to any choice.
        ends_a_call: a call of a tool is complete, though the choice goes on. Raises UpstreamInvalid
        if a limit is exceeded.
        """
        if choice is None and beside:
            choice = min((n for n, one in self._choices.items() if not one.cut), default=0)
        if choice is None:
            self._hold(self._others, event, n_bytes, waits=False)
            return None
        if not 0 <= choice < MAX_CHOICES:
            raise UpstreamInvalid("the upstream numbers its choices wrongly")
        state = self._choices.get(choice)
        if state is None:
            state = self._choices[choice] = _Choice(Pacer(self._rule))
        if state.cut:
            return None
        before, number = state.said.chars, self._number
        text, upto = self._read(state, found, beside)
        self._chars += state.said.chars - before
        if state.said.chars > self._bounds.chars or self._chars > self._bounds.all_chars:
            raise UpstreamInvalid("the answer is longer than can be judged")
        state.finished = state.finished or finished
        waits = state.said.chars > before or (finished and self._wants_whole(state))
        if waits:
            state.last_waiting = number
        self._hold(state.held, event, n_bytes, waits=waits)
        if state.finished:
            return self._whole(choice, state) if state.waits else None
        if ends_a_call and state.calling:
            state.calling = False
            if state.waits:
                text, upto = state.said.recent(self._rule.tail_chars), number
        if text is None or state.calling or not state.scored < upto:
            return None
        beside_it = state.said.beside(new=True)
        tokens = state.pacer.scored_tokens
        return Snapshot(choice, text, beside_it, upto, complete=False, tokens=tokens)

    def _read(
        self,
        state: _Choice[Event],
        found: Sequence[Found],
        beside: Sequence[tuple[Path, str]],
    ) -> tuple[str | None, int]:
        """The text up to the last point at which it is due, and the last event that it covers."""
        text: str | None = None
        upto = -1
        for one in found:
            piece = state.said.text_in(one)
            if not piece:
                continue
            state.calling = state.calling or any(part in _CALLS for part in one.path[:2])
            place = state.pacer.feed(piece)
            if place is None:
                state.said.add(one.path, piece)
                upto = min(upto, self._number - 1)
                continue
            state.said.add(one.path, piece[:place])
            text = state.said.recent(self._rule.tail_chars)
            state.said.add(one.path, piece[place:])
            upto = self._number if place == len(piece) else self._number - 1
        for path, piece in beside:
            state.said.add_beside(path, piece)
        if text is not None and not self._covers(state, upto):
            return None, upto
        return text, upto

    def _covers(self, state: _Choice[Event], upto: int) -> bool:
        """Whether a verdict would release a waiting event: the current one, or an earlier one."""
        return upto == self._number or state.waits

    def _hold(self, queue: deque[_Held[Event]], event: Event, n_bytes: int, *, waits: bool) -> None:
        queue.append(_Held(self._number, waits, event, n_bytes))
        self._number += 1
        self._n_held += 1
        self._held_bytes += n_bytes
        if self._held_bytes > self._bounds.held_bytes:
            raise UpstreamInvalid("the upstream sends more than can be held back")

    def end(self) -> list[Snapshot]:
        """Nothing more will come: score everything that waits, in full."""
        self._ended = True
        due: list[Snapshot] = []
        for number, state in sorted(self._choices.items()):
            if not (state.finished or state.cut) and self._wants_whole(state):
                state.last_waiting = max(state.last_waiting, self._number)
            if state.waits and not state.cut:
                due.append(self._whole(number, state))
        return due

    def _wants_whole(self, state: _Choice[Event]) -> bool:
        """Whether no verdict so far covered the whole."""
        chars = state.said.chars
        return chars > self._rule.tail_chars or (self._whole_at_end and chars > 0)

    def _whole(self, number: int, state: _Choice[Event]) -> Snapshot:
        whole, beside = state.said.whole(), state.said.beside(new=False)
        tokens = state.pacer.scored_tokens
        return Snapshot(number, whole, beside, self._number, complete=True, tokens=tokens)

    def passed(self, snapshot: Snapshot) -> None:
        """The text was judged and found harmless."""
        state = self._choices[snapshot.choice]
        state.scored = max(state.scored, snapshot.upto)
        state.said.passed()
        state.sure_tokens = snapshot.tokens

    def doubted(self, snapshot: Snapshot) -> bool:
        """Whether to believe that the text is harmful, if it is found so, or to read more."""
        doubted = snapshot.tokens - self._choices[snapshot.choice].sure_tokens
        return snapshot.complete or doubted >= self._rule.doubt_tokens

    def cut(self, choice: int) -> None:
        """Discard what waits of this choice, and everything that follows."""
        state = self._choices[choice]
        state.cut, state.last_waiting = True, -1
        self._held_bytes -= sum(one.n_bytes for one in state.held)
        self._n_held -= len(state.held)
        state.held.clear()
        state.said = Said()

    def take(self) -> list[tuple[int | None, Event]]:
        """The events that may pass now, with their choices, in order."""
        free: list[tuple[_Held[Event], int | None]] = []
        fronts: list[int] = []
        for choice, state in self._choices.items():
            for one in state.held:
                if one.waits and one.number > state.scored:
                    fronts.append(one.number)
                    break
                free.append((one, choice))
        # An event of no choice keeps its place behind whatever waits.
        first = min(fronts, default=self._number)
        for one in self._others:
            if one.number > first:
                break
            free.append((one, None))
        has_text = any(one.waits for one, _ in free)
        begun = has_text or self._released_text or self._ended or self.cut_choices > 0
        if not free or (not begun and not self.complete and self._n_held < _MAX_LEAD):
            return []
        self._released_text = self._released_text or has_text
        return self._let_go(free)

    def _let_go(
        self, free: list[tuple[_Held[Event], int | None]]
    ) -> list[tuple[int | None, Event]]:
        for one, choice in free:
            (self._others if choice is None else self._choices[choice].held).popleft()
            self._held_bytes -= one.n_bytes
        self._n_held -= len(free)
        free.sort(key=lambda item: item[0].number)
        return [(choice, one.event) for one, choice in free]
