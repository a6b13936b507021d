"""Bodies that gateways hand over -> the exchanges to judge. Chats are read as in the guarded proxy.

What a gateway hands over is what it will send on, and not what was read here. So whatever two
readers could understand differently is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from postern.chat_guard.answers import read_completion
from postern.chat_guard.bounds import REQUEST, check_json, strict_json
from postern.chat_guard.conversation import parse_chat
from postern.chat_guard.readable import has_media, opened, text_of
from postern.chat_guard.shape import Reading
from postern.chat_guard.tokens import UNREADABLE_FIELDS, unreadable_field
from postern.chat_guard.walk import check_case, mismatch, read_object
from postern.contract.audit import Stage
from postern.contract.errors import (
    BodyMismatch,
    MalformedBody,
    NothingToJudge,
    UnreadableContent,
    UpstreamInvalid,
)
from postern.contract.exchange import Exchange
from postern.contract.text import is_visible

_PARAMS: Final = "detector_params"


class Heard(NamedTuple):
    """Exchanges to judge, what of a chat they are, and whether media passes unjudged."""

    exchanges: tuple[Exchange, ...]
    stage: Stage = "prompt"
    media: bool = False


def parse_prompts(body: bytes, reading: Reading) -> Heard:
    """agentgateway's `{"body": {"messages": […]}}`.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    inner = _inner(body)
    try:
        return _chat(inner, reading)
    except BodyMismatch as exc:
        raise BodyMismatch(
            tuple((f"body.{field}".rstrip("."), told) for field, told in exc.problems)
        ) from None


def parse_choices(body: bytes, reading: Reading) -> Heard:
    """agentgateway's `{"body": {"choices": […]}}`. No exchanges: the answer has no text.

    Raises MalformedBody, BodyMismatch, UnreadableContent, ExchangeTooLong.
    """
    try:
        answer = read_completion(json.dumps(_inner(body)).encode())
    except UpstreamInvalid:
        mismatch("body.choices", "must be a list of objects with a message each")
    if answer.media and not reading.pass_media:
        raise UnreadableContent
    texts = filter(is_visible, [*answer.said, answer.beside])
    return Heard(tuple(map(Exchange, texts)), "response", answer.media)


def parse_detector_chat(body: bytes, reading: Reading) -> Heard:
    """A detector's `{"messages": […], "detector_params": {…}}`; the parameters are no text.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    content, _ = read_object(body)
    return _chat({name: value for name, value in content.items() if name != _PARAMS}, reading)


def parse_forwarded(body: bytes, reading: Reading, *, is_json: bool) -> Heard:
    """A client's own body: a chat, any other JSON, or plain text.

    Of JSON that is no chat, all text together is one prompt. Text that is JSON counts as JSON,
    for its reader may look at nothing else. Raises MalformedBody, BodyMismatch, UnreadableContent,
    InvalidExchange, ExchangeTooLong.
    """
    try:
        text = body.decode()
        if "\0" in text:  # UTF-16, which readers of JSON recognize by it
            raise MalformedBody
        if not is_json and not _could_be_json(text):
            return Heard((_prompt(opened(text)),))
        value = _without_twins(text)
    except ValueError:
        raise MalformedBody from None
    check_json(value, REQUEST)
    if isinstance(value, dict):
        check_case(value)
        if any(unreadable_field({name: value[name]}) for name in value.keys() & UNREADABLE_FIELDS):
            raise UnreadableContent
        if isinstance(value.get("messages"), list):
            return _chat(value, reading)
    media = has_media(value)
    if media and not reading.pass_media:
        raise UnreadableContent
    return Heard((_prompt(text_of(value)),), media=media)


def _inner(body: bytes) -> dict[str, Any]:
    inner = read_object(body)[0].get("body")
    if not isinstance(inner, dict):
        mismatch("body", "must be an object")
    return inner


def _chat(content: Mapping[str, Any], reading: Reading) -> Heard:
    try:
        written = json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # lone surrogates
        raise MalformedBody from None
    asked = parse_chat(written, reading)
    return Heard(asked.exchanges, media=asked.unjudged_media)


def _prompt(text: str) -> Exchange:
    if not is_visible(text):
        raise NothingToJudge
    return Exchange(text)


def _could_be_json(text: str) -> bool:
    """Whether a lenient reader finds more in a text than its characters."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _without_twins(text: str) -> Any:
    """JSON in which no object names a field twice, for another reader may take the other one.

    Raises ValueError.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            raise ValueError("a field comes twice")
        return content

    strict_json(text)
    return json.loads(text, object_pairs_hook=once)
