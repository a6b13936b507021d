"""A chat completion request -> the parts to judge, and the prompt that its answer belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from postern.chat_guard.bounds import CONTEXT_CHARS, MAX_CHOICES, REQUEST, check_json, strict_json
from postern.chat_guard.identifiers import ROLES
from postern.chat_guard.parts import content_texts
from postern.chat_guard.readable import has_media, opened, text_of
from postern.contract.errors import (
    BodyMismatch,
    EmptyPrompt,
    ExchangeTooLong,
    MalformedBody,
    NothingToJudge,
    UnreadableContent,
)
from postern.contract.exchange import Exchange
from postern.contract.text import is_visible

_INSTRUCTING: Final = frozenset({"system", "developer"})
_CALLED: Final = frozenset({"tool", "function"})
# Fields in which the application, not its user, instructs the model.
_INSTRUCTIONS: Final = frozenset(
    {
        *("tools", "functions", "response_format", "chat_template", "chat_template_kwargs"),
        *("guided_json", "guided_regex", "guided_grammar", "guided_choice", "grammar"),
        *("json_schema", "structured_outputs", "web_search_options", "plugins"),
    }
)


@dataclass(frozen=True, slots=True)
class Reading:
    """Which parts of a request are read. The server's operator makes all of these choices."""

    instructions: bool
    """Also judge system and developer messages, tool definitions and the like."""
    pass_media: bool
    """Let images, audio and files through unjudged instead of refusing them."""
    max_exchange_chars: int = 100_000
    """Largest size of a message, and of a prompt together with its answer."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """body: as parsed. turns: the message that each exchange belongs to; None: another field.

    prompt: the user turns that the coming answer replies to; None if there is none. to_upstream:
    the body written anew, so that what was read is what is sent, even if a name came twice.
    """

    body: dict[str, Any]
    stream: bool
    exchanges: tuple[Exchange, ...]
    turns: tuple[int | None, ...]
    prompt: str | None
    unjudged_media: bool
    to_upstream: bytes
    n_choices: int = 1

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with its token usage."""
        options = self.body.get("stream_options")
        return isinstance(options, Mapping) and options.get("include_usage") is True


def parse_chat(body: bytes, reading: Reading) -> ChatRequest:
    """Parse a request.

    Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
    """
    parsed, to_upstream = _parse_json(body)
    if not isinstance(parsed, dict):
        _mismatch("", "the body must be an object")
    stream = parsed.get("stream")
    if stream is not None and not isinstance(stream, bool):
        _mismatch("stream", "must be true or false")
    n_choices = _n_choices(parsed.get("n"))
    messages = parsed.get("messages")
    if not isinstance(messages, list) or not messages:
        _mismatch("messages", "must be a list of at least one message")
    walk = _Walk(reading)
    for turn, message in enumerate(messages):
        walk.take(turn, message)
    walk.media = walk.media or _asks_for_media(parsed)
    if walk.media and not reading.pass_media:
        raise UnreadableContent
    walk.take_fields(parsed)
    if reading.instructions or not walk.judged:
        # If no user turn has text, the model answers to the instructions.
        walk.judged += walk.instructions
    judged = walk.judged + walk.beside
    if not walk.judged and not walk.media:
        raise EmptyPrompt if walk.empty else NothingToJudge
    return ChatRequest(
        body=parsed,
        stream=bool(stream),
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        # The coming answer needs room beside it.
        prompt=_end_of("\n".join(walk.asked), reading.max_exchange_chars // 2) or None,
        unjudged_media=walk.media,
        to_upstream=to_upstream,
        n_choices=n_choices,
    )


def _parse_json(body: bytes) -> tuple[Any, bytes]:
    try:
        value = strict_json(body.decode())
    except ValueError:
        raise MalformedBody from None
    check_json(value, REQUEST)
    try:
        return value, json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # lone surrogates
        raise MalformedBody from None


def _mismatch(name: str, problem: str) -> NoReturn:
    raise BodyMismatch(((name, problem),))


def _n_choices(n: Any) -> int:
    if n is None:
        return 1
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_CHOICES:
        _mismatch("n", f"must be a whole number from 1 to {MAX_CHOICES}")
    return n


def _asks_for_media(body: Mapping[str, Any]) -> bool:
    modalities = body.get("modalities")
    return bool(body.get("audio")) or (
        isinstance(modalities, list) and any(modality != "text" for modality in modalities)
    )


@dataclass(slots=True)
class _Walk:
    """Everything found in the request so far.

    asked: the user turns since the last answer. context: their end, of at most CONTEXT_CHARS.
    Joining whole turns anew for each of thousands of answers took a gigabyte.
    """

    reading: Reading
    judged: list[tuple[int | None, Exchange]] = field(default_factory=list)
    instructions: list[tuple[int | None, Exchange]] = field(default_factory=list)
    beside: list[tuple[int | None, Exchange]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    context: str = ""
    answered: bool = False
    media: bool = False
    empty: bool = False
    """A user turn has no text."""

    def take(self, turn: int, message: Any) -> None:
        role = message.get("role") if isinstance(message, Mapping) else None
        if not isinstance(role, str):
            _mismatch(f"messages.{turn}", "must be an object with a role")
        if role not in ROLES:
            _mismatch(f"messages.{turn}.role", f"must be one of {', '.join(sorted(ROLES))}")
        texts, media = content_texts(message.get("content"))
        media = media or has_media({k: v for k, v in message.items() if k != "content"})
        self.media = self.media or media
        # Tool calls and all other fields of a message are read as well.
        beside = text_of(message, skip=frozenset({"content", "role"}))
        if role == "user":
            said = [*texts, *([beside] if beside else [])]
            self._take_question(turn, self._bounded("\n".join(said)), media)
            return
        text = self._bounded("\n".join([*map(opened, texts), *([beside] if beside else [])]))
        if not is_visible(text):
            self.answered = self.answered or _is_answer(role, message)
        elif role == "assistant":
            self._take_answer(turn, text, ends=_is_answer(role, message))
        else:
            # A tool may return nothing. What it returns is not a turn that is answered.
            kept = self.instructions if role in _INSTRUCTING else self.judged
            kept.append((turn, Exchange(text)))

    def take_fields(self, body: Mapping[str, Any]) -> None:
        """Read the fields beside the messages, except mere labels."""
        for name, value in body.items():
            instructs = name in _INSTRUCTIONS
            text = "" if name == "messages" else text_of({name: value}, labels=not instructs)
            if instructs and not self.reading.instructions:
                continue
            if is_visible(text):
                self.beside.append((None, Exchange(self._bounded(text))))

    def _take_question(self, turn: int, text: str, media: bool) -> None:
        if self.answered:
            self.asked, self.context, self.answered = [], "", False
        if not is_visible(text):
            # An image alone, whose passing is decided for the whole request, or a turn without
            # text, as some clients send them.
            self.empty = self.empty or not media
            return
        self.asked.append(text)
        self.context = _end_of(f"{self.context}\n{text}" if self.context else text)
        self.judged.append((turn, Exchange(text)))

    def _take_answer(self, turn: int, text: str, *, ends: bool) -> None:
        """ends: false for a call of tools alone, after which the model continues with the same
        question."""
        self.answered = self.answered or ends
        exchange = Exchange(self.context, text) if self.context else Exchange(text)
        self.judged.append((turn, exchange))

    def _bounded(self, text: str) -> str:
        if len(text) > self.reading.max_exchange_chars:
            raise ExchangeTooLong(what="characters", limit=self.reading.max_exchange_chars)
        return text


def _is_answer(role: str, message: Mapping[str, Any]) -> bool:
    return role == "assistant" and not message.get("tool_calls")


def _end_of(text: str, length: int = CONTEXT_CHARS) -> str:
    """The last characters, from the beginning of a word; never only white space."""
    if len(text) <= length:
        return text
    end = text[-length:]
    end = end[end.find(" ", 0, 64) + 1 :]
    return end if is_visible(end) else text.lstrip()[:length]
