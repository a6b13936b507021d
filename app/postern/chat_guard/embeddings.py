"""The shape of OpenAI's embeddings: texts go in, numbers come out.

An answer has no words, so it cannot hold a refusal: a block is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from postern.chat_guard.answers import parsed
from postern.chat_guard.bounds import VECTORS
from postern.chat_guard.completions import CompletionStream, blocked_error, told_nothing
from postern.chat_guard.judge import Judgement
from postern.chat_guard.readable import has_media, in_order, opened, texts
from postern.chat_guard.replies import FIELD, Refusals
from postern.chat_guard.shape import Answer, Api, Asked, Call, Reading
from postern.chat_guard.texts import is_id, read_texts
from postern.chat_guard.vectors import is_vector
from postern.chat_guard.walk import Walk, mismatch, read_object, wants_stream
from postern.contract.errors import PosternError, UnreadableContent, UpstreamInvalid
from postern.http.passing_headers import OPENAI_HEADERS, HeaderRules

_INPUT: Final = "input"
_VECTOR: Final = "embedding"
_OTHER_SHAPE: Final = "the upstream answers with something other than embeddings"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsRequest(Asked):
    """A request for embeddings. passed: its input was not judged, as the settings want it."""

    passed: bool

    @property
    def unjudged(self) -> str:
        return _INPUT if self.passed else ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """error_object: how a failure looks in OpenAI's format. inputs: whether to judge them."""

    refusals: Refusals
    error_object: Callable[[PosternError], dict[str, Any]]
    inputs: Literal["judge", "pass"]
    api: Api = "embeddings"
    path: str = "/embeddings"
    headers: HeaderRules = OPENAI_HEADERS
    has_words: bool = False

    def parse(self, body: bytes, reading: Reading) -> EmbeddingsRequest:
        return parse_embeddings(body, reading, passes=self.inputs == "pass")

    def read(self, body: bytes, asked: EmbeddingsRequest) -> Answer:
        """Everything but the numbers is judged, as text beside them."""
        content = parsed(body, VECTORS)
        content.pop(FIELD, None)  # a verdict in it is not ours
        data = content.get("data")
        if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
            raise UpstreamInvalid(_OTHER_SHAPE)
        beside = {**content, "data": [_without_vector(one) for one in data]}
        said = in_order(texts(beside, labels=True))
        return Answer(content, said=[], beside="\n".join(map(opened, said)), media=False)

    def stream(self, asked: EmbeddingsRequest) -> CompletionStream:
        """Only for its error event: no request asks for a stream."""
        return CompletionStream(self.refusals, wants_usage=False)

    def refused(self, judgement: Judgement, asked: EmbeddingsRequest, call: Call) -> dict[str, Any]:
        return self.blocked(judgement)

    def refused_stream(self, judgement: Judgement, asked: EmbeddingsRequest, call: Call) -> bytes:
        return self.stream(asked).error_event(self.blocked(judgement))

    def redacted(self, answer: Answer, judgement: Judgement) -> dict[str, Any]:
        return self.blocked(judgement)

    def blocked(self, judgement: Judgement) -> dict[str, Any]:
        return blocked_error(self.refusals, judgement)

    def failed(self, error: PosternError) -> dict[str, Any]:
        return self.error_object(error)

    def told(self, error: Mapping[str, Any]) -> dict[str, Any]:
        return {"error": error}

    def told_nothing(self, status: int) -> dict[str, Any]:
        return told_nothing(status)


def parse_embeddings(body: bytes, reading: Reading, *, passes: bool) -> EmbeddingsRequest:
    """Parse a request. passes: do not judge the input, whatever it is.

    Raises MalformedBody, BodyMismatch, UnreadableTokens, UnreadableContent, InvalidExchange,
    ExchangeTooLong.
    """
    content, to_upstream = read_object(body)
    if wants_stream(content):
        mismatch("stream", "must be false: embeddings are not streamed")
    walk = Walk(reading, is_chat=False)
    if not passes:
        for turn, text in enumerate(read_texts(content, _INPUT)):
            walk.question(turn, text, media=False)
    elif not content.get(_INPUT):
        mismatch(_INPUT, "must be a string or a list")
    if has_media({name: content[name] for name in content if name != _INPUT}):
        raise UnreadableContent
    walk.fields(content, read=frozenset({_INPUT}), instructing=frozenset())
    judged = walk.beside if passes else walk.all()
    return EmbeddingsRequest(
        body=content,
        stream=False,
        exchanges=tuple(exchange for _, exchange in judged),
        turns=tuple(turn for turn, _ in judged),
        # The numbers say nothing that could be read beside it.
        prompt=None,
        unjudged_media=False,
        to_upstream=to_upstream,
        passed=passes,
    )


def _without_vector(one: Mapping[str, Any]) -> dict[str, Any]:
    vector = one.get(_VECTOR)
    numbers = isinstance(vector, list) and all(is_id(n) or isinstance(n, float) for n in vector)
    if numbers or (isinstance(vector, str) and is_vector(vector)):
        return {name: value for name, value in one.items() if name != _VECTOR}
    return dict(one)
