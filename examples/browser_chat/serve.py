"""Serves this example: the page, the built package, the student, and a chat model behind /v1/.

    python examples/browser_chat/serve.py --upstream http://127.0.0.1:8080 --port 8020

It stands in for your own server. Only the standard library.
"""

from __future__ import annotations

import argparse
import urllib.error
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

EXAMPLE = Path(__file__).resolve().parent
CLONE = EXAMPLE.parent.parent
LARGEST_BODY = 1 << 20
# The worker of the package compiles WebAssembly, so its files may; nothing else may be loaded.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Handler(SimpleHTTPRequestHandler):
    """Files below three folders, and POST to the upstream."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }
    folders: dict[str, Path]
    upstream: str

    def translate_path(self, path: str) -> str:
        plain = unquote(urlsplit(path).path)
        prefix = next((one for one in self.folders if plain.startswith(one)), "/")
        folder = self.folders[prefix]
        found = (folder / plain.removeprefix(prefix)).resolve()
        return str(found if found.is_relative_to(folder) else folder / "nothing")

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", "0"))
        if not self.path.startswith("/v1/") or not 0 < size <= LARGEST_BODY:
            self.send_error(404)
            return
        body = self.rfile.read(size)
        request = urllib.request.Request(
            self.upstream + self.path, body, {"Content-Type": "application/json"}
        )
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.URLError:
            self.send_error(502)
            return
        with answer:
            self.send_response(200)
            self.send_header("Content-Type", answer.headers.get_content_type())
            self.end_headers()
            while piece := answer.read1():
                self.wfile.write(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True, help="base URL of an OpenAI-compatible API")
    parser.add_argument("--port", type=int, default=8020)
    parser.add_argument("--package", type=Path, default=CLONE / "on_device/dist")
    parser.add_argument(
        "--artifact", type=Path, default=max((CLONE / "artifacts/postern-minilm").iterdir())
    )
    asked = parser.parse_args()
    Handler.upstream = asked.upstream.rstrip("/")
    Handler.folders = {
        "/on_device/": asked.package.resolve(),
        "/artifact/": asked.artifact.resolve(),
        "/": EXAMPLE,
    }
    with ThreadingHTTPServer(("127.0.0.1", asked.port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
