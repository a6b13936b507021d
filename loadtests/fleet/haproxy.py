"""A real HAProxy with the configuration of `deploy/haproxy`, before servers on any ports."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

CONFIGURATION: Final = Path(__file__).resolve().parents[2] / "deploy/haproxy/haproxy.cfg"
# Names of HAProxy for those of the simulation.
ALGORITHMS: Final = {
    "round robin": "roundrobin",
    "least connections": "leastconn",
    "random two choices": "random(2)",
}
_STARTS_WITHIN_S: Final = 30.0


def configured(urls: Sequence[str], *, port: int, algorithm: str = "leastconn") -> str:
    """The committed configuration with other addresses."""
    servers = "".join(
        f"    server s{place} {urlsplit(url).netloc}\n" for place, url in enumerate(urls)
    )
    text = re.sub(r"(    server .*\n)+", servers, CONFIGURATION.read_text())
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    return text.replace("balance leastconn", f"balance {algorithm}")


@contextmanager
def haproxy(
    urls: Sequence[str], *, algorithm: str = "leastconn", program: str = "haproxy"
) -> Iterator[str]:
    """The URL of a proxy that has found its servers. Raises RuntimeError if it does not start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(configured(urls, port=port, algorithm=algorithm))
        file.flush()
        process = subprocess.Popen([program, "-f", file.name, "-db", "-q"])
        try:
            _wait(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(_STARTS_WITHIN_S)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("HAProxy did not start; see the reason above")
