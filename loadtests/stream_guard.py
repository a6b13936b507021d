"""Measures delay and leaks of a guarded stream: recorded answers, dripped through the server.

A stub upstream in this process sends an answer token by token at a fixed rate. For each scoring
rule, the script starts the real server between the stub and a client and times every token.

    python loadtests/stream_guard.py --data ../shared/data --limit 100 --output stream_guard.json

`as_recorded`: the answer follows its own prompt, which may be blocked before any answer.
`answer_alone`: a harmless prompt replaces it, so that the answer alone decides.
"""

from __future__ import annotations

import argparse
import gzip
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
HARMLESS_PROMPT = "Please go on."
PROMPTS = ("as_recorded", "answer_alone")
# About as much as a chat model streams at once; the server counts the same pieces as tokens.
_TOKEN = re.compile(r"\s*(?:[^\W_]{1,8}|[^\w\s]|_)|\s+")


@dataclass
class Answer:
    """One recorded answer. sent, came: seconds on one clock for each token."""

    prompt: str
    tokens: list[str]
    harmful: bool
    sent: list[float] = field(default_factory=list)


@dataclass
class Run:
    """What a client saw of one answer. came: (seconds, characters so far) for each piece."""

    harmful: bool
    outcome: str
    share_released: float
    delays_s: list[float]
    gaps_s: list[float]


class DripUpstream(ThreadingHTTPServer):
    """Streams the answer that the number in the request's `user` field selects."""

    daemon_threads = True

    def __init__(self, answers: list[Answer], rate: float) -> None:
        super().__init__(("127.0.0.1", 0), _Drip)
        self.answers = answers
        self.interval_s = 1.0 / rate
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores broken connections: a cut stream causes them and they are no error here."""


class _Drip(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: DripUpstream

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answers[int(body["user"])]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        answer.sent = []
        started = time.monotonic()
        for number, token in enumerate(answer.tokens):
            wait = started + number * self.server.interval_s - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            answer.sent.append(time.monotonic())
            self.wfile.write(_event({"content": token}))
        self.wfile.write(_event({}, "stop") + b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "recorded"}
    return b"data: " + json.dumps(body | {"choices": [choice]}).encode() + b"\n\n"


def read_answers(file: Path, *, limit: int, seed: int, max_tokens: int) -> list[Answer]:
    """A random choice of labelled answers, half of them harmful if there are enough."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rng = random.Random(seed)
    picked: list[Answer] = []
    for label in (1, 0):
        own = [row for row in rows if row.get("response_label") == label and row.get("response")]
        rng.shuffle(own)
        for row in own[: limit // 2]:
            tokens = _TOKEN.findall(row["response"])[:max_tokens]
            if tokens and row["prompt"].strip():
                picked.append(Answer(row["prompt"], tokens, bool(label)))
    return picked


def ask(url: str, number: int, answer: Answer, prompt: str) -> Run:
    """Streams one answer through `url`."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=600)
    message = {"role": "user", "content": prompt}
    body = {"model": "recorded", "user": str(number), "stream": True, "messages": [message]}
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"{place.path}/chat/completions", json.dumps(body), headers)
    reply = connection.getresponse()
    if reply.status != 200:
        connection.close()
        return Run(answer.harmful, f"status_{reply.status}", 0.0, [], [])
    came: list[float] = []
    outcome = "broke_off"
    for line in reply:
        now = time.monotonic()
        if not line.startswith(b"data:") or line.strip() == b"data: [DONE]":
            continue
        chunk = json.loads(line[5:])
        if "error" in chunk:
            outcome = "error"
            break
        (choice,) = chunk["choices"]
        finish = choice["finish_reason"]
        if finish == "content_filter":
            outcome = f"blocked_{chunk['postern']['stage']}"
        elif finish:
            outcome = "passed"
        elif choice["delta"].get("content"):
            came.append(now)
    connection.close()
    total = sum(map(len, answer.tokens))
    released = sum(map(len, answer.tokens[: len(came)]))
    delays = [at - sent for at, sent in zip(came, answer.sent, strict=False)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(came)]
    return Run(answer.harmful, outcome, released / total, delays, gaps)


class Server:
    """The real server in front of `upstream`."""

    def __init__(self, upstream: str, rule: str, extra: list[str]) -> None:
        at = "sentence" if rule == "sentence" else "tokens"
        tokens = [] if rule == "sentence" else ["--stream-score-tokens", rule]
        flags = ["--port", "0", "--upstream-url", upstream, "--stream-score-at", at, *tokens]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTERN_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "postern", "serve", "--log-level", "warning", *flags, *extra],
            cwd=ROOT,
            env=kept,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        found = re.search(r"http://\S+:\d+", self.process.stdout.readline())
        if found is None:
            raise SystemExit("the server did not start")
        self.url = found[0] + "/v1"

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)


def measure(url: str, answers: list[Answer], prompts: str, concurrency: int) -> list[Run]:
    def one(number: int) -> Run:
        answer = answers[number]
        prompt = answer.prompt if prompts == "as_recorded" else HARMLESS_PROMPT
        return ask(url, number, answer, prompt)

    with ThreadPoolExecutor(concurrency) as threads:
        return list(threads.map(one, range(len(answers))))


def summary(runs: list[Run]) -> dict[str, Any]:
    """Summary of all runs; delays cover only answers that were released at least in part."""
    first = [run.delays_s[0] for run in runs if run.delays_s]
    later = [delay for run in runs for delay in run.delays_s[1:]]
    gaps = [gap for run in runs for gap in run.gaps_s]
    harmful = [run for run in runs if run.harmful]
    caught = [run for run in harmful if run.outcome.startswith("blocked")]
    harmless = [run for run in runs if not run.harmful]
    outcomes = sorted({run.outcome for run in runs})
    return {
        "answers": len(runs),
        "outcomes": {name: sum(run.outcome == name for run in runs) for name in outcomes},
        "first_token_delay_ms": quantiles(first),
        "token_delay_ms": quantiles(later),
        "gap_between_tokens_ms": quantiles(gaps),
        "harmful": len(harmful),
        "harmful_blocked": len(caught),
        "share_released_of_blocked_harmful": mean([run.share_released for run in caught]),
        "share_released_of_all_harmful": mean([run.share_released for run in harmful]),
        "harmless": len(harmless),
        "harmless_blocked": sum(run.outcome.startswith("blocked") for run in harmless),
    }


def quantiles(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ranked = sorted(seconds)
    at = {name: ranked[min(len(ranked) - 1, int(len(ranked) * q))] for name, q in _QUANTILES}
    return {name: round(value * 1000.0, 2) for name, value in at.items()}


_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def mean(values: list[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--file", default="test/harmbench_eval.jsonl.gz")
    parser.add_argument(
        "--limit", type=int, default=100, help="number of answers, half of them harmful"
    )
    parser.add_argument("--max-tokens", type=int, default=400, help="most tokens of one answer")
    parser.add_argument("--rate", type=float, default=50.0, help="tokens per second")
    parser.add_argument("--rules", nargs="+", default=["8", "16", "32", "64", "sentence"])
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON; standard output if not given")
    parser.add_argument("server", nargs="*", help="further flags for `postern serve`, after --")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    answers = read_answers(
        asked.data / asked.file, limit=asked.limit, seed=asked.seed, max_tokens=asked.max_tokens
    )
    upstream = DripUpstream(answers, asked.rate)
    report: dict[str, Any] = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cpus": os.cpu_count(),
        },
        "file": asked.file,
        "tokens_per_second": asked.rate,
        "concurrency": asked.concurrency,
        "server_flags": asked.server,
        "unguarded": summary(measure(upstream.url, answers, "answer_alone", asked.concurrency)),
        "guarded": {},
    }
    for rule in asked.rules:
        with Server(upstream.url, rule, asked.server) as server:
            report["guarded"][rule] = {
                prompts: summary(measure(server.url, answers, prompts, asked.concurrency))
                for prompts in PROMPTS
            }
        print(f"{rule}: done", file=sys.stderr)
    text = json.dumps(report, indent=2)
    if asked.output is None:
        print(text)
    else:
        asked.output.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
