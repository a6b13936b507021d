"""The policy: fitted on margins whose truth is known, then through a served tiny student."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from postern.calibration.fit import Sample
from postern.contract.exchange import SLICES
from postern.contract.probability import Calibration, harmful_probability

from model_training.data.rows import Row
from model_training.errors import DataInvalid
from model_training.evaluation.fit_policy import (
    fit_policy,
    fitted_languages,
    row_weights,
    write_policy,
)
from model_training.run.candidate import CALIBRATION, read_json, read_policy
from tests.tiny_student import tiny_config, tiny_rows


def known_sample(temperature: float, bias: float, *, size: int = 6000) -> Sample:
    """Margins whose labels were drawn with the probability that a calibration gives them."""
    rng = np.random.default_rng(0)
    margins = rng.normal(scale=4.0, size=size)
    truth = harmful_probability(margins, Calibration(temperature=temperature, bias=bias))
    return Sample(
        margins=margins,
        labels=(rng.random(size) < truth).astype(np.int64),
        weights=np.ones(size),
        folds=rng.integers(0, 5, size),
    )


def test_sources_weigh_by_the_root_of_their_size_and_classes_keep_their_mass() -> None:
    rows = [Row(source="large", prompt=f"p{i}", response=None, label=0) for i in range(100)]
    rows += [Row(source="small", prompt=f"q{i}", response=None, label=0) for i in range(4)]
    rows += [Row(source="small", prompt=f"r{i}", response=None, label=1) for i in range(6)]
    weights = row_weights(rows, source_exponent=0.5, source_weights={})
    large, small, harmful = weights[:100].sum(), weights[100:104].sum(), weights[104:].sum()

    assert large / small == pytest.approx(5.0)
    assert large + small == pytest.approx(104.0)
    assert harmful == pytest.approx(6.0)


def test_a_slice_without_harmful_rows_takes_the_other_fit() -> None:
    sample = known_sample(1.0, 0.0, size=500)
    one_label = Sample(sample.margins, np.zeros(500, dtype=np.int64), sample.weights, sample.folds)
    result = fit_policy({"prompt": sample, "pair": one_label})

    assert result.policy.calibration["pair"] == result.policy.calibration["prompt"]
    assert result.metrics["pair"]["fitted_on"] == "prompt"
    with pytest.raises(DataInvalid, match="both labels"):
        fit_policy({"prompt": one_label, "pair": one_label})


def test_the_languages_that_a_fit_saw_are_counted() -> None:
    labels = [("a.de", 1), ("a.de", 0), ("b.de", 0), ("a", 0)]
    rows = [
        Row(source=source, prompt=f"{n}", response=None, label=label)
        for n, (source, label) in enumerate(labels)
    ]
    rows.append(Row(source="a.fr", prompt="x", response="y", label=1))
    assert fitted_languages(rows) == {
        "prompt": {"de": {"rows": 3, "harmful_rows": 1}, "en": {"rows": 1, "harmful_rows": 0}},
        "pair": {"fr": {"rows": 1, "harmful_rows": 1}},
    }


def test_calibrate_writes_a_policy_for_the_served_graph(tiny_candidate: Path) -> None:
    result = write_policy(tiny_candidate, tiny_rows(160, seed=5), tiny_config(), threads=1)

    assert read_policy(tiny_candidate) == result.policy
    slices = read_json(tiny_candidate / CALIBRATION)["slices"]
    assert set(slices) == set(SLICES)
    for found in slices.values():
        english = {"rows": found["rows"], "harmful_rows": found["harmful_rows"]}
        assert found["languages"] == {"en": english}
    for slice_ in SLICES:
        thresholds = [
            result.policy.operating_points[name][slice_].threshold
            for name in ("strict", "balanced", "permissive")
        ]
        assert thresholds == sorted(thresholds)
