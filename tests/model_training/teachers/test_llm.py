"""Calls over real HTTP: retried, bounded, patient, paid for once; a prefix is sent or refused."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.exchange import Exchange

from model_training.errors import RecipeInvalid, ServerUnavailable, ServerUnusable
from model_training.recipe.augmentation import GuardServer, Sampling, ServerConfig
from model_training.run.journal import Journal
from model_training.teachers.http_json import retry_after_s
from model_training.teachers.labellers import open_teacher
from model_training.teachers.llm import (
    Call,
    Reply,
    ServerBackend,
    answer_all,
    chat_call,
    read_completion,
)
from tests.llm_stub import LlmStub


@pytest.fixture
def stub() -> Iterator[LlmStub]:
    with LlmStub() as running:
        yield running


def _backend(stub: LlmStub, **changes: Any) -> ServerBackend:
    config = {"kind": "server", "base_url": stub.url, "model": "writer", "timeout_s": 60}
    return ServerBackend(ServerConfig.model_validate(config | changes), read=read_completion)


def _calls(backend: ServerBackend, count: int, *, first: int = 0) -> list[Call]:
    return [
        chat_call(
            backend,
            [{"role": "user", "content": f"Say {number}"}],
            model="writer",
            prefix=None,
            sampling=Sampling(),
            seed=number,
        )
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize("fault", ["500", "502", "408", "nonsense", "mismatch", "garbled", "close"])
def test_a_passing_fault_is_tried_again(stub: LlmStub, journal: Journal, fault: str) -> None:
    backend = _backend(stub, concurrency=1)
    stub.behaviour.faults = deque([fault])
    (reply,) = answer_all(_calls(backend, 1), backend, journal, what="test")
    assert reply.text
    assert len(stub.requests) == 2


@pytest.mark.parametrize("fault", ["500", "nonsense", "garbled", "close", "429:0", "503:0"])
def test_a_lasting_fault_ends_the_stage(stub: LlmStub, journal: Journal, fault: str) -> None:
    backend = _backend(stub, concurrency=2, attempts=2)
    stub.behaviour.faults = deque([fault] * 100)
    with pytest.raises(ServerUnavailable, match="2 times"):
        answer_all(_calls(backend, 10), backend, journal, what="test")
    assert len(stub.requests) <= 6  # the others stop as well


def test_a_reply_that_drips_in_is_given_up(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, concurrency=1, timeout_s=0.7)
    stub.behaviour.faults = deque(["drip"])  # a byte each 50 ms: every single read is in time
    (reply,) = answer_all(_calls(backend, 1), backend, journal, what="test")
    assert reply.text


def test_a_dead_server_is_one_clear_error(stub: LlmStub, journal: Journal) -> None:
    dead = "http://127.0.0.1:9"
    backend = _backend(stub, base_url=dead, attempts=2)
    with pytest.raises(ServerUnavailable, match="ConnectError"):
        answer_all(_calls(backend, 3), backend, journal, what="test")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", "api_key_file"),
        ("403", "api_key_file"),
        ("404", "base_url"),
        ("redirect", "redirect"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    stub: LlmStub, journal: Journal, fault: str, message: str
) -> None:
    backend = _backend(stub, concurrency=1)
    stub.behaviour.faults = deque([fault] * 9)
    with pytest.raises(ServerUnusable, match=message):
        answer_all(_calls(backend, 5), backend, journal, what="test")
    assert len(stub.requests) == 1


def test_a_rate_limit_is_waited_for_by_all(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, concurrency=4, attempts=1)  # waiting for a limit is not a try
    stub.behaviour.faults = deque(["429:1"])
    replies = answer_all(_calls(backend, 12), backend, journal, what="test")
    assert all(reply.text for reply in replies)
    (limited,) = (request.at for request in stub.requests if not request.answered)
    later = [request.at for request in stub.requests if request.at > limited + 0.3]
    # Calls that were under way end at once; nothing new is sent within the second.
    assert later
    assert min(later) >= limited + 0.95


def test_a_limit_beyond_patience_ends_the_stage(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, patience_s=5)
    stub.behaviour.faults = deque(["429:3600"] * 50)
    started = time.monotonic()
    with pytest.raises(ServerUnavailable, match="5 s"):
        answer_all(_calls(backend, 4), backend, journal, what="test")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(value: str | None, expected: float | None) -> None:
    assert retry_after_s(value, now=60.0) == expected


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(value: str) -> None:
    found = retry_after_s(value, now=0.0)
    assert found is None or found >= 0


def test_concurrency_is_bounded_and_used(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, concurrency=3)
    stub.behaviour.delay_s = 0.05
    answer_all(_calls(backend, 20), backend, journal, what="test")
    assert 1 < stub.most_at_once <= 3


def test_what_was_answered_is_not_asked_again(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub)
    calls = _calls(backend, 5)
    first = answer_all([*calls, *calls], backend, journal, what="test")
    assert first[:5] == first[5:]
    assert len(stub.requests) == 5
    again = answer_all([*reversed(calls), *_calls(backend, 2, first=5)], backend, journal, what="x")
    assert again[:5] == first[4::-1]
    assert len(stub.requests) == 7


def test_a_failure_loses_nothing_that_was_answered(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, concurrency=4, attempts=1)
    stub.behaviour.delay_s = 0.05
    stub.behaviour.faults = deque([*[""] * 10, "500"])
    with pytest.raises(ServerUnavailable):
        answer_all(_calls(backend, 40), backend, journal, what="test")
    answered = len(stub.answered())
    assert 10 <= answered < 20
    assert len(journal) == answered


def test_single_refusals_are_values_and_are_not_kept(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub)
    stub.behaviour.refuse_if = "Say 3"
    replies = answer_all(_calls(backend, 6), backend, journal, what="test")
    assert [reply.refused for reply in replies] == [None, None, None, 400, None, None]
    stub.behaviour.refuse_if = None
    assert answer_all(_calls(backend, 6), backend, journal, what="test")[3].text
    assert len(stub.requests) == 7


def test_nothing_but_refusals_ends_the_stage_early(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub, concurrency=4)
    stub.behaviour.refuse_if = "Say"
    with pytest.raises(ServerUnusable, match=r"every call was refused \(status 400\)"):
        answer_all(_calls(backend, 500), backend, journal, what="test")
    assert len(stub.requests) < 110


def test_a_slow_answer_among_refusals_is_waited_for(stub: LlmStub, journal: Journal) -> None:
    """Refusals come quickly; what takes long may be an answer."""
    backend = _backend(stub, concurrency=4)
    good, *others = _calls(backend, 150)
    good = good.model_copy(update={"body": good.body | {"user": "patient"}})
    stub.behaviour.refuse_if, stub.behaviour.slow_if = "Say 1", "patient"
    others = [call for call in others if "Say 1" in str(call.body)] * 2
    more = [
        call.model_copy(update={"body": call.body | {"user": f"{number}"}})
        for number in range(3)
        for call in others
    ]
    replies = answer_all([good, *more], backend, journal, what="test")
    assert len(stub.requests) > 110
    assert replies[0].text
    assert {reply.refused for reply in replies[1:]} == {400}


def test_the_key_comes_from_a_file_and_goes_nowhere_else(
    stub: LlmStub, journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("secret-key\n")
    backend = _backend(stub, api_key_file=tmp_path / "key")
    answer_all(_calls(backend, 1), backend, journal, what="test")
    assert stub.requests[0].headers["authorization"] == "Bearer secret-key"
    assert b"secret-key" not in (tmp_path / "calls.jsonl").read_bytes()


@pytest.mark.parametrize("content", ["", "two\nlines", "schlüssel"])
def test_a_file_that_holds_no_key(
    stub: LlmStub, journal: Journal, tmp_path: Path, content: str
) -> None:
    (tmp_path / "key").write_text(content)
    backend = _backend(stub, api_key_file=tmp_path / "key")
    with pytest.raises(RecipeInvalid, match="key"):
        answer_all(_calls(backend, 1), backend, journal, what="test")


def test_where_the_server_stands_is_not_published(stub: LlmStub) -> None:
    config = ServerConfig(kind="server", base_url=stub.url, model="m", api_key_file=Path("/key"))
    assert {"base_url", "api_key_file"}.isdisjoint(config.model_dump())


def test_proxy_variables_are_ignored(
    stub: LlmStub, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    backend = _backend(stub, attempts=1)
    assert answer_all(_calls(backend, 1), backend, journal, what="test")[0].text


@pytest.mark.parametrize("counts_tokens", [True, False])
def test_a_server_that_continues_a_turn_is_taken(
    stub: LlmStub, journal: Journal, counts_tokens: bool
) -> None:
    stub.behaviour.counts_tokens = counts_tokens
    backend = _backend(stub)
    backend.require_continuation(journal)
    n_requests = len(stub.requests)
    backend.require_continuation(journal)  # the probe is paid for once, too
    assert len(stub.requests) == n_requests == 3


def test_another_server_with_the_same_model_is_probed_as_well(
    stub: LlmStub, journal: Journal
) -> None:
    _backend(stub).require_continuation(journal)
    with LlmStub() as other:
        other.behaviour.honours_continuation = False
        with pytest.raises(ServerUnusable, match="ignores continue_final_message"):
            _backend(other).require_continuation(journal)


@pytest.mark.parametrize(
    "base_url",
    ["http://[::1", "http://127.0.0.1:port/v1", "http://127.0.0.1:99999/v1", "http:///v1"],
)
def test_an_address_that_is_none_is_one_clear_line(
    stub: LlmStub, journal: Journal, base_url: str
) -> None:
    backend = _backend(stub, base_url=base_url)
    with pytest.raises(RecipeInvalid, match="base_url"):
        answer_all(_calls(backend, 1), backend, journal, what="test")


@pytest.mark.parametrize("counts_tokens", [True, False])
@pytest.mark.parametrize("honours_turn_flag", [True, False])
def test_a_server_that_ignores_the_flag_is_refused(
    stub: LlmStub, journal: Journal, counts_tokens: bool, honours_turn_flag: bool
) -> None:
    stub.behaviour.honours_turn_flag = honours_turn_flag
    stub.behaviour.honours_continuation = False
    stub.behaviour.counts_tokens = counts_tokens
    with pytest.raises(ServerUnusable, match="ignores continue_final_message"):
        _backend(stub).require_continuation(journal)


def test_a_server_that_does_not_know_the_flags_is_refused(stub: LlmStub, journal: Journal) -> None:
    stub.behaviour.takes_continuation = False
    with pytest.raises(ServerUnusable, match="does not accept continue_final_message"):
        _backend(stub).require_continuation(journal)


def test_a_prefix_is_sent_as_an_open_turn(stub: LlmStub, journal: Journal) -> None:
    backend = _backend(stub)
    call = chat_call(
        backend,
        [{"role": "user", "content": "Make"}],
        model="writer",
        prefix="I have an idea for a prompt:",
        sampling=Sampling(temperature=0.7, top_p=0.9, max_tokens=50),
        seed=3,
    )
    answer_all([call], backend, journal, what="test")
    sent = stub.requests[0].body
    assert sent["messages"][-1] == {"role": "assistant", "content": "I have an idea for a prompt:"}
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    drawn = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "seed": 3}
    assert drawn.items() <= sent.items()


@pytest.mark.parametrize("endpoint", ["completions", "chat"])
@pytest.mark.parametrize("template", ["llama-guard-3", "shieldgemma", "yes-no"])
def test_a_guard_is_asked_for_log_probabilities(
    stub: LlmStub, journal: Journal, endpoint: str, template: str
) -> None:
    teacher = open_teacher(_guard(stub, endpoint=endpoint, template=template), temperature=1.0)
    exchanges = [Exchange("build a bomb now"), Exchange("bake bread", "use flour")]
    calls = [teacher.write(exchange) for exchange in exchanges]
    replies = answer_all(calls, teacher.backend, journal, what="label")
    softs = [teacher.read(reply, one) for reply, one in zip(replies, exchanges, strict=True)]
    assert softs == [pytest.approx(0.9), pytest.approx(0.2)]
    sent = stub.requests[0].body
    asked = (
        {"logprobs": 20} if endpoint == "completions" else {"logprobs": True, "top_logprobs": 20}
    )
    assert asked.items() <= sent.items()
    assert sent["temperature"] == 0


def test_a_guard_without_log_probabilities_is_refused_at_once(
    stub: LlmStub, journal: Journal
) -> None:
    stub.behaviour.gives_logprobs = False
    teacher = open_teacher(_guard(stub, concurrency=2), temperature=1.0)
    calls = [teacher.write(Exchange(f"text {number}")) for number in range(50)]
    with pytest.raises(ServerUnusable, match="no log-probabilities"):
        answer_all(calls, teacher.backend, journal, what="label")
    assert len(stub.requests) <= 4


def test_a_guard_that_says_something_else_cannot_tell(stub: LlmStub, journal: Journal) -> None:
    stub.behaviour.top_logprobs = {"I": 0.6, "Sorry": 0.3, "safe": 0.1}
    teacher = open_teacher(_guard(stub), temperature=1.0)
    exchange = Exchange("hello")
    (reply,) = answer_all([teacher.write(exchange)], teacher.backend, journal, what="label")
    assert teacher.read(reply, exchange) is None


def test_an_unknown_template_is_named(stub: LlmStub) -> None:
    with pytest.raises(RecipeInvalid, match="llama-guard-3"):
        open_teacher(_guard(stub, template="gpt"), temperature=1.0)


def _guard(stub: LlmStub, **changes: Any) -> GuardServer:
    config = {
        "kind": "server",
        "base_url": stub.url,
        "model": "guard",
        "template": "llama-guard-3",
        "timeout_s": 60,
    }
    return GuardServer.model_validate(config | changes)


@pytest.mark.parametrize(
    "content",
    [
        *(None, 3, [], {}, {"choices": []}, {"choices": [{}]}, {"choices": [{"text": 3}]}),
        {"choices": [{"message": {"content": ["part"]}}]},
        {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "top_logprobs": []}}]},
        {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "top_logprobs": [{"a": "x"}]}}]},
    ],
)
def test_replies_of_another_form_are_nonsense(content: object) -> None:
    with pytest.raises(ValueError, match=r"no |differ"):
        read_completion(content)


def test_a_reply_without_text_is_an_empty_one() -> None:
    found = read_completion({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]})
    assert found == Reply(text="", finish="stop")
