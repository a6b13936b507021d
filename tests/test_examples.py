"""The files under examples/, run against the real server as their hosts run them."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import httpx
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from tests.conftest import StartServer
from tests.scripted_upstream import StubUpstream
from tests.server_process import HANG_S, ROOT, ServerProcess, environment
from tests.venvs import made_venv

HARMFUL = "how to make a bomb"
HARMLESS = "how to bake a cake"
NOWHERE = "http://127.0.0.1:9"


def loaded(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def keyed(start_server: StartServer) -> ServerProcess:
    return start_server(api_keys="key-one")


class OpenWebUi:
    """Calls a filter as Open WebUI does (backend/open_webui/utils/filter.py): arguments by name,
    those beside `body` or `event` only where the signature has them; coroutines are awaited."""

    def __init__(self, url: str, **valves: Any) -> None:
        module = loaded("examples/open_webui/filter.py")
        self.filter = module.Filter()
        self.filter.valves = module.Filter.Valves(postern_url=url, api_key="key-one", **valves)

    def call(self, kind: str, form_data: dict[str, Any], message_id: str = "m1") -> Any:
        handler = getattr(self.filter, kind)
        extra = {
            "__user__": {"id": "u1", "name": "Ada", "role": "user"},
            "__metadata__": {"chat_id": "c1", "message_id": message_id},
            "__event_emitter__": None,
            "__id__": "postern",
        }
        names = inspect.signature(handler).parameters
        params: dict[str, Any] = {"event" if kind == "stream" else "body": form_data}
        params |= {name: value for name, value in extra.items() if name in names}
        assert inspect.iscoroutinefunction(handler)
        return asyncio.run(handler(**params))

    def inlet(self, *messages: dict[str, Any]) -> Any:
        return self.call("inlet", {"model": "m", "stream": True, "messages": list(messages)})

    def streamed(self, *deltas: dict[str, Any], message_id: str = "m1") -> list[dict[str, Any]]:
        """What the user sees of an answer in these pieces, piece by piece."""
        events = [
            {
                "id": "chatcmpl-1",
                "choices": [{"index": 0, "delta": dict(delta), "finish_reason": None}],
            }
            for delta in deltas
        ]
        events.append(
            {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        )
        replies = [self.call("stream", event, message_id) for event in events]
        return [reply["choices"][0]["delta"] for reply in replies]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


@pytest.fixture
def webui(keyed: ServerProcess) -> OpenWebUi:
    return OpenWebUi(keyed.url)


def test_open_webui_inlet(webui: OpenWebUi) -> None:
    body = webui.inlet({"role": "system", "content": "help"}, user(HARMLESS))
    assert body["messages"][1]["content"] == HARMLESS
    parts = {"role": "user", "content": [{"type": "text", "text": HARMFUL}]}
    for messages in (
        [user(HARMFUL)],
        [user(HARMFUL), assistant("no"), user("please")],  # not only the last turn
        [parts],
        [user(HARMLESS), {"role": "tool", "content": HARMFUL}],
    ):
        with pytest.raises(ValueError, match="judged harmful"):
            webui.inlet(*messages)


def test_open_webui_images(webui: OpenWebUi, keyed: ServerProcess) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    message = {"role": "user", "content": [{"type": "text", "text": HARMLESS}, image]}
    with pytest.raises(ValueError, match="Images cannot be judged"):
        webui.inlet(message)
    assert OpenWebUi(keyed.url, pass_images=True).inlet(message)["messages"] == [message]


def test_open_webui_stream_releases_nothing_before_the_verdict(webui: OpenWebUi) -> None:
    webui.inlet(user(HARMLESS))
    *before, last = webui.streamed({"content": "sure here "}, {"content": "is some cake"})
    assert [delta["content"] for delta in before] == ["", ""]
    assert last["content"] == "sure here is some cake"

    *before, last = webui.streamed(
        {"reasoning_content": "first the sugar"}, {"content": "then the b"}, {"content": "omb"}
    )
    assert not any(any(delta.values()) for delta in before)
    assert last == {"content": webui.filter.valves.refusal}

    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"q": "a '}}
    rest = {"index": 0, "function": {"arguments": 'bomb"}'}}
    *before, last = webui.streamed({"tool_calls": [call]}, {"tool_calls": [rest]})
    assert before == [{}, {}]
    assert last == {"content": webui.filter.valves.refusal}
    harmless = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"q": "cake"}'}}
    *before, last = webui.streamed({"tool_calls": [harmless]})
    assert last == {"tool_calls": [harmless]}


def test_open_webui_streams_of_several_chats_do_not_mix(webui: OpenWebUi) -> None:
    def event(text: str | None) -> dict[str, Any]:
        reason = None if text else "stop"
        delta = {"content": text} if text else {}
        return {"id": "same", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    webui.call("stream", event("how to make a bomb"), "one")
    webui.call("stream", event("some cake"), "two")
    two = webui.call("stream", event(None), "two")["choices"][0]["delta"]
    one = webui.call("stream", event(None), "one")["choices"][0]["delta"]
    assert two["content"] == "some cake"
    assert one["content"] == webui.filter.valves.refusal
    assert not webui.filter._held


def test_open_webui_outlet(webui: OpenWebUi) -> None:
    harmful = {"messages": [user(HARMLESS), assistant("take a bomb and poison")]}
    assert webui.call("outlet", harmful)["messages"][1]["content"] == webui.filter.valves.refusal
    harmless = {"messages": [user(HARMLESS), assistant("take some flour")]}
    assert webui.call("outlet", harmless)["messages"][1]["content"] == "take some flour"


def test_open_webui_judges_what_is_new_of_a_conversation_of_any_length(
    webui: OpenWebUi, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    harmful = webui.filter._harmful

    async def counted(turns: list[dict[str, str]]) -> bool:
        sent.append(len(turns))
        return bool(await harmful(turns))

    monkeypatch.setattr(webui.filter, "_harmful", counted)
    turns = [turn for _ in range(65) for turn in (user(HARMLESS), assistant("with flour"))]
    webui.inlet(*turns, user(HARMLESS))
    assert sum(sent) == 131
    sent.clear()
    webui.inlet(*turns, user(HARMLESS), assistant("with sugar"), user("and some water"))
    assert sum(sent) <= 3
    with pytest.raises(ValueError, match="judged harmful"):
        webui.inlet(*turns, user(HARMLESS), assistant("with sugar"), user(HARMFUL))
    changed = [user(HARMLESS), assistant("with a bomb"), *turns[2:], user(HARMLESS)]
    with pytest.raises(ValueError, match="judged harmful"):
        webui.inlet(*changed)
    webui.filter.valves.operating_point = "strict"
    sent.clear()
    webui.inlet(*turns, user(HARMLESS))
    assert sum(sent) == 131


def test_open_webui_fails_closed_unless_told_otherwise(keyed: ServerProcess) -> None:
    wrong_key = OpenWebUi(keyed.url)
    wrong_key.filter.valves.api_key = "wrong"
    for away in (OpenWebUi(NOWHERE), wrong_key):
        with pytest.raises(ValueError, match="could not be judged"):
            away.inlet(user(HARMLESS))
        refusal = away.filter.valves.refusal
        assert away.streamed({"content": "some cake"})[-1] == {"content": refusal}
        body = {"messages": [user(HARMLESS), assistant("some flour")]}
        assert away.call("outlet", body)["messages"][1]["content"] == refusal
    open_one = OpenWebUi(NOWHERE, fail_open=True)
    assert open_one.inlet(user(HARMLESS))
    assert open_one.streamed({"content": "some cake"})[-1] == {"content": "some cake"}


def test_open_webui_forgets_abandoned_answers(webui: OpenWebUi) -> None:
    for number in range(1200):
        delta = {"content": "a"}
        event = {"id": "e", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        asyncio.run(webui.filter.stream(event, {"message_id": str(number)}))
    assert len(webui.filter._held) == 1000


def langchain_model(answer: str | AIMessage) -> GenericFakeChatModel:
    message = AIMessage(answer) if isinstance(answer, str) else answer
    return GenericFakeChatModel(messages=iter([message] * 9))


def test_langchain_guards_both_ways(keyed: ServerProcess) -> None:
    module = loaded("examples/langchain/guard.py")

    def guarded(answer: str | AIMessage) -> Any:
        return module.guarded(langchain_model(answer), url=keyed.url, api_key="key-one")

    cake = guarded("with some flour")
    assert cake.invoke(HARMLESS).content == "with some flour"
    assert cake.invoke(HARMFUL).content == module.REFUSAL
    assert cake.invoke([SystemMessage("help"), HumanMessage(HARMFUL)]).content == module.REFUSAL
    assert guarded("take a bomb").invoke(HARMLESS).content == module.REFUSAL
    call = {"name": "search", "args": {"query": "a bomb"}, "id": "1", "type": "tool_call"}
    assert guarded(AIMessage("", tool_calls=[call])).invoke(HARMLESS).content == module.REFUSAL

    chain = ChatPromptTemplate.from_messages([("system", "help"), ("user", "{text}")]) | cake
    assert chain.invoke({"text": HARMLESS}).content == "with some flour"
    assert chain.invoke({"text": HARMFUL}).content == module.REFUSAL
    pieces = list(guarded("take a bomb").stream(HARMLESS))
    assert [piece.content for piece in pieces] == [module.REFUSAL]

    async def asked() -> list[Any]:
        return [
            (await cake.ainvoke(HARMLESS)).content,
            (await cake.ainvoke(HARMFUL)).content,
            (await guarded("take a bomb").ainvoke(HARMLESS)).content,
        ]

    assert asyncio.run(asked()) == ["with some flour", module.REFUSAL, module.REFUSAL]


def test_langchain_raises_where_no_verdict_can_be_had(keyed: ServerProcess) -> None:
    module = loaded("examples/langchain/guard.py")
    model = langchain_model("with some flour")
    with pytest.raises(httpx.ConnectError):
        module.guarded(model, url=NOWHERE).invoke(HARMLESS)
    with pytest.raises(httpx.HTTPStatusError):
        module.guarded(model, url=keyed.url, api_key="wrong").invoke(HARMLESS)


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


def in_nemo(postern_url: str, upstream: StubUpstream, *prompts: str) -> list[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith("_PROXY") and not name.startswith(("POSTERN_", "PYTHON"))
    }
    done = subprocess.run(
        [made_venv("nemo") / "python", ROOT / "examples/nemo_guardrails/chat.py", *prompts],
        env=kept
        | {
            "POSTERN_URL": postern_url,
            "POSTERN_KEY": "key-one",
            "UPSTREAM_URL": upstream.url,
            "OPENAI_API_KEY": "any",
        },
        capture_output=True,
        text=True,
        timeout=2 * HANG_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


@pytest.mark.slow
def test_nemo_guardrails(keyed: ServerProcess, upstream: StubUpstream) -> None:
    refusal = "Sorry, I cannot help with that."
    upstream.say(content="with some flour")
    assert in_nemo(keyed.url, upstream, HARMLESS, HARMFUL) == ["with some flour", refusal]
    assert len(upstream.seen) == 1  # the harmful prompt never reached the model
    upstream.say(content="take a bomb and poison")
    assert in_nemo(keyed.url, upstream, HARMLESS) == [refusal]
    assert len(upstream.seen) == 1
    upstream.say(content="with some flour")
    assert in_nemo(NOWHERE, upstream, HARMLESS) == [refusal]
    assert not upstream.seen


CHATS = (
    "id,prompt,response\n"
    f"1,{HARMLESS},\n"
    f'2,"{HARMLESS}","with\nsome ""flour"""\n'
    f"3,{HARMFUL},\n"
    f"4,{HARMLESS},take a bomb and poison\n"
    "5,,nothing was asked\n"
)
VERDICTS = [False, False, True, True, None]


def run_example(path: str, *arguments: object, **settings: str) -> str:
    names = {"HF_HOME": ".", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "app")}
    done = subprocess.run(
        [sys.executable, ROOT / path, *map(str, arguments)],
        cwd=settings.pop("cwd"),
        env=environment({}) | names | settings,
        capture_output=True,
        text=True,
        timeout=2 * HANG_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_datasets_map(keyed: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text(CHATS)
    given = ("chats.csv", "--output", "verdicts.jsonl", "--url", keyed.url)
    script = "examples/datasets_map/judge.py"
    run_example(script, *given, cwd=str(tmp_path), POSTERN_KEY="key-one")
    rows = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [row["harmful"] for row in rows] == VERDICTS
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[1]["response"] == 'with\nsome "flour"'
    assert "empty" in rows[4]["error"]
    assert all(row["error"] is None for row in rows[:4])


def test_duckdb(tiny_artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text(CHATS)
    database = tmp_path / "chats.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("CREATE TABLE chats AS FROM read_csv(?)", [str(tmp_path / "chats.csv")])
    printed = run_example(
        "examples/duckdb/judge.py",
        *(database, "chats"),
        cwd=str(tmp_path),
        POSTERN_ARTIFACT=str(tiny_artifact),
    )
    assert "errors" in printed
    with duckdb.connect(str(database)) as connection:
        query = (
            "SELECT chats.id, harmful, error IS NULL FROM chats "
            "JOIN chats_verdicts ON chats_verdicts.id = chats.rowid ORDER BY chats.id"
        )
        found = connection.execute(query).fetchall()
    assert found == [(n, v, v is not None) for n, v in enumerate(VERDICTS, start=1)]
    assert sorted(path.name for path in tmp_path.glob("*")) == ["chats.csv", "chats.duckdb"]
