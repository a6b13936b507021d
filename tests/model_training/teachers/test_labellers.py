"""Who labels: classifiers alone and together, and another Postern server."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from postern.contract.exchange import Exchange
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from model_training.errors import RecipeInvalid, ServerUnusable
from model_training.recipe.augmentation import ClassifierTeacher, PosternTeacher
from model_training.run.journal import Journal
from model_training.teachers.classifier import ClassifierBackend
from model_training.teachers.fingerprint import classifier_asked
from model_training.teachers.labellers import asked_of, open_teacher, read_classify
from model_training.teachers.llm import Call, Reply, answer_all
from tests.server_process import ServerProcess
from tests.tiny_student import TINY_NAME, TINY_VERSION, tiny_rows


def _answer(backend: Any, calls: list[Call]) -> dict[str, Reply]:
    found: dict[str, Reply] = {}
    backend.answer(calls, lambda replies: found.update(replies))
    return found


EXCHANGES = [row.exchange for row in tiny_rows(40, seed=5)]
LABELS = np.array([row.label for row in tiny_rows(40, seed=5)])


def _softs(config: Any, exchanges: list[Exchange], journal: Journal, t: float = 1.0) -> list[Any]:
    teacher = open_teacher(config, temperature=t)
    calls = [teacher.write(exchange) for exchange in exchanges]
    replies = answer_all(calls, teacher.backend, journal, what="label")
    return [teacher.read(reply, one) for reply, one in zip(replies, exchanges, strict=True)]


def _student(*folders: Path, **changes: Any) -> ClassifierTeacher:
    return ClassifierTeacher.model_validate(
        {
            "kind": "classifier",
            "folders": [str(folder) for folder in folders],
            "format": "student",
            "window_tokens": 64,
            "overlap_tokens": 8,
            **changes,
        }
    )


def _postern(
    server: ServerProcess, artifact: str = f"{TINY_NAME} {TINY_VERSION}"
) -> PosternTeacher:
    return PosternTeacher(kind="postern", base_url=server.url, artifact=artifact)


def test_another_student_than_the_recipe_asks_for_is_refused(
    server: ServerProcess, journal: Journal
) -> None:
    with pytest.raises(ServerUnusable, match=r"serves 'tiny 0\.0\.1'.* asks for 'tiny 9'"):
        _softs(_postern(server, "tiny 9"), EXCHANGES, journal)
    assert len(journal) == 0


def test_a_checkpoint_of_our_own_judges_as_it_is_served(
    tiny_student: Path, server: ServerProcess, journal: Journal
) -> None:
    """Against the real server, which is also what the teacher `postern` asks."""
    long = Exchange("bake a cake " * 60 + "with a bomb")  # several windows
    exchanges = [*EXCHANGES, long]
    own = _softs(_student(tiny_student), exchanges, journal)
    served = _softs(_postern(server), exchanges, journal)
    # The tiny artifact is calibrated with temperature 1.
    np.testing.assert_allclose(own, served, atol=2e-3)
    assert ((np.array(own[:-1]) > 0.5) == LABELS).mean() > 0.9


def test_half_precision_is_near_and_is_another_answer(tiny_student: Path, journal: Journal) -> None:
    exact, rounded = (_student(tiny_student, precision=one) for one in ("fp32", "bf16"))
    softs = [np.array(_softs(one, EXCHANGES, journal)) for one in (exact, rounded)]
    np.testing.assert_allclose(softs[1], softs[0], atol=0.03)
    assert np.abs(softs[1] - softs[0]).max() > 0.0, "it was asked again, and computed otherwise"
    assert classifier_asked(rounded) == f"{classifier_asked(exact)}, bf16"


def test_what_cannot_be_judged_is_a_value(
    tiny_student: Path, server: ServerProcess, journal: Journal
) -> None:
    exchanges = [Exchange("\u200b"), Exchange("bake a cake")]
    for config in (_student(tiny_student), _postern(server)):
        nothing, something = _softs(config, exchanges, journal)
        assert nothing is None
        assert something is not None


def test_the_format_of_harmaug_guard(tiny_student: Path, tmp_path: Path, journal: Journal) -> None:
    """tokenizer(prompt, response), softmax, index 1; no id2label."""
    folder = Path(shutil.copytree(tiny_student, tmp_path / "guard"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    model.config.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = _student(folder, format="pair", window_tokens=48)
    softs = _softs(config, EXCHANGES, journal)
    for exchange, soft in zip(EXCHANGES, softs, strict=True):
        inputs = tokenizer(
            exchange.prompt,
            exchange.response,
            return_tensors="pt",
            truncation=True,
            max_length=48,
        )
        with torch.inference_mode():
            expected = torch.softmax(model(**inputs).logits, dim=-1)[0, 1].item()
        assert soft == pytest.approx(expected, abs=1e-5)


def test_an_ensemble_is_the_mean_of_logits(
    tiny_student: Path, tmp_path: Path, journal: Journal
) -> None:
    other = Path(shutil.copytree(tiny_student, tmp_path / "other"))
    model = AutoModelForSequenceClassification.from_pretrained(other)
    torch.manual_seed(3)
    torch.nn.init.normal_(model.classifier.weight)
    model.save_pretrained(other)
    alone = [np.array(_softs(_student(one), EXCHANGES, journal)) for one in (tiny_student, other)]
    both = np.array(_softs(_student(tiny_student, other), EXCHANGES, journal, t=2.0))
    logits = [np.log(soft / (1 - soft)) for soft in alone]
    np.testing.assert_allclose(both, 1 / (1 + np.exp(-np.mean(logits, axis=0) / 2)), atol=1e-6)


def test_the_same_weights_that_read_otherwise_are_asked_again(
    tiny_student: Path, journal: Journal
) -> None:
    long = [Exchange("bake a cake " * 60 + "with a bomb")]
    short, wide = _student(tiny_student), _student(tiny_student, window_tokens=128)
    assert asked_of(short) != asked_of(wide)
    assert _softs(short, long, journal) != _softs(wide, long, journal)
    assert len(journal) == 2
    for config in (short, wide):
        assert open_teacher(config, temperature=1.0).backend.asked == asked_of(config)


def test_windows_longer_than_the_classifier_has_positions_are_refused(tiny_student: Path) -> None:
    for format in ("student", "pair"):
        with pytest.raises(RecipeInvalid, match=r"has positions for \d+ tokens, not for the 8192"):
            ClassifierBackend(_student(tiny_student, window_tokens=8192, format=format))


def test_a_classifier_of_three_labels_is_refused(tiny_student: Path, tmp_path: Path) -> None:
    folder = tmp_path / "three"
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_student, num_labels=3, ignore_mismatched_sizes=True
    )
    model.save_pretrained(folder)
    shutil.copy(tiny_student / "tokenizer.json", folder)
    with pytest.raises(RecipeInvalid, match="3 labels"):
        ClassifierBackend(_student(folder))


def test_numbers_that_are_not_finite_end_the_stage(tiny_student: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_student, tmp_path / "broken"))
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    model.save_pretrained(folder)
    teacher = open_teacher(_student(folder), temperature=1.0)
    with pytest.raises(RecipeInvalid, match="not finite"):
        _answer(teacher.backend, [teacher.write(Exchange("bake"))])


@pytest.mark.parametrize(
    "content",
    [None, [], {}, {"results": []}, {"results": [{"probability": 2}]}, {"results": [{}, {}]}],
)
def test_a_reply_of_another_server_is_nonsense(content: object) -> None:
    with pytest.raises(ValueError, match="no "):
        read_classify(content, artifact="tiny 1")
