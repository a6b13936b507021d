"""The page at `/`: static files and a strict policy. It has no data and so needs no key.

Where it may judge on the device, it is also an application that browsers install and run offline.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

from postern.server.browsers import policy_headers

_FOLDER = Path(__file__).resolve().parents[1] / "page"
_INDEX = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_DIRECTIVES = (
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    # No script may make markup from strings, not even after a careless edit.
    "require-trusted-types-for 'script'",
)
HEADERS = policy_headers(*_DIRECTIVES)
_APPLICATION_HEADERS = policy_headers(*_DIRECTIVES, "manifest-src 'self'")
# The page reads it, also where no server is there to be asked.
_ROOT, _MARKED_ROOT = b'<html lang="en">', b'<html lang="en" data-on-device>'
_SERVICE_WORKER = "service_worker.js"


def add_to(app: FastAPI, *, on_device: bool = False) -> None:
    """Add `/` and `/page/<file>`. The files are read now, so that no request touches the disk.

    on_device: the page has a switch to judge in the browser.
    """
    files = {
        path.name: (path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in _FOLDER.iterdir()
        if path.suffix in _MEDIA_TYPES
    }

    headers = _APPLICATION_HEADERS if on_device else HEADERS
    if on_device:
        content, media_type = files[_INDEX]
        files[_INDEX] = content.replace(_ROOT, _MARKED_ROOT, 1), media_type

    def reply(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        content, media_type = files[name]
        return Response(content, media_type=media_type, headers=headers)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return reply(_INDEX)

    @app.get("/page/{asset}", include_in_schema=False)
    async def page_asset(asset: str) -> Response:
        return reply(asset)

    if on_device:
        # At the top, because a service worker rules only what lies below it.
        @app.get(f"/{_SERVICE_WORKER}", include_in_schema=False)
        async def service_worker() -> Response:
            return reply(_SERVICE_WORKER)
