"""Parity and cost of the package on a device: real engines, a few exchanges."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from postern.contract.artifact import Artifact, read_artifact
from postern.contract.exchange import Exchange
from postern.inference.tokenizer import Tokenizer
from postern.shipped import DEFAULT_ARTIFACT

from loadtests.on_device import browser, cost, cost_tables, four_bits, parity, texts
from tests.npm_packages import built_package
from tests.system_packages import require

pytestmark = pytest.mark.slow

EXCHANGES = [
    Exchange("How do I bake bread?"),
    Exchange("Tell me a story about a gate. " * 60),
    Exchange("How do I steal a credit card number?", "I cannot help with that."),
    Exchange("What is a lamp?"),
]


@pytest.fixture(scope="module")
def package() -> Path:
    require("node", "npm")
    return built_package()


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return read_artifact(DEFAULT_ARTIFACT)


def test_a_run_that_was_ended_goes_on(package: Path, tmp_path: Path) -> None:
    """It measures what is missing, drops half a line, and keeps the rest as it was."""

    def run(limit: int) -> dict[str, object]:
        return parity.measure(
            "node", package, DEFAULT_ARTIFACT, EXCHANGES, limit=limit, to=tmp_path
        )

    assert run(2)["exchanges"] == 2
    (kept,) = tmp_path.iterdir()
    first = kept.read_text().splitlines()
    assert len(first) == 3
    kept.write_text("\n".join(first) + '\n{"agent": "no')
    figures = run(4)
    assert kept.read_text().splitlines()[:3] == first
    assert figures["exchanges"] == 4
    windows = figures["windows"]
    assert isinstance(windows, int)
    assert windows > 4
    delta = figures["delta"]
    assert isinstance(delta, float)
    assert 0.0 < delta < 1.0


def test_figures_of_other_exchanges_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    parity.Kept(path, "0" * 64, EXCHANGES).add("node", np.zeros((1, 2)), [[0.0, 1.0]])
    assert len(parity.Kept(path, "0" * 64, EXCHANGES).device) == 1
    for model, exchanges in (("1" * 64, EXCHANGES), ("0" * 64, EXCHANGES[:2])):
        with pytest.raises(ValueError, match="of another model or of other exchanges"):
            parity.Kept(path, model, exchanges)


def test_a_difference_over_a_threshold_is_counted(artifact: Artifact) -> None:
    """A verdict that differs lies within the largest difference, so it is never `sure`."""
    prompts = [Exchange(str(number)) for number in range(3)]
    server = [np.array([[0.0, margin]]) for margin in (-9.0, -0.6, 9.0)]
    device = [np.array([[0.0, margin]]) for margin in (-9.0, 0.9, 9.0)]
    figures = parity.compared(artifact, prompts, server, device)
    assert figures["delta"] == pytest.approx(1.5)
    assert figures["equal_logits"] == 2
    assert figures["verdicts"]["balanced, prompt"] == {
        "exchanges": 3,
        "differ": 1,
        "differ_where_sure": 0,
        "unsure": 1,
    }


def test_prompts_have_the_tokens_that_were_asked_for(artifact: Artifact) -> None:
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    words = texts.words(artifact)
    for tokens in cost.LENGTHS:
        prompts = texts.prompts(words, tokens, seed=3)
        some = [next(prompts) for _ in range(50)]
        assert len(set(some)) == 50
        for prompt in some:
            (window,) = tokenizer.encode([prompt]).windows
            assert window.length == tokens


def test_a_page_and_the_server_take_turns(package: Path, artifact: Artifact) -> None:
    require("chromium", "chromedriver")
    runs = cost.Runs(warm={16: 1, 64: 0, 192: 0}, timed={16: 2, 64: 1, 192: 1})
    with (
        cost.pages(package, DEFAULT_ARTIFACT, None) as (url, served),
        browser.page(f"{url}#worker", slowdown=8.0, phone=True) as page,
        browser.server(DEFAULT_ARTIFACT) as own,
    ):
        size = cost.bytes_of(sorted(served.asked))
        found = cost.take_turns({"worker": page, "server": own}, texts.words(artifact), 1, runs)
        peaks = {"worker": page.peak_mb(), "server": own.peak_mb()}
        counting = page.slowed()
        cold = {"worker": page.cold, "server": own.cold}
    assert size["model"] == artifact.manifest.files["model.onnx"].size_bytes
    assert size["model, gzip"] < size["model"]
    assert min(peaks.values()) > 50.0
    # Slowed eightfold, so that other work on the machine cannot turn the order round.
    assert counting["page"] > counting["worker"], "Chromium slows the page's thread only"
    assert min(one.wall_ms for one in cold.values()) > 100.0
    for rows in found.values():
        assert [row.tokens for row in rows] == list(cost.LENGTHS)
        assert all(row.wall_ms > 0.0 for row in rows)
        assert sum(row.processor_ms for row in rows) > 0.0


def test_a_page_without_a_verdict_is_no_contender(package: Path, tmp_path: Path) -> None:
    require("chromium", "chromedriver")
    with (
        cost.pages(package, tmp_path, None) as (url, _),
        pytest.raises(RuntimeError, match="artifact_unreachable"),
        browser.page(f"{url}#worker"),
    ):
        pass


def test_the_tables_show_medians_and_ratios() -> None:
    def rounds(*walls: float) -> list[dict[str, float]]:
        return [
            {"tokens": tokens, "round": at, "wall_ms": wall, "processor_ms": wall / 2}
            for at, wall in enumerate(walls)
            for tokens in cost.LENGTHS
        ]

    def contender(*walls: float) -> dict[str, object]:
        return {"rounds": rounds(*walls), "peak_mb": 200.0}

    size = dict.fromkeys(("model", "runtime", "code and data"), 1000)
    size |= {f"{part}, gzip": 10 for part in ("model", "runtime", "code and data")}
    cold = {"rounds": [{"wall_ms": 3000.0, "processor_ms": 2000.0}], "bytes": size}
    contenders = {"worker": contender(10.0, 40.0, 20.0), "page": contender(20.0, 40.0, 40.0)}
    warm = {"counting_ms": {"page": 90.0, "worker": 30.0}, "contenders": contenders}
    figures = {"slowdowns": {"1": {"cold": {"worker": cold}, "warm": warm}}}
    text = cost_tables.tables(figures)
    assert "| 1,000 (10) | 1,000 (10) | 1,000 (10) | 30 |" in text
    assert "| 3,000 | 2,000 | 200 |" in text
    assert "the page's thread | 40.0 | 20.0 | 2.00 | 40.0 |" in text
    assert "| 90 | 30 |" in text


def test_embeddings_in_four_bits(artifact: Artifact, tmp_path: Path) -> None:
    """Margins move, and the figures say so; without tables, nothing is claimed."""
    (tmp_path / "dev").mkdir()
    rows = [{"prompt": one.prompt, "response": one.response or "No."} for one in EXCHANGES]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / "dev/pyrit_scorer_evals.jsonl.gz"
    path.write_bytes(gzip.compress(content.encode()))
    exchanges = four_bits.development_exchanges(tmp_path, 8)
    assert sum(one.response is None for one in exchanges) == 4
    figures = four_bits.measure(artifact, exchanges, 128)
    assert figures["bytes"][1] < 0.8 * figures["bytes"][0]
    assert 0.0 < figures["moved_mean"] <= figures["moved_max"] < 3.0
    smaller = four_bits.with_four_bits(artifact.model)
    with pytest.raises(ValueError, match="no int8 table"):
        four_bits.measure(replace(artifact, model=smaller), exchanges, 128)
