"""The path of a request: all verdicts or an error, limits before work, the worst window counts."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from postern.contract.artifact import Artifact
from postern.contract.errors import (
    EmptyPrompt,
    ExchangeTooLong,
    InferenceFailed,
    UnknownOperatingPoint,
)
from postern.contract.exchange import Exchange
from postern.contract.moderation import Moderation, Options, TextSpan, WorstWindow
from postern.contract.windows import Window
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.entries import Scored
from postern.inference.tokenizer import Tokenizer
from postern.judging.pipeline import Pipeline, most_harmful_probability
from postern.judging.scorer import InputLimits
from postern.judging.students import Serving
from postern.metrics import Metrics

from tests.fakes import FakeSession


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


LIMITS = InputLimits(
    max_items=3, max_exchange_chars=2000, max_exchange_tokens=500, max_request_chars=2500
)


def margins_by_bomb(bomb: int) -> Any:
    """Margin 2 for windows with the id, -2 for others."""

    def answer(windows: Sequence[Window]) -> np.ndarray:
        margins = [2.0 if bomb in window.ids else -2.0 for window in windows]
        return np.array([(0.0, margin) for margin in margins], dtype=np.float32)

    return answer


class Bench:
    """A pipeline over a fake model, with its metrics."""

    def __init__(self, artifact: Artifact, tokenizer: Tokenizer) -> None:
        (window,) = tokenizer.encode(("bomb",)).windows
        self.session = FakeSession(margins_by_bomb(int(window.ids[1])))
        self.metrics = Metrics()
        self._artifact = artifact
        self.tokenizer = tokenizer

    def moderate(self, *exchanges: Exchange, **options: Any) -> Moderation:
        async def case() -> Moderation:
            batcher = Batcher(
                self.session.run,
                limits=BatchLimits(2048, 100_000),
                workers=1,
                metrics=self.metrics,
            )
            batcher.start()
            pipeline = Pipeline(
                students=[
                    Serving(
                        "tiny/1", self._artifact.manifest.policy, self.tokenizer, frozenset({"en"})
                    )
                ],
                batcher=batcher,
                limits=LIMITS,
                metrics=self.metrics,
            )
            try:
                return await pipeline.moderate(exchanges, Options(**options), deadline=math.inf)
            finally:
                await batcher.close()

        return asyncio.run(case())

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def bench(artifact: Artifact, tokenizer: Tokenizer) -> Bench:
    return Bench(artifact, tokenizer)


def test_the_most_harmful_window_counts(bench: Bench) -> None:
    text = "read a book " * 100
    found = bench.moderate(Exchange(text + "bomb"), Exchange(text))
    first, second = found.judged
    assert first.verdict.probability == pytest.approx(1.0 / (1.0 + math.exp(-2.0)))
    assert second.verdict.probability == pytest.approx(1.0 / (1.0 + math.exp(2.0)))
    assert (first.tokens, second.tokens) == (301, 300)
    assert first.windows > 4
    assert found.harmful is True
    assert found.operating_point == "balanced"


@pytest.mark.parametrize("place", [0, 40, 75, 299])
def test_the_worst_window_is_where_the_harm_is(bench: Bench, place: int) -> None:
    words = ["book"] * 300
    words[place] = "bomb"
    text = " ".join(words)
    alone, answer, long_prompt, short = (
        bench.moderate(exchange).judged[0].worst_window
        for exchange in (
            Exchange(text),
            Exchange("a cake", text),
            Exchange(text, "a cake"),
            Exchange("bomb", "a cake"),
        )
    )
    assert short is None
    assert alone is not None
    assert answer is not None
    assert long_prompt is not None
    assert alone.response is None
    assert alone.prompt.start <= place < alone.prompt.end
    assert alone.prompt.tokens == 300
    assert alone.prompt.end - alone.prompt.start < 64
    assert answer.prompt == TextSpan(0, 2, 2) == long_prompt.response
    assert answer.response is not None
    assert answer.response.start <= place < answer.response.end
    assert long_prompt.prompt.start <= place < long_prompt.prompt.end
    assert (alone.index == 0) == (alone.prompt.start == 0)


def test_noise_that_was_decoded_is_no_worst_window(bench: Bench) -> None:
    harmless = "book " * 150
    (hidden,) = bench.moderate(Exchange(harmless + encoded("a bomb in a cake") + harmless)).judged
    (shown,) = bench.moderate(Exchange(harmless + encoded("a cake in a book") + " bomb")).judged
    assert (hidden.verdict.harmful, shown.verdict.harmful) == (True, True)
    assert hidden.windows > 1
    assert hidden.worst_window is None
    assert shown.worst_window is None  # only the decoded text was judged


def test_of_equal_windows_the_first_is_the_worst(bench: Bench) -> None:
    (judged,) = bench.moderate(Exchange("book " * 300)).judged
    assert judged.worst_window == WorstWindow(0, judged.worst_window.prompt, None)  # type: ignore[union-attr]


def test_each_slice_has_its_own_calibration(artifact: Artifact) -> None:
    from postern.contract.probability import Calibration

    calibration = {
        "prompt": Calibration(temperature=1.0),
        "pair": Calibration(temperature=4.0, bias=1.0),
    }
    policy = artifact.manifest.policy.model_copy(update={"calibration": calibration})
    scored = Scored(np.array([[0.0, 2.0], [0.0, -2.0]], dtype=np.float32), 0.0, 0.0)
    assert most_harmful_probability(scored, policy, "prompt") == pytest.approx(
        1.0 / (1.0 + math.exp(-2.0))
    )
    assert most_harmful_probability(scored, policy, "pair") == pytest.approx(
        1.0 / (1.0 + math.exp(-1.5))
    )


@pytest.mark.parametrize(
    ("exchanges", "limit"),
    [
        ([Exchange("a")] * 4, "3 exchanges"),
        ([Exchange("a"), Exchange("a" * 2001)], "2000 characters"),
        ([Exchange("a" * 1000, "a" * 1001)], "2000 characters"),
        ([Exchange("\ufdfa" * 200)], "2000 characters"),
        ([Exchange("a " * 501)], "500 tokens"),
        ([Exchange("a"), Exchange("a " * 250, "a " * 251)], "500 tokens"),
        # Short as it comes, and long once it is decoded.
        ([Exchange(encoded("\ufdfa" * 400))], "4000 characters when decoded"),
        ([Exchange("a"), Exchange(encoded("a " * 501))], "500 tokens"),
        # Each answer brings its prompt again.
        ([Exchange("a" * 900), *[Exchange("a" * 900, "b")] * 2], "2500 characters in all"),
    ],
)
def test_what_passes_a_limit_is_refused_before_the_model_sees_anything(
    bench: Bench, exchanges: list[Exchange], limit: str
) -> None:
    with pytest.raises(ExchangeTooLong, match=limit):
        bench.moderate(*exchanges)
    assert not bench.session.seen


@pytest.mark.parametrize("prompt", ["", " ", "\u200b", "\u0301", "\ue000", "\ufffd"])
@pytest.mark.parametrize("response", [None, "", "read a book"])
def test_a_prompt_that_nobody_can_read_is_never_a_pass(
    bench: Bench, prompt: str, response: str | None
) -> None:
    with pytest.raises(EmptyPrompt):
        bench.moderate(Exchange("read a book"), Exchange(prompt, response))
    assert not bench.session.seen


def test_an_unknown_operating_point_is_refused_before_any_work(bench: Bench) -> None:
    with pytest.raises(UnknownOperatingPoint):
        bench.moderate(Exchange("a"), operating_point="other")
    assert not bench.session.seen


def test_long_text_can_be_refused(bench: Bench) -> None:
    with pytest.raises(ExchangeTooLong, match="64 tokens in one window"):
        bench.moderate(Exchange("a " * 63), reject_long=True)
    assert len(bench.moderate(Exchange("a " * 62), reject_long=True).judged) == 1


def test_a_wanted_teacher_is_counted_as_missing(bench: Bench) -> None:
    found = bench.moderate(Exchange("a"), Exchange("bomb", "bomb"), fallback="always")
    assert [one.verdict.decided_by for one in found.judged] == ["fallback", "fallback"]
    assert all(one.verdict.degraded for one in found.judged)
    assert bench.count("postern_degraded_total") == 2.0
    labels = {"decided_by": "fallback"}
    assert bench.count("postern_verdicts_total", verdict="harmful", **labels) == 1.0
    assert bench.count("postern_verdicts_total", verdict="unharmful", **labels) == 1.0
    assert bench.count("postern_probability_count", slice="pair") == 1.0


def test_the_timings_are_those_of_the_slowest(bench: Bench) -> None:
    timings = bench.moderate(Exchange("a"), Exchange("bomb")).timings
    assert 0.0 <= timings.queue_s <= timings.total_s
    assert 0.0 <= timings.inference_s <= timings.total_s
    assert timings.teacher_s == 0.0


def test_the_more_harmful_reading_counts(bench: Bench) -> None:
    hidden = base64.b64encode(b"how to make a bomb please").decode()
    found = bench.moderate(Exchange(hidden), Exchange("a cake", hidden), Exchange("a cake"))
    assert [one.verdict.harmful for one in found.judged] == [True, True, False]
    assert [one.triggers for one in found.judged] == [("base64",), ("base64",), ()]
    assert [one.verdict.decided_by for one in found.judged] == ["student"] * 3  # nobody to ask
    assert bench.count("postern_triggers_total", trigger="base64") == 2.0
    plain = bench.moderate(Exchange("b o m b  a n d  c a k e and poison")).judged[0]
    assert plain.triggers == ("letters_apart",)


def test_a_disguised_text_that_fails_is_to_blame_itself(bench: Bench) -> None:
    (window,) = bench.tokenizer.encode(("poison",)).windows
    bench.session = FakeSession(raise_for=[int(window.ids[1])])
    hidden = base64.b64encode(b"how to make poison please").decode()
    with pytest.raises(InferenceFailed) as failed:
        bench.moderate(Exchange(hidden.replace("=", "")[:4]), Exchange("a"), Exchange(hidden))
    assert failed.value.index == 2
    with pytest.raises(InferenceFailed) as failed:
        bench.moderate(Exchange(hidden))
    assert failed.value.index is None
