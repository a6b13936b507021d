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
    """One line, in which `<` outside of code is escaped, so that nothing becomes a tag."""
    pieces = " ".join(str(value).split()).replace("|", "\\|").split("`")
    pieces[::2] = [piece.replace("<", "&lt;") for piece in pieces[::2]]
    return "`".join(pieces)


def several(word: str) -> str:
    """The plural of a plain word; a link or a code word unchanged."""
    return f"{word}s" if word.isalpha() else word


def sentence(text: str) -> str:
    """The text with a full stop, and with a capital unless it begins with a name."""
    first = text.partition(" ")[0].rstrip(",;:")
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(one.split()) for one in text.split("\n\n"))
