"""The deployment of `serve.yaml`: each replica is a whole Postern, with a queue of its own.

Left out, because Serve's own HTTP server stands in front: the limits on headers and slow clients,
and the metrics of the connections. `/metrics` answers for the replica that is asked; Ray's own
metrics count all of them.
"""

from __future__ import annotations

import os
from typing import Any, Final

from postern import logs
from postern.clock import now
from postern.composition.student import load_student
from postern.http.loop_turns import LoopTurns
from postern.main import application
from postern.settings.settings import read_settings
from ray import serve

_OK: Final = 200


def build() -> Any:
    """The ASGI application, when a replica starts. Raises ArtifactInvalid, SettingsInvalid."""
    os.putenv("TOKENIZERS_PARALLELISM", "false")
    settings = read_settings()
    logs.configure(settings.server.log_level)
    # Serve's proxies are elsewhere, so Host is checked only if POSTERN_ALLOWED_HOSTS names some.
    app, _, _ = application(settings, load_student(settings), turns=LoopTurns(now), address=None)
    return app


class NotReady(Exception):
    """Serve replaces a replica that raises it."""


@serve.deployment
@serve.ingress(build)
class Postern:
    """Ray counts a replica as healthy while its /readyz says so."""

    async def check_health(self) -> None:
        """Raises NotReady."""
        status = await _status(self.app, "/readyz")  # type: ignore[attr-defined]
        if status != _OK:
            raise NotReady(f"/readyz answered {status}")


async def _status(app: Any, path: str) -> int:
    found = 0
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": None,
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal found
        found = message.get("status", found)

    await app(scope, receive, send)
    return found


app = Postern.bind()  # type: ignore[attr-defined]
