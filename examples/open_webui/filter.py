"""
title: Postern
description: Judges every prompt before the model sees it, and every answer before the user does.
required_open_webui_version: 0.5.17
requirements: httpx
version: 1.0.0
licence: Apache-2.0
"""

import hashlib
import json
from collections import OrderedDict
from typing import Any

import httpx
from pydantic import BaseModel, Field

_TEXT_FIELDS = ("content", "reasoning_content", "reasoning")
# Answers under way; those of users who left are dropped, oldest first.
_MAX_HELD = 1000
# Conversations that were judged up to some turn, of which only what is new is judged; and turns
# that are sent at once.
_MAX_JUDGED = 10_000
_AT_ONCE = 400


class Filter:
    """Nothing passes unjudged: where Postern is away or refuses, the chat stops with a message."""

    class Valves(BaseModel):
        postern_url: str = Field("http://127.0.0.1:8000", description="Where Postern listens.")
        api_key: str = Field("", description="One of POSTERN_API_KEYS, where keys are set.")
        operating_point: str = Field("balanced", description="balanced, strict or permissive.")
        refusal: str = Field(
            "This was held back, because it was judged harmful.", description="Said instead."
        )
        pass_images: bool = Field(
            False, description="Let images through. Postern cannot judge them."
        )
        fail_open: bool = Field(
            False, description="Let text through unjudged while Postern does not answer."
        )
        timeout_s: float = Field(10.0, description="How long to wait for a verdict.")
        priority: int = Field(0, description="Lower ones run first.")

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._prompts: OrderedDict[str, list[dict[str, str]]] = OrderedDict()
        self._held: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()
        self._judged_before: OrderedDict[str, bool] = OrderedDict()

    async def inlet(
        self, body: dict[str, Any], __metadata__: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Before the model: every turn is judged. Raises where one is harmful."""
        messages = body.get("messages") or []
        if not self.valves.pass_images and any(map(_has_images, messages)):
            raise ValueError("Images cannot be judged, so they are not let through.")
        turns = _turns(messages)
        if await self._new_turns_harmful(turns):
            raise ValueError(self.valves.refusal)
        key = (__metadata__ or {}).get("message_id")
        if key:  # the answer that streams under this id is judged with what was asked
            _remember(self._prompts, key, _since_last_answer(turns))
        return body

    async def stream(
        self, event: dict[str, Any], __metadata__: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """While the model answers: all is held back, and released whole once it was judged."""
        message_id = (__metadata__ or {}).get("message_id")
        for choice in event.get("choices") or []:
            key = (message_id or event["id"], choice.get("index", 0))
            held = self._held.get(key) or {"tool_calls": []}
            _remember(self._held, key, held)
            delta = choice.setdefault("delta", {})
            for field in _TEXT_FIELDS:
                if isinstance(delta.get(field), str):
                    held[field] = held.get(field, "") + delta[field]
                    delta[field] = ""
            held["tool_calls"] += delta.pop("tool_calls", None) or []
            if choice.get("finish_reason"):
                del self._held[key]
                delta.update(await self._judged(held, self._prompts.get(message_id or "", [])))
        return event

    async def outlet(self, body: dict[str, Any]) -> dict[str, Any]:
        """After the model: an answer that did not stream is judged; a harmful one is replaced."""
        messages = body.get("messages") or []
        last = messages[-1] if messages else {}
        if last.get("role") == "assistant" and last.get("content") != self.valves.refusal:
            asked = _since_last_answer(_turns(messages[:-1]))
            if await self._checked([*asked, *_turns([last])]):
                last["content"] = self.valves.refusal
        return body

    async def _new_turns_harmful(self, turns: list[dict[str, str]]) -> bool:
        """Whether one is harmful of those that were not judged before, with what they reply to.

        A conversation may be of any length, and comes whole with every turn.
        """
        digests = _digests(turns, self.valves.operating_point)
        done = max(
            (n + 1 for n, digest in enumerate(digests) if digest in self._judged_before), default=0
        )
        for start in range(done, len(turns), _AT_ONCE):
            new = turns[start : start + _AT_ONCE]
            if await self._harmful([*_since_last_answer(turns[:start]), *new]):
                return True
        if digests and not self.valves.fail_open:  # otherwise there may have been no verdict
            _remember(self._judged_before, digests[-1], True, limit=_MAX_JUDGED)
        return False

    async def _judged(self, held: dict[str, Any], asked: list[dict[str, str]]) -> dict[str, Any]:
        """What is released of an answer: all of it, or the refusal alone."""
        texts = [held[field] for field in _TEXT_FIELDS if held.get(field)]
        texts += [
            (call.get("function") or {}).get("arguments") or "" for call in held["tool_calls"]
        ]
        answer = {"role": "assistant", "content": "".join(texts)}
        if await self._checked([*asked, *_turns([answer])]):
            return {"content": self.valves.refusal}
        return {name: value for name, value in held.items() if value}

    async def _checked(self, turns: list[dict[str, str]]) -> bool:
        """Whether an answer is to be replaced: it is harmful, or no verdict on it can be had."""
        try:
            return await self._harmful(turns)
        except ValueError:
            return True

    async def _harmful(self, turns: list[dict[str, str]]) -> bool:
        """Raises ValueError where no verdict can be had; an error is no verdict."""
        if not turns:
            return False
        headers = {"Authorization": f"Bearer {self.valves.api_key}"} if self.valves.api_key else {}
        try:
            async with httpx.AsyncClient(timeout=self.valves.timeout_s) as client:
                reply = await client.post(
                    f"{self.valves.postern_url.rstrip('/')}/classify",
                    json={"messages": turns, "operating_point": self.valves.operating_point},
                    headers=headers,
                )
            reply.raise_for_status()
            return bool(reply.json()["harmful"])
        except (httpx.HTTPError, KeyError, ValueError) as exc:
            if self.valves.fail_open:
                return False
            raise ValueError("This could not be judged, so it is not let through.") from exc


def _turns(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Turns as `/classify` takes them. What a tool found is judged like what a user says."""
    turns = []
    for message in messages:
        text = _text(message.get("content"))
        if text.strip():
            role = message.get("role")
            known = role if role in ("assistant", "system") else "user"
            turns.append({"role": known, "content": text})
    return turns


def _since_last_answer(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The user turns that the next answer replies to."""
    asked: list[dict[str, str]] = []
    for turn in turns:
        if turn["role"] == "assistant":
            asked = []
        elif turn["role"] == "user":
            asked.append(turn)
    return asked


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content or [] if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))


def _has_images(message: dict[str, Any]) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)


def _digests(turns: list[dict[str, str]], operating_point: str) -> list[str]:
    """One for the conversation up to each turn."""
    so_far = hashlib.sha256(operating_point.encode())
    digests = []
    for turn in turns:
        so_far.update(json.dumps(turn, sort_keys=True).encode() + b"\n")
        digests.append(so_far.hexdigest())
    return digests


def _remember(
    memory: OrderedDict[Any, Any], key: Any, value: Any, *, limit: int = _MAX_HELD
) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > limit:
        memory.popitem(last=False)
