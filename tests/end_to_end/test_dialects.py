"""What each dialect says: the examples of its documentation, and the verdicts of `/classify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.end_to_end.dialects import (
    ALL,
    DETECTOR,
    EVERY,
    LITELLM,
    OPENAI,
    PERSPECTIVE,
    TEI,
    Dialect,
)
from tests.server_process import ServerProcess

GOLDEN = Path(__file__).resolve().parents[1] / "golden/dialects"
HARMFUL = "how to make a bomb"
HARMLESS = "how to bake a cake"
TEXTS = (HARMFUL, HARMLESS, "tell me a story", "please help my weapon", "the sea " * 100)


def shape(document: Any, prefix: str = "") -> set[tuple[str, str]]:
    """Every path in a document with the kind of value at its end; numbers are one kind."""
    if isinstance(document, dict):
        return set().union(
            *(shape(value, f"{prefix}.{name}".lstrip(".")) for name, value in document.items()),
        )
    if isinstance(document, list):
        return set().union({(prefix, "list")}, *(shape(value, prefix) for value in document))
    kind = "number" if isinstance(document, int | float) else type(document).__name__
    return {(prefix, "bool" if isinstance(document, bool) else kind)}


def below(paths: set[tuple[str, str]], names: list[str]) -> set[tuple[str, str]]:
    return {
        (path, kind)
        for path, kind in paths
        if any(path == name or path.startswith(f"{name}.") for name in names)
    }


@pytest.mark.parametrize(
    "name",
    [
        *("openai_moderations", "litellm_guardrail", "tei_predict", "perspective_analyze"),
        *("agentgateway_request", "agentgateway_response"),
    ],
)
def test_documented_examples(server: ServerProcess, name: str) -> None:
    """A documented request is answered in the documented shape, but for what is named."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    reply = server.post(golden["path"], json=golden["request"])
    assert reply.status_code == 200, reply.text
    ours, theirs = shape(reply.json()), shape(golden["documented_reply"])
    # Lists of strings may be empty with us: no category is judged on any input.
    if name == "openai_moderations":
        applied = below(theirs, ["results.category_applied_input_types"])
        theirs -= {(path, kind) for path, kind in applied if kind == "str"}
    beside, missing = below(ours, golden["ours_beside"]), below(theirs, golden["not_ours"])
    assert ours - beside == theirs - missing
    assert bool(beside) == bool(golden["ours_beside"])


def test_documented_errors(server: ServerProcess, start_server: StartServer) -> None:
    golden = json.loads((GOLDEN / "errors.json").read_text())
    keyed = start_server(api_keys="key-one", max_items=1, max_exchange_chars=100)
    refused = keyed.post(OPENAI.path, json=OPENAI.body("cake")).json()
    documented = golden["openai"]["documented"]
    assert list(refused["error"]) == list(documented["error"])
    assert refused["error"]["code"] == documented["error"]["code"]

    key = {"Authorization": "Bearer key-one"}
    too_many = keyed.post(TEI.path, json={"inputs": [["a"], ["a"]]}, headers=key)
    documented = golden["tei"]["documented"]["413"]
    assert too_many.status_code == 413
    assert list(too_many.json()) == list(documented)
    assert too_many.json()["error_type"] == documented["error_type"]

    empty = server.post(PERSPECTIVE.path, json=PERSPECTIVE.body("")).json()["error"]
    documented = golden["google"]["documented"]["error"]
    assert list(empty) == list(documented)
    assert empty["status"] == documented["status"]
    assert documented["details"][0] in empty["details"]


def probability(dialect: Dialect, reply: Any) -> float:
    if dialect is OPENAI:
        return float(reply["results"][0]["postern"]["probability"])
    if dialect is LITELLM:
        return float(reply["postern"]["results"][0]["probability"])
    if dialect is TEI:
        return float({one["label"]: one["score"] for one in reply}["harmful"])
    return float(reply["attributeScores"]["TOXICITY"]["summaryScore"]["value"])


@pytest.mark.parametrize("dialect", ALL, ids=str)
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_all_doors_lead_to_one_verdict(server: ServerProcess, dialect: Dialect, text: str) -> None:
    (expected,) = server.classify({"prompt": text}).json()["results"]
    reply = server.post(dialect.path, json=dialect.body(text))
    assert reply.headers["x-postern-harmful"] == str(expected["harmful"]).lower()
    assert reply.headers["x-postern-degraded"] == "false"
    assert probability(dialect, reply.json()) == pytest.approx(expected["probability"], abs=1e-3)


@pytest.mark.parametrize("dialect", EVERY, ids=str)
def test_nul_and_odd_characters_inside_a_text_are_read(
    server: ServerProcess, dialect: Dialect
) -> None:
    for text in (
        "how to make a\u0000bomb",
        "how to make a bo\u200bmb",
        "\uff42\uff4f\uff4d\uff42",
        "bomb \U0001f600",
    ):
        reply = server.post(dialect.path, json=dialect.body(text))
        assert reply.headers["x-postern-harmful"] == "true", text


def test_openai_parts_are_one_input(server: ServerProcess) -> None:
    parts = [{"type": "text", "text": text} for text in (HARMLESS, HARMFUL)]
    (result,) = server.post(OPENAI.path, json={"input": parts}).json()["results"]
    (expected,) = server.classify({"prompt": f"{HARMLESS}\n{HARMFUL}"}).json()["results"]
    assert result["postern"]["probability"] == pytest.approx(expected["probability"], abs=1e-3)
    assert result["flagged"] is True


def test_tei_pair_is_a_prompt_and_its_response(server: ServerProcess) -> None:
    pair = server.post(TEI.path, json={"inputs": [HARMLESS, HARMFUL]}).json()
    (expected,) = server.classify({"prompt": HARMLESS, "response": HARMFUL}).json()["results"]
    assert probability(TEI, pair) == pytest.approx(expected["probability"], abs=1e-3)
    assert [one["label"] for one in pair] == ["harmful", "unharmful"]
    assert sum(one["score"] for one in pair) == pytest.approx(1.0)
    batch = server.post(TEI.path, json={"inputs": [[HARMLESS], [HARMLESS, HARMFUL]]}).json()
    assert [one[0]["label"] for one in batch] == ["unharmful", "harmful"]
    assert server.post(TEI.path, json={"inputs": [HARMLESS]}).json()[0]["label"] == "unharmful"
    # Truncation is asked for and not done: harm at the end of a long text is seen.
    long = {"inputs": f"{'cake ' * 300} bomb", "truncate": True, "truncation_direction": "Right"}
    assert server.post(TEI.path, json=long).json()[0]["label"] == "harmful"


def test_perspective_thresholds_tokens_and_attributes(server: ServerProcess) -> None:
    body = PERSPECTIVE.body(HARMLESS) | {
        "requestedAttributes": {"TOXICITY": {"scoreThreshold": 0.99}, "HARMFUL": {}},
        "clientToken": "token-1",
        "doNotStore": True,
        "context": {"entries": [{"text": HARMFUL}]},
        "sessionId": "1",
        "spanAnnotations": True,
    }
    reply = server.post(PERSPECTIVE.path, json=body).json()
    assert list(reply["attributeScores"]) == ["HARMFUL"]
    assert reply["clientToken"] == "token-1"
    assert "languages" not in reply


def guard(server: ServerProcess, body: Any, **headers: str) -> Any:
    reply = server.post(LITELLM.path, json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_litellm_judges_every_text_and_every_argument(server: ServerProcess) -> None:
    base = {"input_type": "request", "texts": [HARMLESS, "", "tell me a story"]}
    assert guard(server, base)["action"] == "NONE"
    assert guard(server, base)["blocked_reason"] is None
    assert len(guard(server, base)["postern"]["results"]) == 2  # the blank one is nothing to judge
    for texts in ([HARMFUL, HARMLESS], [HARMLESS, HARMFUL]):
        assert guard(server, base | {"texts": texts})["action"] == "BLOCKED"
    calls: tuple[Any, ...] = (
        {"type": "function", "function": {"name": "f", "arguments": '{"q": "a bomb"}'}},
        {"type": "function", "function": {"name": "f", "arguments": {"q": "a bomb"}}},
        {"type": "custom", "custom": {"name": "f", "input": "a bomb"}},
        "a bomb",
    )
    for call in calls:
        assert guard(server, base | {"tool_calls": [call]})["action"] == "BLOCKED", call
        alone = {"input_type": "response", "tool_calls": [call]}
        assert guard(server, alone)["action"] == "BLOCKED", call
    # The reason reaches end users: no score, by which an attack could be steered.
    reason = guard(server, base | {"texts": [HARMFUL]})["blocked_reason"]
    assert not any(character.isdigit() for character in reason)


def test_litellm_answers_are_judged_with_their_prompt(server: ServerProcess) -> None:
    answer = "sure here you can use some water"
    messages = [
        {"role": "system", "content": "help"},
        {"role": "user", "content": "an old question"},
        {"role": "assistant", "content": "an old answer"},
        {"role": "user", "content": [{"type": "text", "text": "tell me"}, {"type": "image_url"}]},
        {"role": "user", "content": "a story"},
        {"role": "tool", "content": "found"},
    ]
    body = {"input_type": "response", "texts": [answer], "structured_messages": messages}
    (result,) = guard(server, body)["postern"]["results"]
    pair = {"prompt": "tell me\na story", "response": answer}
    (expected,) = server.classify(pair).json()["results"]
    assert result["probability"] == pytest.approx(expected["probability"], abs=1e-3)
    assert result["tokens"] == expected["tokens"]
    # Without the conversation, which LiteLLM does not always send, the answer stands alone.
    del body["structured_messages"]
    (alone,) = guard(server, body)["postern"]["results"]
    (expected,) = server.classify({"prompt": answer}).json()["results"]
    assert alone["tokens"] == expected["tokens"]


def test_litellm_images_are_never_passed_as_judged(server: ServerProcess) -> None:
    body = {"input_type": "request", "texts": [HARMLESS], "images": ["data:image/png;base64,AA"]}
    for one in (body, body | {"texts": []}, body | {"texts": None}):
        reply = guard(server, one)
        assert reply["action"] == "BLOCKED"
        assert "cannot judge images" in reply["blocked_reason"]
        assert reply["postern"]["unjudged"] == ["images"]
    passing = {"X-Postern-Images": "pass"}
    reply = guard(server, body, **passing)
    assert (reply["action"], reply["postern"]["unjudged"]) == ("NONE", ["images"])
    assert guard(server, body | {"texts": [HARMFUL]}, **passing)["action"] == "BLOCKED"


def test_litellm_callers_cannot_loosen_the_guard(server: ServerProcess) -> None:
    params = {"threshold": 1.0, "operating_point": "permissive", "fallback": "never"}
    body = {"input_type": "request", "texts": [HARMFUL]}
    reply = guard(server, body | {"additional_provider_specific_params": params})
    assert reply["action"] == "BLOCKED"
    assert reply["postern"]["results"][0]["threshold"] == 0.5


def test_every_example_of_the_api_document_works(server: ServerProcess) -> None:
    document = server.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    shapes = {
        OPENAI: "OpenAiErrorOut",
        TEI: "TeiErrorOut",
        PERSPECTIVE: "GoogleErrorOut",
        DETECTOR: "DetectorErrorOut",
    }
    for dialect in EVERY:
        operation = document["paths"][dialect.path]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert content["schema"]["$ref"].rpartition("/")[2] in schemas
        for example in content["examples"].values():
            assert server.post(dialect.path, json=example["value"]).status_code == 200
        statuses = set(operation["responses"]) | ({"422"} if dialect is OPENAI else set())
        assert statuses == {"200", "400", "401", "403", "408", "413", "414", "415"} | {
            *("421", "422", "429", "431", "500", "503", "504")
        }
        refusal = operation["responses"]["429"]["content"][dialect.media_type]
        name = shapes.get(dialect, "ProblemOut")
        assert refusal["schema"]["$ref"] == f"#/components/schemas/{name}"
        assert name in schemas
        for example in refusal["examples"].values():
            assert set(example["value"]) <= set(schemas[name]["properties"])
