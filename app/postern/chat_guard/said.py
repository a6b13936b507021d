"""The growing text of one choice of a streamed answer, separated by field."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.readable import (
    Found,
    Path,
    in_order,
    looks_like_json,
    opened,
    unescaped,
    whole_characters,
)
from postern.contract.errors import UpstreamInvalid

_MAX_BESIDE: Final = 1024
_NEAR: Final = 64


@dataclass(slots=True)
class _Channel:
    """The text of one field. passed: characters that a verdict covered; read: by the last score."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    passed: int = 0
    read: int = 0

    def text(self) -> str:
        self.parts[:] = ["".join(self.parts)]
        return self.parts[0]


class Said:
    """chars: of all text, including that beside the answer."""

    def __init__(self) -> None:
        self.chars = 0
        self._channels: dict[Path, _Channel] = {}  # the one that grew last is at the end
        self._labels: dict[Path, tuple[str, str]] = {}
        self._beside: dict[tuple[Path, str], None] = {}
        self._beside_passed = self._beside_read = 0

    def text_in(self, found: Found) -> str:
        """The text in a string: none if it is an identifier where one belongs.

        Clients join the pieces of a field, so the pieces of an id must make an id.
        """
        path = _within(found.path)
        if not found.label or path in self._channels:
            return found.text
        whole, last = self._labels.get(path, ("", ""))
        if found.text == last:
            return ""  # many upstreams repeat it with every piece
        whole += found.text
        name = next((part for part in reversed(path) if isinstance(part, str)), "")
        if is_identifier(name, whole):
            self._labels[path] = (whole, found.text)
            return ""
        return whole

    def add(self, path: Path, text: str) -> None:
        if not text:
            return
        path = _within(path)
        channel = self._channels.pop(path, None) or _Channel()
        self._channels[path] = channel
        channel.parts.append(text)
        channel.length += len(text)
        self.chars += len(text)

    def add_beside(self, path: Path, text: str) -> None:
        """Add a string that belongs to no choice, once, because some upstreams repeat it with every
        piece.

        Raises UpstreamInvalid if there are too many to tell apart.
        """
        if (path, text) in self._beside:
            return
        if len(self._beside) >= _MAX_BESIDE:
            raise UpstreamInvalid("the upstream sends more beside its answer than can be judged")
        self._beside[path, text] = None
        self.chars += len(text)

    def recent(self, length: int) -> str:
        """All text that no verdict has covered, preceded by enough text to make `length`.

        If that is everything, it reads as the whole answer does.
        """
        if sum(one.length for one in self._channels.values()) <= length:
            return self.whole()
        left = length - sum(one.length - one.passed for one in self._channels.values())
        texts: list[str] = []
        for channel in reversed(self._channels.values()):
            channel.read = channel.length
            start = max(0, channel.passed - max(0, left))
            left -= channel.passed - start
            whole = channel.text()
            # From the beginning of a word on, if a verdict has covered that word.
            word = whole.find(" ", start, min(start + _NEAR, channel.passed)) + 1 if start else 0
            tail = whole[max(start, word) :]
            if not start:
                tail = opened(whole)
            elif looks_like_json(whole):
                tail = unescaped(tail)
            texts.append(tail)
        return whole_characters("\n".join(reversed([text for text in texts if text])))

    def whole(self) -> str:
        """All text, as it would be read in one piece."""
        for channel in self._channels.values():
            channel.read = channel.length
        texts = in_order((path, one.text()) for path, one in self._channels.items())
        return "\n".join(map(opened, texts))

    def beside(self, *, new: bool) -> str:
        """Text beside the answer. new: nothing if a verdict has covered all of it."""
        if new and self._beside_passed == len(self._beside):
            return ""
        self._beside_read = len(self._beside)
        return beside_text(self._beside)

    def passed(self) -> None:
        """The text that was read last was found harmless."""
        self._beside_passed = max(self._beside_passed, self._beside_read)
        for channel in self._channels.values():
            channel.passed = max(channel.passed, channel.read)


def beside_text(found: Iterable[tuple[Path, str]]) -> str:
    return "\n".join(map(opened, in_order(found)))


def _within(path: Path) -> Path:
    """The same place, whether in a whole message or in a piece of one."""
    return path[1:] if path[:1] in (("message",), ("delta",)) else path
