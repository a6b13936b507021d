"""The turns of a request -> the exchanges to judge, and the prompt that its answer belongs to.

It is the same for every API. The API's shape says which JSON is a turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from postern.chat_guard.bounds import CONTEXT_CHARS, REQUEST, check_json, strict_json
from postern.chat_guard.readable import MEDIA, has_media, text_of
from postern.chat_guard.shape import Reading
from postern.chat_guard.tokens import UNREADABLE_FIELDS, unreadable_field
from postern.contract.errors import (
    BodyMismatch,
    EmptyPrompt,
    ExchangeTooLong,
    MalformedBody,
    NothingToJudge,
    UnreadableContent,
)
from postern.contract.exchange import Exchange
from postern.contract.proxy_errors import UnreadableTokens
from postern.contract.text import is_visible

# Names on which it depends what is judged.
_STRUCTURE: Final = frozenset(
    {
        *UNREADABLE_FIELDS,
        *("messages", "system", "instructions", "suffix", "tools", "functions", "documents"),
        *("stream", "n", "best_of", "modalities", "audio", "images", "background", "conversation"),
        *("previous_response_id", "store", "template", "raw"),
    }
)

# Fields beside the messages that some server puts before its model.
_DOCUMENTS: Final = "documents"
_CONTENT: Final = UNREADABLE_FIELDS | MEDIA | {_DOCUMENTS, "suffix", "template"}

Placed = tuple[int | None, Exchange]
"""An exchange, and the turn that it belongs to; None: another field, or several turns."""


def read_object(body: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object in a body, and the same written anew.

    Raises MalformedBody, BodyMismatch, ExchangeTooLong.
    """
    try:
        value = strict_json(body.decode())
    except ValueError:
        raise MalformedBody from None
    check_json(value, REQUEST)
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # lone surrogates
        raise MalformedBody from None
    if not isinstance(value, dict):
        mismatch("", "the body must be an object")
    check_case(value)
    return value, written


def check_case(body: Mapping[str, Any]) -> None:
    """Readers in Go take `Messages` for `messages`, and the last of both counts.

    Raises BodyMismatch.
    """
    for name in body:
        meant = name.casefold()
        if meant in _STRUCTURE and name != meant:
            mismatch(meant, "is written in another case")


def wants_stream(body: Mapping[str, Any]) -> bool:
    """Raises BodyMismatch."""
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        mismatch("stream", "must be true or false")
    return bool(stream)


def mismatch(name: str, problem: str) -> NoReturn:
    """Raises BodyMismatch."""
    raise BodyMismatch(((name, problem),))


def checked_role(turn: int, message: Any, roles: Iterable[str]) -> str:
    """The role of a message. Raises BodyMismatch."""
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str):
        mismatch(f"messages.{turn}", "must be an object with a role")
    if role not in roles:
        mismatch(f"messages.{turn}.role", f"must be one of {', '.join(sorted(roles))}")
    return role


@dataclass(slots=True)
class Walk:
    """Everything found in the request so far.

    is_chat: whether turns follow each other; otherwise each is a text of its own. asked: the user
    turns since the last answer. context: their end, of at most CONTEXT_CHARS. Joining whole turns
    anew for each of thousands of answers took a gigabyte.
    """

    reading: Reading
    is_chat: bool = True
    judged: list[Placed] = field(default_factory=list)
    instructions: list[Placed] = field(default_factory=list)
    beside: list[Placed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    context: str = ""
    answered: bool = False
    media: bool = False
    empty: bool = False
    """A user turn has no text."""

    def question(self, turn: int | None, text: str, *, media: bool) -> None:
        """A turn of the user; None: another field with words of the user."""
        text = self._bounded(text)
        if self.answered:
            self.asked, self.context, self.answered = [], "", False
        if not is_visible(text):
            # An image alone, whose passing is decided for the whole request, or a turn without
            # text, as some clients send them.
            self.empty = self.empty or not media
            return
        self.asked.append(text)
        self.context = end_of(f"{self.context}\n{text}" if self.context else text)
        self.judged.append((turn, Exchange(text)))

    def _together(self) -> list[Placed]:
        """The end of the user's turns without an answer between them, as the model reads it."""
        several = self.is_chat and len(self.asked) > 1
        return [(None, Exchange(self.context))] if several else []

    def answer(self, turn: int, text: str, *, ends: bool) -> None:
        """A turn of the model.

        ends: false for a call of tools, after which the model continues with the same question.
        """
        text = self._bounded(text)
        if ends and not self.answered:
            self.judged += self._together()
            self.answered = True
        if is_visible(text):
            exchange = Exchange(self.context, text) if self.context else Exchange(text)
            self.judged.append((turn, exchange))

    def result(self, turn: int, text: str) -> None:
        """What a tool returned, which may be nothing. It is not a turn that is answered."""
        text = self._bounded(text)
        if is_visible(text):
            self.judged.append((turn, Exchange(text)))

    def instruction(self, turn: int | None, text: str) -> None:
        """What the application tells the model."""
        text = self._bounded(text)
        if is_visible(text):
            self.instructions.append((turn, Exchange(text)))

    def fields(
        self, body: Mapping[str, Any], *, read: frozenset[str], instructing: frozenset[str]
    ) -> None:
        """Read the fields beside the messages, except mere labels.

        read: names of those that were read. instructing: in which the application, not its user,
        instructs the model. Raises UnreadableTokens.
        """
        for name, value in body.items():
            if name in read:
                continue
            instructs = name in instructing
            if instructs and not self.reading.instructions:
                continue
            one = {name: value}
            # Others, such as `metadata`, may name files.
            if name in _CONTENT:
                if unreadable := unreadable_field(one):
                    raise UnreadableTokens(unreadable)
                self.media = self.media or has_media(one)
            text = text_of(one, labels=not instructs and name != _DOCUMENTS)
            if is_visible(text):
                self.beside.append((None, Exchange(self._bounded(text))))

    def all(self) -> list[Placed]:
        """Everything to judge. Raises UnreadableContent, EmptyPrompt, NothingToJudge."""
        if self.media and not self.reading.pass_media:
            raise UnreadableContent
        judged = self.judged + ([] if self.answered else self._together())
        if self.reading.instructions or not judged:
            # If no user turn has text, the model answers to the instructions.
            judged = judged + self.instructions
        if not judged and not self.media:
            raise EmptyPrompt if self.empty else NothingToJudge
        return judged + self.beside

    @property
    def prompt(self) -> str | None:
        """What the coming answer replies to, which needs room beside it."""
        return end_of("\n".join(self.asked), self.reading.max_exchange_chars // 2) or None

    def _bounded(self, text: str) -> str:
        if len(text) > self.reading.max_exchange_chars:
            raise ExchangeTooLong(what="characters", limit=self.reading.max_exchange_chars)
        return text


def end_of(text: str, length: int = CONTEXT_CHARS) -> str:
    """The last characters, from the beginning of a word; never only white space."""
    if len(text) <= length:
        return text
    end = text[-length:]
    end = end[end.find(" ", 0, 64) + 1 :]
    return end if is_visible(end) else text.lstrip()[:length]
