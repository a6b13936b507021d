"""POST /classify answers as api.md says: three forms, options, long text, any neighbours."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.server_process import HANG_S, ServerProcess

TEXT = "make a cake with flour and sugar then read a book with friends and my cat"
WORDS = TEXT.split()
RESULT_KEYS = {
    *("index", "harmful", "probability", "threshold", "deferral_band", "decided_by", "deferred"),
    *("degraded", "student_probability", "teacher_probability", "tokens", "windows"),
    *("language", "language_supported"),
}


def classify(server: ServerProcess, body: Any, **headers: str) -> dict[str, Any]:
    response = server.classify(body, **headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    reply = response.json()
    assert isinstance(reply, dict)
    return reply


def only(reply: dict[str, Any]) -> dict[str, Any]:
    (result,) = reply["results"]
    assert isinstance(result, dict)
    return result


def test_the_reply_has_exactly_the_documented_keys(server: ServerProcess) -> None:
    reply = classify(server, {"prompt": "how to bake a cake"})
    assert set(reply) == {
        *("id", "model", "operating_point", "harmful", "results", "timings_ms"),
    }
    assert set(reply["model"]) == {"name", "version", "sha256"}
    assert re.fullmatch("[0-9a-f]{64}", reply["model"]["sha256"])
    assert set(reply["timings_ms"]) == {"queue", "inference", "teacher", "total"}
    assert all(value >= 0.0 for value in reply["timings_ms"].values())
    assert set(only(reply)) == RESULT_KEYS
    assert reply["operating_point"] == "balanced"


def test_a_verdict_is_calibrated_and_says_who_decided(server: ServerProcess) -> None:
    harmful = only(classify(server, {"prompt": "help me build a bomb please"}))
    harmless = only(classify(server, {"prompt": "help me build a house please"}))
    assert harmful["harmful"] is True
    assert harmless["harmful"] is False
    assert 0.0 <= harmless["probability"] < 0.5 <= harmful["probability"] <= 1.0
    for result in (harmful, harmless):
        assert result["probability"] == result["student_probability"]
        assert result["teacher_probability"] is None
        assert (result["decided_by"], result["deferred"], result["degraded"]) == (
            *("student", False),
            False,
        )
        low, high = result["deferral_band"]
        assert low <= result["threshold"] <= high


def test_with_a_response_the_response_is_judged(server: ServerProcess) -> None:
    prompt = "tell me a story"
    harmless = classify(server, {"prompt": prompt, "response": "the cat read a book"})
    harmful = classify(server, {"prompt": prompt, "response": "make a bomb with sugar"})
    assert (harmless["harmful"], harmful["harmful"]) == (False, True)
    assert only(harmful)["tokens"] == 4 + 5


def test_absent_is_not_empty(server: ServerProcess) -> None:
    absent = only(classify(server, {"prompt": "tell me a story"}))
    null = only(classify(server, {"prompt": "tell me a story", "response": None}))
    empty = only(classify(server, {"prompt": "tell me a story", "response": ""}))
    assert absent["probability"] == null["probability"] != empty["probability"]


def test_inputs_are_answered_in_order(server: ServerProcess) -> None:
    inputs = [
        {"prompt": "bake a cake"},
        {"prompt": "poison"},
        {"prompt": "tell me a story", "response": "a weapon"},
        {"prompt": "tell me a story", "response": "a book"},
    ]
    reply = classify(server, {"inputs": inputs})
    assert [result["index"] for result in reply["results"]] == [0, 1, 2, 3]
    assert [result["harmful"] for result in reply["results"]] == [False, True, True, False]
    assert all("turn" not in result for result in reply["results"])
    assert reply["harmful"] is True
    for given, result in zip(inputs, reply["results"], strict=True):
        alone = only(classify(server, given))
        assert result["probability"] == pytest.approx(alone["probability"], abs=1e-3)


def test_every_turn_of_a_conversation_is_judged_and_named(server: ServerProcess) -> None:
    reply = classify(
        server,
        {
            "messages": [
                {"role": "system", "content": "you help with bomb questions"},  # not judged
                {"role": "user", "content": "tell me a story"},
                {"role": "assistant", "content": "the cat read a book"},
                {"role": "user", "content": "how to make poison"},
                {"role": "user", "content": "please"},
                {"role": "assistant", "content": "sure use some water"},
                {"role": "user", "content": "music please"},
            ]
        },
    )
    assert [result["turn"] for result in reply["results"]] == [1, 2, 3, 4, 5, 6]
    assert [result["index"] for result in reply["results"]] == [0, 1, 2, 3, 4, 5]
    assert [result["harmful"] for result in reply["results"]][:4] == [False, False, True, False]
    assert reply["harmful"] is True
    assert set(reply["results"][0]) == RESULT_KEYS | {"turn"}
    # The answer stands beside both user turns since the last answer.
    assert reply["results"][4]["tokens"] == 5 + 4


def test_an_early_harmful_turn_counts_though_the_last_is_harmless(server: ServerProcess) -> None:
    messages = [
        {"role": "user", "content": "how to make a weapon"},
        {"role": "assistant", "content": "read a book"},
        {"role": "user", "content": "what is the best music"},
    ]
    reply = classify(server, {"messages": messages})
    assert reply["harmful"] is True
    assert [r["harmful"] for r in reply["results"] if r["turn"] in (0, 2)] == [True, False]


def test_an_opening_assistant_turn_is_judged_alone(server: ServerProcess) -> None:
    messages = [
        {"role": "assistant", "content": "a bomb and a weapon"},
        {"role": "user", "content": "read a book"},
    ]
    reply = classify(server, {"messages": messages})
    assert [(r["turn"], r["harmful"]) for r in reply["results"]] == [(0, True), (1, False)]
    alone = only(classify(server, {"prompt": "a bomb and a weapon"}))
    assert reply["results"][0]["probability"] == pytest.approx(alone["probability"], abs=1e-3)


@pytest.mark.parametrize("place", ["start", "middle", "end"])
def test_a_harmful_word_among_5000_benign_ones_is_found(server: ServerProcess, place: str) -> None:
    words = (WORDS * 400)[:5000]
    benign = only(classify(server, {"prompt": " ".join(words)}))
    assert benign["harmful"] is False
    at = {"start": 0, "middle": 2500, "end": 5000}[place]
    words.insert(at, "bomb")
    result = only(classify(server, {"prompt": " ".join(words)}))
    assert result["harmful"] is True
    assert result["tokens"] == 5001
    assert result["windows"] > 80
    worst = result["worst_window"]
    assert worst["prompt"]["start"] <= at < worst["prompt"]["end"]
    assert worst["prompt"]["tokens"] == 5001
    assert 0 <= worst["index"] < result["windows"]
    assert worst["response"] is None
    in_response = only(classify(server, {"prompt": "read a book", "response": " ".join(words)}))
    assert in_response["harmful"] is True
    assert in_response["tokens"] == 5004
    assert in_response["worst_window"]["prompt"] == {"start": 0, "end": 3, "tokens": 3}
    assert in_response["worst_window"]["response"]["start"] <= at
    assert at < in_response["worst_window"]["response"]["end"]


def test_long_text_can_be_refused_instead_of_windowed(server: ServerProcess) -> None:
    long = {"prompt": " ".join(WORDS * 10), "on_overflow": "reject"}
    refused = server.classify(long)
    assert refused.status_code == 413
    assert refused.json()["type"] == "urn:postern:problem:exchange-too-long"
    assert server.classify({**long, "on_overflow": "window"}).status_code == 200
    assert only(classify(server, {"prompt": "cake", "on_overflow": "reject"}))["windows"] == 1


def test_operating_points_and_thresholds(server: ServerProcess) -> None:
    body = {"prompt": "read a book"}
    thresholds = {
        name: only(classify(server, body | {"operating_point": name}))["threshold"]
        for name in ("strict", "balanced", "permissive")
    }
    assert thresholds == {"strict": 0.3, "balanced": 0.5, "permissive": 0.7}
    assert classify(server, body | {"operating_point": "strict"})["operating_point"] == "strict"
    everything = only(classify(server, body | {"threshold": 0.0}))
    nothing = only(classify(server, {"prompt": "bomb", "threshold": 1.0}))
    assert (everything["harmful"], everything["threshold"]) == (True, 0.0)
    assert (nothing["harmful"], nothing["threshold"]) == (False, 1.0)
    both = only(classify(server, body | {"threshold": 0.9, "operating_point": "strict"}))
    assert both["threshold"] == 0.9
    unknown = server.classify(body | {"operating_point": "lenient-unknown"})
    assert unknown.status_code == 422
    assert "lenient-unknown" not in unknown.text


def test_a_wanted_teacher_that_is_not_there_degrades_the_verdict(server: ServerProcess) -> None:
    body = {"prompt": "read a book"}
    always = only(classify(server, body | {"fallback": "always"}))
    assert (always["decided_by"], always["deferred"], always["degraded"]) == (
        *("fallback", True),
        True,
    )
    assert always["threshold"] == 0.3  # the policy's answer: the stricter threshold decides
    for mode in ("auto", "never"):
        result = only(classify(server, body | {"fallback": mode}))
        assert (result["decided_by"], result["degraded"]) == ("student", False)
        assert result["probability"] == pytest.approx(always["probability"], abs=1e-3)


def test_neighbours_do_not_move_a_probability(server: ServerProcess) -> None:
    rng = random.Random(7)
    pool = [*WORDS, "bomb", "poison", "weapon", "unknownword", "[SEP]", "é"]

    def text() -> str:
        return " ".join(rng.choices(pool, k=rng.randint(1, 120)))

    bodies: list[dict[str, Any]] = [
        {"prompt": text()} if rng.random() < 0.5 else {"prompt": text(), "response": text()}
        for _ in range(40)
    ]
    with httpx.Client(base_url=server.url, timeout=HANG_S) as client:

        def probability(body: dict[str, Any]) -> float:
            return float(client.post("/classify", json=body).json()["results"][0]["probability"])

        alone = [probability(body) for body in bodies]
        order = rng.sample(range(len(bodies)), len(bodies))
        with ThreadPoolExecutor(20) as threads:
            crowded = list(threads.map(probability, [bodies[index] for index in order]))
    for index, value in zip(order, crowded, strict=True):
        assert value == pytest.approx(alone[index], abs=1e-3)
    together = classify(server, {"inputs": bodies})
    for result, value in zip(together["results"], alone, strict=True):
        assert result["probability"] == pytest.approx(value, abs=1e-3)


def test_the_request_id_is_taken_made_and_sanitized(server: ServerProcess) -> None:
    body = {"prompt": "read a book"}
    taken = server.classify(body, X_Request_Id="trace-1.A_b")
    assert taken.headers["x-request-id"] == taken.json()["id"] == "trace-1.A_b"
    made = [server.classify(body).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    for unusable in ("two words", "x" * 129, "<script>", '"quoted"'):
        response = server.classify(body, X_Request_Id=unusable)
        assert response.status_code == 200
        assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])
        assert response.json()["id"] == response.headers["x-request-id"]
    error = server.classify({}, X_Request_Id="trace-2")
    assert error.headers["x-request-id"] == error.json()["request_id"] == "trace-2"


def test_the_callers_deadline_is_read(server: ServerProcess) -> None:
    body = {"prompt": "read a book"}
    assert server.classify(body, X_Request_Timeout_Ms="60000").status_code == 200
    for unusable in ("0", "-5", "1.5", "soon", "", "9" * 10, "²"):
        response = server.post(
            "/classify",
            json=body,
            headers={"X-Request-Timeout-Ms": unusable.encode("utf-8")},
        )
        assert response.status_code == 400, unusable
        assert response.json()["type"] == "urn:postern:problem:invalid-header"


def test_content_types_that_are_json(server: ServerProcess) -> None:
    for content_type in ("application/json; charset=utf-8", "Application/JSON"):
        response = server.post(
            "/classify",
            content=b'{"prompt": "read a book"}',
            headers={"Content-Type": content_type, "Content-Encoding": "identity"},
        )
        assert response.status_code == 200


def test_info_tells_what_runs_here(server: ServerProcess) -> None:
    info = server.get("/info").json()
    reply = classify(server, {"prompt": "read a book"})
    assert info["model"] == reply["model"]
    assert set(info["operating_points"]) == {"strict", "balanced", "permissive"}
    assert info["label_order"] == ["unharmful", "harmful"]
    assert set(info["files"]) == {"model.onnx", "tokenizer.json"}
    assert info["teacher"] == {"configured": False, "on_teacher_failure": "student"}
    assert info["limits"]["max_items"] == 128


def test_the_docs_are_served_whole_from_here(server: ServerProcess) -> None:
    page = server.get("/docs").text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    for asset in re.findall(r"docs/[a-z.-]+", page):
        response = server.get(f"/{asset}")
        assert response.status_code == 200
        assert len(response.content) > (100 if asset == "docs/start.js" else 10_000)
    assert server.get("/docs/other.js").status_code == 404


def test_the_documented_examples_work(server: ServerProcess) -> None:
    document = server.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    body = document["paths"]["/classify"]["post"]["requestBody"]
    examples = body["content"]["application/json"]["examples"]
    assert set(examples) >= {"prompt", "inputs", "messages"}
    for example in examples.values():
        assert classify(server, example["value"])["results"]
    statuses = set(document["paths"]["/classify"]["post"]["responses"])
    assert statuses >= {"200", "400", "401", "413", "415", "422", "429", "500", "503", "504"}


def test_the_curl_of_the_greeting_works(server: ServerProcess) -> None:
    assert "tiny 0.0.1" in server.greeting
    body = re.search(r"-d '(.*)'", server.greeting)
    assert body
    assert f"{server.url}/classify" in server.greeting
    response = server.post(
        "/classify",
        content=body[1],
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 200
