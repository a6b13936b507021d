"""A request of Anthropic's Messages API -> the parts to judge, and the prompt of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from postern.chat_guard.blocks import TOOL_USE, Block, is_result, read_block
from postern.chat_guard.readable import Found, has_media, is_harmless_label, opened, text_of
from postern.chat_guard.shape import Asked, Reading
from postern.chat_guard.walk import Walk, checked_role, mismatch, read_object, wants_stream

_ROLES: Final = frozenset({"user", "assistant", "system"})
_READ: Final = frozenset({"messages", "system"})
# Fields in which the application, not its user, instructs the model.
_INSTRUCTIONS: Final = frozenset(
    {"tools", "tool_choice", "output_config", "output_format", "mcp_servers", "container"}
)


def parse_messages(body: bytes, reading: Reading) -> Asked:
    """Parse a request.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    parsed, to_upstream = read_object(body)
    stream = wants_stream(parsed)
    messages = parsed.get("messages")
    if not isinstance(messages, list) or not messages:
        mismatch("messages", "must be a list of at least one message")
    walk = Walk(reading)
    if (system := parsed.get("system")) is not None:
        blocks = _blocks(system, "system")
        walk.media = any(block.media for block in blocks)
        walk.instruction(None, _joined(blocks))
    for turn, message in enumerate(messages):
        _take(walk, turn, message)
    walk.fields(parsed, read=_READ, instructing=_INSTRUCTIONS)
    judged = walk.all()
    return Asked(
        body=parsed,
        stream=stream,
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        prompt=walk.prompt,
        unjudged_media=walk.media,
        to_upstream=to_upstream,
    )


def _take(walk: Walk, turn: int, message: Any) -> None:
    role = checked_role(turn, message, _ROLES)
    blocks = _blocks(message.get("content"), f"messages.{turn}.content")
    beside = text_of(message, skip=frozenset({"content", "role"}))
    more = [beside] if beside else []
    media = has_media({k: v for k, v in message.items() if k != "content"})
    media = media or any(block.media for block in blocks)
    walk.media = walk.media or media
    if role == "user":
        results = [block for block in blocks if is_result(block.kind)]
        for result in results:
            walk.result(turn, _joined([result]))
        # A turn of results alone asks nothing: the model goes on with the same question.
        if more or len(results) < len(blocks) or not blocks:
            asked = [_asked(block) for block in blocks if not is_result(block.kind)]
            walk.question(turn, "\n".join([*asked, *more]), media=media)
        return
    text = "\n".join([_joined(blocks), *more])
    if role == "assistant":
        walk.answer(turn, text, ends=not any(block.kind == TOOL_USE for block in blocks))
    else:
        walk.instruction(turn, text)


def _blocks(content: Any, name: str) -> list[Block]:
    """Raises BodyMismatch."""
    if isinstance(content, str):
        return [Block("text", [Found(("text",), content)], media=False)]
    if not isinstance(content, list) or not all(isinstance(one, Mapping) for one in content):
        mismatch(name, "must be a string or a list of blocks")
    return [read_block(block) for block in content]


def _texts(block: Block) -> list[Found]:
    return [one for one in block.found if not is_harmless_label(one)]


def _joined(blocks: list[Block]) -> str:
    return "\n".join(opened(one.text) for block in blocks for one in _texts(block))


def _asked(block: Block) -> str:
    """The words of a user are read as they stand, even if they are JSON."""
    return "\n".join(
        one.text if one.path == ("text",) else opened(one.text) for one in _texts(block)
    )
