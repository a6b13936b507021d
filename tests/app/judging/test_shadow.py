"""The shadow compares and counts; it neither waits nor raises, whatever its model does."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.decision import OperatingPoint, Policy
from postern.contract.exchange import SLICES, Exchange
from postern.contract.windows import Window
from postern.disguises.triggers import readable_disguise
from postern.inference.tokenizer import Tokenizer
from postern.judging.shadow import Shadow, ShadowRules
from postern.metrics import Metrics
from postern.teacher.courtesy import Courtesy
from postern.teacher.local import Member

from tests.fakes import FakeSession
from tests.tiny_student import tiny_policy

HANG_S = 60.0


def says(margin: float) -> Callable[[Sequence[Window]], Any]:
    return lambda windows: np.array([(0.0, margin)] * len(windows), dtype=np.float32)


class Tried:
    """A shadow with the tiny tokenizer and a model that is played."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        session: FakeSession,
        *,
        share: float = 1.0,
        draw: float = 0.5,
        policy: Policy | None = None,
        **rules: int,
    ) -> None:
        self.metrics = Metrics()
        member = Member("tiny/2", "0" * 64, policy or tiny_policy(), tokenizer, session)
        self.shadow = Shadow(
            member,
            tiny_policy(),
            rules=ShadowRules(share, max_tokens=512, **rules),
            metrics=self.metrics,
            courtesy=Courtesy(1.0),
            draw=lambda: draw,
        )

    def offer(self, text: str = "cake", probability: float = 0.1) -> None:
        exchange = Exchange(text)
        self.shadow.offer(exchange, readable_disguise(exchange), probability)

    def counted(self, outcome: str) -> float:
        name = "postern_shadow_exchanges_total"
        return self.metrics.registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    def both(self, point: str, student: str, shadow: str, slice_: str = "prompt") -> float:
        labels = {
            "operating_point": point,
            "slice": slice_,
            "student": student,
            "shadow": shadow,
        }
        found = self.metrics.registry.get_sample_value("postern_shadow_verdicts_total", labels)
        assert found is not None, labels
        return found

    def total(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(name) or 0.0

    def wait(self) -> None:
        deadline = time.monotonic() + HANG_S
        while self.shadow.waiting:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@contextmanager
def running(one: Tried) -> Iterator[Tried]:
    one.shadow.start()
    try:
        yield one
    finally:
        one.shadow.close()


@pytest.mark.parametrize(
    ("margin", "probability", "said"),
    [
        (-5.0, 0.1, ("unharmful", "unharmful")),
        (5.0, 0.1, ("unharmful", "harmful")),
        (-5.0, 0.9, ("harmful", "unharmful")),
        (5.0, 0.9, ("harmful", "harmful")),
    ],
)
def test_both_verdicts_are_counted_at_every_operating_point(
    tokenizer: Tokenizer, margin: float, probability: float, said: tuple[str, str]
) -> None:
    with running(Tried(tokenizer, FakeSession(says(margin)))) as one:
        one.offer(probability=probability)
        one.wait()
    assert not one.shadow.left_behind
    for point in ("strict", "balanced", "permissive"):
        assert one.both(point, *said) == 1.0
    assert one.counted("judged") == 1.0
    assert one.total("postern_shadow_tokens_total") == 1.0
    assert one.total("postern_shadow_processor_seconds_total") > 0.0


def test_each_has_the_thresholds_of_its_own_policy(tokenizer: Tokenizer) -> None:
    moved = tiny_policy().model_copy(
        update={
            "operating_points": tiny_policy().operating_points
            | {
                "strict": {
                    one: OperatingPoint(threshold=0.9, deferral_band=(0.9, 0.9)) for one in SLICES
                }
            }
        }
    )
    session = FakeSession(says(math.log(0.6 / 0.4)))
    with running(Tried(tokenizer, session, policy=moved)) as one:
        one.offer(probability=0.6)
        one.wait()
    assert one.both("strict", "harmful", "unharmful") == 1.0
    assert one.both("balanced", "harmful", "harmful") == 1.0
    assert one.both("permissive", "unharmful", "unharmful") == 1.0


def test_a_pair_counts_in_its_own_slice(tokenizer: Tokenizer) -> None:
    with running(Tried(tokenizer, FakeSession(says(-5.0)))) as one:
        one.shadow.offer(Exchange("cake", "bomb"), None, 0.9)
        one.wait()
    assert one.both("balanced", "harmful", "unharmful", "pair") == 1.0
    assert one.both("balanced", "harmful", "unharmful", "prompt") == 0.0


def test_the_decoded_reading_counts_as_when_it_serves(tokenizer: Tokenizer) -> None:
    session = FakeSession(says(0.0))
    with running(Tried(tokenizer, session)) as one:
        one.offer("b o o k  a n d  c a k e")
        one.wait()
    plain = tokenizer.encode(("book and cake",)).windows[0].ids[1]
    assert session.seen[-1][0].ids[1] == plain


@pytest.mark.parametrize("fault", ["raise_for", "nan_for", "misshape_for", "garbage_for"])
def test_a_model_that_fails_is_counted_and_the_next_is_judged(
    tokenizer: Tokenizer, fault: str
) -> None:
    (token,) = tokenizer.encode(("garden",)).windows[0].ids[1:-1]
    session = FakeSession(says(-5.0), **{fault: [int(token)]})  # type: ignore[arg-type]
    with running(Tried(tokenizer, session)) as one:
        for text in ("garden", "cake"):
            one.offer(text)
        one.wait()
    assert (one.counted("failed"), one.counted("judged")) == (1.0, 1.0)
    assert one.both("balanced", "unharmful", "unharmful") == 1.0


def test_text_that_it_cannot_read_is_a_failure(tokenizer: Tokenizer) -> None:
    with running(Tried(tokenizer, FakeSession(says(-5.0)))) as one:
        one.offer("")
        one.offer("cake " * 600)
        one.wait()
    assert one.counted("failed") == 2.0


def test_what_finds_no_room_is_dropped_at_once(tokenizer: Tokenizer) -> None:
    gate = threading.Event()
    one = Tried(tokenizer, FakeSession(says(-5.0), gate=gate), exchanges=3)
    with running(one):
        started = time.monotonic()
        for _ in range(100):
            one.offer()
        assert time.monotonic() - started < HANG_S / 2
        assert one.shadow.waiting == 3
        assert one.counted("dropped") == 97.0
        gate.set()
        one.wait()
    assert one.counted("judged") == 3.0


def test_long_texts_have_a_room_of_their_own(tokenizer: Tokenizer) -> None:
    one = Tried(tokenizer, FakeSession(says(-5.0)), chars=1000)  # which has not been started
    one.offer("a" * 600)
    one.offer("a" * 600)
    one.offer("a" * 400)
    assert (one.shadow.waiting, one.counted("dropped")) == (2, 1.0)


def test_a_model_that_never_returns_holds_up_no_end(tokenizer: Tokenizer) -> None:
    session = FakeSession(says(-5.0), gate=threading.Event())
    one = Tried(tokenizer, session)
    with running(one):
        one.offer()
        one.offer()
        assert session.entered.wait(HANG_S)
    assert one.shadow.left_behind
    one.offer()
    assert one.counted("dropped") == 1.0


@settings(max_examples=50)
@given(share=st.floats(0.0, 1.0), draws=st.lists(st.floats(0.0, 1.0, exclude_max=True)))
def test_its_share_is_what_is_drawn(share: float, draws: list[float]) -> None:
    left = iter(draws)
    metrics = Metrics()
    shadow = Shadow(
        Member("tiny/2", "0" * 64, tiny_policy(), None, FakeSession()),  # type: ignore[arg-type]
        tiny_policy(),
        rules=ShadowRules(share, max_tokens=512),
        metrics=metrics,
        courtesy=Courtesy(1.0),
        draw=lambda: next(left),
    )
    for _ in draws:
        shadow.offer(Exchange("cake"), None, 0.1)
    assert shadow.waiting == sum(one < share for one in draws)
