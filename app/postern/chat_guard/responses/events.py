"""One event of a Responses stream -> the new texts in it, each with its place in the answer.

Every event type passes. For a known type we know where its text belongs, so a repeated text is not
taken for a new one. Strings in an event of an unknown type, and in unknown fields, are text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from postern.chat_guard.bounds import ANSWER, check_json, strict_json
from postern.chat_guard.identifiers import is_payload
from postern.chat_guard.readable import Found, Path, has_media, position
from postern.chat_guard.replies import FIELD
from postern.chat_guard.responses.items import (
    is_unknown_part,
    item_texts,
    logprob_texts,
    named_texts,
    part_texts,
    place,
    unknown_places,
)
from postern.chat_guard.responses.kinds import EVENTS
from postern.chat_guard.responses.told import Told
from postern.chat_guard.told import told_error
from postern.contract.errors import ExchangeTooLong, UpstreamInvalid, UpstreamTold

OTHER_SHAPE: Final = "the upstream streams something other than a response"
LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
"""Events after which nothing comes."""
_ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class TextEvents:
    """Events that carry one text of an item in pieces.

    path: to the text within its item; a name that ends in `_index` stands for that field of the
    event. complete: the field that repeats the whole text in the last of these events.
    """

    path: tuple[str, ...]
    complete: str


TEXT_EVENTS: Final = {
    "response.output_text": TextEvents(("content", "content_index", "text"), "text"),
    "response.refusal": TextEvents(("content", "content_index", "refusal"), "refusal"),
    "response.reasoning_text": TextEvents(("content", "content_index", "text"), "text"),
    "response.reasoning_summary_text": TextEvents(("summary", "summary_index", "text"), "text"),
    "response.function_call_arguments": TextEvents(("arguments",), "arguments"),
    "response.mcp_call_arguments": TextEvents(("arguments",), "arguments"),
    "response.custom_tool_call_input": TextEvents(("input",), "input"),
    "response.code_interpreter_call_code": TextEvents(("code",), "code"),
    "response.shell_call_command": TextEvents(("action", "commands", "command_index"), "command"),
}
"""By the type of the event without its last part: delta, done or added."""
PART_EVENTS: Final = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
ITEM_EVENTS: Final = frozenset({"response.output_item.added", "response.output_item.done"})
# Numbers that say where an event belongs, and how many there were.
_POSITIONS: Final = frozenset(
    {
        *("output_index", "content_index", "summary_index", "annotation_index", "command_index"),
        *("partial_image_index", "sequence_number"),
    }
)
_ANNOTATION: Final = "response.output_text.annotation.added"
_AUDIO: Final = "response.audio.delta"
_ENDS_A_CALL: Final = frozenset(
    {
        *("response.function_call_arguments.done", "response.mcp_call_arguments.done"),
        *("response.custom_tool_call_input.done", "response.code_interpreter_call_code.done"),
        "response.output_item.done",
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the upstream. ends_a_call: a call that was begun is complete with it.

    unknown_items: how many items and parts of an unknown type were not there before.
    """

    content: dict[str, Any]
    kind: str
    found: tuple[Found, ...]
    beside: tuple[tuple[Path, str], ...]
    media: bool
    ends_a_call: bool
    unknown_items: int

    @property
    def unknown(self) -> bool:
        return self.kind not in EVENTS

    @property
    def last(self) -> bool:
        return self.kind in LAST


def parsed_event(data: str) -> dict[str, Any]:
    """Raises UpstreamInvalid; UpstreamTold if the event is an error."""
    try:
        content = strict_json(data)
        # An event may repeat the whole response, so it is bounded like a whole answer.
        check_json(content, ANSWER)
    except ValueError:
        raise UpstreamInvalid("the upstream streams something that is not JSON") from None
    except ExchangeTooLong:
        raise UpstreamInvalid("an event of the upstream is too large") from None
    if not isinstance(content, dict):
        raise UpstreamInvalid(OTHER_SHAPE)
    kind = content.get("type")
    if kind == _ERROR or not isinstance(kind, str):
        raise _told(content)
    return content


def _told(content: Mapping[str, Any]) -> UpstreamInvalid:
    """The error in an event: OpenAI's reference has its fields in the event itself, but its server
    sends them in an object."""
    error = told_error(content)
    if error is None and content.get("type") == _ERROR:
        mine = ("type", "sequence_number", "error")
        error = {name: value for name, value in content.items() if name not in mine}
    return UpstreamInvalid(OTHER_SHAPE) if error is None else UpstreamTold(error)


def split(kind: str) -> tuple[str, str]:
    """(type of an event without its last part, that part)."""
    stem, _, stage = kind.rpartition(".")
    return stem, stage


def index_of(content: Mapping[str, Any], name: str) -> int:
    """A number that says where an event belongs; 0 if the upstream leaves it out.

    Raises UpstreamInvalid.
    """
    value = content.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UpstreamInvalid(OTHER_SHAPE)
    return value


def path_of(content: Mapping[str, Any], path: Iterable[str]) -> Path:
    """The path with the event's own numbers in it. Raises UpstreamInvalid."""
    return tuple(index_of(content, name) if name.endswith("_index") else name for name in path)


def response_media(response: Mapping[str, Any]) -> bool:
    """Whether a response holds more than text. Its other fields tell of media at most."""
    return has_media([response.get("output"), response.get("instructions")])


@dataclass(slots=True)
class Reader:
    """Reads the events of one stream, or one whole response.

    echoes: the strings of each field of the request, which a response repeats. They are no news to
    the caller that sent them, and were judged there as far as the settings say.
    """

    echoes: Callable[[str], frozenset[str]]
    told: Told = field(default_factory=Told)
    unknown: set[Path] = field(default_factory=set)
    """Where items and parts of an unknown type stand: a stream tells each several times."""

    def read(self, content: dict[str, Any]) -> Event:
        """content: of `parsed_event`. Raises UpstreamInvalid."""
        kind = content["type"]
        assert isinstance(kind, str)  # noqa: S101 - as `parsed_event` says
        rest = dict(content)
        found: list[Found] = []
        beside: list[tuple[Path, str]] = []
        media = kind == _AUDIO
        n_unknown = len(self.unknown)
        if isinstance(response := rest.pop("response", None), Mapping):
            response = _without_verdict(content, response)
            found, beside = self.response(response)
            media = media or response_media(response)
        elif response is not None:
            raise UpstreamInvalid(OTHER_SHAPE)
        media = media or has_media(rest)
        found += self._own_texts(kind, rest)
        index = index_of(content, "output_index")
        for name in _POSITIONS & rest.keys():
            if rest[name] is None or type(rest[name]) is int:
                del rest[name]
        for path, text in named_texts(rest):
            found += self.told.repeated_or_piece(place(index, *path), text)
        return Event(
            content,
            kind,
            tuple(found),
            tuple(beside),
            media=media,
            ends_a_call=kind in _ENDS_A_CALL,
            unknown_items=len(self.unknown) - n_unknown,
        )

    def response(self, response: Mapping[str, Any]) -> tuple[list[Found], list[tuple[Path, str]]]:
        """Texts of a whole response: of its items, and beside them. Raises UpstreamInvalid."""
        output = response.get("output")
        found: list[Found] = []
        for number, item in enumerate(output if isinstance(output, list) else []):
            found += self._item(number, item)
        beside: list[tuple[Path, str]] = []
        for name, value in response.items():
            if name == "output" and (isinstance(value, list) or value is None):
                continue
            echoes = self.echoes(name)
            beside += [
                (path, text)
                for path, text in named_texts({name: value}, labels=True)
                if text not in echoes
            ]
        return found, beside

    def _item(self, index: int, item: Any) -> list[Found]:
        if not isinstance(item, Mapping):
            raise UpstreamInvalid(OTHER_SHAPE)
        self.unknown.update((index, *path) for path in unknown_places(item))
        found: list[Found] = []
        for path, text in item_texts(index, item):
            found += self.told.whole(path, text)
        return found

    def _own_texts(self, kind: str, rest: dict[str, Any]) -> list[Found]:
        """Texts in the fields that this type of event is known for. Takes them out of `rest`."""
        stem, stage = split(kind)
        index = index_of(rest, "output_index")
        if kind in ITEM_EVENTS and isinstance(rest.get("item"), Mapping):
            return self._item(index, rest.pop("item"))
        if stem in PART_EVENTS and isinstance(rest.get("part"), Mapping):
            at = place(index, *path_of(rest, PART_EVENTS[stem]))
            if is_unknown_part(rest["part"]):
                self.unknown.add(at)
            return self._whole(at, part_texts(rest.pop("part")))
        if stem in TEXT_EVENTS:
            return self._text(TEXT_EVENTS[stem], stage, index, rest)
        if kind == _ANNOTATION:
            annotation = rest.pop("annotation", None)
            number = position(annotation, index_of(rest, "annotation_index"))
            at = (*path_of(rest, ("content", "content_index", "annotations")), number)
            return self._whole(place(index, *at), named_texts(annotation))
        if kind == _AUDIO and is_payload(str(rest.get("delta", ""))):
            rest.pop("delta", None)
        return []

    def _text(
        self, events: TextEvents, stage: str, index: int, rest: dict[str, Any]
    ) -> list[Found]:
        at = place(index, *path_of(rest, events.path))
        found: list[Found] = []
        said = rest.get("delta")
        if stage == "delta" and isinstance(said, str):
            found += self.told.piece(at, rest.pop("delta"))
        elif isinstance(said := rest.get(events.complete), str):
            found += self.told.whole(at, rest.pop(events.complete))
        tokens = logprob_texts(rest.pop("logprobs", None), said)
        for path, text in tokens:
            found += self.told.repeated_or_piece((*at[:-1], *path), text)
        return found

    def _whole(self, at: Path, texts: Iterable[tuple[Path, str]]) -> list[Found]:
        return [one for path, text in texts for one in self.told.whole((*at, *path), text)]


def _without_verdict(content: dict[str, Any], response: Mapping[str, Any]) -> Mapping[str, Any]:
    """The response in an event, without a verdict that is not ours. The event changes."""
    if FIELD in response:
        response = {name: value for name, value in response.items() if name != FIELD}
        content["response"] = response
    return response
