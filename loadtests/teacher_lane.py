"""What a busy teacher costs the student: throughput of student-only traffic, as a ratio.

    python loadtests/teacher_lane.py [--teachers DIR,DIR] [--rounds 6] [--seconds 5]

Starts the real server with a teacher in its own lane. Closed-loop clients send student-only
requests all the time (`fallback: never`, texts that never repeat). In every other window, as many
other clients keep the lane full (`fallback: always`). Prints JSON: student-only requests per second
in windows without and with them, and the ratio of each neighbouring pair. Compare ratios, not
rates: both sides share this machine with whatever else runs on it.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "artifacts/postern-minilm/1.1.0"
_WORDS = [
    "garden",
    "kettle",
    "window",
    "paper",
    "river",
    "music",
    "basket",
    "winter",
    "letter",
    "market",
    "yellow",
    "silver",
    "corner",
    "travel",
    "dinner",
    "planet",
    "story",
    "picture",
    "doctor",
    "summer",
    "bridge",
    "office",
    "camera",
    "street",
    "morning",
]
_numbers = itertools.count()


def text(rng: random.Random) -> str:
    return f"{next(_numbers)} " + " ".join(rng.choices(_WORDS, k=24))


class Clients:
    """Threads that each send one request after the other while `running` is set."""

    def __init__(self, address: tuple[str, int], count: int, fallback: str) -> None:
        self.running = threading.Event()
        self.done = 0
        self.failed = 0
        self.stopped = False
        self._address = address
        self._fallback = fallback
        self._lock = threading.Lock()
        for index in range(count):
            threading.Thread(target=self._send, args=(index,), daemon=True).start()

    def _send(self, index: int) -> None:
        rng = random.Random(index)
        connection = http.client.HTTPConnection(*self._address, timeout=300)
        while not self.stopped:
            if not self.running.wait(0.1):
                continue
            body = json.dumps({"prompt": text(rng), "fallback": self._fallback})
            connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            with self._lock:
                self.done += 1
                self.failed += reply.status != 200


def metric(address: tuple[str, int], line: str) -> float:
    connection = http.client.HTTPConnection(*address, timeout=300)
    connection.request("GET", "/metrics")
    found = re.search(rf"^{re.escape(line)} (\S+)$", connection.getresponse().read().decode(), re.M)
    connection.close()
    return float(found[1]) if found else 0.0


def start(artifact: Path, teachers: str, at_once: int) -> tuple[subprocess.Popen[bytes], Any]:
    settings = {
        "artifact": artifact,
        "teacher_artifacts": teachers,
        "port": 0,
        "log_level": "error",
        "request_timeout_ms": 300_000,
        "teacher_timeout_ms": 300_000,
        "teacher_concurrency": at_once,
        "teacher_free_questions": 10**9,
        "teacher_audit_share": 0,
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    environment |= {f"POSTERN_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    found = re.search(rb"http://\S+:\d+", process.stdout.readline())
    assert found, "the server did not start"
    parts = urlsplit(found[0].decode())
    return process, (parts.hostname, parts.port)


def measure(address: Any, *, clients: int, rounds: int, seconds: float) -> dict[str, Any]:
    student = Clients(address, clients, "never")
    teacher = Clients(address, clients, "always")
    student.running.set()
    time.sleep(seconds)  # warm
    rates: dict[str, list[float]] = {"alone": [], "beside": []}
    in_flight = []
    for window in range(2 * rounds):
        busy = window % 2 == 1
        (teacher.running.set if busy else teacher.running.clear)()
        if busy:
            while metric(address, "postern_teacher_questions") < clients // 2:
                time.sleep(0.05)
        else:
            while metric(address, "postern_teacher_questions") > 0:
                time.sleep(0.05)
        before, started = student.done, time.perf_counter()
        time.sleep(seconds)
        rates["beside" if busy else "alone"].append(
            (student.done - before) / (time.perf_counter() - started)
        )
        if busy:
            in_flight.append(metric(address, "postern_teacher_questions"))
    answered = metric(address, 'postern_teacher_requests_total{outcome="answered"}')
    student.stopped = teacher.stopped = True
    ratios = [b / a for a, b in zip(rates["alone"], rates["beside"], strict=True)]
    return {
        "student_requests_per_s": {k: [round(v, 1) for v in one] for k, one in rates.items()},
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "questions_in_flight": in_flight,
        "teacher_answers": answered,
        "failed": student.failed + teacher.failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=Path, default=SHIPPED)
    parser.add_argument("--teachers", default=",".join([str(SHIPPED)] * 3))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    process, address = start(asked.artifact, asked.teachers, asked.clients)
    try:
        found = measure(address, clients=asked.clients, rounds=asked.rounds, seconds=asked.seconds)
    finally:
        process.terminate()
        process.wait(60)
    print(json.dumps({"machine": f"{platform.machine()}, {os.cpu_count()} cores", **found}))


if __name__ == "__main__":
    main()
