"""The shape of OpenAI's responses: how an answer, a stream, a block and a failure look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.answers import parsed
from postern.chat_guard.completions import blocked_error, told_nothing
from postern.chat_guard.judge import Judgement
from postern.chat_guard.passed_ids import PassedIds
from postern.chat_guard.readable import in_order, opened
from postern.chat_guard.replies import FIELD, Refusals
from postern.chat_guard.responses.events import Reader, parsed_event, response_media
from postern.chat_guard.responses.memory import Memory
from postern.chat_guard.responses.refusals import (
    frame,
    incomplete,
    opening_events,
    refusal,
    refusal_events,
)
from postern.chat_guard.responses.request import ResponsesRequest, parse_responses
from postern.chat_guard.responses.sent import Sent
from postern.chat_guard.shape import Answer, Api, Call, Chunk, Reading
from postern.chat_guard.sse import DONE, named_event
from postern.contract.callers import current_caller
from postern.contract.errors import PosternError, UnjudgedReference, UpstreamInvalid
from postern.http.passing_headers import OPENAI_HEADERS, HeaderRules

_ENDED_EARLY: Final = "the stream of the upstream ended before the answer did"
_OTHER_SHAPE: Final = "the upstream answers with something other than a response"
_MAY_GO_ON: Final = ("completed", "incomplete")


@dataclass(frozen=True, slots=True)
class Responses:
    """error_object: how a failure looks in OpenAI's format. passed_ids: of what passed here."""

    refusals: Refusals
    error_object: Callable[[PosternError], dict[str, Any]]
    passed_ids: PassedIds
    unknown_ids_pass: bool
    memory: Memory | None = None
    """Fetches what did not pass here. None: it is refused."""
    api: Api = "responses"
    path: str = "/responses"
    headers: HeaderRules = OPENAI_HEADERS
    has_words: bool = True

    def parse(self, body: bytes, reading: Reading) -> ResponsesRequest:
        return parse_responses(body, reading)

    async def admit(self, asked: ResponsesRequest, call: Call) -> ResponsesRequest:
        """The request, with what it goes on from if that was fetched.

        Raises UnjudgedReference if it goes on from what neither passed here nor was fetched, and
        what `Memory.recalled` raises.
        """
        if self.unknown_ids_pass:
            return asked
        if self.memory is not None:
            asked = await self.memory.recalled(asked, call, path=self.path, rules=self.headers)
        caller = current_caller()
        for name, one in asked.follows:
            if not self.passed_ids.knows(one, caller=caller):
                raise UnjudgedReference(name)
        return asked

    def read(self, body: bytes, asked: ResponsesRequest) -> Answer:
        content = parsed(body)
        content.pop(FIELD, None)  # a verdict in it is not ours
        if not isinstance(content.get("output"), list):
            raise UpstreamInvalid(_OTHER_SHAPE)
        reader = Reader(asked.echoes)
        found, beside = reader.response(content)
        said = in_order((one.path, one.text) for one in found)
        return Answer(
            content,
            said=["\n".join(map(opened, said))],
            beside="\n".join(map(opened, in_order(beside))),
            media=response_media(content),
            ids=tuple(ids_of(content)),
            unknown_items=len(reader.unknown),
        )

    def stream(self, asked: ResponsesRequest) -> ResponsesStream:
        return ResponsesStream(self.refusals, asked, self.passed_ids)

    def refused(self, judgement: Judgement, asked: ResponsesRequest, call: Call) -> dict[str, Any]:
        response = _refused_frame(asked, call)
        output = [refusal(response, self.refusals.text)]
        return {**response, **incomplete(output), FIELD: self.refusals.verdict(judgement)}

    def refused_stream(self, judgement: Judgement, asked: ResponsesRequest, call: Call) -> bytes:
        stream = ResponsesStream(
            self.refusals, asked, self.passed_ids, like=_refused_frame(asked, call)
        )
        return stream.cut(0, judgement)

    def redacted(self, answer: Answer, judgement: Judgement) -> dict[str, Any]:
        """An answer of the upstream without its output; the rest is unchanged.

        If the text beside the output is harmful, only the frame is left.
        """
        content: Mapping[str, Any] = answer.content
        framed = frame(content)
        if any(place is None and one.blocks for place, one in judgement.judged):
            content = framed
        output = [refusal(framed, self.refusals.text)]
        return {**content, **incomplete(output), FIELD: self.refusals.verdict(judgement)}

    def blocked(self, judgement: Judgement) -> dict[str, Any]:
        return blocked_error(self.refusals, judgement)

    def failed(self, error: PosternError) -> dict[str, Any]:
        return self.error_object(error)

    def told(self, error: Mapping[str, Any]) -> dict[str, Any]:
        return {"error": error}

    def told_nothing(self, status: int) -> dict[str, Any]:
        return told_nothing(status)


class ResponsesStream:
    """One streamed response.

    like: a response from which id, model and time are copied, before the upstream sent one.
    """

    def __init__(
        self,
        refusals: Refusals,
        asked: ResponsesRequest,
        passed_ids: PassedIds,
        *,
        like: Mapping[str, Any] | None = None,
    ) -> None:
        self._refusals = refusals
        self._passed_ids = passed_ids
        self._like: Mapping[str, Any] = like or {}
        self._reader = Reader(asked.echoes)
        self._sent = Sent()
        self.over = False
        """Whether the upstream has sent the last event."""

    def read(self, data: str) -> Sequence[Chunk] | None:
        if data.strip() == DONE:  # of upstreams that end every stream so
            if not self.over:
                raise UpstreamInvalid(_ENDED_EARLY)
            return None
        content = parsed_event(data)
        event = self._reader.read(content)
        response = content.get("response")
        if isinstance(response, Mapping):
            self._like = self._like or response
        self.over = event.last
        chunk = Chunk(
            content,
            0,
            last=event.last,
            n_bytes=len(data),
            found=event.found,
            beside=event.beside,
            media=event.media,
            ends_a_call=event.ends_a_call,
            unknown_event=event.unknown,
            unknown_items=event.unknown_items,
        )
        return [chunk]

    def write(self, choice: int | None, chunk: Chunk, judgement: Judgement | None) -> bytes:
        content = chunk.content
        self._sent.add(content, has_text=bool(chunk.found))
        if chunk.last:
            response = content.get("response") or {}
            self._passed_ids.keep(ids_of(response), caller=current_caller())
            if judgement is not None:
                verdict = {FIELD: self._refusals.verdict(judgement)}
                content = {**content, "response": {**response, **verdict}}
        return _written(content)

    def cut(self, choice: int, judgement: Judgement) -> bytes:
        sent = self._sent
        events: list[Mapping[str, Any]] = []
        response = sent.response
        if response is None:
            response = frame(self._like)
            events += opening_events(sent, response)
        events += sent.ends()
        output = sent.items()
        if not sent.has_text:
            item = refusal(frame(response), self._refusals.text)
            events += refusal_events(sent, sent.next_index, item)
            output.append(item)
        verdict = {FIELD: self._refusals.verdict(judgement)}
        last = {**response, **incomplete(output), **verdict}
        events.append(sent.numbered("response.incomplete", response=last))
        return b"".join(map(_written, events))

    def end(self, *, all_cut: bool) -> bytes:
        return b""

    def error_event(self, error: Mapping[str, Any]) -> bytes:
        """OpenAI's reference has the fields of an error in the event itself, but its server sends
        them in an object, which its clients raise."""
        told = error["error"]
        flat = {name: told[name] for name in ("code", "message", "param")}
        return _written(self._sent.numbered("error", **flat, **error))


def ids_of(response: Mapping[str, Any]) -> list[str]:
    """Ids of a response and its items, if it may be continued."""
    if response.get("status", "completed") not in _MAY_GO_ON:
        return []
    output = response.get("output")
    items = output if isinstance(output, list) else []
    named = [response, *(item for item in items if isinstance(item, Mapping))]
    return [one["id"] for one in named if isinstance(one.get("id"), str)]


def _written(content: Mapping[str, Any]) -> bytes:
    return named_event(str(content["type"]), content)


def _refused_frame(asked: ResponsesRequest, call: Call) -> dict[str, Any]:
    return frame(
        {"id": f"resp_{call.request_id}", "created_at": call.created, "model": asked.model}
    )
