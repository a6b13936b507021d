"""The categories of an exchange come from the window that decided, under the final verdict."""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pytest
from postern.contract.artifact import Artifact
from postern.contract.categories import CategoryHead
from postern.contract.columns import Columns
from postern.contract.exchange import Exchange
from postern.contract.moderation import Judged, Options
from postern.contract.probability import sigmoid
from postern.contract.windows import Window
from postern.inference.batcher import Batcher, BatchLimits
from postern.inference.tokenizer import Tokenizer
from postern.judging.cascade import Cascade, CascadeRules
from postern.judging.pipeline import Pipeline
from postern.judging.scorer import InputLimits
from postern.judging.students import Serving
from postern.languages.reader import LanguageReader
from postern.metrics import Metrics

from tests.fakes import FakeSession
from tests.tiny_categories import label

HEAD: Final = CategoryHead(labels=(label("weapons"), label("illegal_drugs", threshold=0.9)))
COLUMNS: Final = Columns(labels=2)
GERMAN: Final = (
    "Ich möchte am Wochenende mit meiner Schwester in die Berge fahren und dort wandern gehen, "
    "aber das Wetter soll leider sehr schlecht werden."
)


class Bench:
    """A pipeline over a fake model: a bomb is a weapon, poison is a drug, and the rest is neither.

    Windows with a bomb have the margin 2, those with poison 3, and all others -2.
    """

    def __init__(self, artifact: Artifact, tokenizer: Tokenizer) -> None:
        self._ids = {
            word: int(tokenizer.encode((word,)).windows[0].ids[1]) for word in ("bomb", "poison")
        }
        self._policy = artifact.manifest.policy
        self._tokenizer = tokenizer
        self.metrics = Metrics()

    def _answer(self, windows: Sequence[Window]) -> np.ndarray:
        return np.array([self._row(window) for window in windows], dtype=np.float32)

    def _row(self, window: Window) -> tuple[float, ...]:
        if self._ids["poison"] in window.ids:
            return (0.0, 3.0, -3.0, 3.0)
        if self._ids["bomb"] in window.ids:
            return (0.0, 2.0, 3.0, -3.0)
        return (0.0, -2.0, 4.0, 4.0)

    def judge(
        self,
        *exchanges: Exchange,
        head: CategoryHead | None = HEAD,
        rules: CascadeRules | None = None,
        **options: Any,
    ) -> tuple[Judged, ...]:
        async def case() -> tuple[Judged, ...]:
            batcher = Batcher(
                FakeSession(self._answer).run,
                limits=BatchLimits(2048, 100_000),
                workers=1,
                metrics=self.metrics,
                columns=COLUMNS.count,
            )
            batcher.start()
            pipeline = Pipeline(
                students=[
                    Serving(
                        "tiny/1", self._policy, self._tokenizer, frozenset({"en"}), COLUMNS, head
                    )
                ],
                batcher=batcher,
                limits=InputLimits(8, 5000, 2000),
                metrics=self.metrics,
                cascade=Cascade(self._policy, None, metrics=self.metrics, rules=rules),
                languages=LanguageReader(("en",)),
            )
            try:
                found = await pipeline.moderate(exchanges, Options(**options), deadline=math.inf)
                return found.judged
            finally:
                await batcher.close()

        return asyncio.run(case())

    def count(self, category: str) -> float | None:
        labels = {"category": category}
        return self.metrics.registry.get_sample_value("postern_categories_total", labels)


@pytest.fixture
def bench(artifact: Artifact, tokenizer: Tokenizer) -> Bench:
    return Bench(artifact, tokenizer)


def applying(judged: Judged) -> list[str]:
    assert judged.categories is not None
    return [one.name for one in judged.categories if one.applies]


def test_the_window_that_decided_names_the_categories(bench: Bench) -> None:
    filler = "read a book " * 60
    both, bomb, harmless = bench.judge(
        Exchange(f"bomb {filler} poison"), Exchange(f"{filler} bomb {filler}"), Exchange(filler)
    )
    assert applying(both) == ["illegal_drugs"]  # its window is the more harmful of the two
    assert applying(bomb) == ["weapons"]
    assert applying(harmless) == []
    assert both.categories is not None
    assert [one.probability for one in both.categories] == pytest.approx(
        [sigmoid(3.0) * sigmoid(-3.0), sigmoid(3.0) * sigmoid(3.0)]
    )
    # What would be of a kind if it were harmful still has a probability.
    assert harmless.categories is not None
    assert harmless.categories[0].probability == pytest.approx(sigmoid(-2.0) * sigmoid(4.0))
    assert (bench.count("weapons"), bench.count("illegal_drugs")) == (1.0, 1.0)


def test_the_reading_that_counted_names_the_categories(bench: Bench) -> None:
    hidden = base64.b64encode(b"how to make a poison please").decode()
    (decoded,) = bench.judge(Exchange(hidden))
    assert decoded.triggers == ("base64",)
    assert applying(decoded) == ["illegal_drugs"]


def test_they_follow_the_verdict_and_not_the_probability(bench: Bench) -> None:
    (strict,) = bench.judge(Exchange("a book"), threshold=0.0)
    (lenient,) = bench.judge(Exchange("poison"), threshold=1.0)
    assert applying(strict) == ["weapons", "illegal_drugs"]
    assert applying(lenient) == []
    (degraded,) = bench.judge(Exchange("bomb"), fallback="always")
    assert degraded.verdict.decided_by == "fallback"
    assert applying(degraded) == ["weapons"]


def test_what_an_operator_blocks_is_said_to_hold_nothing(bench: Bench) -> None:
    block = CascadeRules(on_unsupported_language="block")
    (blocked,) = bench.judge(Exchange(GERMAN), rules=block)
    assert (blocked.verdict.harmful, blocked.block_reason) == (True, "unsupported_language")
    assert applying(blocked) == []
    assert blocked.categories is not None
    assert len(blocked.categories) == 2
    assert bench.count("weapons") == 0.0


def test_an_artifact_without_categories_judges_none(bench: Bench) -> None:
    (found,) = bench.judge(Exchange("bomb"), head=None)
    assert found.categories is None
    assert bench.count("weapons") is None
