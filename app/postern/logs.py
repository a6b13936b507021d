"""JSON log lines on standard error. Sizes, timings and verdicts; never text, never keys."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson

LOGGER = logging.getLogger("postern")


class JsonFormatter(logging.Formatter):
    """One JSON object per line. Exceptions are shown by type and place, without their message:
    a message of a library can repeat its input."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = type(record.exc_info[1]).__name__
            line["at"] = [
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
                for frame in traceback.extract_tb(record.exc_info[2])[-8:]
            ]
        return orjson.dumps(line, default=str).decode()


def configure(level: str) -> None:
    """Sends all loggers of this process through the formatter."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # uvicorn announces what our own start line already says.
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    # Each request to the upstream has a line of ours already.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel("WARNING")


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """One line: what happened, and its figures."""
    LOGGER.log(level, event, extra={"fields": fields})
