"""Files for pages that judge on the device: the student, and the package that runs it.

All are read when the server starts, and a request only names one of them: no path is ever made
from what a caller sends.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from postern.contract.artifact import MANIFEST, read_artifact, read_listed
from postern.contract.errors import SettingsInvalid
from postern.server.browsers import policy_headers
from postern.settings.settings import Settings

_MEDIA_TYPES: Final = {
    ".json": "application/json",
    ".js": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
    ".md": "text/markdown; charset=utf-8",
    ".png": "image/png",
}
_OTHER_TYPE: Final = "application/octet-stream"
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_REVALIDATED: Final = "no-cache"
# A smaller gain is not worth the memory.
_WORTH_PACKING: Final = 0.95
_PACKED_LEVEL: Final = 6
# The protocol gives each piece its own time, so a slow phone is not cut off.
_PIECE_BYTES: Final = 64 << 10
_PACKAGE_TYPES: Final = (".js", ".wasm", ".bin")
_NEEDED: Final = (
    "index.js",
    "worker.js",
    "languages.bin",
    "vendor/ort-wasm-simd-threaded.wasm",
)

# What the package's worker may do: compile WebAssembly, and nothing else that a page may not.
WORKER_HEADERS: Final = policy_headers("script-src 'self' 'wasm-unsafe-eval'")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """packed: with gzip; None if that saves little."""

    content: bytes
    sha256: str
    media_type: str
    packed: bytes | None

    @classmethod
    def of(cls, name: str, content: bytes) -> PublishedFile:
        packed = gzip.compress(content, _PACKED_LEVEL, mtime=0)
        return cls(
            content,
            hashlib.sha256(content).hexdigest(),
            _MEDIA_TYPES.get(Path(name).suffix, _OTHER_TYPE),
            packed if len(packed) < _WORTH_PACKING * len(content) else None,
        )


def artifact_files(folder: Path) -> dict[str, PublishedFile]:
    """The manifest and every file that it lists, verified. Raises ArtifactInvalid."""
    manifest = read_artifact(folder).manifest
    files = {name: read_listed(folder, name, entry) for name, entry in manifest.files.items()}
    files[MANIFEST] = (folder / MANIFEST).read_bytes()
    return {name: PublishedFile.of(name, content) for name, content in files.items()}


def package_files(folder: Path) -> dict[str, PublishedFile]:
    """Scripts, WebAssembly and data of the built package, by path. Raises SettingsInvalid."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _PACKAGE_TYPES)
    found = {path.relative_to(folder).as_posix(): path for path in paths if path.is_file()}
    if not set(_NEEDED) <= found.keys():
        raise SettingsInvalid(
            "POSTERN_ON_DEVICE: the folder holds no built package; "
            "run `npm ci && npm run build` in on_device/ and name on_device/dist"
        )
    return {name: PublishedFile.of(name, path.read_bytes()) for name, path in found.items()}


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add `/artifact/<file>` and `/on_device/<path>`, where the settings ask for them.

    Raises ArtifactInvalid, SettingsInvalid.
    """
    if settings.server.serve_artifact:
        student = artifact_files(settings.engine.artifact)

        @app.get("/artifact/{name}", include_in_schema=False)
        async def artifact_file(request: Request, name: str) -> Response:
            return _reply(request, student, name, policy_headers())

    if settings.server.on_device is not None:
        package = package_files(settings.server.on_device)

        @app.get("/on_device/{path:path}", include_in_schema=False)
        async def package_file(request: Request, path: str) -> Response:
            return _reply(request, package, path, WORKER_HEADERS)


def _reply(
    request: Request, files: Mapping[str, PublishedFile], name: str, policy: Mapping[str, str]
) -> Response:
    """The file, or 304. With its hash in the query, caches may keep it for ever."""
    file = files.get(name)
    asked = request.query_params.get("sha256")
    if file is None or asked not in (None, file.sha256):
        raise HTTPException(404)
    tag = f'"{file.sha256}"'
    headers = dict(policy) | {
        "ETag": tag,
        "Vary": "Accept-Encoding",
        "Cache-Control": _REVALIDATED if asked is None else _IMMUTABLE,
    }
    known = request.headers.get("if-none-match", "")
    if tag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(status_code=304, headers=headers)
    content = file.content
    if file.packed is not None and _takes_gzip(request):
        content = file.packed
        headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(content))
    return StreamingResponse(_pieces(content), media_type=file.media_type, headers=headers)


def _takes_gzip(request: Request) -> bool:
    """Whether gzip stands among the codings that are accepted, and is not refused by `q=0`."""
    for coding in request.headers.get("accept-encoding", "").split(","):
        name, *parameters = (part.strip().lower() for part in coding.split(";"))
        if name == "gzip":
            return not any(one.replace(" ", "") in ("q=0", "q=0.0") for one in parameters)
    return False


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE_BYTES):
        yield content[start : start + _PIECE_BYTES]
