"""Browsers and Node at a page of the package, and the server that they get files from and tell."""

from __future__ import annotations

import functools
import json
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast

from postern.contract.exchange import Exchange

PACKAGE: Final = Path(__file__).resolve().parents[2] / "on_device"
ENGINES: Final = ("chromium", "firefox", "node")
_TYPES: Final = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}
# Without any word from the engine for so long, it hangs.
_SILENCE_S: Final = 900.0


class _Handler(SimpleHTTPRequestHandler):
    """Serves the package, other folders beside it, and the exchanges; takes the results."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | _TYPES

    def __init__(self, *arguments: Any, served: Served) -> None:
        self._served = served
        super().__init__(*arguments, directory=str(served.package))

    def do_GET(self) -> None:
        if self.path != "/exchanges":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self._served.exchanges)))
        self.end_headers()
        self.wfile.write(self._served.exchanges)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._served.told.put(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def translate_path(self, path: str) -> str:
        file = Path(super().translate_path(path))
        inside = file.relative_to(self._served.package)
        if inside.parts[:1] and inside.parts[0] in self._served.folders:
            file = self._served.folders[inside.parts[0]].joinpath(*inside.parts[1:])
        if file.is_file():
            self._served.asked.add(file)
        return str(file)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@dataclass(frozen=True)
class Served:
    """A measuring server: what it serves, what it was told, and the files that it was asked for."""

    package: Path
    folders: Mapping[str, Path]
    """First part of a path -> the folder that it stands for."""
    exchanges: bytes
    told: queue.Queue[Any] = field(default_factory=queue.Queue)
    asked: set[Path] = field(default_factory=set)


@contextmanager
def serving(
    package: Path, folders: Mapping[str, Path], exchanges: Sequence[Exchange] = ()
) -> Iterator[tuple[str, Served]]:
    """The URL of a measuring server, and the server."""
    content = json.dumps([[one.prompt, one.response] for one in exchanges]).encode()
    served = Served(package.resolve(), folders, content)
    handler = functools.partial(_Handler, served=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), cast(Any, handler)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", served
        finally:
            server.shutdown()


def command_of(engine: str, package: Path, url: str, profile: Path) -> list[str]:
    """What starts the engine at the measuring page. Raises FileNotFoundError where it is absent."""
    if engine == "node":
        return [found("node"), str(package / "measure/logits.mjs"), url]
    page = f"{url}/measure/"
    if engine == "firefox":
        return [found("firefox-esr", "firefox"), "--headless", "--profile", str(profile), page]
    return [found("chromium"), *CHROMIUM_FLAGS, f"--user-data-dir={profile}", page]


CHROMIUM_FLAGS: Final = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-dev-shm-usage", "--no-proxy-server"),
)


def found(*names: str) -> str:
    """Path of the first of these programs that is there. Raises FileNotFoundError."""
    for name in names:
        if (path := shutil.which(name)) is not None:
            return path
    raise FileNotFoundError(f"{' or '.join(names)} is not on PATH")


def ask_engine(
    engine: str,
    package: Path,
    artifact: Path,
    exchanges: Sequence[Exchange],
    hear: Callable[[str, list[Any]], None],
) -> None:
    """Hand the engine the exchanges; `hear` gets its name and the logits of each next few.

    Raises RuntimeError if the engine fails or falls silent.
    """
    with (
        serving(package, {"artifact": artifact}, exchanges) as (url, served),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        process = subprocess.Popen(
            command_of(engine, package, url, Path(profile)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while True:
                try:
                    message = served.told.get(timeout=_SILENCE_S)
                except queue.Empty:
                    raise RuntimeError(f"{engine} fell silent") from None
                if "failed" in message:
                    raise RuntimeError(f"{engine}: {message['failed']}")
                if "done" in message:
                    return
                hear(str(message["agent"]), message["logits"])
        finally:
            process.terminate()
            process.wait()
