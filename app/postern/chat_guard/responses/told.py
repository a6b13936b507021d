"""What a streamed response has said so far, by place: tells new text from repeated text. Pure.

A Responses stream says everything several times: in pieces, at the end of the text, of its part, of
its item, and in the last event. Only what is new is text to judge. What is repeated must be the
very text that was said before; anything else is new.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postern.chat_guard.readable import Found, Path


@dataclass(slots=True)
class _Text:
    parts: list[str] = field(default_factory=list)

    def whole(self) -> str:
        self.parts[:] = ["".join(self.parts)]
        return self.parts[0]


class Told:
    """The texts of one answer."""

    def __init__(self) -> None:
        self._texts: dict[Path, _Text] = {}
        self._others: dict[tuple[Path, str], None] = {}

    def piece(self, path: Path, text: str) -> list[Found]:
        """A text goes on."""
        if not text:
            return []
        self._texts.setdefault(path, _Text()).parts.append(text)
        return [Found(path, text)]

    def repeated_or_piece(self, path: Path, text: str) -> list[Found]:
        """A field of which nobody knows whether it repeats itself or goes on."""
        known = self._texts.get(path)
        return [] if known is not None and known.whole() == text else self.piece(path, text)

    def whole(self, path: Path, text: str) -> list[Found]:
        """A text, complete so far: what of it is new."""
        known = self._texts.get(path)
        if known is None:
            return self.piece(path, text)
        said = known.whole()
        if text == said:
            return []
        if text.startswith(said):
            return self.piece(path, text[len(said) :])
        if not text or (path, text) in self._others:
            return []
        # It contradicts what was said before: a reader may believe either.
        self._others[path, text] = None
        return [Found((*path, len(self._others)), text)]
