"""One event of a Messages stream -> a piece of the answer, and the events that Postern writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from postern.chat_guard.blocks import read_block
from postern.chat_guard.bounds import EVENT, check_json, strict_json
from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.readable import Found, Path, has_media, strings, texts
from postern.chat_guard.replies import FIELD, is_count
from postern.chat_guard.shape import Chunk
from postern.chat_guard.sse import event
from postern.chat_guard.told import told_error
from postern.contract.errors import ExchangeTooLong, UpstreamInvalid, UpstreamTold

ANSWER: Final = 0
"""A message is one answer: the only choice."""
_MAX_BLOCKS: Final = 4096
# Kinds of deltas, and the field of the block that each one's field adds to.
_DELTAS: Final[Mapping[str, Mapping[str, str]]] = {
    "text_delta": {"text": "text"},
    "thinking_delta": {"thinking": "thinking"},
    "signature_delta": {"signature": "signature"},
    "input_json_delta": {"partial_json": "input"},
    "citations_delta": {"citation": "citations"},
    "compaction_delta": {"content": "content"},
}
_NOT_MESSAGE: Final = "the upstream streams something other than a message"


def parse_event(data: str) -> dict[str, Any]:
    """The event without a verdict from elsewhere.

    Raises UpstreamInvalid; UpstreamTold if the event is an error.
    """
    try:
        content = strict_json(data)
    except ValueError:
        raise UpstreamInvalid("the upstream streams something that is not JSON") from None
    try:
        check_json(content, EVENT)
    except ExchangeTooLong:
        raise UpstreamInvalid("an event of the upstream is too large") from None
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        not_message()
    if (error := told_error(content)) is not None:
        raise UpstreamTold(error)
    if content["type"] == "error":
        raise UpstreamTold({})
    content.pop(FIELD, None)
    return content


def not_message() -> NoReturn:
    """Raises UpstreamInvalid."""
    raise UpstreamInvalid(_NOT_MESSAGE)


def index_of(content: Mapping[str, Any]) -> int:
    """The number of the block that an event is about. Raises UpstreamInvalid."""
    index = content.get("index")
    if not is_count(index) or not 0 <= index < _MAX_BLOCKS:
        not_message()
    return index


def start_of_message(content: dict[str, Any], n_bytes: int) -> Chunk:
    """Raises UpstreamInvalid."""
    message = content.get("message")
    if not isinstance(message, dict) or message.get("content"):
        not_message()
    message.pop(FIELD, None)
    return Chunk(content, None, last=False, n_bytes=n_bytes, beside=_beside(content))


def start_of_block(content: dict[str, Any], n_bytes: int) -> Chunk:
    """Raises UpstreamInvalid."""
    block = content.get("content_block")
    if not isinstance(block, dict):
        not_message()
    read = read_block(block)
    index = index_of(content)
    found = [*_at((index,), read.found), *_rest(content, index, "content_block")]
    chunk = _chunk(content, n_bytes, found, media=read.media)
    return replace(chunk, unknown_items=int(read.unknown))


def delta_of_block(content: dict[str, Any], n_bytes: int, *, number: int) -> Chunk:
    """number: of this event, which tells citations apart. An event with a delta of an unknown kind
    is unknown. Raises UpstreamInvalid."""
    delta = content.get("delta")
    if not isinstance(delta, dict):
        not_message()
    index = index_of(content)
    kind = delta.get("type")
    fields = _DELTAS.get(kind, {}) if isinstance(kind, str) else {}
    known = frozenset({"type"} if fields else ())
    found = [*_rest(content, index, "delta")]
    for one in strings(delta, skip=known):
        name = fields.get(str(one.path[0]), one.path[0])
        apart = (number,) if name == "citations" else ()
        found.append(Found((index, name, *apart, *one.path[1:]), one.text, one.label))
    chunk = _chunk(content, n_bytes, found, media=has_media(delta))
    return replace(chunk, unknown_event=not fields)


def end_of_block(content: dict[str, Any], n_bytes: int) -> Chunk:
    """Raises UpstreamInvalid."""
    return _chunk(content, n_bytes, _rest(content, index_of(content)))


def delta_of_message(content: dict[str, Any], n_bytes: int) -> Chunk:
    """How the message ended, or so far."""
    delta = content.get("delta")
    ended = isinstance(delta, Mapping) and delta.get("stop_reason") is not None
    return Chunk(content, ANSWER, last=ended, n_bytes=n_bytes, beside=_beside(content))


def ping(content: dict[str, Any], n_bytes: int) -> Chunk:
    return Chunk(content, None, last=False, n_bytes=n_bytes, beside=_beside(content))


def unknown(content: dict[str, Any], n_bytes: int) -> Chunk:
    """An event of a kind that is not known here: all of its strings are part of the answer."""
    known = frozenset({"type"} if is_identifier("type", content["type"]) else ())
    found = _at(("event",), strings(content, skip=known))
    chunk = _chunk(content, n_bytes, found, media=has_media(content))
    return replace(chunk, unknown_event=True)


def _chunk(
    content: dict[str, Any], n_bytes: int, found: Iterable[Found], *, media: bool = False
) -> Chunk:
    return Chunk(content, ANSWER, last=False, n_bytes=n_bytes, found=tuple(found), media=media)


def _beside(content: Mapping[str, Any]) -> tuple[tuple[Path, str], ...]:
    return tuple(texts(content, labels=True))


def _rest(content: Mapping[str, Any], index: int, *read: str) -> Iterator[Found]:
    """Strings beside what an event of a block is about."""
    skip = frozenset({"type", "index", *read})
    return _at((index, "event"), strings(content, skip=skip, labels=True))


def _at(path: Path, found: Iterable[Found]) -> Iterator[Found]:
    return (Found((*path, *one.path), one.text, one.label) for one in found)


def written(content: Mapping[str, Any]) -> bytes:
    """An event with its kind as its name, which clients of this API need."""
    kind = str(content["type"])
    named = f"event: {kind}\n" if is_identifier("type", kind) else ""
    return named.encode() + event(content)
