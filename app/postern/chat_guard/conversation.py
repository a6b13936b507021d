"""A chat completion request -> what of it is judged, and the prompt that its answer belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from postern.chat_guard.readable import (
    content_texts,
    opened,
    text_of,
)
from postern.contract.errors import (
    BodyMismatch,
    MalformedBody,
    NothingToJudge,
    UnreadableContent,
)
from postern.contract.exchange import Exchange
from postern.contract.text import normalize

_INSTRUCTING: Final = frozenset({"system", "developer"})
_CALLED: Final = frozenset({"tool", "function"})
# Top-level fields that no model reads as text. All others (tools, response_format, templates,
# documents, what is still to be invented) are instructions.
_NOT_READ: Final = frozenset(
    {
        *("messages", "model", "user", "service_tier", "reasoning_effort", "verbosity", "metadata"),
        *("safety_identifier", "prompt_cache_key", "prompt_cache_retention", "tool_choice"),
        *("modalities", "function_call", "stop", "audio", "stream_options"),
    }
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a request is read. Both are choices of whoever runs the server."""

    instructions: bool
    """Judge system and developer messages, tool definitions and the like, too."""
    pass_media: bool
    """Let images, audio and files through unjudged instead of refusing them."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """body: as parsed. turns: the message that each exchange belongs to; None: another field.

    prompt: the user turns that the coming answer replies to; None where there is none.
    """

    body: dict[str, Any]
    stream: bool
    exchanges: tuple[Exchange, ...]
    turns: tuple[int | None, ...]
    prompt: str | None
    unjudged_media: bool

    @property
    def n_choices(self) -> int:
        n = self.body.get("n")
        return n if isinstance(n, int) and n > 0 else 1

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    def to_upstream(self) -> bytes:
        """The body written anew: what was read is what is sent, also where a name came twice."""
        return json.dumps(self.body, ensure_ascii=False, allow_nan=False).encode()


def parse_chat(body: bytes, reading: Reading) -> ChatRequest:
    """Raises MalformedBody, BodyMismatch, UnreadableContent, NothingToJudge."""
    parsed = _parse_json(body)
    if not isinstance(parsed, dict):
        _mismatch("", "the body must be an object")
    stream = parsed.get("stream")
    if stream is not None and not isinstance(stream, bool):
        _mismatch("stream", "must be true or false")
    messages = parsed.get("messages")
    if not isinstance(messages, list) or not messages:
        _mismatch("messages", "must be a list of at least one message")
    walk = _Walk()
    for turn, message in enumerate(messages):
        walk.take(turn, message)
    walk.media = walk.media or _asks_for_media(parsed)
    if walk.media and not reading.pass_media:
        raise UnreadableContent
    if reading.instructions:
        walk.judged += walk.instructions + _other_instructions(parsed)
    elif not walk.judged:
        # Without any turn of a user, the instructions are what the model answers to.
        walk.judged += walk.instructions
    if not walk.judged and not walk.media:
        raise NothingToJudge
    return ChatRequest(
        body=parsed,
        stream=bool(stream),
        exchanges=tuple(exchange for _, exchange in walk.judged),
        turns=tuple(turn for turn, _ in walk.judged),
        prompt="\n".join(walk.asked) or None,
        unjudged_media=walk.media,
    )


def _parse_json(body: bytes) -> Any:
    """Standard JSON without loss: whole numbers of any size survive, unlike with faster parsers."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogates, inf
    except (ValueError, RecursionError):
        raise MalformedBody from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _mismatch(name: str, problem: str) -> NoReturn:
    raise BodyMismatch(((name, problem),))


def _asks_for_media(body: Mapping[str, Any]) -> bool:
    modalities = body.get("modalities")
    return bool(body.get("audio")) or (
        isinstance(modalities, list) and any(modality != "text" for modality in modalities)
    )


def _other_instructions(body: Mapping[str, Any]) -> list[tuple[int | None, Exchange]]:
    texts = [text_of(value) for name, value in body.items() if name not in _NOT_READ]
    return [(None, Exchange(text)) for text in texts if normalize(text)]


@dataclass(slots=True)
class _Walk:
    """What has been found in the messages so far."""

    judged: list[tuple[int | None, Exchange]] = field(default_factory=list)
    instructions: list[tuple[int | None, Exchange]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answered: bool = False
    media: bool = False

    def take(self, turn: int, message: Any) -> None:
        role = message.get("role") if isinstance(message, Mapping) else None
        if not isinstance(role, str):
            _mismatch(f"messages.{turn}", "must be an object with a role")
        texts, media = content_texts(message.get("content"))
        self.media = self.media or media
        # Tool calls and whatever else a message carries are read as well.
        beside = text_of(message, skip=frozenset({"content", "audio"}))
        text = "\n".join([*map(opened, texts), *([beside] if beside else [])])
        if role == "assistant":
            self._take_answer(turn, text, ends=not message.get("tool_calls"))
        elif role in _INSTRUCTING:
            if normalize(text):
                self.instructions.append((turn, Exchange(text)))
        elif role in _CALLED:
            if normalize(text):  # a tool may well return nothing
                self.judged.append((turn, Exchange(text)))
        else:
            self._take_question(turn, "\n".join([*texts, *([beside] if beside else [])]), media)

    def _take_question(self, turn: int, text: str, media: bool) -> None:
        if self.answered:
            self.asked, self.answered = [], False
        if media and not normalize(text):
            return  # an image alone; whether it passes is decided for the whole request
        self.asked.append(text)
        self.judged.append((turn, Exchange(text)))  # empty: the pipeline refuses it

    def _take_answer(self, turn: int, text: str, *, ends: bool) -> None:
        """ends: not only a call of tools, after which the model goes on with the same question."""
        if ends:
            self.answered = True
        if not normalize(text):
            return
        if self.asked:
            self.asked = ["\n".join(self.asked)]
            self.judged.append((turn, Exchange(self.asked[0], text)))
        else:
            self.judged.append((turn, Exchange(text)))
