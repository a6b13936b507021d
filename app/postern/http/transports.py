"""Layers between protocol and socket: paused reading, and a close that lingers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Keeps reading paused while too much waits to be parsed, even if somebody asks to resume."""

    full = False

    def resume_reading(self) -> None:
        if not self.full:
            super().resume_reading()


class LingeringTransport:
    """A transport that closes only after reading what the peer still sends."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._transport = transport
        self.close = close
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
