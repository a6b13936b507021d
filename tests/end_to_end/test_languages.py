"""Over HTTP: every result says what was read, and an unsupported language is never a quiet pass."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.app.languages.test_reader import ENGLISH, FOREIGN, WRAPPER
from tests.conftest import StartServer
from tests.end_to_end.dialects import ALL, LITELLM, OPENAI, Dialect
from tests.end_to_end.test_teacher import TAUGHT
from tests.scripted_teacher import says
from tests.scripted_upstream import StubUpstream, completion, whole
from tests.server_process import ServerProcess

GERMAN = FOREIGN["de"]


@pytest.fixture(scope="module")
def teacher() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def blocking(start_server: StartServer, teacher: StubUpstream) -> ServerProcess:
    return start_server(upstream_url=teacher.url, on_unsupported_language="block")


def result_of(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 200, reply.text
    (result,) = reply.json()["results"]
    return dict(result)


def asked(server: ServerProcess, prompt: str, **more: Any) -> dict[str, Any]:
    return result_of(server.classify({"prompt": prompt, **more}))


def test_each_result_names_the_language_after_the_older_fields(server: ServerProcess) -> None:
    found = asked(server, ENGLISH[3])
    assert (found["language"], found["language_supported"]) == ("en", True)
    assert (found["degraded"], found["decided_by"]) == (False, "student")
    assert list(found)[-2:] == ["language", "language_supported"]
    assert "block_reason" not in found
    both = server.classify({"inputs": [{"prompt": ENGLISH[3]}, {"prompt": GERMAN}]}).json()
    assert [one["language"] for one in both["results"]] == ["en", "de"]


@pytest.mark.parametrize("text", [GERMAN, WRAPPER.format(GERMAN), f"{GERMAN} {ENGLISH[3]}"])
def test_without_a_teacher_a_foreign_verdict_is_the_students_and_degraded(
    server: ServerProcess, text: str
) -> None:
    found = asked(server, text)
    assert (found["language"], found["language_supported"]) == ("de", False)
    assert (found["decided_by"], found["degraded"], found["deferred"]) == ("student", True, False)
    assert found["probability"] == found["student_probability"]


def test_prompt_and_response_are_both_read(server: ServerProcess) -> None:
    for prompt, response in ((ENGLISH[3], GERMAN), (GERMAN, ENGLISH[3])):
        found = asked(server, prompt, response=response)
        assert (found["language"], found["language_supported"]) == ("de", False)


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "👍🏽👨‍👩‍👧🎉" * 20,
        "привет hello 你好 مرحبا",
        "bhai mujhe batao ki ghar par bina kisi ke pata chale ye kaise banate hain",
        "ezayak ya sa7by 3amel eh, mesh fahem leh enta za3lan",
        (FOREIGN["th"] * 300)[:10_000],
        "\u202e\u0301\u0301a\ud7ff\U0010ffff \u0f00" * 50,
    ],
    ids=["short", "emoji", "mixed scripts", "Hinglish", "Arabizi", "Thai", "odd"],
)
def test_odd_text_has_an_honest_language_and_no_crash(server: ServerProcess, text: str) -> None:
    reply = server.classify({"prompt": text})
    if reply.status_code == 422:  # nothing in it that the student can read
        assert reply.json()["type"].endswith("empty-prompt")
        return
    found = result_of(reply)
    assert found["language"] != "en"
    assert found["degraded"] is not found["language_supported"]


def test_a_disguised_text_is_read_without_its_disguise(server: ServerProcess) -> None:
    rot13 = codecs.encode("tell me how to make a cake with water and some sugar please", "rot13")
    found = asked(server, rot13)
    assert found["triggers"] == ["rot13"]
    assert found["language_supported"]


def test_a_teacher_that_was_measured_for_the_language_decides(
    start_server: StartServer, teacher: StubUpstream
) -> None:
    server = start_server(
        teacher_url=teacher.url,
        **TAUGHT | {"teacher_languages": "de,fr", "teacher_timeout_ms": 2000},
    )
    assert server.get("/info").json()["teacher"]["languages"] == ["de", "fr"]
    teacher.play(says(0.999))
    found = asked(server, GERMAN)
    assert (found["decided_by"], found["deferral_reason"]) == ("teacher", "language")
    assert (found["harmful"], found["degraded"], found["language_supported"]) == (
        *(True, False),
        False,
    )
    assert found["probability"] == pytest.approx(0.999)
    other = asked(server, FOREIGN["pl"])
    assert (other["decided_by"], other["degraded"]) == ("student", True)
    teacher.play(whole({"error": "x"}, status=500))
    failed = asked(server, f"{GERMAN} Danke!")
    assert (failed["decided_by"], failed["degraded"]) == ("fallback", True)


def test_block_is_a_harmful_verdict_with_a_reason(blocking: ServerProcess) -> None:
    found = asked(blocking, GERMAN)
    assert (found["harmful"], found["block_reason"]) == (True, "unsupported_language")
    assert (found["decided_by"], found["degraded"]) == ("policy", True)
    assert found["probability"] == found["student_probability"] < found["threshold"]
    assert asked(blocking, ENGLISH[3])["harmful"] is False
    assert asked(blocking, "ok")["harmful"] is False


@pytest.mark.parametrize("dialect", ALL, ids=str)
def test_dialects_tell_it(server: ServerProcess, blocking: ServerProcess, dialect: Dialect) -> None:
    headers = server.post(dialect.path, json=dialect.body(GERMAN)).headers
    assert headers["x-postern-language-supported"] == "false"
    assert headers["x-postern-degraded"] == "true"
    headers = server.post(dialect.path, json=dialect.body(ENGLISH[3])).headers
    assert headers["x-postern-language-supported"] == "true"
    assert headers["x-postern-degraded"] == "false"
    blocked = blocking.post(dialect.path, json=dialect.body(GERMAN))
    assert blocked.headers["x-postern-harmful"] == "true"
    if dialect in (OPENAI, LITELLM):
        reply = blocked.json()
        (verdict,) = (
            [one["postern"] for one in reply["results"]]
            if dialect is OPENAI
            else reply["postern"]["results"]
        )
        assert verdict["block_reason"] == "unsupported_language"
        assert (verdict["language"], verdict["language_supported"]) == ("de", False)
        assert reply.get("action", "BLOCKED") == "BLOCKED"


def test_the_guarded_proxy_blocks_a_language_or_says_it(
    start_server: StartServer, blocking: ServerProcess, teacher: StubUpstream
) -> None:
    body = {"model": "any", "messages": [{"role": "user", "content": GERMAN}]}
    teacher.play(whole(completion(GERMAN)))
    passing = start_server(upstream_url=teacher.url)
    reply = passing.post("/v1/chat/completions", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-postern-unsupported-language"] == "de"
    assert reply.headers["x-postern-degraded"] == "true"
    assert reply.json()["choices"][0]["message"]["content"] == GERMAN
    reply = blocking.post("/v1/chat/completions", json=body)
    assert reply.headers["x-postern-verdict"] == "harmful"
    assert reply.headers["x-postern-decided-by"] == "policy"
    assert reply.json()["choices"][0]["finish_reason"] == "content_filter"
    assert reply.json()["postern"]["block_reason"] == "unsupported_language"


def test_info_and_metrics_tell_the_languages(server: ServerProcess) -> None:
    info = server.get("/info").json()
    assert info["languages"] == ["en"]
    assert info["on_unsupported_language"] == "teacher"
    name = 'postern_languages_total{{language="{}",outcome="{}"}}'
    before = {
        one: server.metric(name.format(*one)) for one in (("en", "supported"), ("de", "degraded"))
    }
    asked(server, ENGLISH[3])
    asked(server, GERMAN)
    for one, count in before.items():
        assert server.metric(name.format(*one)) == count + 1.0
    rare = "Kuidas ma saan täna õhtul kogu perele suppi keeta, kui kodus on ainult porgandid?"
    assert asked(server, rare)["language"] == "et"
    assert 'language="et"' not in server.get("/metrics").text
    assert 'language="other"' in server.get("/metrics").text
