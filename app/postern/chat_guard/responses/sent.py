"""What the client of a Responses stream has been sent so far, and how to end it there. Pure.

A cut must leave the client with a whole response: every text, part and item that was begun is
ended, and the last event repeats them. None of it says more than the events that were sent.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from postern.chat_guard.readable import Path
from postern.chat_guard.responses.events import (
    ITEM_EVENTS,
    PART_EVENTS,
    TEXT_EVENTS,
    index_of,
    path_of,
    split,
)
from postern.contract.errors import UpstreamInvalid

_PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "response.output_text": {"type": "output_text", "text": "", "annotations": []},
    "response.refusal": {"type": "refusal", "refusal": ""},
    "response.reasoning_text": {"type": "reasoning_text", "text": ""},
    "response.reasoning_summary_text": {"type": "summary_text", "text": ""},
}
"""The part of a text whose part was not announced."""

_MOST_BEGUN: Final = 8192
"""Each item, part and text costs memory until the stream ends, even if it holds no character."""


@dataclass(slots=True)
class _Text:
    stem: str
    place: dict[str, Any]
    pieces: list[str] = field(default_factory=list)
    ended: bool = False


@dataclass(slots=True)
class _Item:
    """content: as it was announced; the texts that came since are beside it."""

    content: dict[str, Any]
    texts: dict[Path, _Text] = field(default_factory=dict)
    parts: dict[Path, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    """Parts that were begun: type of their events without its last word, and where they belong."""
    ended: bool = False

    def whole(self) -> dict[str, Any]:
        """The item with all text that was sent."""
        for path, text in self.texts.items():
            default = _PARTS.get(text.stem)
            if default is not None and _at(self.content, path[:2]) is None:
                _put(self.content, path[:2], dict(default))
            _put(self.content, path, "".join(text.pieces))
        return self.content


class Sent:
    """Follows the events that are sent on."""

    def __init__(self) -> None:
        self.response: Mapping[str, Any] | None = None
        """The response as the last event of all of it had it."""
        self.has_text = False
        self._number = -1
        self._items: dict[int, _Item] = {}
        self._begun = 0
        """Items, parts and texts so far."""

    @property
    def next_index(self) -> int:
        """The number of an item after all that were sent."""
        return max(self._items, default=-1) + 1

    def numbered(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A further event, whose number follows those that were sent."""
        self._number += 1
        return {"type": kind, **fields, "sequence_number": self._number}

    def _begin(self) -> None:
        """Raises UpstreamInvalid if the upstream begins more than is kept."""
        self._begun += 1
        if self._begun > _MOST_BEGUN:
            raise UpstreamInvalid("the upstream streams a response of too many parts")

    def add(self, content: Mapping[str, Any], *, has_text: bool) -> None:
        """An event is sent. It has the shape that `Reader` accepts. Raises UpstreamInvalid."""
        self.has_text = self.has_text or has_text
        number = content.get("sequence_number")
        if type(number) is int:
            self._number = max(self._number, number)
        kind = content["type"]
        if isinstance(response := content.get("response"), Mapping):
            self.response = response
            return
        index = index_of(content, "output_index")
        stem, stage = split(kind)
        if kind in ITEM_EVENTS and isinstance(content.get("item"), Mapping):
            item = copy.deepcopy(dict(content["item"]))
            if index not in self._items:
                self._begin()
            self._items[index] = _Item(item, ended=stage == "done")
        elif stem in PART_EVENTS and isinstance(content.get("part"), Mapping):
            self._part(self._item(index, content), stem, stage, content)
        elif stem in TEXT_EVENTS:
            self._text(self._item(index, content), stem, stage, content)

    def _item(self, index: int, content: Mapping[str, Any]) -> _Item:
        """The item that an event belongs to; one of ours if the upstream announced none."""
        if index not in self._items:
            self._begin()
            item = {"id": content.get("item_id"), "type": "message", "role": "assistant"}
            self._items[index] = _Item(item | {"status": "incomplete"}, ended=True)
        return self._items[index]

    def _part(self, item: _Item, stem: str, stage: str, content: Mapping[str, Any]) -> None:
        path = path_of(content, PART_EVENTS[stem])
        if path not in item.parts and stage != "done":
            self._begin()
        _put(item.content, path, copy.deepcopy(content["part"]))
        if stage == "done":
            item.parts.pop(path, None)
            for text in [one for one in item.texts if one[:2] == path]:
                del item.texts[text]
        else:
            item.parts[path] = (stem, _place_of(content))

    def _text(self, item: _Item, stem: str, stage: str, content: Mapping[str, Any]) -> None:
        events = TEXT_EVENTS[stem]
        path = path_of(content, events.path)
        if path not in item.texts:
            self._begin()
        text = item.texts.setdefault(path, _Text(stem, _place_of(content)))
        said = content.get("delta" if stage == "delta" else events.complete)
        if isinstance(said, str):
            if stage != "delta":
                text.pieces.clear()
            text.pieces.append(said)
        text.ended = stage == "done"

    def items(self) -> list[dict[str, Any]]:
        """All items that were sent, with the text that was sent of them."""
        return [one.whole() for _, one in sorted(self._items.items())]

    def ends(self) -> Iterator[dict[str, Any]]:
        """Events that end every text, part and item that was begun."""
        for index, item in sorted(self._items.items()):
            if item.ended:
                continue
            whole = item.whole()
            for path, text in item.texts.items():
                if not text.ended:
                    yield self._end_of_text(path, text)
            for path, (stem, place) in item.parts.items():
                yield self.numbered(f"{stem}.done", **place, part=_at(whole, path))
            whole["status"] = "incomplete"
            item.ended = True
            yield self.numbered("response.output_item.done", output_index=index, item=whole)

    def _end_of_text(self, path: Path, text: _Text) -> dict[str, Any]:
        said = {TEXT_EVENTS[text.stem].complete: "".join(text.pieces)}
        if text.stem == "response.output_text":
            said |= {"logprobs": []}  # type: ignore[dict-item]
        return self.numbered(f"{text.stem}.done", **text.place, **said)


def _place_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event that say where it belongs."""
    names = ("item_id", "output_index", "content_index", "summary_index", "command_index")
    return {name: content[name] for name in names if name in content}


def _at(value: Any, path: Path) -> Any:
    """What stands at a place; None if there is nothing."""
    for name in path:
        if isinstance(name, int) and isinstance(value, list):
            value = value[name] if name < len(value) else None
        else:
            value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(value: Any, path: Path, new: Any) -> None:
    """Put something at a place. Lists grow by one at most: the upstream chooses the numbers."""
    *way, last = path
    for name, below in zip(way, path[1:], strict=True):
        if isinstance(value, dict) and not isinstance(value.get(str(name)), dict | list):
            value[str(name)] = [] if isinstance(below, int) else {}
        value = _at(value, (name,))
    if isinstance(value, list) and isinstance(last, int):
        if last < len(value):
            value[last] = new
        elif last == len(value):
            value.append(new)
    elif isinstance(value, dict):
        value[str(last)] = new
