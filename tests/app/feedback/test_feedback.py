"""Corrections are written one after the other, and a disk that hangs gathers none."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postern.contract.decision import OperatingPoint, student_verdict
from postern.contract.errors import FeedbackUnwritable
from postern.contract.exchange import Exchange
from postern.contract.moderation import Identity, Judged, Moderation, Timings
from postern.feedback.feedback import Correction, Feedback
from postern.feedback.file import FeedbackFile
from postern.feedback.recent import RecentLimits
from postern.metrics import Metrics

POINT = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))
OURS = Identity("first", "1.0.0", "0" * 64)


class HungFile(FeedbackFile):
    """A disk that hangs until it is let go."""

    let_go: threading.Event

    def append(self, line: bytes) -> None:
        self.let_go.wait()
        super().append(line)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[HungFile]:
    path = tmp_path / "labels.jsonl"
    file = HungFile(path, max_bytes=100_000, max_files=2, on_delete=lambda _: None)
    file.let_go = threading.Event()
    file.let_go.set()
    file.open()
    yield file
    file.let_go.set()


def feedback_into(file: FeedbackFile, *, timeout_s: float) -> Feedback:
    limits = RecentLimits(1000, 1 << 20, 60.0)
    return Feedback(
        file,
        limits=limits,
        identity=OURS,
        timeout_s=timeout_s,
        metrics=Metrics(),
        clock=time.monotonic,
    )


def moderation(*read_by: str | None) -> Moderation:
    judged = tuple(Judged(student_verdict(0.9, POINT), 1, 1, read_by=one) for one in read_by)
    return Moderation(judged, "balanced", Timings(0.0, 0.0, 0.0, 0.0, 0.0))


def test_a_line_names_the_student_that_read_the_text(file: HungFile, tmp_path: Path) -> None:
    async def case() -> None:
        feedback = feedback_into(file, timeout_s=10.0)
        exchanges = (Exchange("hello"), Exchange("hola"))
        feedback.keep("a", exchanges, moderation(None, "other/2.0.0"))
        feedback.keeper("b")(1, Exchange("hola", "adios"), moderation("other/2.0.0").judged[0])
        for name, index in (("a", 0), ("a", 1), ("b", 1)):
            await feedback.record(Correction(name, "unharmful", index=index))
        await feedback.close()

    asyncio.run(case())
    lines = map(json.loads, (tmp_path / "labels.jsonl").read_text().splitlines())
    assert [(one["feedback"]["artifact"], one["feedback"]["version"]) for one in lines] == [
        ("first", "1.0.0"),
        ("other", "2.0.0"),
        ("other", "2.0.0"),
    ]


def test_a_disk_that_hangs_gathers_no_more_than_some(file: HungFile, tmp_path: Path) -> None:
    async def case() -> tuple[int, float]:
        feedback = feedback_into(file, timeout_s=0.2)
        count = 100
        feedback.keep("a", [Exchange(str(n)) for n in range(count)], moderation(*[None] * count))
        file.let_go.clear()
        said = await asyncio.gather(
            *(feedback.record(Correction("a", "harmful", index=n)) for n in range(count)),
            return_exceptions=True,
        )
        assert all(isinstance(one, FeedbackUnwritable) for one in said)
        refused = sum("too many" in str(one) for one in said)
        started = time.monotonic()
        await feedback.close()
        waited_s = time.monotonic() - started
        file.let_go.set()
        return refused, waited_s

    refused, waited_s = asyncio.run(case())
    assert refused == 100 - 64
    assert waited_s < 30.0  # it does not wait for the disk for ever
