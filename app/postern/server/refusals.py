"""Answers to refusals before there is a request.

No application sees these, but metrics count them.
"""

from __future__ import annotations

import logging
import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from postern.contract.errors import RequestRefused
from postern.endpoints.error_shapes import error_shape_of
from postern.http import errors as http_errors
from postern.logs import LOGGER, log
from postern.metrics import Metrics

_UNMATCHED = "unmatched"


class Refusals:
    """Writes, counts and logs refusals."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def answer(self, error: RequestRefused, path: str) -> bytes:
        """The whole reply, which closes the connection. path: "" if none was read."""
        request_id = secrets.token_hex(8)
        failure = http_errors.failure_of(error, request_id=request_id)
        response = error_shape_of(path).response(failure)
        self._metrics.rejected.labels(failure.problem.slug).inc()
        self._metrics.requests.labels(_UNMATCHED, str(response.status_code)).inc()
        if LOGGER.isEnabledFor(logging.INFO):
            log("refused", request_id=request_id, problem=failure.problem.slug)
        head = [
            *response.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % one for one in head)
        return STATUS_LINE[response.status_code] + lines + b"\r\n" + bytes(response.body)

    def cut(self, reason: str) -> None:
        """Report that the connection of a slow client was closed. reason: `slow-…`."""
        self._metrics.connections_cut.labels(reason).inc()
