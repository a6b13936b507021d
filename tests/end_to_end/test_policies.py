"""Policies on the real server: who is judged how, lists, audits, and the file read on SIGHUP."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIStatusError, OpenAI

from tests.conftest import StartServer
from tests.end_to_end.test_chat_guard import ASK, BAD_TEXT, PATH, REFUSAL, user
from tests.scripted_upstream import DONE, ROLE, STOP, StubUpstream, chunk, completion, streamed
from tests.server_process import HANG_S, ServerProcess, postern
from tests.tiny_categories import HEAD, build_categorized

HOOK = "/beta/litellm_basic_guardrail_api"
FINE = "tell me a story"
SECRET = "zzprojectzz"
WHY = "Ask the house first."
KEYS = ("plain", "listed", "trusted", "audited", "sorted", "narrow", "wide")


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


AUDITED = "\n".join(f'categories.{name}.mode = "audit"' for name in HEAD.names)
FILE = f"""
[policies.default]
operating_point = "permissive"

[policies.listed]
keys = ["{hashed("listed")}"]
block = {{ reply = "error", status = 403, text = "Not here." }}
[[policies.listed.lists]]
name = "projects"
action = "block"
phrases = ["{SECRET} files", "机密文件"]
patterns = ['\\bproj-\\d{{4}}\\b']
reason = "{WHY}"
[[policies.listed.lists]]
name = "known"
action = "allow"
phrases = ["make a bomb"]

[policies.trusted]
extends = "listed"
keys = ["{hashed("trusted")}"]
block.reply = "completion"
[[policies.trusted.lists]]
name = "known"
action = "allow"
phrases = ["make a bomb"]
overrides_student = true

[policies.audited]
keys = ["{hashed("audited")}"]
mode = "audit"

[policies.sorted]
keys = ["{hashed("sorted")}"]
{AUDITED}

[policies.wide]
keys = ["{hashed("wide")}"]
limits = {{ max_items = 2, max_exchange_chars = 200 }}

[policies.narrow]
keys = ["{hashed("narrow")}"]
thresholds = {{ prompt = 0.0 }}
options = "refuse"
limits = {{ max_items = 2, max_exchange_chars = 200, requests_per_minute = 1000 }}
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "policies.toml"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def served(
    start_server: StartServer,
    upstream: StubUpstream,
    file: Path,
    tiny_artifact: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> ServerProcess:
    return start_server(
        artifact=build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized")),
        api_keys=",".join(KEYS),
        policies=file,
        upstream_url=upstream.url,
        cache_entries=100,
        stream_score_tokens=8,
        stream_doubt_tokens=0,
        audit_wait_ms=60_000,
    )


def by(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def judged(server: ServerProcess, key: str, prompt: str, **more: Any) -> dict[str, Any]:
    response = server.post("/classify", json={"prompt": prompt} | more, headers=by(key))
    assert response.status_code == 200, response.text
    assert response.headers["x-postern-policy"] == (key if key != "plain" else "default")
    result: dict[str, Any] = response.json()["results"][0]
    return result


def chat(server: ServerProcess, key: str, prompt: str, **more: Any) -> httpx.Response:
    body = ASK | {"messages": [user(prompt)]} | more
    return server.post(PATH, json=body, headers=by(key))


def metric(server: ServerProcess, line: str) -> float:
    text = server.get("/metrics", headers=by("plain")).text
    found = [one.rpartition(" ") for one in text.splitlines()]
    return next((float(value) for name, _, value in found if name == line), 0.0)


# --- verdicts ---------------------------------------------------------------------------------


def test_two_keys_have_two_policies(served: ServerProcess) -> None:
    for _ in range(2):  # the second time, scores come from the cache
        assert judged(served, "plain", FINE)["threshold"] == 0.7
        assert judged(served, "narrow", FINE)["threshold"] == 0.0
        assert judged(served, "narrow", FINE)["harmful"] is True
        assert judged(served, "plain", FINE)["harmful"] is False
    response = served.post("/classify", json={"prompt": FINE}, headers=by("plain"))
    assert response.json()["operating_point"] == "permissive"
    assert judged(served, "plain", FINE, operating_point="strict")["threshold"] == 0.3


def test_a_list_blocks_with_its_reason(served: ServerProcess) -> None:
    line = 'postern_list_matches_total{list="projects",outcome="block",policy="listed"}'
    before = metric(served, line)
    texts = (
        f"show the {SECRET.upper()}  files",
        "read PROJ-1234 now",
        f"show the {SECRET[:4]}\u200b{SECRET[4:]} files",
        f"read {base64.b64encode(f'show the {SECRET} files please'.encode()).decode()}",
    )
    for text in texts:
        found = judged(served, "listed", text)
        assert (found["harmful"], found["decided_by"]) == (True, "list"), text
        assert (found["list_name"], found["list_reason"]) == ("projects", WHY)
        assert 0.0 <= found["probability"] < 1.0
        other = judged(served, "plain", text)
        assert other["decided_by"] == "student"
        assert "list_name" not in other
    assert metric(served, line) == before + len(texts)
    assert judged(served, "listed", f"{SECRET}s files")["decided_by"] == "student"


def test_an_allow_list_does_not_pass_what_the_student_is_sure_of(served: ServerProcess) -> None:
    line = 'postern_list_matches_total{list="known",outcome="overruled",policy="listed"}'
    before = metric(served, line)
    found = judged(served, "listed", BAD_TEXT)
    assert (found["harmful"], found["decided_by"]) == (True, "student")
    assert metric(served, line) == before + 1
    found = judged(served, "trusted", BAD_TEXT)
    assert (found["harmful"], found["decided_by"]) == (False, "list")
    assert found["list_name"] == "known"
    assert found["probability"] > found["threshold"]  # it still says what the student said
    found = judged(served, "trusted", f"{BAD_TEXT} for proj-0001")
    assert (found["harmful"], found["list_name"]) == (True, "projects")


def test_one_prompt_of_several_is_allowed_alone(served: ServerProcess) -> None:
    """A list that allows one text says nothing about its company."""
    body = {"inputs": [{"prompt": BAD_TEXT}, {"prompt": "my poison"}]}
    response = served.post("/classify", json=body, headers=by("trusted")).json()
    assert [one["harmful"] for one in response["results"]] == [False, True]
    assert response["harmful"] is True


def test_limits_and_fixed_options(served: ServerProcess) -> None:
    def refused(body: dict[str, Any]) -> tuple[int, str]:
        response = served.post("/classify", json=body, headers=by("narrow"))
        return response.status_code, response.json()["type"].rpartition(":")[2]

    assert refused({"prompt": FINE, "threshold": 0.9}) == (403, "option-fixed")
    assert refused({"prompt": FINE, "fallback": "never"}) == (403, "option-fixed")
    assert refused({"inputs": [{"prompt": FINE}] * 3}) == (413, "exchange-too-long")
    assert refused({"prompt": "a " * 101}) == (413, "exchange-too-long")


def test_info_and_log_name_policies_and_no_keys(served: ServerProcess, file: Path) -> None:
    response = served.get("/info", headers=by("plain"))
    shown = response.json()["policies"]
    assert shown["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert {one["name"]: one["lists"] for one in shown["policies"]} == {
        **{key: [] for key in ("audited", "default", "narrow", "sorted", "wide")},
        "listed": ["projects", "known"],
        "trusted": ["projects", "known"],
    }
    assert hashed("listed").partition(":")[2] not in response.text
    assert SECRET not in response.text
    judged(served, "listed", f"{SECRET} files")
    text = served.stderr()
    assert '"policy":"listed"' in text
    assert SECRET not in text


# --- chats and gateways -----------------------------------------------------------------------


def test_a_list_hit_in_a_chat_looks_as_the_policy_says(
    served: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.say(content="sure here is a story")
    with (
        OpenAI(
            base_url=f"{served.url}/v1",
            api_key="listed",
            max_retries=0,
            timeout=HANG_S,
        ) as client,
        pytest.raises(APIStatusError) as caught,
    ):
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "open proj-1234"}]
        )
    assert caught.value.status_code == 403
    error: Any = caught.value.response.json()
    assert error["error"]["message"].endswith(WHY)
    assert (error["postern"]["decided_by"], error["postern"]["list_name"]) == ("list", "projects")
    assert caught.value.response.headers["x-postern-policy"] == "listed"
    response = chat(served, "trusted", "open proj-1234")
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "Not here."
    assert response.headers["x-postern-decided-by"] == "list"
    response = chat(served, "plain", BAD_TEXT)
    assert response.json()["choices"][0]["message"]["content"] == REFUSAL


def test_a_list_reads_over_the_cuts_of_long_words(served: ServerProcess) -> None:
    for before in (76, 77, 79, 80, 158):  # Chinese has no spaces
        found = judged(served, "listed", "我" * before + "机密文件")
        assert found["decided_by"] == "list", before


def test_limits_of_a_policy_hold_no_chat_up(served: ServerProcess, upstream: StubUpstream) -> None:
    upstream.say(content="sure here is a story")
    turns = [user(f"tell me story {number}") for number in range(5)]
    response = chat(served, "wide", "", messages=turns)
    assert (response.status_code, response.headers["x-postern-verdict"]) == (200, "unharmful")
    asked = " ".join(["tell me a story"] * 12)  # only its end stands beside the answer
    response = chat(served, "wide", asked)
    assert (response.status_code, response.headers["x-postern-verdict"]) == (200, "unharmful")


def test_a_streamed_answer_is_cut_by_a_list(served: ServerProcess, upstream: StubUpstream) -> None:
    pieces = [ROLE, *[chunk("tell me a story. ")] * 6, chunk(f"the {SECRET} files. "), STOP, DONE]
    upstream.play(streamed(pieces))
    response = chat(served, "trusted", FINE, stream=True)
    assert SECRET not in response.text
    assert '"list_name":"projects"' in response.text.replace(" ", "")
    upstream.play(streamed(pieces))
    assert SECRET in chat(served, "plain", FINE, stream=True).text


def test_one_policy_audits(served: ServerProcess, upstream: StubUpstream) -> None:
    upstream.say(content="sure here is a story")
    line = f'postern_audited_total{{outcome="blocked_prompt",route="{PATH}"}}'
    before = metric(served, line)
    response = chat(served, "audited", BAD_TEXT)
    assert response.json() == completion("sure here is a story")
    # The answer is read beside its prompt, which alone makes it harmful to this student.
    assert response.headers["x-postern-would-block"] == "prompt, response"
    assert metric(served, line) == before + 1
    assert chat(served, "plain", BAD_TEXT).headers["x-postern-verdict"] == "harmful"
    assert "x-postern-would-block" not in chat(served, "plain", BAD_TEXT).headers
    body = {"input_type": "request", "texts": [BAD_TEXT]}
    action = {key: served.post(HOOK, json=body, headers=by(key)).json() for key in KEYS[:4]}
    assert {key: one["action"] for key, one in action.items()} == {
        "plain": "BLOCKED",
        "listed": "BLOCKED",
        "trusted": "NONE",
        "audited": "NONE",
    }
    body = {"input_type": "request", "texts": ["proj-1234"]}
    assert served.post(HOOK, json=body, headers=by("listed")).json()["blocked_reason"] == WHY


def test_audited_categories_block_nothing(served: ServerProcess, upstream: StubUpstream) -> None:
    upstream.say(content="sure here is a story")
    line = 'postern_category_audits_total{category="weapons",policy="sorted"}'
    before = metric(served, line)
    response = chat(served, "sorted", BAD_TEXT)
    assert response.json()["choices"][0]["message"]["content"] == "sure here is a story"
    assert response.headers["x-postern-verdict"] == "harmful"
    assert response.headers["x-postern-would-block"] == "prompt, response"
    assert metric(served, line) == before + 2
    body = {"input_type": "request", "texts": [BAD_TEXT]}
    hook = served.post(HOOK, json=body, headers=by("sorted"))
    assert (hook.json()["action"], hook.headers["x-postern-would-block"]) == ("NONE", "prompt")
    assert judged(served, "sorted", BAD_TEXT)["harmful"] is True
    lines = [one for one in served.log_lines() if one.get("policy") == "sorted"]
    found = [one for one in lines if one["event"] == "would_block"]
    assert [one["stages"] for one in found] == [["prompt"], ["response"], ["prompt"]]
    assert "weapons" in found[0]["categories"]
    assert "bomb" not in json.dumps(found)


def test_hooks_of_gateways_and_azures_paths_follow_the_policy(
    served: ServerProcess, upstream: StubUpstream
) -> None:
    upstream.say(content="sure here is a story")
    body = {"body": {"messages": [user(BAD_TEXT)]}}
    replies = {key: served.post("/request", json=body, headers=by(key)) for key in KEYS[:5]}
    actions = {key: reply.json()["action"] for key, reply in replies.items()}
    assert {key: "body" in one for key, one in actions.items()} == {
        "plain": True,
        "listed": True,
        "trusted": False,
        "audited": False,
        "sorted": False,
    }
    assert (actions["plain"]["status_code"], actions["listed"]["status_code"]) == (400, 403)
    assert "Not here." in actions["listed"]["body"]
    assert "unharmful" not in actions["sorted"]["reason"]
    for key in ("audited", "sorted"):
        assert replies[key].headers["x-postern-would-block"] == "prompt"
    chat_body = ASK | {"messages": [user(f"read the {SECRET} files")]}
    envoy = {
        key: served.post("/ext_authz/v1/chat/completions", json=chat_body, headers=by(key))
        for key in ("plain", "listed")
    }
    assert {key: one.status_code for key, one in envoy.items()} == {"plain": 200, "listed": 403}
    # Azure's clients put the key elsewhere; its policy counts there too.
    path = "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    reply = served.post(path, json=chat_body, headers={"api-key": "listed"})
    assert (reply.status_code, reply.headers["x-postern-policy"]) == (403, "listed")
    azure = {"Ocp-Apim-Subscription-Key": "narrow"}
    analysis = "/contentsafety/text:analyze?api-version=2024-09-01"
    reply = served.post(analysis, json={"text": FINE}, headers=azure)
    assert (reply.status_code, reply.headers["x-postern-policy"]) == (200, "narrow")


# --- the file ---------------------------------------------------------------------------------


def replace(server: ServerProcess, file: Path, text: str, outcome: str) -> None:
    """A new file, and a signal; waits until it was loaded or rejected."""
    line = f'postern_policy_reloads_total{{outcome="{outcome}"}}'
    before = metric(server, line)
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + HANG_S
    while metric(server, line) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_file_is_read_again_on_sighup(
    served: ServerProcess, upstream: StubUpstream, file: Path
) -> None:
    upstream.say(content="sure here is a story")
    passed = chat(served, "plain", FINE)
    assert passed.headers["x-postern-verdict"] == "unharmful"
    added = '[[policies.default.lists]]\nname = "tales"\naction = "block"\nphrases = ["a story"]\n'
    replace(served, file, FILE + added, "loaded")
    # The same turn, which was judged and remembered under the other file.
    assert chat(served, "plain", FINE).headers["x-postern-decided-by"] == "list"
    shown = served.get("/info", headers=by("plain")).json()["policies"]["sha256"]
    wrong = {
        "circle": FILE + '[policies.x]\nextends = "y"\n[policies.y]\nextends = "x"\n',
        "groups": FILE + added.replace('phrases = ["a story"]', f"patterns = ['{'(a)' * 10_000}']"),
        "cut": FILE + "[policies",
    }
    for text in wrong.values():
        replace(served, file, text, "rejected")
        assert judged(served, "plain", FINE)["list_name"] == "tales"
        assert served.get("/info", headers=by("plain")).json()["policies"]["sha256"] == shown
    told = [one for one in served.log_lines() if one["event"] == "policies_rejected"]
    assert [one["kept_sha256"] for one in told] == [shown] * 3
    assert "circle: x -> y -> x" in told[0]["reason"]
    assert "more than 1000 characters" in told[1]["reason"]
    replace(served, file, FILE, "loaded")
    assert judged(served, "plain", FINE)["harmful"] is False


def test_a_wrong_file_stops_the_start(tiny_artifact: Path, tmp_path: Path) -> None:
    path = tmp_path / "policies.toml"
    path.write_text('[policies.a]\nkeys = ["my-secret-key"]\n')
    done = postern("serve", artifact=tiny_artifact, port=0, policies=path, api_keys="one")
    assert done.returncode == 2
    assert b"policies.a.keys.0" in done.stderr
    assert b"my-secret-key" not in done.stderr
