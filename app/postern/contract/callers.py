"""Whom a request is for: the number of its API key, and 0 where none is set. Never the key itself.

A context variable, because every dialect checks the key and only the queue asks whose it was.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

_CALLER: Final = ContextVar("caller", default=0)


def set_caller(number: int) -> None:
    """For the rest of this request, and the tasks that it starts."""
    _CALLER.set(number)


def current_caller() -> int:
    return _CALLER.get()
