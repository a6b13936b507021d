"""A collector on a real socket that takes traces as OTLP over HTTP, or takes them and is silent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

from tests.server_process import HANG_S

KINDS = {1: "internal", 2: "server", 3: "client"}


@dataclass
class Seen:
    """A span as it arrived, with the spans below it in the order of their beginning."""

    wire: WireSpan
    children: list[Seen] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.wire.name)

    @property
    def kind(self) -> str:
        return KINDS[self.wire.kind]

    @property
    def attributes(self) -> dict[str, Any]:
        return values(self.wire.attributes)

    @property
    def failed(self) -> bool:
        return bool(self.wire.status.code == 2)

    @property
    def traceparent(self) -> str:
        return f"00-{self.wire.trace_id.hex()}-{self.wire.span_id.hex()}-01"

    def tree(self) -> dict[str, Any]:
        """Names alone. Names that come twice are numbered."""
        found: dict[str, Any] = {}
        for child in self.children:
            name, number = child.name, 2
            while name in found:
                name, number = f"{child.name} {number}", number + 1
            found[name] = child.tree()
        return found

    def find(self, *path: str) -> Seen:
        """The first descendant along these names."""
        seen = self
        for name in path:
            seen = next(child for child in seen.children if child.name == name)
        return seen

    def all(self) -> list[Seen]:
        return [self, *(one for child in self.children for one in child.all())]


def values(attributes: Any) -> dict[str, Any]:
    def value(one: KeyValue) -> Any:
        return getattr(one.value, one.value.WhichOneof("value") or "string_value")

    return {one.key: value(one) for one in attributes}


class Collector:
    """silent: reads what comes and never answers."""

    def __init__(self, *, silent: bool = False) -> None:
        self.raw: list[bytes] = []
        self.paths: set[str] = set()
        self.resources: list[dict[str, Any]] = []
        self._spans: list[WireSpan] = []
        self._over = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body)
                if silent:
                    collector._over.wait()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self, path: str, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        self.paths.add(path)
        for resource in request.resource_spans:
            self.resources.append(values(resource.resource.attributes))
            for scope in resource.scope_spans:
                self._spans += scope.spans

    def root_of(self, request_id: str) -> Seen:
        """The span of a request, as soon as it came, with all below it."""
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            for span in list(self._spans):
                if values(span.attributes).get("postern.request_id") == request_id:
                    return self._below(span)
            time.sleep(0.02)
        raise AssertionError(f"no span of {request_id}; {len(self._spans)} others")

    def _below(self, span: WireSpan) -> Seen:
        own = [one for one in self._spans if one.trace_id == span.trace_id]
        own.sort(key=lambda one: one.start_time_unix_nano)
        children = [self._below(one) for one in own if one.parent_span_id == span.span_id]
        return Seen(span, children)

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
