"""Measures what a busy teacher costs the student: student-only throughput, as a ratio.

    python loadtests/teacher_lane.py [--teachers DIR,DIR] [--rounds 12] [--seconds 5]

Starts the real server with a teacher in its own lane. Closed-loop clients send student-only
requests all the time (`fallback: never`, texts that never repeat). Windows alternate, A B A … A. In
every B, as many other clients keep the lane full (`fallback: always`). The ratio of a round is B
over the mean of the A before and the A after, which cancels a slow drift of the machine. Prints
JSON: rates, ratios, their median with a 95 % bootstrap interval and quartiles, and the lane's
answers per second. The other clients' texts go through the student first. That is traffic and not
the lane, but it stays in, so the ratio is never too good.

Exit code 1 if the lane was not full to the end of each B or a request failed: the figures are then
meaningless. Run the script on an idle machine.
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
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from postern.shipped import DEFAULT_ARTIFACT

ROOT = Path(__file__).resolve().parents[1]
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
    """Threads that each send one request after another while `running` is set."""

    def __init__(self, address: tuple[str, int], count: int, fallback: str) -> None:
        self.running = threading.Event()
        self.done = 0
        self.failed = 0
        self.stopped = False
        self._address = address
        self._fallback = fallback
        self._lock = threading.Lock()
        for index in range(count):
            threading.Thread(target=self._send_all, args=(index,), daemon=True).start()

    def _send_all(self, index: int) -> None:
        rng = random.Random(index)
        connection = http.client.HTTPConnection(*self._address, timeout=300)
        while not self.stopped:
            if not self.running.wait(0.1):
                continue
            try:
                succeeded = self._send(connection, rng)
            except (OSError, http.client.HTTPException):
                succeeded = False
                connection.close()
            with self._lock:
                self.done += succeeded
                self.failed += not succeeded and not self.stopped

    def _send(self, connection: http.client.HTTPConnection, rng: random.Random) -> bool:
        body = json.dumps({"prompt": text(rng), "fallback": self._fallback})
        connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        content = json.loads(reply.read())
        if reply.status != 200:
            return False
        # A verdict without the teacher would show that the lane was not asked.
        return self._fallback == "never" or not content["results"][0]["degraded"]


def metric(address: tuple[str, int], line: str) -> float:
    connection = http.client.HTTPConnection(*address, timeout=300)
    connection.request("GET", "/metrics")
    found = re.search(rf"^{re.escape(line)} (\S+)$", connection.getresponse().read().decode(), re.M)
    connection.close()
    return float(found[1]) if found else 0.0


def start(
    artifact: Path, teachers: str, at_once: int, beside_share: float | None
) -> tuple[subprocess.Popen[bytes], Any]:
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
        # The lane's questions wait for minutes here, and the breaker must not end that.
        "teacher_breaker_failures": 1000,
        "teacher_breaker_calls": 1000,
    }
    if beside_share is not None:
        settings["teacher_beside_share"] = beside_share
    environment = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
    environment |= {f"POSTERN_{name.upper()}": str(value) for name, value in settings.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "postern", "serve"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
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
    rates: list[float] = []
    answers: list[float] = []
    in_flight: list[float] = []
    for window in range(2 * rounds + 1):
        busy = window % 2 == 1
        (teacher.running.set if busy else teacher.running.clear)()
        wait_for_lane(address, full=busy, clients=clients)
        before, taught, started = student.done, teacher.done, time.perf_counter()
        time.sleep(seconds)
        elapsed = time.perf_counter() - started
        rates.append((student.done - before) / elapsed)
        if busy:
            answers.append((teacher.done - taught) / elapsed)
            in_flight.append(metric(address, "postern_teacher_questions"))
    student.stopped = teacher.stopped = True
    failed = student.failed + teacher.failed
    return {
        "student_requests_per_s": {
            "alone": [round(one, 1) for one in rates[::2]],
            "beside": [round(one, 1) for one in rates[1::2]],
        },
        **summary(ratios_of(rates)),
        "teacher_answers_per_s": [round(one, 2) for one in answers],
        "questions_in_flight": in_flight,
        "lane_was_full": all(count >= clients // 2 for count in in_flight),
        "failed": failed,
    }


def wait_for_lane(address: Any, *, full: bool, clients: int) -> None:
    """Waits until enough questions wait or run to keep the lane full, or until there are none."""
    while True:
        count = metric(address, "postern_teacher_questions")
        if count >= clients // 2 if full else count == 0:
            return
        time.sleep(0.05)


def ratios_of(rates: list[float]) -> list[float]:
    """Ratios for windows A B A B … A: each B over the mean of its neighbours."""
    return [2.0 * rates[i] / (rates[i - 1] + rates[i + 1]) for i in range(1, len(rates) - 1, 2)]


def summary(ratios: list[float], *, resamples: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """The median of the rounds, its confidence interval, and the spread of the rounds."""
    rng = random.Random(seed)
    medians = sorted(
        statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(resamples)
    )
    low, high = medians[resamples // 40], medians[-resamples // 40 - 1]
    quartiles = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else []
    return {
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "median_ratio_95": [round(low, 3), round(high, 3)],
        "quartiles": [round(one, 3) for one in quartiles],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    parser.add_argument("--teachers", default=",".join([str(DEFAULT_ARTIFACT)] * 3))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--beside-share", type=float, help="POSTERN_TEACHER_BESIDE_SHARE")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # this also stops the server
    load = os.getloadavg()[0]
    process, address = start(asked.artifact, asked.teachers, asked.clients, asked.beside_share)
    try:
        found = measure(address, clients=asked.clients, rounds=asked.rounds, seconds=asked.seconds)
    finally:
        process.terminate()
        process.wait(60)
    machine = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "load_before": round(load, 2),
        "clients": asked.clients,
        "seconds": asked.seconds,
        "beside_share": asked.beside_share,
        "teachers": ["/".join(Path(one).parts[-2:]) for one in asked.teachers.split(",")],
    }
    print(json.dumps(machine | found))
    return 0 if found["lane_was_full"] and not found["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
