"""A request for a response -> the parts to judge, and the prompt that the answer belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.conversation import INSTRUCTION_FIELDS, asks_for_media
from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.parts import content_texts
from postern.chat_guard.readable import has_media, opened, strings, text_of
from postern.chat_guard.responses.items import (
    ANSWERS,
    INSTRUCTIONS,
    MESSAGE,
    NO_WORDS,
    REFERENCE,
    RESULTS,
    item_texts,
    part_texts,
)
from postern.chat_guard.shape import Asked, Reading
from postern.chat_guard.walk import Walk, mismatch, read_object, wants_stream
from postern.contract.exchange import Exchange
from postern.contract.text import is_visible

_ROLES: Final = ("user", "assistant", "system", "developer")
_READ_APART: Final = frozenset({"input", "instructions", "prompt"})
_INSTRUCTING: Final = INSTRUCTION_FIELDS | {"text"}
# The model talks on after it, so the question is still open.
_COMMENTARY: Final = "commentary"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesRequest(Asked):
    """A request for a response.

    follows: (field, id) of what the upstream is to remember: a response, a conversation, items.
    """

    follows: tuple[tuple[str, str], ...]

    def echoes(self, name: str) -> frozenset[str]:
        """Strings of one field, as the response repeats them."""
        return frozenset(found.text for found in strings(self.body.get(name)))


def parse_responses(body: bytes, reading: Reading) -> ResponsesRequest:
    """Parse a request.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    parsed, to_upstream = read_object(body)
    stream = wants_stream(parsed)
    if parsed.get("background") not in (None, False):
        mismatch("background", "must be false: an answer that is fetched later is not judged")
    walk = Walk(reading)
    follows = _followed(parsed)
    _take_instructions(walk, parsed.get("instructions"))
    _take_prompt(walk, parsed.get("prompt"))
    _take_input(walk, parsed, follows)
    walk.media = walk.media or asks_for_media(parsed) or _asks_for_images(parsed.get("tools"))
    walk.fields(parsed, read=_READ_APART, instructing=_INSTRUCTING)
    judged = walk.all()
    return ResponsesRequest(
        body=parsed,
        stream=stream,
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        prompt=walk.prompt,
        unjudged_media=walk.media,
        to_upstream=to_upstream,
        follows=tuple(follows),
    )


def _followed(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    conversation = body.get("conversation")
    if isinstance(conversation, Mapping):
        conversation = conversation.get("id", "")
    named = {
        "previous_response_id": body.get("previous_response_id"),
        "conversation": conversation,
    }
    return [(name, _id(name, value)) for name, value in named.items() if value is not None]


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not is_identifier("id", value):
        mismatch(name, "must be an id")
    return value


def _take_instructions(walk: Walk, instructions: Any) -> None:
    if not isinstance(instructions, str | None):
        mismatch("instructions", "must be a string")
    walk.instruction(None, instructions or "")


def _take_prompt(walk: Walk, prompt: Any) -> None:
    """The variables of a template. The template itself is the upstream's."""
    if prompt is None:
        return
    if not isinstance(prompt, Mapping):
        mismatch("prompt", "must be an object")
    walk.media = walk.media or has_media(prompt)
    variables = prompt.get("variables")
    if not isinstance(variables, Mapping | None):
        mismatch("prompt.variables", "must be an object")
    said = [found.text for found in strings(dict.fromkeys(variables or {}))]  # names that are text
    for value in (variables or {}).values():
        if isinstance(value, Mapping):
            said += [text for _, text in part_texts(value)]
        else:
            said += [found.text for found in strings(value)]
    if said:
        walk.question(None, "\n".join(said), media=walk.media)
    beside = text_of(prompt, skip=frozenset({"variables"}), labels=True)
    if is_visible(beside):
        walk.beside.append((None, Exchange(beside)))


def _take_input(walk: Walk, body: Mapping[str, Any], follows: list[tuple[str, str]]) -> None:
    given = body.get("input")
    if isinstance(given, str):
        walk.question(0, given, media=False)
    elif isinstance(given, list):
        for turn, item in enumerate(given):
            _take(walk, turn, item, follows)
    elif given is not None or body.get("prompt") is None:
        mismatch("input", "must be a string or a list of items")


def _take(walk: Walk, turn: int, item: Any, follows: list[tuple[str, str]]) -> None:
    if not isinstance(item, Mapping):
        mismatch(f"input.{turn}", "must be an object")
    kind = item.get("type")
    if kind is None:
        kind = MESSAGE if "role" in item else REFERENCE
    walk.media = walk.media or has_media(item) or _asks_for_images(item.get("tools"))
    if not isinstance(kind, str):
        kind = ""
    if kind == MESSAGE:
        _take_message(walk, turn, item)
        return
    text = "\n".join(opened(text) for _, text in item_texts(0, item))
    if kind == REFERENCE:
        name = f"input.{turn}.id"
        follows.append((name, _id(name, item.get("id"))))
        walk.result(turn, text)
    elif kind in ANSWERS:
        walk.answer(turn, text, ends=False)
    elif kind in RESULTS or kind in NO_WORDS:
        walk.result(turn, text)
    elif kind in INSTRUCTIONS:
        walk.instruction(turn, text)
    else:
        mismatch(f"input.{turn}.type", "is no kind of item that can be judged")


def _take_message(walk: Walk, turn: int, item: Mapping[str, Any]) -> None:
    role = item.get("role")
    if role not in _ROLES:
        mismatch(f"input.{turn}.role", f"must be one of {', '.join(sorted(_ROLES))}")
    media = content_texts(item.get("content"))[1]
    walk.media = walk.media or media
    said = [text for _, text in item_texts(0, {**item, "role": None})]
    if role == "user":
        walk.question(turn, "\n".join(said), media=media)
        return
    text = "\n".join(map(opened, said))
    if role == "assistant":
        walk.answer(turn, text, ends=item.get("phase") != _COMMENTARY)
    else:
        walk.instruction(turn, text)


def _asks_for_images(tools: Any) -> bool:
    return isinstance(tools, list) and any(
        isinstance(tool, Mapping) and tool.get("type") == "image_generation" for tool in tools
    )
