"""The shape of OpenAI's older completions, which go on from a text instead of a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.answers import read_completion
from postern.chat_guard.bounds import MAX_CHOICES
from postern.chat_guard.completions import ChatCompletions, Form
from postern.chat_guard.conversation import INSTRUCTION_FIELDS, CompletionRequest, n_of
from postern.chat_guard.readable import has_media
from postern.chat_guard.shape import Answer, Api, Reading
from postern.chat_guard.texts import read_texts
from postern.chat_guard.tokens import VECTOR_FIELDS
from postern.chat_guard.walk import Walk, end_of, mismatch, read_object, wants_stream
from postern.contract.proxy_errors import UnreadableTokens
from postern.contract.text import is_visible

_READ_APART: Final = frozenset({"prompt", "suffix"})


def _text(text: str) -> dict[str, Any]:
    return {"text": text}


TEXT: Final = Form("cmpl", "text_completion", "text_completion", _text, _text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRequest(CompletionRequest):
    """A request for completions of texts. prompts: what each text and its suffix say."""

    prompts: tuple[str | None, ...]

    def prompt_of(self, choice: int | None) -> str | None:
        """The choices come in the order of the texts, as many for each."""
        if choice is None or not 0 <= choice < self.n_choices:
            return self.prompt
        return self.prompts[choice * len(self.prompts) // self.n_choices]


@dataclass(frozen=True, slots=True)
class TextCompletions(ChatCompletions):
    """Completions whose choices hold a `text`."""

    api: Api = "completions"
    path: str = "/completions"
    form: Form = TEXT

    def parse(self, body: bytes, reading: Reading) -> TextRequest:
        return parse_text(body, reading)

    def read(self, body: bytes, asked: CompletionRequest) -> Answer:
        return read_completion(body, "text", str)


def parse_text(body: bytes, reading: Reading) -> TextRequest:
    """Parse a request.

    Raises MalformedBody, BodyMismatch, UnreadableTokens, UnreadableContent, InvalidExchange,
    ExchangeTooLong.
    """
    parsed, to_upstream = read_object(body)
    stream = wants_stream(parsed)
    for name in VECTOR_FIELDS & parsed.keys():  # in place of a prompt
        if parsed[name] is not None:
            raise UnreadableTokens(name)
    texts = read_texts(parsed, "prompt")
    n_choices = len(texts) * n_of(parsed, "n")
    if n_choices > MAX_CHOICES:
        mismatch("n", f"must ask for at most {MAX_CHOICES} choices of all prompts together")
    n_of(parsed, "best_of")
    suffix = _suffix(parsed)
    walk = Walk(reading, is_chat=False)
    for turn, text in enumerate(texts):
        walk.question(turn, text, media=False)
    if is_visible(suffix):
        walk.question(None, suffix, media=False)
    walk.media = has_media({name: parsed[name] for name in parsed if name not in _READ_APART})
    walk.fields(parsed, read=_READ_APART, instructing=INSTRUCTION_FIELDS)
    judged = walk.all()
    room = reading.max_exchange_chars // 2
    around = [f"{text}\n{suffix}" if suffix else text for text in texts]
    return TextRequest(
        body=parsed,
        stream=stream,
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        prompt=walk.prompt,
        unjudged_media=walk.media,
        to_upstream=to_upstream,
        n_choices=n_choices,
        prompts=tuple(end_of(one, room) if is_visible(one) else None for one in around),
    )


def _suffix(body: Mapping[str, Any]) -> str:
    """What comes after the text to write. Raises BodyMismatch."""
    suffix = body.get("suffix")
    if not isinstance(suffix, str | None):
        mismatch("suffix", "must be a string")
    return suffix or ""
