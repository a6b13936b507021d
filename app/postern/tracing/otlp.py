"""Spans by OpenTelemetry's SDK, sent as OTLP over HTTP.

Only the composition imports this, and only if traces are switched on. The standard `OTEL_*`
variables choose address, headers, sampling and resource. Nothing here is global, so that other
users of the library in this process are left alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from postern.tracing.names import METHODS, OTHER_METHOD, Attribute, Step, Value
from postern.tracing.spans import W3C, Headers, Kind, Span

_KINDS: Final = {"internal": trace.SpanKind.INTERNAL, "client": trace.SpanKind.CLIENT}
_CONTEXT: Final = frozenset(name.encode() for name in W3C)
_CLOSE_S: Final = 2.0
_NS: Final = 1_000_000_000


About = Mapping[Step, Mapping[Attribute, Value]]
"""Attributes that every span of a step has."""


class OtlpSpan(Span):
    """A span of the library. offset_ns: from the clock of deadlines to that of the world."""

    __slots__ = ("_about", "_offset_ns", "_span", "_tracer")

    def __init__(
        self, tracer: trace.Tracer, span: trace.Span, *, offset_ns: int, about: About
    ) -> None:
        self._tracer = tracer
        self._span = span
        self._offset_ns = offset_ns
        self._about = about

    def child(self, step: Step, *, kind: Kind = "internal", started: float | None = None) -> Span:
        span = self._tracer.start_span(
            step,
            trace.set_span_in_context(self._span),
            _KINDS[kind],
            {str(name): value for name, value in self._about.get(step, {}).items()},
            start_time=self._time(started),
        )
        return OtlpSpan(self._tracer, span, offset_ns=self._offset_ns, about=self._about)

    def set(self, name: Attribute, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        # Not `record_exception`, which would send the message.
        self._span.set_attribute(Attribute.ERROR, kind)
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self, ended: float | None = None) -> None:
        if self._span.is_recording():
            self._span.end(self._time(ended))

    def headers(self) -> Mapping[str, str]:
        sent: dict[str, str] = {}
        _PROPAGATOR.inject(sent, trace.set_span_in_context(self._span))
        return sent

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def _time(self, at: float | None) -> int:
        return (time.monotonic_ns() if at is None else int(at * _NS)) + self._offset_ns


_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtlpTracer:
    """Sends spans in batches from a thread of its own. What finds no room in its queue is lost."""

    def __init__(self, *, version: str, about: About) -> None:
        """version: of Postern. Raises ValueError if a variable `OTEL_*` has an invalid value."""
        # Its warnings repeat headers of callers.
        logging.getLogger("opentelemetry.trace").setLevel(logging.CRITICAL)
        own = Resource.create({SERVICE_NAME: "postern", SERVICE_VERSION: version})
        self._provider = TracerProvider(
            resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("postern", version)
        self._about = about

    def request(self, method: str, headers: Headers, *, started: float) -> Span:
        """Begin the span of a request, below the caller's span if it sent one."""
        carrier = {
            str(name, "latin-1"): str(value, "latin-1")
            for name, value in headers
            if name in _CONTEXT
        }
        known = method if method in METHODS else OTHER_METHOD
        offset_ns = time.time_ns() - time.monotonic_ns()
        span = self._tracer.start_span(
            known,
            _PROPAGATOR.extract(carrier),
            trace.SpanKind.SERVER,
            {Attribute.METHOD: known},
            start_time=int(started * _NS) + offset_ns,
        )
        return OtlpSpan(self._tracer, span, offset_ns=offset_ns, about=self._about)

    def close(self) -> None:
        """Send what is left. A collector that does not answer holds nothing up for long."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)
