"""The shape of OpenAI's chat completions: how an answer, a stream, a block and a failure look.

Its older completions (`text_completions`) have the same shape in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.answers import read_completion
from postern.chat_guard.conversation import CompletionRequest, parse_chat
from postern.chat_guard.events import chunks_of
from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.judge import Judgement
from postern.chat_guard.replies import FIELD, Refusals, is_count
from postern.chat_guard.shape import Answer, Api, Call, Chunk, Reading
from postern.chat_guard.sse import DONE, done, event
from postern.contract.errors import PosternError
from postern.http.passing_headers import OPENAI_HEADERS, HeaderRules

CONTENT_FILTER: Final = "content_filter"


@dataclass(frozen=True, slots=True)
class Form:
    """What differs between the kinds of completions.

    ids: how they begin. whole, piece: the `object` of an answer and of a chunk. message, delta: the
    field with what a choice says, in an answer and in a chunk; "" says nothing.
    """

    ids: str
    whole: str
    piece: str
    message: Callable[[str], dict[str, Any]]
    delta: Callable[[str], dict[str, Any]]


def _message(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text, "refusal": None}}


def _delta(text: str) -> dict[str, Any]:
    return {"delta": {"role": "assistant", "content": text} if text else {}}


CHAT: Final = Form("chatcmpl", "chat.completion", "chat.completion.chunk", _message, _delta)


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """error_object: how a failure looks in OpenAI's format."""

    refusals: Refusals
    error_object: Callable[[PosternError], dict[str, Any]]
    api: Api = "chat_completions"
    path: str = "/chat/completions"
    headers: HeaderRules = OPENAI_HEADERS
    form: Form = CHAT
    has_words: bool = True

    def parse(self, body: bytes, reading: Reading) -> CompletionRequest:
        return parse_chat(body, reading)

    def read(self, body: bytes, asked: CompletionRequest) -> Answer:
        return read_completion(body)

    def stream(self, asked: CompletionRequest) -> CompletionStream:
        return CompletionStream(self.refusals, self.form, wants_usage=asked.wants_usage)

    def refused(self, judgement: Judgement, asked: CompletionRequest, call: Call) -> dict[str, Any]:
        return {
            **self._refused_frame(asked, call),
            "object": self.form.whole,
            "choices": [self._refusal(n) for n in range(asked.n_choices)],
            "usage": usage_of(None),
            FIELD: self.refusals.verdict(judgement),
        }

    def refused_stream(self, judgement: Judgement, asked: CompletionRequest, call: Call) -> bytes:
        like = self._refused_frame(asked, call)
        stream = CompletionStream(
            self.refusals, self.form, wants_usage=asked.wants_usage, like=like
        )
        cut = [stream.cut(choice, judgement) for choice in range(asked.n_choices)]
        return b"".join([*cut, stream.end(all_cut=True)])

    def redacted(self, answer: Answer, judgement: Judgement) -> dict[str, Any]:
        """An answer of the upstream without its harmful choices; the rest is unchanged.

        If the text beside the choices is harmful, only the frame is left.
        """
        content: Mapping[str, Any] = answer.content
        harmful = {place for place, one in judgement.judged if one.blocks}
        if None in harmful:
            harmful = set(range(len(content["choices"])))
            kept = {"choices": content["choices"], "usage": usage_of(content.get("usage"))}
            content = {**_frame(content, self.form), "object": self.form.whole, **kept}
        choices = [
            self._refusal(_index(choice, n)) if n in harmful else choice
            for n, choice in enumerate(content["choices"])
        ]
        return {**content, "choices": choices, FIELD: self.refusals.verdict(judgement)}

    def blocked(self, judgement: Judgement) -> dict[str, Any]:
        return blocked_error(self.refusals, judgement)

    def failed(self, error: PosternError) -> dict[str, Any]:
        return self.error_object(error)

    def told(self, error: Mapping[str, Any]) -> dict[str, Any]:
        return {"error": error}

    def told_nothing(self, status: int) -> dict[str, Any]:
        return told_nothing(status)

    def _refusal(self, index: int) -> dict[str, Any]:
        said = self.form.message(self.refusals.text)
        return {"index": index, **said, "logprobs": None, "finish_reason": CONTENT_FILTER}

    def _refused_frame(self, asked: CompletionRequest, call: Call) -> dict[str, Any]:
        return {
            "id": f"{self.form.ids}-{call.request_id}",
            "object": "",
            "created": call.created,
            "model": asked.model,
        }


class CompletionStream:
    """One streamed completion.

    like: any chunk of the stream, from which id, model and time are copied.
    """

    over: Final = False  # chunks may follow the last choice, and [DONE] follows all

    def __init__(
        self,
        refusals: Refusals,
        form: Form = CHAT,
        *,
        wants_usage: bool,
        like: Mapping[str, Any] | None = None,
    ) -> None:
        self._refusals = refusals
        self._form = form
        self._wants_usage = wants_usage
        self._like: Mapping[str, Any] = like or {}
        self._usage: Any = None
        self._sent: set[int] = set()

    def read(self, data: str) -> Sequence[Chunk] | None:
        if data.strip() == DONE:
            return None
        chunks = chunks_of(data, self._form.piece)
        for chunk in chunks:
            self._like = self._like or chunk.content
            self._usage = chunk.content.get("usage") or self._usage
        return chunks

    def write(self, choice: int | None, chunk: Chunk, judgement: Judgement | None) -> bytes:
        content = chunk.content
        if choice is not None and chunk.choice is not None:
            self._sent.add(choice)
            if chunk.last and judgement is not None:
                content = {**content, FIELD: self._refusals.verdict(judgement)}
        return event(content)

    def cut(self, choice: int, judgement: Judgement) -> bytes:
        said = self._form.delta("" if choice in self._sent else self._refusals.text)
        last = {"index": choice, **said, "logprobs": None, "finish_reason": CONTENT_FILTER}
        verdict = self._refusals.verdict(judgement)
        return event({**self._chunk_frame(), "choices": [last], FIELD: verdict})

    def end(self, *, all_cut: bool) -> bytes:
        """Ends with the token usage, as far as the upstream told it before it was broken off."""
        if not (all_cut and self._wants_usage):
            return done()
        usage = {**self._chunk_frame(), "choices": [], "usage": usage_of(self._usage)}
        return event(usage) + done()

    def error_event(self, error: Mapping[str, Any]) -> bytes:
        return event(error)

    def _chunk_frame(self) -> dict[str, Any]:
        return {**_frame(self._like, self._form), "object": self._form.piece}


def blocked_error(refusals: Refusals, judgement: Judgement) -> dict[str, Any]:
    """OpenAI's error object for a block, with the verdict beside it."""
    error = {
        "message": refusals.why(judgement),
        "type": "invalid_request_error",
        "param": None,
        "code": CONTENT_FILTER,
    }
    return {"error": error, FIELD: refusals.verdict(judgement)}


def told_nothing(status: int) -> dict[str, Any]:
    """OpenAI's error object, in place of an error of the upstream whose words cannot pass."""
    return {
        "error": {
            "message": f"the upstream answered with status {status}",
            "type": "upstream_error",
            "param": None,
            "code": "upstream_error",
        }
    }


def _frame(like: Mapping[str, Any], form: Form) -> dict[str, Any]:
    """Id, kind, time and model of an answer whose text does not pass: only names and numbers."""
    frame: dict[str, Any] = {}
    for name, instead in (
        ("id", f"{form.ids}-postern"),
        ("object", ""),
        ("created", 0),
        ("model", ""),
    ):
        value = like.get(name, instead)
        fits = is_identifier(name, value) if isinstance(value, str) else is_count(value)
        frame[name] = value if fits else instead
    return frame


def usage_of(told: Any) -> dict[str, int]:
    counts = told if isinstance(told, Mapping) else {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: counts[name] if is_count(counts.get(name)) else 0 for name in names}


def _index(choice: Mapping[str, Any], position: int) -> int:
    index = choice.get("index", position)
    return index if is_count(index) else position
