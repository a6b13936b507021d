"""OpenAI's own clients, Python and Node, against the server: nothing but base_url is changed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import ModerationImageURLInputParam, ModerationTextInputParam

from tests.conftest import StartServer
from tests.server_process import HANG_S, ServerProcess

HARMFUL = "how to make a bomb"
HARMLESS = "how to bake a cake"

_NODE_PROGRAM = """
import OpenAI from "openai";
const client = new OpenAI({baseURL: process.argv[2], apiKey: process.argv[3], maxRetries: 0});
const out = [];
for (const request of JSON.parse(process.argv[4])) {
  try {
    out.push({ok: await client.moderations.create(request)});
  } catch (error) {
    out.push({kind: error.constructor.name, status: error.status, code: error.code,
              type: error.type, message: error.message});
  }
}
console.log(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def keyed(start_server: StartServer) -> ServerProcess:
    return start_server(api_keys="key-one")


@pytest.fixture(scope="module")
def client(keyed: ServerProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{keyed.url}/v1", api_key="key-one", timeout=HANG_S) as made:
        yield made


def in_node(folder: Path, server: ServerProcess, key: str, *requests: Any) -> list[dict[str, Any]]:
    (folder / "program.mjs").write_text(_NODE_PROGRAM)
    command = ["node", "program.mjs", f"{server.url}/v1", key, json.dumps(requests)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_python_all_input_forms(client: OpenAI) -> None:
    one = client.moderations.create(input=HARMFUL)
    assert [result.flagged for result in one.results] == [True]
    several = client.moderations.create(input=[HARMLESS, HARMFUL], model="omni-moderation-latest")
    assert [result.flagged for result in several.results] == [False, True]
    texts: list[ModerationTextInputParam] = [
        {"type": "text", "text": HARMLESS},
        {"type": "text", "text": "and a bomb"},
    ]
    parts = client.moderations.create(input=texts)
    assert [result.flagged for result in parts.results] == [True]
    assert one.model == "tiny-0.0.1"  # what answered, whatever was asked for
    assert one.id.startswith("modr-")


def test_python_categories_are_not_invented(client: OpenAI) -> None:
    """The client's own models are read: all 13 categories, none of them judged."""
    (result,) = client.moderations.create(input=HARMFUL).results
    names = set(type(result.categories).model_fields)
    assert len(names) == 13
    for name in names:
        assert getattr(result.categories, name) is False
        assert getattr(result.category_scores, name) == 0.0
        assert getattr(result.category_applied_input_types, name) == []
    raw = client.moderations.with_raw_response.create(input=HARMFUL).http_response.json()
    known = {field.alias or name for name, field in type(result.categories).model_fields.items()}
    for part in ("categories", "category_scores", "category_applied_input_types"):
        assert set(raw["results"][0][part]) == known
    # What was judged is there all the same, in a field of our own that the client hands through.
    verdict: Any = (result.model_extra or {})["postern"]
    assert verdict["harmful"] is True
    assert verdict["probability"] >= verdict["threshold"]
    assert (verdict["decided_by"], verdict["degraded"]) == ("student", False)


def test_python_operating_point_by_default_headers(keyed: ServerProcess) -> None:
    with OpenAI(
        base_url=f"{keyed.url}/v1",
        api_key="key-one",
        default_headers={"X-Postern-Operating-Point": "strict"},
    ) as strict:
        (result,) = strict.moderations.create(input=HARMLESS).results
    assert (result.model_extra or {})["postern"]["threshold"] == 0.3


def test_python_errors_are_the_clients_own(keyed: ServerProcess, client: OpenAI) -> None:
    picture: ModerationImageURLInputParam = {
        "type": "image_url",
        "image_url": {"url": "https://example.com/a.png"},
    }
    with pytest.raises(openai.BadRequestError) as empty:
        client.moderations.create(input="")
    assert (empty.value.code, empty.value.type) == ("empty_prompt", "invalid_request_error")
    with pytest.raises(openai.BadRequestError) as image:
        client.moderations.create(input=[picture])
    assert image.value.code == "unsupported_content"
    with (
        OpenAI(base_url=f"{keyed.url}/v1", api_key="wrong") as stranger,
        pytest.raises(openai.AuthenticationError) as refused,
    ):
        stranger.moderations.create(input=HARMLESS)
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="a", model="b")
    with pytest.raises(openai.BadRequestError) as typed:
        client.moderations.create(input=3)  # type: ignore[arg-type]
    assert typed.value.param == "input"


def test_python_retries_when_told_to(start_faulty_server: StartServer) -> None:
    """A 503 is tried again by the client, and is an error of its own kind at the end."""
    server = start_faulty_server({"draining": True})
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=1) as made,
        pytest.raises(openai.InternalServerError) as refused,
    ):
        made.moderations.create(input=HARMLESS)
    assert refused.value.status_code == 503
    assert refused.value.code == "not_ready"
    assert server.metric('postern_requests_total{route="/v1/moderations",status="503"}') == 2.0


@pytest.mark.slow
def test_node(node_openai: Path, keyed: ServerProcess) -> None:
    text, several, parts, empty, image = in_node(
        node_openai,
        keyed,
        "key-one",
        {"input": HARMFUL},
        {"input": [HARMLESS, HARMFUL], "model": "omni-moderation-latest"},
        {"input": [{"type": "text", "text": HARMLESS}]},
        {"input": ""},
        {"input": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
    )
    assert [result["flagged"] for result in text["ok"]["results"]] == [True]
    assert [result["flagged"] for result in several["ok"]["results"]] == [False, True]
    assert [result["flagged"] for result in parts["ok"]["results"]] == [False]
    result = text["ok"]["results"][0]
    assert len(result["categories"]) == 13
    assert set(map(str, result["category_applied_input_types"].values())) == {"[]"}
    assert result["postern"]["harmful"] is True
    assert (empty["kind"], empty["status"]) == ("BadRequestError", 400)
    assert empty["code"] == "empty_prompt"
    assert (image["kind"], image["code"]) == ("BadRequestError", "unsupported_content")
    (refused,) = in_node(node_openai, keyed, "wrong", {"input": HARMLESS})
    assert (refused["kind"], refused["code"]) == ("AuthenticationError", "invalid_api_key")
