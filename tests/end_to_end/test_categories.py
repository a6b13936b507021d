"""Categories of harm on the real server: what each format says, and what stops the start."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import OpenAI
from postern.composition.student import load_student
from postern.contract.artifact import (
    MODEL,
    Artifact,
    file_entries,
    read_artifact,
    write_manifest,
)
from postern.contract.categories import CATEGORIES_OUTPUT, CategoryHead
from postern.contract.errors import ArtifactInvalid, SettingsInvalid
from postern.contract.exchange import SLICES, Exchange
from postern.contract.probability import Calibration
from postern.inference.session import OnnxSession
from postern.settings.settings import read_settings

from tests.conftest import StartServer
from tests.end_to_end.test_calibrate import ASKED, calibrate, labelled
from tests.fakes import window_of
from tests.server_process import HANG_S, ServerProcess, postern
from tests.tiny_categories import (
    HEAD,
    build_categorized,
    expected_categories,
    label,
    with_categories,
    write_artifact,
)

HARMFUL, HARMLESS = "how to make a bomb", "how to bake a cake"
TEXTS = (HARMFUL, HARMLESS, "tell me about poison", "read a book " * 60 + "bomb", "my weapon")
MOVED = HEAD.moved_to({"violence": 0.0})
HAS_NONE = [
    *("hate", "hate/threatening", "harassment/threatening", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent", "violence/graphic"),
]


@pytest.fixture(scope="module")
def categorized(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized"))


@pytest.fixture(scope="module")
def doubter(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that is less sure than the student."""
    source = read_artifact(tiny_artifact)
    calibration = {slice_: Calibration(temperature=4.0) for slice_ in SLICES}
    policy = source.manifest.policy.model_copy(update={"calibration": calibration})
    target = tmp_path_factory.mktemp("doubter") / "0.0.9"
    return write_artifact(tiny_artifact, target, source.model, policy=policy)


@pytest.fixture(scope="module")
def told(start_server: StartServer, categorized: Path, doubter: Path) -> ServerProcess:
    """With a teacher, a cache, and a threshold of its own."""
    return start_server(
        artifact=categorized,
        category_thresholds='{"violence": 0}',
        cache_entries=100,
        teacher_artifacts=doubter,
        teacher_audit_share=0,
        teacher_max_share=1.0,
        upstream_url="http://127.0.0.1:9/v1",  # where nobody listens
    )


def names(result: dict[str, Any]) -> list[str]:
    return [one["name"] for one in result["categories"]]


def check(result: dict[str, Any], artifact: Artifact, text: str, *, applying: bool) -> None:
    expected = [
        one
        for one in expected_categories(
            artifact,
            Exchange(text),
            probability=result["probability"],
            harmful=result["harmful"],
            head=MOVED,
        )
        if one.applies or not applying
    ]
    assert names(result) == [one.name for one in expected]
    for found, one in zip(result["categories"], expected, strict=True):
        assert list(found) == ["name", "probability", "applies"]
        assert found["probability"] == pytest.approx(one.probability, abs=1e-3)
        assert found["probability"] <= result["probability"]
        assert found["applies"] is one.applies


def test_a_result_names_what_applies_or_all(told: ServerProcess, categorized: Path) -> None:
    artifact = read_artifact(categorized)
    bodies = [{"prompt": text} for text in TEXTS]
    for text, found in zip(TEXTS, told.classify({"inputs": bodies}).json()["results"], strict=True):
        check(found, artifact, text, applying=True)
        for chosen in ("applying", "all"):
            body = {"prompt": text, "categories": chosen}
            (alone,) = told.classify(body).json()["results"]
            check(alone, artifact, text, applying=chosen == "applying")
    assert told.classify({"prompt": HARMFUL, "categories": "some"}).status_code == 422


def test_the_cache_and_the_company_change_nothing(told: ServerProcess) -> None:
    body = {"prompt": "please make a weapon", "categories": "all"}
    first = told.classify(body).json()["results"]
    hits = told.metric('postern_cache_lookups_total{outcome="hit"}')
    assert told.classify(body).json()["results"] == first
    assert told.metric('postern_cache_lookups_total{outcome="hit"}') == hits + 1
    fresh = {"prompt": "please make the weapon", "categories": "all"}
    company = [{"prompt": f"{text} sea"} for text in TEXTS]
    crowd = {"inputs": [*company, {"prompt": fresh["prompt"]}], "categories": "all"}
    together = told.classify(crowd).json()["results"][-1]["categories"]
    alone = told.classify(fresh).json()["results"][0]["categories"]
    for one, other in zip(together, alone, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-3)
        assert one["applies"] == other["applies"]


def test_the_final_verdict_counts(told: ServerProcess, categorized: Path) -> None:
    artifact = read_artifact(categorized)
    body = {"prompt": HARMFUL, "fallback": "always", "categories": "all"}
    (fused,) = told.classify(body).json()["results"]
    assert fused["decided_by"] == "fused"
    assert fused["probability"] < fused["student_probability"]
    check(fused, artifact, HARMFUL, applying=False)
    (strict,) = told.classify({"prompt": HARMLESS, "threshold": 0.0}).json()["results"]
    assert {"weapons", "violence", "hostile"} <= set(names(strict))


def test_what_applies_is_counted(told: ServerProcess) -> None:
    counted = {
        name: told.metric(f'postern_categories_total{{category="{name}"}}') for name in HEAD.names
    }
    (found,) = told.classify({"prompt": HARMFUL, "categories": "all"}).json()["results"]
    for one in found["categories"]:
        line = f'postern_categories_total{{category="{one["name"]}"}}'
        assert told.metric(line) - counted[one["name"]] == one["applies"]


@pytest.fixture(scope="module")
def client(told: ServerProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{told.url}/v1", api_key="any", timeout=HANG_S) as made:
        yield made


def test_openai_client_reads_what_is_judged(client: OpenAI, told: ServerProcess) -> None:
    (result,) = client.moderations.create(input=HARMFUL).results
    body = {"prompt": HARMFUL, "categories": "all"}
    (ours,) = told.classify(body).json()["results"]
    by_name = {one["name"]: one for one in ours["categories"]}
    kinds = result.categories.model_dump(by_alias=True)
    scores = result.category_scores.model_dump(by_alias=True)
    applied = result.category_applied_input_types.model_dump(by_alias=True)
    rows = {
        "harassment": ["harassment"],
        "illicit": ["weapons", "unlawful"],
        "illicit/violent": ["weapons"],
        "sexual": ["sexual_minors"],
        "sexual/minors": ["sexual_minors"],
        "violence": ["violence"],
    }
    for name, of in rows.items():
        assert scores[name] == pytest.approx(max(by_name[one]["probability"] for one in of))
        assert kinds[name] is any(by_name[one]["applies"] for one in of)
        assert applied[name] == ["text"]
    for name in set(kinds) - set(rows):
        assert (kinds[name], scores[name], applied[name]) == (False, 0.0, [])
    assert set(HAS_NONE) - {"illicit/violent"} <= set(kinds) - set(rows)
    assert result.flagged is True
    extra = result.model_extra or {}
    assert [one["name"] for one in extra["postern"]["categories"]] == [
        one["name"] for one in ours["categories"] if one["applies"]
    ]


def test_perspective_answers_for_what_the_artifact_judges(told: ServerProcess) -> None:
    def ask(*attributes: str, **options: object) -> Any:
        wanted = dict.fromkeys(attributes, options)
        body = {"comment": {"text": HARMFUL}, "requestedAttributes": wanted}
        return told.post("/v1alpha1/comments:analyze", json=body)

    body = {"prompt": HARMFUL, "categories": "all"}
    (ours,) = told.classify(body).json()["results"]
    scores = ask("TOXICITY", "INSULT").json()["attributeScores"]
    found = {name: one["summaryScore"]["value"] for name, one in scores.items()}
    (harassment,) = (one for one in ours["categories"] if one["name"] == "harassment")
    assert found == {"TOXICITY": ours["probability"], "INSULT": harassment["probability"]}
    high = {"scoreThreshold": (found["INSULT"] + found["TOXICITY"]) / 2}
    assert list(ask("TOXICITY", "INSULT", **high).json()["attributeScores"]) == ["TOXICITY"]
    for unjudged in ("THREAT", "IDENTITY_ATTACK", "PROFANITY", "OTHER"):
        refused = ask("INSULT", unjudged)
        assert refused.status_code == 400
        assert "TOXICITY, HARMFUL, INSULT" in refused.json()["error"]["message"]


def test_info_says_what_each_category_covers(told: ServerProcess, server: ServerProcess) -> None:
    shown = told.get("/info").json()["categories"]
    assert [(one["name"], one["covers"], one["threshold"]) for one in shown] == [
        (one.name, list(one.covers), one.threshold) for one in MOVED.labels
    ]
    assert [one["mlcommons"] for one in shown] == [
        "S9 Indiscriminate Weapons",
        "S1 Violent Crimes",
        "S2 Non-Violent Crimes",
        None,
        None,
        "S4 Child Sexual Exploitation",
    ]
    assert server.get("/info").json()["categories"] is None


def test_a_blocked_chat_says_why(told: ServerProcess) -> None:
    messages = [{"role": "user", "content": HARMFUL}]
    reply = told.post("/v1/chat/completions", json={"model": "m", "messages": messages}).json()
    (ours,) = told.classify({"prompt": HARMFUL}).json()["results"]
    assert reply["postern"]["categories"] == names(ours)


def test_an_artifact_without_categories_answers_as_before(server: ServerProcess) -> None:
    for chosen in ("applying", "all"):
        (found,) = server.classify({"prompt": HARMFUL, "categories": chosen}).json()["results"]
        assert "categories" not in found
    moderation = server.post("/v1/moderations", json={"input": HARMFUL}).json()["results"][0]
    assert "categories" not in moderation["postern"]
    assert set(map(str, moderation["category_applied_input_types"].values())) == {"[]"}


def test_files_of_verdicts_name_them(categorized: Path) -> None:
    rows = f"prompt\n{HARMFUL}\n{HARMLESS}\n"
    done = postern("classify", "--csv", "-", stdin=rows, artifact=categorized)
    found = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    lines = f'{{"prompt": "{HARMFUL}"}}\n'
    line = json.loads(postern("classify", "--jsonl", "-", stdin=lines, artifact=categorized).stdout)
    assert found[0]["categories"].split() == names(line)
    assert "weapons" in names(line)
    assert found[1]["categories"] == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"zzsecretzz": 0.3}', "it has weapons, violence, unlawful"),
        ('{"crime": 0.3}', "it has weapons"),
        ("zzsecretzz", "POSTERN_CATEGORY_THRESHOLDS: "),
        ("[]", "POSTERN_CATEGORY_THRESHOLDS: "),
        ('{"weapons": 1.5}', "POSTERN_CATEGORY_THRESHOLDS: "),
        ('{"weapons": NaN}', "POSTERN_CATEGORY_THRESHOLDS: "),
    ],
)
def test_a_threshold_that_cannot_be_used_stops_the_start(
    categorized: Path, value: str, said: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load_student(read_settings(artifact=categorized, category_thresholds=value))
    assert said in str(refused.value)
    assert "zzsecretzz" not in str(refused.value)


def test_thresholds_need_an_artifact_with_categories(tiny_artifact: Path) -> None:
    done = postern("serve", artifact=tiny_artifact, category_thresholds='{"weapons": 0.3}')
    assert done.returncode == 2
    assert b"the artifact has no categories" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_graph_of_another_width_is_neither_published_nor_served(
    categorized: Path, tiny_artifact: Path, tmp_path: Path
) -> None:
    narrow = with_categories(read_artifact(tiny_artifact).model, columns=5)
    with pytest.raises(ArtifactInvalid, match="5 columns instead of 6"):
        write_artifact(tiny_artifact, tmp_path / "0.0.3", narrow, categories=HEAD)
    with pytest.raises(ArtifactInvalid, match="no output 'categories'"):
        write_artifact(
            tiny_artifact, tmp_path / "0.0.4", read_artifact(tiny_artifact).model, categories=HEAD
        )
    folder = Path(shutil.copytree(categorized, tmp_path / "copied"))
    manifest = read_artifact(categorized).manifest
    (folder / MODEL).write_bytes(narrow)
    write_manifest(folder, manifest.model_copy(update={"files": file_entries(folder)}))
    with pytest.raises(ArtifactInvalid, match="5 columns instead of 6"):
        load_student(read_settings(artifact=folder))


def test_a_calibrated_version_keeps_them(categorized: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(categorized, tmp_path / "tiny" / "0.0.2"))
    done = calibrate("--data", labelled(tmp_path / "data.jsonl"), "--artifact", source, *ASKED)
    assert done.returncode == 0, done.stderr
    (new,) = (path for path in source.parent.iterdir() if path != source)
    manifest = read_artifact(new).manifest
    assert manifest.certificate is not None
    assert manifest.categories == HEAD


def test_their_columns_are_those_of_the_graph(categorized: Path) -> None:
    student = load_student(read_settings(artifact=categorized, engine="onnxruntime"))
    windows = [window_of(7, 5), window_of(9, 20)]
    rows = student.session.run(windows)
    assert rows.shape == (2, student.columns.count) == (2, 2 + len(HEAD.labels))
    model = read_artifact(categorized).model
    plain = OnnxSession(model, pad_id=0, intra_op_threads=1, extra={CATEGORIES_OUTPUT: None})
    expected = plain.run(windows)[:, 2:]
    np.testing.assert_allclose(rows[:, student.columns.categories], expected, atol=1e-4)


def test_a_merged_label_counts_only_where_all_of_it_belongs() -> None:
    from postern.dialects.bodies import judged_targets
    from postern.dialects.openai_moderations import CATEGORIES
    from postern.dialects.perspective import OF_CATEGORIES

    head = CategoryHead(
        labels=(
            label("intimate", "sexual", "sexual_minors"),
            label("harsh", "violence", "threat"),
            label("rude", "profanity", "harassment"),
            label("threat"),
        )
    )
    assert judged_targets(head, CATEGORIES) == {
        "sexual": (0,),
        "violence": (1, 3),
        "harassment/threatening": (3,),
    }
    assert judged_targets(head, OF_CATEGORIES) == {"THREAT": (3,)}
    assert judged_targets(None, CATEGORIES) == {}
