"""A model behind OpenAI's chat endpoint, over real HTTP, that says what a test tells it to say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubUpstream:
    """message: of the next answers. asked: bodies of the requests that reached the model."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": "Bread needs flour."}
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    def completion(self) -> dict[str, Any]:
        reason = "tool_calls" if "tool_calls" in self.message else "stop"
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "my-model",
            "choices": [{"index": 0, "message": self.message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }


@contextmanager
def stub_upstream() -> Iterator[StubUpstream]:
    """Listens on a free port of this machine until the end of the block."""
    stub = StubUpstream()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.asked.append(json.loads(body))
            answer = json.dumps(stub.completion()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
