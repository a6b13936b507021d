"""The page at `/`: static files and a strict policy. It has no data and so needs no key."""

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
}
HEADERS = policy_headers(
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    # No script may make markup from strings, not even after a careless edit.
    "require-trusted-types-for 'script'",
)


def add_to(app: FastAPI) -> None:
    """Add `/` and `/page/<file>`. The files are read now, so that no request touches the disk."""
    files = {
        path.name: (path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in _FOLDER.iterdir()
        if path.suffix in _MEDIA_TYPES
    }

    def reply(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        content, media_type = files[name]
        return Response(content, media_type=media_type, headers=HEADERS)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return reply(_INDEX)

    @app.get("/page/{asset}", include_in_schema=False)
    async def page_asset(asset: str) -> Response:
        return reply(asset)
