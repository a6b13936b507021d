"""agentgateway's webhook, Envoy's authorization, detectors and TEI's own route over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from postern.contract.audit import EXT_AUTHZ

from tests.app.endpoints.test_hook_bodies import action_of
from tests.conftest import StartServer
from tests.end_to_end.dialects import AGENTGATEWAY, DETECTOR, TEI
from tests.server_process import ServerProcess

GOLDEN = Path(__file__).resolve().parents[1] / "golden/dialects"
HARMFUL, HARMLESS = "how to make a bomb", "how to bake a cake"
CHAT = f"{EXT_AUTHZ}/v1/chat/completions"
ANSWERS = "/response"
SURE = {"role": "assistant", "content": "sure here"}


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def choice(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def hook(server: ServerProcess, path: str, body: Any, **headers: str) -> httpx.Response:
    reply = server.post(path, json={"body": body}, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply


# --- agentgateway -----------------------------------------------------------------------------


def test_a_chat_passes_or_is_rejected(server: ServerProcess) -> None:
    for messages, action in (
        ([user(HARMLESS)], "pass"),
        ([user(HARMFUL)], "reject"),
        ([user(HARMFUL), SURE, user(HARMLESS)], "reject"),
        ([{"role": "system", "content": HARMFUL}, user(HARMLESS)], "pass"),
    ):
        reply = hook(server, AGENTGATEWAY.path, {"messages": messages})
        assert action_of(reply.json()) == action, messages
        assert reply.headers["x-postern-harmful"] == str(action == "reject").lower()
    action = hook(server, AGENTGATEWAY.path, {"messages": [user(HARMFUL)]}).json()["action"]
    assert action["status_code"] == 400
    assert json.loads(action["body"])["error"]["code"] == "content_filter"
    assert not any(letter.isdigit() for letter in action["reason"])


def test_an_answer_passes_or_is_rejected(server: ServerProcess) -> None:
    for choices, action in (
        ([choice("a cake")], "pass"),
        ([choice("a cake"), choice("a bomb")], "reject"),
        ([choice("")], "pass"),
    ):
        reply = hook(server, ANSWERS, {"choices": choices})
        assert action_of(reply.json()) == action, choices
    assert reply.headers["x-postern-verdict"] == "none"
    assert "no text" in reply.json()["action"]["reason"]


def test_an_error_is_never_an_action(server: ServerProcess) -> None:
    for path in (AGENTGATEWAY.path, ANSWERS):
        for body in (b"{}", b"no JSON", b'{"body": {"messages": []}}'):
            headers = {"Content-Type": "application/json"}
            reply = server.post(path, content=body, headers=headers)
            assert reply.status_code in (400, 422)
            assert "action" not in reply.json()


# --- Envoy's ext_authz ------------------------------------------------------------------------


def test_envoy_is_told_what_may_pass(server: ServerProcess) -> None:
    for body, status in (
        ({"messages": [user(HARMLESS)]}, 200),
        ({"messages": [user(HARMFUL)]}, 403),
        ({"messages": [user(HARMFUL), SURE, user(HARMLESS)]}, 403),
        ({"input": HARMLESS}, 200),
        ({"input": [user(HARMFUL)]}, 403),
    ):
        reply = server.post(CHAT, json=body, params={"a": "b"})
        assert reply.status_code == status, body
        assert reply.headers["x-postern-harmful"] == str(status == 403).lower()
    assert reply.json()["error"]["code"] == "content_filter"
    for text, status in ((HARMLESS, 200), (HARMFUL, 403)):
        for charset in ("", "; charset=utf-8", '; Charset="UTF-8"'):
            headers = {"Content-Type": f"text/plain{charset}"}
            reply = server.request("PUT", f"{EXT_AUTHZ}/", content=text, headers=headers)
            assert reply.status_code == status, (text, charset)


def test_envoy_is_told_that_nothing_was_judged(server: ServerProcess) -> None:
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        reply = server.request(method, f"{EXT_AUTHZ}/v1/models")
        assert reply.status_code == 200, method
        assert reply.headers["x-postern-verdict"] == "none"
    # Envoy sends no body unless it is told to, and a guard that reads none guards nothing.
    for method in ("POST", "PUT", "PATCH"):
        reply = server.request(method, CHAT)
        assert reply.status_code == 400, method
        assert reply.json()["error"]["code"] == "nothing_to_judge"
    assert server.request("TRACE", CHAT).status_code == 405


def test_what_envoy_cannot_show_whole_does_not_pass(server: ServerProcess) -> None:
    body = {"messages": [user(HARMLESS)]}
    for value, status in (("false", 200), ("true", 400), ("True", 400), ("zz", 400)):
        reply = server.post(CHAT, json=body, headers={"X-Envoy-Auth-Partial-Body": value})
        assert reply.status_code == status, value
    sent = json.dumps(body).encode()
    for content_type in (
        *("", "application/x-www-form-urlencoded", "text/plain; charset=utf-16"),
        *("text/plain; Charset=UTF-7", "text/plain; CHARSET=utf-16le"),
        'text/plain; x="charset=utf-8"; charset=utf-16',
        *("text/plain; charset=utf-8; charset=utf-7", "text/plain; charset*=utf-8''utf-7"),
    ):
        reply = server.post(CHAT, content=sent, headers={"Content-Type": content_type})
        assert reply.status_code == 415, content_type
    for charset, status in (("utf-7", 415), ("UTF-16LE", 415), ("utf8", 200), ("latin1", 200)):
        headers = {"Content-Type": f"application/json; charset={charset}"}
        assert server.post(CHAT, content=sent, headers=headers).status_code == status, charset
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert server.post(CHAT, content=sent, headers=headers).status_code == 415


def test_paths_of_envoy_s_clients_make_one_series(server: ServerProcess) -> None:
    for number in range(5):
        server.get(f"{EXT_AUTHZ}/made-up-{number}")
    text = server.get("/metrics").text
    assert "made-up" not in text
    assert 'postern_requests_total{route="/ext_authz/{path:path}",status="200"}' in text


# --- audit mode and keys ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def auditing(start_server: StartServer) -> ServerProcess:
    return start_server(mode="audit", api_keys="key-one")


KEY = {"X-API-Key": "key-one"}


def sample(server: ServerProcess, line: str) -> float:
    for found in server.get("/metrics", headers=KEY).text.splitlines():
        name, _, value = found.rpartition(" ")
        if name == line:
            return float(value)
    raise AssertionError(f"there is no {line}")


@pytest.mark.parametrize(
    ("path", "body", "would"),
    [
        ("/request", {"body": {"messages": [user(HARMFUL)]}}, "prompt"),
        ("/request", {"body": {"messages": [user(HARMLESS)]}}, None),
        ("/response", {"body": {"choices": [choice("a bomb")]}}, "response"),
        (CHAT, {"messages": [user(HARMFUL)]}, "prompt"),
    ],
)
def test_a_gateway_in_audit_mode_is_told_to_block_nothing(
    auditing: ServerProcess, path: str, body: Any, would: str | None
) -> None:
    route = EXT_AUTHZ if path == CHAT else path
    outcome = f"blocked_{would}" if would else "passed"
    line = f'postern_audited_total{{outcome="{outcome}",route="{route}"}}'
    before = sample(auditing, line)
    reply = auditing.post(path, json=body, headers=KEY)
    assert reply.status_code == 200
    assert reply.headers["x-postern-mode"] == "audit"
    assert reply.headers.get("x-postern-would-block") == would
    if path != CHAT:
        assert action_of(reply.json()) == "pass"
    assert sample(auditing, line) == before + 1


@pytest.mark.parametrize("path", ["/request", "/response", CHAT])
def test_a_failure_in_audit_mode_blocks_nothing(auditing: ServerProcess, path: str) -> None:
    headers = KEY | {"Content-Type": "application/json"}
    reply = auditing.post(path, content=b"no JSON", headers=headers)
    assert reply.status_code == 200
    assert reply.headers["x-postern-audit-failed"] == "malformed-body"


@pytest.mark.parametrize("path", ["/request", "/response", CHAT, "/", DETECTOR.path])
def test_each_asks_for_a_key(auditing: ServerProcess, path: str) -> None:
    assert auditing.post(path, json={}).status_code == 401
    assert auditing.get(f"{EXT_AUTHZ}/v1/models").status_code == 401
    # Envoy forwards its client's own key; ours, which it adds, goes before it.
    both = KEY | {"Authorization": "Bearer of-the-client"}
    assert auditing.get(f"{EXT_AUTHZ}/v1/models", headers=both).status_code == 200


# --- detectors --------------------------------------------------------------------------------


def detect(server: ServerProcess, **body: Any) -> Any:
    reply = server.post(DETECTOR.path, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_documented_request_of_the_orchestrator(server: ServerProcess) -> None:
    golden = json.loads((GOLDEN / "detector_contents.json").read_text())
    headers = golden["headers"]
    assert server.post(golden["path"], json=golden["request"], headers=headers).json() == [[]]
    ((documented,),) = golden["documented_reply"]
    ((found,),) = detect(server, contents=[HARMFUL], detector_params={})
    assert set(found) == set(documented)
    assert {name: type(one) for name, one in found.items()} == {
        name: type(one) for name, one in documented.items()
    }


def test_what_is_found_has_its_place(server: ServerProcess) -> None:
    before, after = "read a book \n" * 60, " the sea" * 60
    text = f"{before}\U0001f600 make a bomb{after}"
    (none, (found,), blank) = detect(server, contents=[HARMLESS, text, " "])
    assert (none, blank) == ([], [])
    (expected,) = server.classify({"prompt": text}).json()["results"]
    assert found["score"] == pytest.approx(expected["probability"], abs=1e-3)
    assert (found["detection"], found["detection_type"]) == ("harmful", "harm")
    assert found["text"] == text[found["start"] : found["end"]]
    assert "bomb" in found["text"]
    assert len(found["text"]) < len(text) / 2
    # The part alone is as harmful as the whole.
    (part,) = server.classify({"prompt": found["text"]}).json()["results"]
    assert part["probability"] == pytest.approx(expected["probability"], abs=0.02)
    ((short,),) = detect(server, contents=[HARMFUL])
    assert (short["start"], short["end"]) == (0, len(HARMFUL))


def test_a_threshold_of_the_caller_counts(server: ServerProcess) -> None:
    assert detect(server, contents=[HARMLESS], detector_params={"threshold": 0.0}) != [[]]
    assert detect(server, contents=[HARMFUL], detector_params={"threshold": 1.0}) == [[]]
    assert detect(server, contents=[HARMFUL], detector_params={"other": "x"}) != [[]]


def test_an_answer_and_a_chat_are_judged_like_elsewhere(server: ServerProcess) -> None:
    pair = {"prompt": HARMLESS, "generated_text": "use a bomb"}
    (found,) = server.post("/api/v1/text/generation", json=pair).json()
    body = {"prompt": HARMLESS, "response": "use a bomb"}
    (expected,) = server.classify(body).json()["results"]
    assert found["score"] == pytest.approx(expected["probability"], abs=1e-3)
    assert set(found) == {"detection", "detection_type", "score"}
    chat: dict[str, Any] = {"messages": [user(HARMFUL), SURE, user(HARMLESS)]}
    assert server.post("/api/v1/text/chat", json=chat).json()[0]["detection"] == "harmful"
    chat = {"messages": [user(HARMLESS)], "detector_params": {"threshold": 1.0}}
    assert server.post("/api/v1/text/chat", json=chat).json() == []
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    reply = server.post("/api/v1/text/chat", json={"messages": [user(picture)]})
    assert (reply.status_code, reply.json()["code"]) == (422, 422)


# --- text-embeddings-inference ----------------------------------------------------------------


def test_tei_answers_at_its_own_route(server: ServerProcess) -> None:
    body = {"inputs": [[HARMLESS], [HARMLESS, HARMFUL]]}
    assert server.post("/", json=body).json() == server.post(TEI.path, json=body).json()
    refused = server.post("/", json={"inputs": ""})
    assert (refused.status_code, refused.json()["error_type"]) == (422, "empty")
    assert server.get("/").headers["content-type"].startswith("text/html")


def test_hugging_face_s_client_classifies(server: ServerProcess) -> None:
    from huggingface_hub import InferenceClient

    # It takes the first of the list, as TEI sends it.
    found: Any = InferenceClient(model=server.url).text_classification(HARMFUL)
    assert found.label == "harmful"
    assert 0.5 <= found.score <= 1.0


def test_health_has_no_body_and_needs_no_key(auditing: ServerProcess) -> None:
    reply = auditing.get("/health")
    assert (reply.status_code, reply.content) == (200, b"")
