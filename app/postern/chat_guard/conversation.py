"""A chat completion request -> the parts to judge, and the prompt that its answer belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.bounds import MAX_CHOICES
from postern.chat_guard.identifiers import ROLES
from postern.chat_guard.parts import content_texts
from postern.chat_guard.readable import has_media, opened, text_of
from postern.chat_guard.shape import Asked, Reading
from postern.chat_guard.walk import Walk, checked_role, mismatch, read_object, wants_stream

_INSTRUCTING: Final = frozenset({"system", "developer"})
_READ: Final = frozenset({"messages"})
# Fields in which the application, not its user, instructs the model.
INSTRUCTION_FIELDS: Final = frozenset(
    {
        *("tools", "functions", "response_format", "chat_template", "chat_template_kwargs"),
        *("guided_json", "guided_regex", "guided_grammar", "guided_choice", "grammar"),
        *("json_schema", "structured_outputs", "web_search_options", "plugins"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest(Asked):
    """A request for a completion, of a chat or of a text."""

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with its token usage."""
        options = self.body.get("stream_options")
        return isinstance(options, Mapping) and options.get("include_usage") is True


def parse_chat(body: bytes, reading: Reading) -> CompletionRequest:
    """Parse a request.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    parsed, to_upstream = read_object(body)
    stream = wants_stream(parsed)
    n_choices = n_of(parsed, "n")
    messages = parsed.get("messages")
    if not isinstance(messages, list) or not messages:
        mismatch("messages", "must be a list of at least one message")
    walk = Walk(reading)
    for turn, message in enumerate(messages):
        _take(walk, turn, message)
    walk.media = walk.media or asks_for_media(parsed)
    walk.fields(parsed, read=_READ, instructing=INSTRUCTION_FIELDS)
    judged = walk.all()
    return CompletionRequest(
        body=parsed,
        stream=stream,
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        prompt=walk.prompt,
        unjudged_media=walk.media,
        to_upstream=to_upstream,
        n_choices=n_choices,
    )


def n_of(body: Mapping[str, Any], name: str) -> int:
    """A number of choices; 1 if it is not said. Raises BodyMismatch."""
    n = body.get(name)
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_CHOICES:
        mismatch(name, f"must be a whole number from 1 to {MAX_CHOICES}")
    return n


def asks_for_media(body: Mapping[str, Any]) -> bool:
    """Whether an answer that is more than text is asked for."""
    modalities = body.get("modalities")
    return bool(body.get("audio")) or (
        isinstance(modalities, list) and any(modality != "text" for modality in modalities)
    )


def _take(walk: Walk, turn: int, message: Any) -> None:
    role = checked_role(turn, message, ROLES)
    texts, media = content_texts(message.get("content"))
    media = media or has_media({k: v for k, v in message.items() if k != "content"})
    walk.media = walk.media or media
    # Tool calls and all other fields of a message are read as well.
    beside = text_of(message, skip=frozenset({"content", "role"}))
    more = [beside] if beside else []
    if role == "user":
        walk.question(turn, "\n".join([*texts, *more]), media=media)
        return
    text = "\n".join([*map(opened, texts), *more])
    if role == "assistant":
        # An answer without text ends the question, too, unless it calls tools.
        walk.answer(turn, text, ends=not message.get("tool_calls"))
    elif role in _INSTRUCTING:
        walk.instruction(turn, text)
    else:
        walk.result(turn, text)
