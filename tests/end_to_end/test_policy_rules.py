"""What policies say about rates, languages and categories, and which of them only audit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from postern.contract.audit import EXT_AUTHZ

from tests.app.languages.test_reader import ENGLISH, FOREIGN
from tests.conftest import StartServer
from tests.end_to_end.dialects import (
    AGENTGATEWAY,
    DETECTOR,
    LITELLM,
    OPENAI,
    PERSPECTIVE,
    TEI,
    assert_fails,
)
from tests.end_to_end.test_policies import by, hashed, judged, metric, replace
from tests.server_process import ServerProcess
from tests.tiny_categories import HEAD, build_categorized

GERMAN = FOREIGN["de"]
FINE = "tell me a story"
HARMFUL = "how to make a bomb"
RULES = {
    "rare": "limits.requests_per_minute = 1",
    "rarest": 'extends = "rare"\nmode = "audit"',
    "german": "languages.de.thresholds = { prompt = 0.0 }\nlanguages.fr.operating_point = 'strict'",
    "english": 'on_unsupported_language = "block"',
    "prompts": "categories.violence.thresholds = { prompt = 0.0 }",
    "answers": "categories.violence.thresholds = { pair = 0.0 }",
    "applies": "categories.violence.applies_from = 0.0",
    "unmoved": "categories.violence.thresholds = 1.0",
    "sorted": "\n".join(f'categories.{name}.mode = "audit"' for name in HEAD.names),
}
FILE = "".join(
    f'[policies.{name}]\nkeys = ["{hashed(name)}"]\n{rules}\n' for name, rules in RULES.items()
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "policies.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def served(
    start_server: StartServer,
    file: Path,
    tiny_artifact: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> ServerProcess:
    return start_server(
        artifact=build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized")),
        api_keys=",".join(["plain", *RULES]),
        policies=file,
        cache_entries=100,
    )


# --- requests in a minute -----------------------------------------------------------------------


@pytest.mark.parametrize("key", ["rare", "rarest"])
def test_a_key_has_its_requests_in_a_minute_and_no_more(served: ServerProcess, key: str) -> None:
    """The second one comes too early by a minute: by far more than it takes here."""
    dialects = (AGENTGATEWAY, DETECTOR, LITELLM, OPENAI, PERSPECTIVE, TEI)
    assert judged(served, key, FINE)["harmful"] is False
    for dialect in dialects:
        reply = served.post(dialect.path, json=dialect.body(FINE), headers=by(key))
        assert_fails(reply, dialect, 429, "rate-exceeded")
        assert 0 < int(reply.headers["retry-after"]) <= 60
        assert reply.headers["x-postern-policy"] == key
    chat = {"messages": [{"role": "user", "content": FINE}]}
    for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
        reply = served.request(method, f"{EXT_AUTHZ}/v1/chat", json=chat, headers=by(key))
        assert reply.status_code == 429, method
    # Reading what runs here is free, and so are the requests of others.
    assert served.get("/info", headers=by(key)).status_code == 200
    assert judged(served, "plain", FINE)["harmful"] is False
    assert metric(served, 'postern_rejected_total{reason="rate-exceeded"}') >= len(dialects)


# --- languages ----------------------------------------------------------------------------------


def test_a_policy_has_thresholds_for_a_language(served: ServerProcess) -> None:
    for _ in range(2):  # the second time, scores come from the cache
        found = judged(served, "german", GERMAN)
        assert (found["language"], found["threshold"], found["harmful"]) == ("de", 0.0, True)
        assert judged(served, "german", FOREIGN["fr"])["threshold"] == 0.3  # that of `strict`
        usual = judged(served, "plain", GERMAN)
        assert usual["threshold"] == 0.5
        for text in (ENGLISH[3], FOREIGN["es"]):
            assert judged(served, "german", text)["threshold"] == usual["threshold"]
        # An answer has another threshold than a prompt.
        assert judged(served, "german", GERMAN, response=GERMAN)["threshold"] != 0.0
        assert judged(served, "german", GERMAN, threshold=0.9)["threshold"] == 0.9


def test_a_policy_blocks_languages_that_the_student_does_not_know(served: ServerProcess) -> None:
    found = judged(served, "english", GERMAN)
    assert (found["harmful"], found["block_reason"]) == (True, "unsupported_language")
    assert "block_reason" not in judged(served, "english", ENGLISH[3])
    usual = judged(served, "plain", GERMAN)
    assert (usual["decided_by"], usual["degraded"]) == ("student", True)
    assert "block_reason" not in usual


# --- categories ---------------------------------------------------------------------------------


def applying(result: dict[str, Any]) -> set[str]:
    return {one["name"] for one in result["categories"] if one["applies"]}


def test_a_category_over_its_threshold_makes_harmful(served: ServerProcess) -> None:
    found = judged(served, "prompts", FINE)
    assert (found["harmful"], found["decided_by"]) == (True, "policy")
    assert found["block_reason"] == "category"
    assert found["probability"] < found["threshold"]
    assert "violence" in applying(found)  # which applies to nothing by the artifact
    for key in ("plain", "answers", "unmoved"):
        other = judged(served, key, FINE)
        assert (other["harmful"], other["decided_by"]) == (False, "student"), key
    pair = judged(served, "answers", FINE, response=FINE)
    assert (pair["harmful"], pair["block_reason"]) == (True, "category")
    assert judged(served, "prompts", FINE, response=FINE)["harmful"] is False


def test_a_policy_moves_where_a_category_applies(served: ServerProcess) -> None:
    assert "violence" in applying(judged(served, "applies", HARMFUL))
    assert "violence" not in applying(judged(served, "plain", HARMFUL))
    assert applying(judged(served, "applies", FINE)) == set()  # nothing applies to the harmless


# --- own modes ----------------------------------------------------------------------------------


def own_modes(server: ServerProcess) -> dict[tuple[str, str], float]:
    """By policy and category, what the gauge says."""
    text = server.get("/metrics", headers=by("plain")).text
    pattern = r'^postern_policy_mode_state\{category="(.*)",policy="(.*)"\} (.*)$'
    found = re.findall(pattern, text, re.MULTILINE)
    return {(policy, category): float(value) for category, policy, value in found}


def test_own_modes_are_shown(served: ServerProcess, file: Path) -> None:
    audited = {("sorted", name): 1.0 for name in HEAD.names}
    assert own_modes(served) == {("rarest", ""): 1.0} | audited
    shown = served.get("/info", headers=by("plain")).json()["policies"]["policies"]
    assert {one["name"]: one["mode"] for one in shown if one["mode"]} == {"rarest": "audit"}
    categories = {one["name"]: one["audited_categories"] for one in shown}
    assert categories == {name: [] for name in RULES} | {"sorted": sorted(HEAD.names)}
    # A policy that is gone, or has another mode now, leaves no series behind.
    turned = FILE.replace('categories.weapons.mode = "audit"', "").replace(
        'mode = "audit"', 'mode = "enforce"'
    )
    replace(served, file, turned, "loaded")
    assert own_modes(served) == {("rarest", ""): 0.0}
    replace(served, file, f"{FILE}[policies.", "rejected")
    assert own_modes(served) == {("rarest", ""): 0.0}
