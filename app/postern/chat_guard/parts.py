"""The `content` of a message in a request: its texts, and whether it has anything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from postern.chat_guard.readable import has_media, texts

# Parts that consist of text, whatever else they contain: OpenAI's chat and responses, Anthropic's
# thinking as gateways pass it on, Mistral's and Cohere's.
_TEXT_PARTS: Final = frozenset(
    {
        *("text", "refusal", "input_text", "output_text", "summary_text", "reasoning_text"),
        *("thinking", "redacted_thinking", "reasoning", "reasoning.text", "reasoning.summary"),
        *("reasoning.encrypted", "tool_use", "tool_result", "tool_call", "tool-call"),
        *("tool-result", "document_url_citation", "reference", "citation"),
    }
)
_FIRST: Final = ("text", "refusal", "thinking", "reasoning")
_DATA: Final = "data:"


def content_texts(content: Any) -> tuple[list[str], bool]:
    """(texts, whether there is anything else)."""
    if content is None:
        return [], False
    if isinstance(content, str):
        return [content], False
    if not isinstance(content, list):
        return [text for _, text in texts(content)], True
    found: list[str] = []
    media = False
    for part in content:
        own, more = _part(part)
        found += own
        media = media or more
    return found, media


def _part(part: Any) -> tuple[list[str], bool]:
    """All texts of a part, and whether it carries anything else.

    Some upstreams read a part that says "text" but also carries an image as an image.
    """
    if isinstance(part, str):
        return [part], False
    if not isinstance(part, Mapping):
        return [], True
    main = [part[name] for name in _FIRST if isinstance(part.get(name), str)]
    beside = [text for _, text in texts(part, skip=frozenset(_FIRST))]
    for name in _FIRST:
        if not isinstance(part.get(name), str):
            beside += [text for _, text in texts(part.get(name))]
    wrong = isinstance(part.get("text", ""), int | float)
    kind = part.get("type")
    is_text = isinstance(kind, str) and kind in _TEXT_PARTS
    other = not is_text or has_media(part) or wrong
    return main + beside, other or any(text[:5].lower() == _DATA for text in beside)
