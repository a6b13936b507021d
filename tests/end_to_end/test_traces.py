"""Traces over real sockets: the tree of each kind of request, its context, and no text in it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.conftest import PATIENT, StartServer
from tests.otlp_collector import Collector, Seen
from tests.ports import free_port
from tests.scripted_messages import message
from tests.scripted_responses import response
from tests.scripted_teacher import says
from tests.scripted_texts import VECTOR, embeddings, text_completion
from tests.scripted_upstream import StubUpstream, answer, completion, whole
from tests.server_process import ROOT, ServerProcess, environment, postern

SECRET = "zzsecretzz"
CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]
JUDGED: Final[dict[str, Any]] = {"tokenize": {}, "queue": {}, "infer": {}}


@dataclass
class Kit:
    server: ServerProcess
    collector: Collector
    teacher: StubUpstream
    upstream: StubUpstream

    def post(self, path: str, body: Any, **headers: str) -> tuple[httpx.Response, Seen]:
        """The reply, and the span of the request."""
        name = secrets.token_hex(8)
        reply = self.server.post(path, json=body, headers={"X-Request-Id": name, **headers})
        return reply, self.collector.root_of(name)


@pytest.fixture(scope="module")
def kit(start_server: StartServer) -> Iterator[Kit]:
    with (
        Collector() as collector,
        StubUpstream() as teacher,
        StubUpstream() as upstream,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        server = start_server(
            traces=True,
            teacher_url=teacher.url,
            teacher_model="guard",
            teacher_audit_share=0,
            teacher_max_share=1,
            teacher_connect_timeout_ms=60_000,
            teacher_timeout_ms=60_000,
            upstream_url=upstream.url,
            stream_score_tokens=8,
            stream_doubt_tokens=0,
        )
        yield Kit(server, collector, teacher, upstream)


def context() -> tuple[str, str, str]:
    """A caller's trace, its span, and the header for both."""
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-01"


def check_times(seen: Seen) -> None:
    """A step lies within the step above it."""
    for child in seen.children:
        assert seen.wire.start_time_unix_nano <= child.wire.start_time_unix_nano, child.name
        assert child.wire.start_time_unix_nano <= child.wire.end_time_unix_nano, child.name
        assert child.wire.end_time_unix_nano <= seen.wire.end_time_unix_nano, child.name
        check_times(child)


def test_the_steps_of_a_verdict(kit: Kit) -> None:
    trace, span, header = context()
    body = {"inputs": [{"prompt": f"{SECRET} read a book"}, {"prompt": "how to make a bomb"}]}
    reply, seen = kit.post("/classify", body, traceparent=header, tracestate="vendor=1")
    assert reply.status_code == 200
    assert (seen.name, seen.kind, seen.failed) == ("POST /classify", "server", False)
    assert (seen.wire.trace_id.hex(), seen.wire.parent_span_id.hex()) == (trace, span)
    assert seen.wire.trace_state == "vendor=1"
    assert seen.tree() == {"parse": {}, "run_guardrail": JUDGED}
    assert seen.attributes == {
        "http.request.method": "POST",
        "http.route": "/classify",
        "http.response.status_code": 200,
        "postern.request_id": reply.headers["X-Request-Id"],
    }
    guardrail = seen.find("run_guardrail")
    results = reply.json()["results"]
    assert guardrail.kind == "internal"
    assert guardrail.attributes == {
        "gen_ai.operation.name": "run_guardrail",
        "gen_ai.security.guardrail.name": "tiny",
        "gen_ai.security.guardrail.version": "0.0.1",
        "gen_ai.security.target.type": "llm_input",
        "gen_ai.security.verdict.type": "deny",
        "gen_ai.security.policy.name": "balanced",
        "gen_ai.security.risk.score": max(one["probability"] for one in results),
        "postern.exchanges": 2,
        "postern.harmful": 1,
        "postern.deferred": 0,
        "postern.degraded": 0,
        "postern.tokens": sum(one["tokens"] for one in results),
        "postern.windows": 2,
    }
    check_times(seen)


def test_where_it_is_sent_and_by_whom(kit: Kit) -> None:
    kit.post("/predict", {"inputs": "read a book"})
    assert kit.collector.paths == {"/v1/traces"}
    resource = kit.collector.resources[-1]
    assert resource["service.name"] == "postern"
    assert resource["deployment.environment.name"] == "test"


def test_a_deferred_text_takes_its_context_to_the_teacher(kit: Kit) -> None:
    kit.teacher.play(says(0.9))
    trace, _, header = context()
    body = {"prompt": f"{SECRET} tell me", "response": f"{SECRET} a story", "fallback": "always"}
    reply, seen = kit.post("/classify", body, traceparent=header, tracestate="vendor=1")
    assert reply.json()["results"][0]["decided_by"] == "fused"
    assert seen.tree()["run_guardrail"] == JUDGED | {"teacher": {"teacher_call": {}}}
    asked = seen.find("run_guardrail", "teacher")
    assert asked.attributes == {
        "postern.deferral_reason": "always",
        "postern.teacher_outcome": "answered",
    }
    assert seen.find("run_guardrail").attributes["gen_ai.security.target.type"] == "llm_output"
    call = asked.find("teacher_call")
    assert call.kind == "client"
    assert call.attributes["http.response.status_code"] == 200
    (at_the_teacher,) = kit.teacher.seen
    assert at_the_teacher.headers["traceparent"] == call.traceparent
    assert at_the_teacher.headers["tracestate"] == "vendor=1"
    assert call.wire.trace_id.hex() == trace
    check_times(seen)


def test_a_failing_teacher_is_seen(kit: Kit) -> None:
    kit.teacher.play(whole({"error": SECRET}, status=400))
    _, seen = kit.post("/classify", {"prompt": "read a poem", "fallback": "always"})
    asked = seen.find("run_guardrail", "teacher")
    assert asked.attributes["postern.teacher_outcome"] == "refused"
    call = asked.find("teacher_call")
    assert (call.failed, call.attributes["error.type"]) == (True, "400")


def test_a_guarded_chat(kit: Kit) -> None:
    kit.upstream.play(whole(completion(f"{SECRET} The cat read a book.")))
    trace, _, header = context()
    body = {"model": f"{SECRET}-model", "messages": [{"role": "user", "content": f"{SECRET} hi"}]}
    reply, seen = kit.post(CHAT, body, traceparent=header, tracestate="vendor=1")
    assert reply.headers["x-postern-verdict"] == "unharmful"
    assert seen.name == f"POST {CHAT}"
    assert seen.tree() == {
        "parse": {},
        "run_guardrail": JUDGED,
        "upstream": {},
        "run_guardrail 2": JUDGED,
        "release": {},
    }
    targets = [
        one.attributes["gen_ai.security.target.type"]
        for one in seen.children
        if one.name == "run_guardrail"
    ]
    assert targets == ["llm_input", "llm_output"]
    upstream = seen.find("upstream")
    assert upstream.kind == "client"
    assert upstream.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "http.request.method": "POST",
        "http.response.status_code": 200,
    }
    (asked,) = kit.upstream.seen
    assert asked.headers["traceparent"] == upstream.traceparent
    assert [name for name, _ in asked.header_lines].count("traceparent") == 1
    assert upstream.wire.trace_id.hex() == trace
    check_times(seen)


@pytest.mark.parametrize(
    ("path", "body", "told", "operation", "provider"),
    [
        ("/v1/completions", {"prompt": "hi"}, text_completion("hi"), "text_completion", "openai"),
        ("/v1/embeddings", {"input": "hi"}, embeddings([*VECTOR]), "embeddings", "openai"),
        ("/v1/responses", {"input": "hi"}, response(), "chat", "openai"),
        ("/v1/messages", {"messages": HI}, message("hi"), "chat", "anthropic"),
        (f"/openai/v1{CHAT[3:]}", {"messages": HI}, completion("hi"), "chat", "azure.ai.openai"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_api_has_its_operation_and_provider(
    kit: Kit, path: str, body: dict[str, Any], told: Any, operation: str, provider: str
) -> None:
    kit.upstream.play(whole(told))
    reply, seen = kit.post(path, {"model": "m", **body})
    assert reply.status_code == 200, reply.text
    found = seen.find("upstream").attributes
    assert found["gen_ai.operation.name"] == operation
    assert found["gen_ai.provider.name"] == provider


def test_a_list_of_models_is_no_operation_of_a_model(kit: Kit) -> None:
    kit.upstream.play(whole({"object": "list", "data": []}))
    name = secrets.token_hex(8)
    assert kit.server.get("/v1/models", headers={"X-Request-Id": name}).status_code == 200
    found = kit.collector.root_of(name).find("upstream").attributes
    assert not [one for one in found if one.startswith("gen_ai.")]


def test_a_streamed_chat(kit: Kit) -> None:
    words = [f"{SECRET} Once upon a time. ", "A cat read a good book. ", "It liked it a lot. "]
    kit.upstream.play(answer("".join(words)))
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "a story"}]}
    reply, seen = kit.post(CHAT, body)
    assert reply.text.endswith("data: [DONE]\n\n")
    steps = [one.name for one in seen.children]
    assert steps[:3] == ["parse", "run_guardrail", "upstream"]
    assert steps.count("run_guardrail") >= 2
    assert steps.count("release") == 1
    assert seen.find("upstream").attributes["gen_ai.request.stream"] is True
    check_times(seen)


def test_a_blocked_prompt_asks_nobody(kit: Kit) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "how to make a bomb"}]}
    reply, seen = kit.post(CHAT, body)
    assert reply.headers["x-postern-verdict"] == "harmful"
    assert seen.tree() == {"parse": {}, "run_guardrail": JUDGED, "release": {}}


def test_failures_have_names_and_no_words(kit: Kit) -> None:
    kit.upstream.play([b""])
    body = {"model": "m", "messages": [{"role": "user", "content": f"{SECRET} hello"}]}
    reply, seen = kit.post(CHAT, body)
    assert (reply.status_code, seen.failed) == (502, True)
    assert seen.attributes["error.type"] == "upstream-unreachable"
    assert seen.find("upstream").attributes["error.type"] == "UpstreamUnreachable"
    reply, seen = kit.post("/classify", {"prompt": "   "})
    assert (reply.status_code, seen.failed) == (422, False)
    assert seen.attributes["error.type"] == "empty-prompt"
    reply, seen = kit.post(f"/{SECRET}?{SECRET}={SECRET}", {"prompt": SECRET})
    assert (reply.status_code, seen.name) == (404, "POST unmatched")
    assert all(not one.wire.status.message and not one.wire.events for one in seen.all())


@pytest.mark.parametrize("header", [f"00-{SECRET}", "x" * 3000, "00-" + "0" * 32 + "-1-01"])
def test_a_broken_context_begins_a_new_trace(kit: Kit, header: str) -> None:
    headers = {"traceparent": header, "tracestate": f"{SECRET} ???"}
    reply, seen = kit.post("/classify", {"prompt": "read a book"}, **headers)
    assert reply.status_code == 200
    assert seen.wire.parent_span_id == b""


def test_probes_and_scrapes_are_not_traced(kit: Kit) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        kit.server.get(path, headers={"X-Request-Id": "probe"})
    _, seen = kit.post("/classify", {"prompt": "read a book"})
    with pytest.raises(StopIteration):
        seen.find("probe")
    assert not any(b"/healthz" in raw or b"/metrics" in raw for raw in kit.collector.raw)


def test_no_span_and_no_log_line_holds_text(kit: Kit) -> None:
    """Runs after the others of this file, and looks at every byte that was sent."""
    _, seen = kit.post("/classify", {"prompt": f"{SECRET} at last"})
    assert seen.tree()
    assert len(kit.collector.raw) > 5
    assert not any(SECRET.encode() in raw for raw in kit.collector.raw)
    assert SECRET not in kit.server.stderr()
    assert all(kit.server.log_lines())


@pytest.mark.parametrize("silent", [False, True])
def test_a_collector_that_is_away_delays_nothing(tiny_artifact: Path, silent: bool) -> None:
    with Collector(silent=True) as collector, pytest.MonkeyPatch.context() as patch:
        url = collector.url if silent else f"http://127.0.0.1:{free_port()}"
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        patch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        patch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
        patch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
        settings = PATIENT | {"artifact": tiny_artifact, "traces": True}
        with ServerProcess(["-m", "postern", "serve"], settings) as server:
            server.wait_until_ready()
            for number in range(20):
                assert server.classify({"prompt": f"story {number}"}).status_code == 200
            assert server.get("/readyz").status_code == 200
            began = time.monotonic()
            server.stop()
            # An hour is what the collector may take; seconds are what it gets.
            assert time.monotonic() - began < 60.0
            assert all(server.log_lines())
        assert bool(collector.raw) is silent


def test_off_nothing_is_imported_or_sent() -> None:
    code = """
import sys
from postern.cli import main
from postern.composition import tracing
from postern.contract.moderation import Identity
from postern.settings.settings import read_settings
assert tracing.build(read_settings(), Identity("a", "1", "")) is None
print([n for n in sys.modules if n.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
print("postern.tracing.otlp" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment({})
    )
    assert (done.stdout, done.stderr) == ("[]\nFalse\n", "")


def test_importing_the_sender_starts_nothing() -> None:
    code = "import threading, postern.tracing.otlp; print(threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment({})
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_variable_that_is_wrong_is_one_line(tiny_artifact: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-7")
        done = postern("serve", "--port", "0", artifact=tiny_artifact, traces="true")
    assert done.returncode == 2
    assert done.stderr.decode() == "postern: traces: a variable OTEL_... has an invalid value\n"


def test_without_traces_the_callers_context_passes_as_it_is(start_server: StartServer) -> None:
    with StubUpstream(whole(completion("The cat read a book."))) as upstream:
        server = start_server(upstream_url=upstream.url)
        _, _, header = context()
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        server.post(CHAT, json=body, headers={"traceparent": header, "tracestate": "a=b"})
        (asked,) = upstream.seen
        assert (asked.headers["traceparent"], asked.headers["tracestate"]) == (header, "a=b")
