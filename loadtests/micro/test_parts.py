"""Micro-benchmarks that `make bench` runs and the test suite does not; no test asserts a time.

Every part gets the shipped student and generated texts of fixed lengths. The reference is a fixed
amount of interpreter and matrix work, so machine and load affect both sides alike.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from postern.composition.services import build_services
from postern.composition.student import Student, load_student
from postern.contract.exchange import Exchange
from postern.contract.text import segments
from postern.contract.windows import Window
from postern.endpoints.classify_body import parse_classify
from postern.settings.settings import read_settings

from loadtests.texts import MadeTexts

Benchmark = Callable[..., Any]
LENGTHS = (16, 64, 128, 512)
_BATCH = 32


@pytest.fixture(scope="module")
def student() -> Student:
    return load_student(read_settings(intra_op_threads=1))


@pytest.fixture(scope="module")
def texts() -> dict[int, list[str]]:
    made = MadeTexts(0)
    return {tokens: [made.of_length(tokens) for _ in range(_BATCH)] for tokens in LENGTHS}


def reference() -> float:
    """About a millisecond of matrix work and a millisecond of interpreter work, always the same."""
    matrix = np.arange(192 * 192, dtype=np.float32).reshape(192, 192) / 1e4
    total = 0.0
    for _ in range(4):
        total += float((matrix @ matrix).sum())
    for number in range(10_000):
        total += number % 7
    return total


def test_reference(benchmark: Benchmark) -> None:
    benchmark(reference)


@pytest.mark.parametrize("tokens", LENGTHS)
def test_tokenizing(
    benchmark: Benchmark, student: Student, texts: dict[int, list[str]], tokens: int
) -> None:
    exchange = Exchange(texts[tokens][0])
    encoding = benchmark(lambda: student.tokenizer.encode(segments(exchange)))
    assert encoding.tokens == tokens


@pytest.mark.parametrize("tokens", [16, 64, 128])
@pytest.mark.parametrize("size", [1, _BATCH])
def test_session(
    benchmark: Benchmark, student: Student, texts: dict[int, list[str]], tokens: int, size: int
) -> None:
    windows = windows_of(student, texts[tokens][:size])
    assert benchmark(student.session.run, windows).shape == (size, student.columns.count)


@pytest.mark.parametrize("size", [1, 128])
def test_batching(
    benchmark: Benchmark, student: Student, texts: dict[int, list[str]], size: int
) -> None:
    """Times queue, batches and futures around a model that takes no time."""
    instant = dataclasses.replace(student, session=Instant(student.columns.count), alone=None)
    _, batcher = build_services(read_settings(), instant)
    lengths = [texts[LENGTHS[number % 3]][number % _BATCH] for number in range(size)]
    encodings = [student.tokenizer.encode((text,)) for text in lengths]
    with asyncio.Runner() as runner:

        async def submit_all() -> int:
            deadline = time.monotonic() + 600.0
            work = (batcher.submit([one], deadline=deadline) for one in encodings)
            return len(await asyncio.gather(*work))

        async def start() -> None:
            batcher.start()

        runner.run(start())
        assert benchmark(lambda: runner.run(submit_all())) == size
        runner.run(batcher.close())


@pytest.mark.parametrize("tokens", LENGTHS)
def test_parsing(benchmark: Benchmark, texts: dict[int, list[str]], tokens: int) -> None:
    body = json.dumps({"prompt": texts[tokens][0]}).encode()
    assert len(benchmark(parse_classify, body).exchanges) == 1


def test_http_path_without_the_model(
    benchmark: Benchmark, post: Callable[[dict[str, str]], int]
) -> None:
    """Times a whole request over a kept-alive connection that is refused after parsing."""
    assert benchmark(lambda: post({"prompt": ""})) == 422


@pytest.mark.parametrize("tokens", [16, 128])
def test_whole_request(
    benchmark: Benchmark,
    post: Callable[[dict[str, str]], int],
    texts: dict[int, list[str]],
    tokens: int,
) -> None:
    assert benchmark(lambda: post({"prompt": texts[tokens][0]})) == 200


def windows_of(student: Student, prompts: Sequence[str]) -> list[Window]:
    encodings = student.tokenizer.encode_many([(text,) for text in prompts])
    return [window for encoding in encodings for window in encoding.windows]


class Instant:
    """A session that answers at once. columns: of its output."""

    def __init__(self, columns: int) -> None:
        self._columns = columns

    def run(self, windows: Sequence[Window]) -> np.ndarray:
        return np.zeros((len(windows), self._columns), dtype=np.float32)


@pytest.fixture(scope="module")
def post() -> Iterator[Callable[[dict[str, str]], int]]:
    """Posts to the real server over one kept-alive connection; returns the status."""
    command = [sys.executable, "-m", "postern", "serve", "--port", "0", "--log-level", "warning"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://(\S+):(\d+)", process.stdout.readline())
            assert found
            connection = http.client.HTTPConnection(found[1], int(found[2]), timeout=120)

            def send(body: dict[str, str]) -> int:
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/classify", json.dumps(body), headers)
                reply = connection.getresponse()
                reply.read()
                return reply.status

            yield send
            connection.close()
        finally:
            process.terminate()
