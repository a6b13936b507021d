"""The current span, and the steps below it. Where nobody collects traces, all of this does nothing.

It knows no library. `tracing/otlp.py` does, and is imported only if traces are switched on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Literal, Protocol

from postern.tracing.names import Attribute, Step, Value

Kind = Literal["internal", "client"]
Headers = Iterable[tuple[bytes, bytes]]


class Span:
    """A span that nobody collects, and the base of those that somebody does."""

    __slots__ = ()

    def child(self, step: Step, *, kind: Kind = "internal", started: float | None = None) -> Span:
        """Begin a step below this one, now or at a time on the clock of deadlines."""
        return self

    def set(self, name: Attribute, value: Value) -> None:
        """Note a figure or a word of ours, never text of a user."""

    def rename(self, name: str) -> None:
        """Give it a name that was not known when it began: of fixed words, never of a caller's."""

    def fail(self, kind: str) -> None:
        """Mark it as failed. kind: slug of a problem, or name of a class; never a message."""

    def end(self, ended: float | None = None) -> None:
        """End it, now or at a time on the clock of deadlines. A second end changes nothing."""

    def headers(self) -> Mapping[str, str]:
        """The W3C context for whoever is asked during this step."""
        return {}


class Tracer(Protocol):
    """Begins the span of a request."""

    def request(self, method: str, headers: Headers, *, started: float) -> Span:
        """headers: of the request, from which the caller's W3C context is taken."""
        ...

    def close(self) -> None:
        """Send what is left, as far as that is quick."""
        ...


W3C: Final = ("traceparent", "tracestate")
"""Headers that carry the context of a trace, in lower case."""
NOTHING: Final = Span()
_CURRENT: Final[ContextVar[Span]] = ContextVar("span", default=NOTHING)


def current() -> Span:
    """The span around the running code; one that does nothing if there is none."""
    return _CURRENT.get()


class Around:
    """Makes a span the current one, and ends it. An exception marks it as failed, by its class."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Span] | None = None

    def __enter__(self) -> Span:
        if self._span is not NOTHING:
            self._token = _CURRENT.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        _CURRENT.reset(self._token)
        if kind is not None:
            self._span.fail(kind.__name__)
        self._span.end()


def step(name: Step, *, kind: Kind = "internal") -> Around:
    """A step below the current one, for `with`."""
    return Around(_CURRENT.get().child(name, kind=kind))


def past(name: Step, started: float, ended: float) -> None:
    """A step that is already over. Times are on the clock of deadlines."""
    span = _CURRENT.get()
    if span is not NOTHING:
        span.child(name, started=started).end(ended)
