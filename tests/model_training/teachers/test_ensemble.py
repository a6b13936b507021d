"""Members of several kinds as one teacher: weights, the file that holds them, who may answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.calibration.fit import Sample
from postern.contract.exchange import Exchange

from model_training.errors import RecipeInvalid
from model_training.evaluation.ensemble_report import share_of_leads
from model_training.measures.figures import nll
from model_training.recipe.augmentation import EnsembleTeacher
from model_training.recipe.config import DistilConfig, WindowConfig
from model_training.recipe.ensemble import NgramMember
from model_training.run.journal import Journal
from model_training.teachers.ensemble import (
    ENSEMBLE,
    Ensemble,
    FittedMember,
    fit_ensemble,
    fit_slice,
    fit_weights,
    out_of_fold,
    read_ensemble,
    write_ensemble,
)
from model_training.teachers.ensemble_teacher import open_ensemble, open_judge
from model_training.teachers.fingerprint import fingerprint
from model_training.teachers.labellers import asked_of, at_home, open_teacher
from model_training.teachers.llm import answer_all
from model_training.teachers.ngrams import Ngrams, train_ngrams
from tests.tiny_student import tiny_rows

WINDOWS = WindowConfig(window_tokens=64, overlap_tokens=8)
EXCHANGES = [row.exchange for row in tiny_rows(40, seed=5)]


def _sample(labels: Any, weights: Any = None) -> Sample:
    count = len(labels)
    return Sample(
        margins=np.zeros(count),
        labels=np.array(labels, dtype=np.int64),
        weights=np.ones(count) if weights is None else np.array(weights),
        folds=np.arange(count) % 5,
    )


def _noisy(seed: int, count: int = 600) -> tuple[Any, Any]:
    """Two members that see the label through noise of their own, and one that guesses."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size=count)
    signal = 2.0 * labels - 1.0
    members = [signal + rng.normal(size=count), 5 * (signal + rng.normal(size=count))]
    return np.stack([*members, rng.normal(size=count)]), labels


def test_weights_fall_to_those_who_know_and_never_below_zero() -> None:
    margins, labels = _noisy(0)
    temperatures, weights = fit_slice(margins, _sample(labels))
    assert (weights >= 0).all()
    says = weights / temperatures
    assert says[2] < 0.1 * min(says[:2])
    # The second says the same five times as loudly: its temperature takes that back.
    assert temperatures[1] / temperatures[0] == pytest.approx(5, rel=0.2)
    assert weights[1] == pytest.approx(weights[0], rel=0.3)


def test_a_member_that_is_wrong_gets_next_to_no_say() -> None:
    margins, labels = _noisy(1)
    margins[2] = -margins[0]
    temperatures, weights = fit_slice(margins, _sample(labels))
    says = weights / temperatures
    assert 0 <= says[2] < 0.01 * says[0]
    labels_seen = np.where(labels == 1, 1.0, -1.0)
    assert fit_weights(margins[[0, 2]] + labels_seen, labels, np.ones(600))[1] >= 0


def test_the_fit_is_better_than_any_member_and_than_the_mean_also_out_of_fold() -> None:
    margins, labels = _noisy(2)
    sample = _sample(labels)

    def loss(found: Any) -> float:
        return nll(1 / (1 + np.exp(-found)), labels)

    temperatures, weights = fit_slice(margins, sample)
    scaled = margins / temperatures[:, None]
    ours = loss(out_of_fold(margins, sample))
    assert ours < min(map(loss, scaled))
    assert ours < loss(scaled.mean(axis=0))
    assert loss((weights / temperatures) @ margins) <= ours


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(3)))
def test_the_order_of_the_members_changes_nothing(seed: int, order: list[int]) -> None:
    margins, labels = _noisy(seed, count=80)
    weights = np.ones(80)
    found = fit_weights(margins, labels, weights)
    np.testing.assert_allclose(
        fit_weights(margins[order], labels, weights), found[order], atol=0.02
    )


def test_a_common_class_counts_no_more_than_a_rare_one() -> None:
    margins, labels = _noisy(3)
    rare = np.where(labels == 1, 0.01, 1.0)
    for one, other in zip(
        fit_slice(margins, _sample(labels)), fit_slice(margins, _sample(labels, rare)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_slice_of_one_class_is_a_plain_mean() -> None:
    temperatures, weights = fit_slice(np.ones((4, 3)), _sample([1, 1, 1]))
    assert temperatures.tolist() == [1.0] * 4
    assert weights.tolist() == [0.25] * 4


def test_each_slice_has_weights_of_its_own() -> None:
    margins, labels = _noisy(4)
    other = margins[[2, 1, 0]]  # the first member is the one that guesses
    slices = np.array(["prompt"] * 600 + ["pair"] * 600)
    fields = [
        {"name": name, "kind": "ngrams", "folder": name, "fingerprint": name} for name in "abc"
    ]
    found = fit_ensemble(
        fields,
        np.concatenate([margins, other], axis=1),
        {"prompt": _sample(labels), "pair": _sample(labels)},
        slices,
    )

    def says(place: int, name: Any) -> float:
        return found.members[place].weight[name] / found.members[place].temperature[name]

    assert says(2, "prompt") < 0.1 * says(2, "pair")
    assert says(0, "pair") < 0.1 * says(0, "prompt")
    both = np.stack([np.ones(2), np.ones(2), np.ones(2)])
    expected = [
        sum(one.weight[name] / one.temperature[name] for one in found.members)
        for name in ("prompt", "pair")
    ]
    np.testing.assert_allclose(found.combine(both, np.array(["prompt", "pair"])), expected)


def test_a_lead_is_told_from_a_tie() -> None:
    margins, labels = _noisy(5)
    theirs = {"guesses": margins[2], "same": margins[0]}
    found = share_of_leads(margins[0], theirs, labels, resamples=20)
    assert found == {"guesses": 1.0, "same": 0.0}
    one_class = share_of_leads(margins[0], theirs, np.ones(600, dtype=np.int64))
    assert one_class == {"guesses": None, "same": None}


# --- as a teacher -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def teacher(tiny_student: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `fit-ensemble` leaves it, of an encoder and a member of n-grams."""
    folder = tmp_path_factory.mktemp("teacher")
    shutil.copytree(tiny_student, folder / "encoder" / "student")
    member = NgramMember(kind="ngrams", name="n", features_log2=12, rows=200)
    train_ngrams(tiny_rows(200, seed=1), member, DistilConfig(base="tiny")).save(
        folder / "n", made_of="x"
    )
    write_ensemble(
        folder,
        Ensemble(
            members=(
                _member(folder, "encoder/student", "encoder", prompt=1.5, pair=0.5),
                _member(folder, "n", "ngrams", prompt=0.25, pair=0.0),
            )
        ),
    )
    return folder


def _member(folder: Path, place: str, kind: Any, *, prompt: float, pair: float) -> FittedMember:
    return FittedMember(
        name=kind,
        kind=kind,
        folder=place,
        fingerprint=fingerprint(str(folder / place)),
        windows=WINDOWS if kind == "encoder" else None,
        temperature={"prompt": 2.0, "pair": 0.5},
        weight={"prompt": prompt, "pair": pair},
    )


def _config(folder: Path | None) -> EnsembleTeacher:
    return EnsembleTeacher(
        kind="ensemble", folder=None if folder is None else str(folder), precision="fp32"
    )


def test_a_member_reads_only_where_it_has_a_say(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Ngrams.margins

    def margins(self: Ngrams, exchanges: Any) -> Any:
        read.extend(one.slice for one in exchanges)
        return whole(self, exchanges)

    monkeypatch.setattr(Ngrams, "margins", margins)
    opened = open_ensemble(teacher, batch_tokens=512, precision="fp32")
    read.clear()  # of what it was tried with
    assert np.isfinite(opened.margins([row.exchange for row in tiny_rows(8, seed=3)])).all()
    assert read == ["prompt"] * 4


def test_it_says_the_weighted_sum_of_its_members(teacher: Path, tmp_path: Path) -> None:
    config = at_home(_config(None), teacher)
    opened = open_teacher(config, temperature=1.0)
    assert opened.backend.asked == asked_of(config)
    calls = [opened.write(one) for one in EXCHANGES]
    with Journal(tmp_path / "calls.jsonl") as journal:
        replies = answer_all(calls, opened.backend, journal, what="label")
    encoder, ngrams = (
        open_judge(kind, teacher / place, windows, batch_tokens=512, precision="fp32")
        for kind, place, windows in (
            ("encoder", "encoder/student", WINDOWS),
            ("ngrams", "n", None),
        )
    )
    prompts = np.array([one.response is None for one in EXCHANGES])
    expected = np.where(
        prompts,
        encoder.margins(EXCHANGES) * 1.5 / 2 + ngrams.margins(EXCHANGES) * 0.25 / 2,
        encoder.margins(EXCHANGES) * 0.5 / 0.5,
    )
    margins = np.array([reply.margin for reply in replies], dtype=np.float64)
    np.testing.assert_allclose(margins, expected, atol=1e-4)


def test_nothing_visible_is_refused(teacher: Path) -> None:
    opened = open_teacher(_config(teacher), temperature=1.0)
    call = opened.write(Exchange("\u200b"))
    found: dict[str, Any] = {}
    opened.backend.answer([call], found.update)
    assert found[call.key].refused == 422


def test_other_weights_are_another_teacher(teacher: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(teacher, tmp_path / "copy"))
    before = asked_of(_config(copy))
    content = json.loads((copy / ENSEMBLE).read_text())
    content["members"][0]["weight"]["pair"] = 0.75
    (copy / ENSEMBLE).write_text(json.dumps(content))
    assert asked_of(_config(copy)) != before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "'ngrams' of the ensemble is missing"),
        ("other", "contains other weights"),
        ("none", "run stage 'fit-ensemble' first"),
        ("negative", "is not an ensemble of this program"),
        ("empty", "is not an ensemble of this program"),
        ("no_windows", "needs windows"),
        ("nowhere", "needs `folder`"),
    ],
)
def test_an_ensemble_of_other_members_is_one_clear_line(
    teacher: Path, tmp_path: Path, damage: str, message: str
) -> None:
    copy = Path(shutil.copytree(teacher, tmp_path / "copy"))
    path = copy / ENSEMBLE
    content = json.loads(path.read_text())
    match damage:
        case "missing":
            shutil.rmtree(copy / "n")
        case "other":
            train_ngrams(
                tiny_rows(90, seed=7),
                NgramMember(kind="ngrams", name="n", features_log2=12, rows=200),
                DistilConfig(base="tiny"),
            ).save(copy / "n", made_of="x")
        case "none":
            path.unlink()
        case "negative":
            content["members"][0]["weight"]["pair"] = -1
            path.write_text(json.dumps(content))
        case "empty":
            path.write_text("")
        case "no_windows":
            content["members"][0]["windows"] = None
            path.write_text(json.dumps(content))
    with pytest.raises(RecipeInvalid, match=message) as caught:
        open_teacher(_config(None if damage == "nowhere" else copy), temperature=1.0)
    assert "\n" not in str(caught.value)


def test_what_was_written_is_read(teacher: Path) -> None:
    assert read_ensemble(teacher) == Ensemble.model_validate_json((teacher / ENSEMBLE).read_bytes())
