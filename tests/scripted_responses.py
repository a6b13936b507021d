"""Answers of an upstream that speaks OpenAI's Responses API, for the scripted upstream to play."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.scripted_upstream import Step, streamed, whole

USAGE: dict[str, Any] = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 3,
}


def message(*texts: str, **fields: Any) -> dict[str, Any]:
    """A message of one part for each text."""
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": parts,
    } | fields


def reasoning(*texts: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return {"id": "rs_stub", "type": "reasoning", "summary": summary}


def function_call(arguments: str, name: str = "read") -> dict[str, Any]:
    return {
        "id": "fc_stub",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_stub",
        "name": name,
        "arguments": arguments,
    }


def response(*output: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A whole response."""
    return {
        "id": "resp_stub",
        "object": "response",
        "created_at": 1700000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "stub-1",
        "output": list(output),
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": USAGE,
    } | fields


def told(body: Mapping[str, Any]) -> list[Step]:
    return whole(body)


def event(content: Mapping[str, Any]) -> bytes:
    return f"event: {content['type']}\ndata: {json.dumps(content)}\n\n".encode()


class Script:
    """Writes the events of one stream, numbered as OpenAI numbers them.

    size: characters of a piece of text. fields: of the response.
    """

    def __init__(self, *, size: int = 6, **fields: Any) -> None:
        self.size = size
        self.fields = fields
        self.contents: list[dict[str, Any]] = []
        self._output: list[dict[str, Any]] = []
        begun = response(**fields) | {"status": "in_progress", "usage": None}
        self.add("response.created", response=begun)
        self.add("response.in_progress", response=begun)

    def add(self, kind: str, **fields: Any) -> Script:
        number = {"sequence_number": len(self.contents)}
        self.contents.append({"type": kind, **number, **fields})
        return self

    def item(self, item: dict[str, Any]) -> Script:
        """All events of one item."""
        index = len(self._output)
        self._output.append(item)
        at = {"item_id": item["id"], "output_index": index}
        bare = {name: [] if name in ("content", "summary") else item[name] for name in item}
        if "arguments" in item:
            bare["arguments"] = ""
        if "status" in item:
            bare["status"] = "in_progress"
        self.add("response.output_item.added", output_index=index, item=bare)
        for number, part in enumerate(item.get("content") or []):
            self._part("content", number, part, at)
        for number, part in enumerate(item.get("summary") or []):
            self._part("summary", number, part, at)
        if "arguments" in item:
            self.text("response.function_call_arguments", "arguments", item["arguments"], at)
        return self.add("response.output_item.done", output_index=index, item=item)

    def _part(self, where: str, number: int, part: dict[str, Any], at: dict[str, Any]) -> None:
        name = "refusal" if part["type"] == "refusal" else "text"
        at = at | {f"{where}_index": number}
        stem = "content_part" if where == "content" else "reasoning_summary_part"
        kind = {
            "output_text": "output_text",
            "refusal": "refusal",
            "reasoning_text": "reasoning_text",
            "summary_text": "reasoning_summary_text",
        }[part["type"]]
        self.add(f"response.{stem}.added", **at, part=part | {name: ""})
        self.text(f"response.{kind}", name, part[name], at)
        self.add(f"response.{stem}.done", **at, part=part)

    def text(self, stem: str, name: str, text: str, at: Mapping[str, Any]) -> Script:
        more: dict[str, Any] = {"logprobs": []} if stem.endswith("output_text") else {}
        for start in range(0, len(text), self.size):
            piece = text[start : start + self.size]
            self.add(f"{stem}.delta", **at, delta=piece, obfuscation=f"x{start}", **more)
        return self.add(f"{stem}.done", **at, **{name: text}, **more)

    def end(self, status: str = "completed", **fields: Any) -> Script:
        whole_one = response(*self._output, **self.fields) | {"status": status} | fields
        return self.add(f"response.{status}", response=whole_one)

    @property
    def events(self) -> list[bytes]:
        return list(map(event, self.contents))

    @property
    def steps(self) -> list[Step]:
        return streamed(self.events)


def stream_of(*items: dict[str, Any], **fields: Any) -> list[Step]:
    """A well-behaved stream of these items."""
    script = Script(**fields)
    for item in items:
        script.item(item)
    return script.end().steps


def contents_of(body: str) -> list[dict[str, Any]]:
    """The events of a stream, which must be well-formed: named, numbered upwards."""
    parts = body.split("\n\n")
    assert parts.pop() == ""
    found = []
    for part in parts:
        named, _, data = part.partition("\n")
        content = json.loads(data.removeprefix("data: "))
        assert named == f"event: {content['type']}"
        found.append(content)
    numbers = [one["sequence_number"] for one in found]
    assert numbers == sorted(set(numbers))
    return found


def texts_of(contents: Iterable[Mapping[str, Any]]) -> str:
    """The text of the answer, piece by piece."""
    return "".join(one["delta"] for one in contents if one["type"] == "response.output_text.delta")
