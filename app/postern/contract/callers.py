"""The caller of a request: the number of its API key, or 0 if no keys are set. Never the key
itself.

A context variable carries it, because every dialect checks the key but only the queue needs to know
whose it was.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

_CALLER: Final = ContextVar("caller", default=0)


def set_caller(number: int) -> None:
    """Set the caller for the rest of this request and for the tasks that it starts."""
    _CALLER.set(number)


def current_caller() -> int:
    return _CALLER.get()
