"""What can be read in the JSON of a chat: its strings, and the strings in JSON inside of strings.

Whatever is not known to be structure is text: a field that nobody has heard of yet is judged, not
passed by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str | int, ...]

# Names and labels that the protocol itself defines; they carry nothing that a person would read.
_STRUCTURE: Final = frozenset({"role", "id", "type", "object", "index", "tool_call_id"})
# Beside a choice's message: how it ended, and the same tokens once more.
_BESIDE: Final = frozenset({"finish_reason", "logprobs", "stop_reason"})
_MEDIA: Final = frozenset(
    {"audio", "images", "image", "image_url", "input_audio", "video", "video_url", "file"}
)
_TEXT_PARTS: Final = frozenset({"text", "refusal", "input_text", "output_text"})
_TEXT_PART_FIELDS: Final = frozenset({"type", "text", "refusal", "cache_control"})
_MAX_NESTED_JSON: Final = 4
_JSON_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
_SHORT_ESCAPES: Final = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " "}


def strings(value: Any, *, skip: frozenset[str] = frozenset()) -> Iterator[tuple[Path, str]]:
    """(path, string) of all strings below a JSON value, in order, without names of structure.

    An element of a list is named by its own `index` where it has one, as tool calls in a stream.
    Iterative: the depth of the value is the sender's choice.
    """
    stack: list[tuple[Path, Any]] = [((), value)]
    while stack:
        path, current = stack.pop()
        if isinstance(current, str):
            if current:
                yield path, current
        elif isinstance(current, Mapping):
            below = [
                ((*path, name), child)
                for name, child in current.items()
                if name not in _STRUCTURE and name not in skip
            ]
            stack += reversed(below)
        elif isinstance(current, list):
            named = [((*path, _position(child, n)), child) for n, child in enumerate(current)]
            stack += reversed(named)


def _position(element: Any, position: int) -> int:
    index = element.get("index") if isinstance(element, Mapping) else None
    return index if isinstance(index, int) else position


def text_of(value: Any, *, skip: frozenset[str] = frozenset()) -> str:
    """All strings below a value as one text, JSON in strings opened."""
    return "\n".join(opened(text) for _, text in strings(value, skip=skip))


def opened(text: str, *, depth: int = _MAX_NESTED_JSON) -> str:
    """Text as a reader sees it: of JSON in a string, its names and strings without their escapes.

    `{"a": "\\u0062omb"}` would otherwise hide a word from the student. JSON that was cut off has
    its escapes undone in place.
    """
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return whole_characters(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return whole_characters(_JSON_ESCAPE.sub(_unescape, text))
    found = [whole_characters(part) for part in _names_and_strings(value)]
    if depth:
        found = [opened(part, depth=depth - 1) for part in found]
    return "\n".join(found)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _SHORT_ESCAPES.get(code, code)


def _names_and_strings(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, list):
            stack += reversed(current)
        elif isinstance(current, Mapping):
            stack += [part for item in reversed(list(current.items())) for part in reversed(item)]


def whole_characters(text: str) -> str:
    """Surrogate pairs joined; a lone surrogate, which no tokenizer takes, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fragments(choice: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """Texts of one choice, of a whole answer or of a piece of one; media left out."""
    found = list(strings(choice, skip=_BESIDE | _MEDIA))
    for holder in (choice.get("message"), choice.get("delta")):
        audio = holder.get("audio") if isinstance(holder, Mapping) else None
        transcript = audio.get("transcript") if isinstance(audio, Mapping) else None
        if isinstance(transcript, str) and transcript:
            found.append((("audio", "transcript"), transcript))
    return found


def has_media(choice: Mapping[str, Any]) -> bool:
    """Whether a choice carries something other than text."""
    stack = [choice.get("message"), choice.get("delta")]
    while stack:
        current = stack.pop()
        if isinstance(current, Mapping):
            if any(current.get(name) for name in _MEDIA):
                return True
            stack += [child for child in current.values() if isinstance(child, Mapping | list)]
        elif isinstance(current, list):
            stack += [child for child in current if isinstance(child, Mapping | list)]
    return False


def content_texts(content: Any) -> tuple[list[str], bool]:
    """(texts, whether anything else is there) of the `content` of a message of a request."""
    if content is None:
        return [], False
    if isinstance(content, str):
        return [content], False
    if not isinstance(content, list):
        return [], True
    texts: list[str] = []
    media = False
    for part in content:
        text = _part_text(part)
        if text is None:
            media = True
        else:
            texts.append(text)
    return texts, media


def _part_text(part: Any) -> str | None:
    """The text of a content part; None where it holds, or could hold, anything else."""
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping) or part.get("type") not in _TEXT_PARTS:
        return None
    # A part that says "text" and carries an image beside it is read as an image by some upstreams.
    if not set(part) <= _TEXT_PART_FIELDS:
        return None
    values = [part[name] for name in ("text", "refusal") if part.get(name) is not None]
    if not all(isinstance(value, str) for value in values):
        return None
    return "\n".join(values)
