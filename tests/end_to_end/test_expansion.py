"""Texts that normalization multiplies are refused before that, and hold nobody else up."""

from __future__ import annotations

import json
import statistics
import threading
import time

import httpx

from tests.conftest import StartServer
from tests.server_process import HANG_S, ServerProcess

JSON = {"Content-Type": "application/json"}
# 878 KiB in four exchanges, each within the limit on characters as they came.
GROWING = json.dumps({"inputs": [{"prompt": "\ufdfa" * 74_000}] * 4}, ensure_ascii=False).encode()
SCATTERED = json.dumps(
    {"inputs": [{"prompt": "\ufdfa" * 5_500 + str(i)} for i in range(60)]}, ensure_ascii=False
).encode()


def latencies(server: ServerProcess, count: int) -> list[float]:
    found = []
    with httpx.Client(base_url=server.url, timeout=HANG_S, verify=False) as client:
        for _ in range(count):
            started = time.monotonic()
            assert client.post("/classify", json={"prompt": "read a book"}).status_code == 200
            found.append(time.monotonic() - started)
    return found


def test_four_clients_with_growing_text_slow_nobody_down(start_server: StartServer) -> None:
    """They once made every answer a hundred times slower, though each was refused."""
    server = start_server()
    alone = statistics.median(latencies(server, 60))
    stop = threading.Event()
    statuses: set[int] = set()

    def attack(body: bytes) -> None:
        with httpx.Client(base_url=server.url, timeout=HANG_S, verify=False) as client:
            while not stop.is_set():
                statuses.add(client.post("/classify", content=body, headers=JSON).status_code)

    threads = [
        threading.Thread(target=attack, args=(body,)) for body in (GROWING, GROWING, SCATTERED) * 2
    ]
    for thread in threads[:4]:
        thread.start()
    try:
        beside = statistics.median(latencies(server, 60))
    finally:
        stop.set()
        for thread in threads[:4]:
            thread.join(HANG_S)
    print(f"alone {alone * 1000:.1f} ms, beside {beside * 1000:.1f} ms")
    assert statuses == {413}
    assert beside < 25 * alone + 0.05
