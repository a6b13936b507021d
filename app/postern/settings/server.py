"""Where the server listens, how it stops, and the limits of one request or connection."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from postern.settings.names import checked_prefix
from postern.settings.section import Section


class ServerSettings(Section):
    """The server process."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    page: bool = Field(
        True, description="Serve the web page at /. The page holds no data and needs no key."
    )
    serve_artifact: bool = Field(
        False,
        description="Serve the files of the student below /artifact/, so that pages can judge on "
        "the device. Whoever reaches the server can then load the model; no key is asked for.",
    )
    on_device: Path | None = Field(
        None,
        description="Folder with the built package postern-guard, on_device/dist. The page then "
        "has a switch to judge in the browser. Needs serve_artifact.",
    )
    max_connections: int = Field(
        2048, ge=1, description="Largest number of open connections. Further ones get 503."
    )
    keep_alive_s: int = Field(15, ge=1, description="Idle time after which a connection is closed.")
    drain_delay_ms: int = Field(
        0,
        ge=0,
        description="Time after SIGTERM during which requests are still accepted while /readyz "
        "answers 503.",
    )
    grace_period_ms: int = Field(
        20_000, ge=1, description="Time after SIGTERM to finish accepted requests."
    )
    stall_timeout_ms: int = Field(
        30_000, ge=100, description="A batch that runs longer makes /healthz answer 503."
    )
    uds: Path | None = Field(
        None, description="Socket in the file system to listen on instead of host and port."
    )
    root_path: str = Field(
        "", description="Prefix below which a proxy serves this server, such as /postern."
    )
    traces: bool = Field(
        False,
        description="Send a trace of each request to an OpenTelemetry collector, as OTLP over "
        "HTTP. The standard variables OTEL_... say where to. Needs the extra `traces`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest severity of the JSON log lines on standard error."
    )

    _is_prefix = field_validator("root_path")(checked_prefix)

    @model_validator(mode="after")
    def _serves_what_the_page_loads(self) -> ServerSettings:
        if self.on_device is not None and not (self.serve_artifact and self.page):
            raise ValueError("POSTERN_ON_DEVICE needs POSTERN_SERVE_ARTIFACT=true and the page")
        return self


class LimitSettings(Section):
    """Limits of one request."""

    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest request body.")
    max_items: int = Field(128, ge=1, description="Largest number of exchanges in one request.")
    max_exchange_chars: int = Field(
        100_000,
        ge=100,
        description="Largest number of characters of one exchange, prompt and response together.",
    )
    max_exchange_tokens: int = Field(
        16384,
        ge=16,
        description="Largest number of tokens of one exchange, prompt and response together.",
    )
    request_timeout_ms: int = Field(
        10_000,
        ge=1,
        description="Deadline of a request. A caller can ask for a shorter one, but not for a "
        "longer one.",
    )
    body_timeout_ms: int = Field(
        10_000, ge=1, description="Time that a client may take to send its body."
    )
    header_timeout_ms: int = Field(
        10_000, ge=1, description="Time that a client may take to send the headers of a request."
    )
    max_header_bytes: int = Field(
        60 << 10, ge=1024, description="Largest head of a request: its first line and headers."
    )
    max_headers: int = Field(100, ge=10, description="Most headers in one request.")
    max_url_bytes: int = Field(8192, ge=256, description="Longest URL of a request.")
    write_timeout_ms: int = Field(
        10_000,
        ge=1,
        description="Time that a client may take to read what fills its buffer of 64 KiB.",
    )
