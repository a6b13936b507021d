"""Listening and draining: the life of the process, controlled by signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from postern.clock import now
from postern.contract.errors import SettingsInvalid
from postern.inference.health import Health
from postern.logs import log
from postern.server.exposure import check_exposure, checked_host, listen_in_files
from postern.settings.settings import Settings

_SEND_BUFFER_BYTES = 1 << 18


class DrainingServer(uvicorn.Server):
    """Like uvicorn's, but a signal first makes the server unready, and a clean stop exits with
    0."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        health: Health,
        drain_delay_s: float,
        on_hangup: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """on_hangup: run on the event loop at SIGHUP. It never raises."""
        super().__init__(config)
        self._reload = on_hangup
        self._hung_up = False
        self._reloads: set[asyncio.Future[None]] = set()
        self._health = health
        self._drain_delay_s = drain_delay_s
        self._stop_at: float | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Like uvicorn's, but does not raise the signal again at the end, which would not exit with
        0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM)
        originals = {sig: signal.signal(sig, self.handle_exit) for sig in caught}
        # Where it is ignored (nohup), it stays so, unless there is something to read again.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL or self._reload is not None:
            originals[signal.SIGHUP] = signal.signal(signal.SIGHUP, self.on_hangup)
        try:
            yield
        finally:
            for sig, handler in originals.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stop_at is not None and sig == signal.SIGINT:
            self.force_exit = True  # pressed twice
        if self._stop_at is None:  # a second signal does not restart the delay
            self._health.unready = True
            self._stop_at = now() + self._drain_delay_s

    def on_hangup(self, sig: int, frame: FrameType | None) -> None:
        """A closing terminal, or a reload: requests in flight continue."""
        if self._reload is None:
            log("hangup-ignored", level=logging.WARNING)
        self._hung_up = True

    async def on_tick(self, counter: int) -> bool:
        if self._hung_up and self._reload is not None:
            self._hung_up = False
            reload = asyncio.ensure_future(self._reload())
            self._reloads.add(reload)
            reload.add_done_callback(self._reloads.discard)
        if self._stop_at is not None and now() >= self._stop_at:
            self._health.draining = True
            self.should_exit = True
        return await super().on_tick(counter)


def listen(settings: Settings, *, has_keys: bool) -> socket.socket:
    """A bound, listening socket. Raises SettingsInvalid."""
    host, port, uds = settings.server.host, settings.server.port, settings.server.uds
    if uds is not None:
        return listen_in_files(uds)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            checked_host(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        check_exposure(settings, address=str(address[0]), has_keys=has_keys)
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Otherwise the system would buffer up to 4 MB for each client that does not read.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(2048)
    except OSError as exc:
        raise SettingsInvalid(f"cannot listen on {host}:{port} ({exc.strerror})") from exc
    listener.setblocking(False)
    return listener
