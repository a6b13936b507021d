"""What the guard must know of an API: how it is read, and how a block and a failure look in it.

The pipeline is the same for every API: judge the prompt, ask the upstream, judge the answer,
release it. A shape reads a request into exchanges and an answer into texts, and writes what the
client gets in the API's own format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeVar

from postern.chat_guard.judge import Judgement
from postern.chat_guard.readable import Found, Path
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.http.passing_headers import HeaderRules

Api = Literal["chat_completions", "completions", "embeddings", "messages", "responses"]
UnknownPart = Literal["event", "item"]
"""What an upstream sends with a type of its own. item: an item of a response, a part of an item's
content, or a block of a message."""
MAY_BE_UNKNOWN: Final[tuple[tuple[Api, UnknownPart], ...]] = (
    *(("chat_completions", "event"), ("completions", "event")),
    *(("messages", "event"), ("messages", "item")),
    *(("responses", "event"), ("responses", "item")),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
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
    def unjudged(self) -> str:
        """What passes without being judged, for a header; "" if nothing does."""
        return "media" if self.unjudged_media else ""

    def prompt_of(self, choice: int | None) -> str | None:
        """The prompt that one choice answers. None: text beside the choices."""
        del choice
        return self.prompt


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client. headers: to send on; timeout_s: of one judgement.

    created: seconds since 1970. query: of the URL, to send on. beside_v1: the upstream has the path
    beside its /v1, not below it.
    """

    request_id: str
    headers: Mapping[str, str]
    timeout_s: float
    created: int
    query: Mapping[str, str] = field(default_factory=dict)
    beside_v1: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. said: the text of each choice; beside: text that belongs to no choice.

    ids: of what a later request may go on from, if the answer passes. unknown_items: how many of
    its items have a type that is not known here.
    """

    content: dict[str, Any]
    said: list[str]
    beside: str
    media: bool
    ids: tuple[str, ...] = ()
    unknown_items: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a stream with at most one choice, and whether it is the last of that choice.

    found: strings of the choice. beside: texts that belong to no choice. ends_a_call: a call of a
    tool that was begun is complete with it. unknown_event: the event's type is not known here.
    unknown_items: how many items begin in it whose type is not known here.
    """

    content: Mapping[str, Any]
    choice: int | None
    last: bool
    n_bytes: int
    found: tuple[Found, ...] = ()
    beside: tuple[tuple[Path, str], ...] = ()
    media: bool = False
    ends_a_call: bool = False
    unknown_event: bool = False
    unknown_items: int = 0


Request = TypeVar("Request", bound=Asked)


class StreamedAnswer(Protocol):
    """One streamed answer: reads the upstream's events, and writes those that may pass."""

    @property
    def over(self) -> bool:
        """Whether the upstream has told the end, so that nothing more is awaited."""

    def read(self, data: str) -> Sequence[Chunk] | None:
        """The pieces of one event; None if it says that the stream has ended.

        Raises UpstreamInvalid; UpstreamTold if the event is an error.
        """

    def write(self, choice: int | None, chunk: Chunk, judgement: Judgement | None) -> bytes:
        """A piece that may pass.

        choice: whose text it carries. judgement: the last one on that choice.
        """

    def cut(self, choice: int, judgement: Judgement) -> bytes:
        """The end of a choice that was judged harmful; with a refusal if nothing went before it."""

    def end(self, *, all_cut: bool) -> bytes:
        """What ends the stream. all_cut: whether no choice of the upstream is left."""

    def error_event(self, error: Mapping[str, Any]) -> bytes:
        """An error object as the last event of the stream."""


class Shape(Protocol[Request]):
    """An API that is guarded."""

    @property
    def api(self) -> Api:
        """Its name in metrics."""

    @property
    def path(self) -> str:
        """Where the upstream has it, below its base URL."""

    @property
    def headers(self) -> HeaderRules:
        """Which of a client's headers the upstream gets."""

    @property
    def has_words(self) -> bool:
        """Whether an answer can hold a refusal. If not, a block is an error in any case."""

    def parse(self, body: bytes, reading: Reading) -> Request:
        """Read a request.

        Raises MalformedBody, BodyMismatch, UnreadableContent, InvalidExchange, ExchangeTooLong.
        """

    def read(self, body: bytes, asked: Request) -> Answer:
        """Read the whole answer to a request. Raises UpstreamInvalid."""

    def stream(self, asked: Request) -> StreamedAnswer:
        """Read and write the streamed answer to one request."""

    def refused(self, judgement: Judgement, asked: Request, call: Call) -> dict[str, Any]:
        """A whole answer that refuses, for a prompt that was not sent to a model."""

    def refused_stream(self, judgement: Judgement, asked: Request, call: Call) -> bytes:
        """The same as a stream."""

    def redacted(self, answer: Answer, judgement: Judgement) -> dict[str, Any]:
        """An answer without what was judged harmful."""

    def blocked(self, judgement: Judgement) -> dict[str, Any]:
        """The error object for a block, with the verdict beside it."""

    def failed(self, error: PosternError) -> dict[str, Any]:
        """The error object for a failure in mid-stream, where no status can follow."""

    def told(self, error: Mapping[str, Any]) -> dict[str, Any]:
        """The error object for an error that the upstream told in a stream."""

    def told_nothing(self, status: int) -> dict[str, Any]:
        """Replaces an error of the upstream whose words cannot pass."""
