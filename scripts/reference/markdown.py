"""Pages, tables and sentences of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

NOTE: Final = "<!-- Made from the code by `python -m scripts.reference`; edit the code instead. -->"


def page(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(_cell(one) for one in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    """One line; what looks like a tag outside of code is no tag."""
    pieces = " ".join(str(value).split()).replace("|", "\\|").split("`")
    pieces[::2] = [piece.replace("<", "&lt;") for piece in pieces[::2]]
    return "`".join(pieces)


def several(word: str) -> str:
    """A plain word in its plural; a link or a code word as it is."""
    return f"{word}s" if word.isalpha() else word


def sentence(text: str) -> str:
    """With a full stop, and a capital unless it begins with a name."""
    first = text.partition(" ")[0].rstrip(",;:")
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(one.split()) for one in text.split("\n\n"))
