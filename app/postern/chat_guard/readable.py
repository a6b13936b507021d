"""The readable text in the JSON of a chat: its strings, and the strings in JSON inside strings.

Everything that is not known to be structure is text: an unknown field is judged, not skipped; so is
a field name that is not a name, and an id that is not an id.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from postern.chat_guard.identifiers import (
    LABELS,
    is_identifier,
    is_key,
    is_mark,
    is_payload,
    is_token,
)

Path = tuple[str | int, ...]

MEDIA: Final = frozenset(
    {
        *("audio", "images", "image", "image_url", "input_audio", "input_image", "video"),
        *("video_url", "file", "input_file", "audio_url", "file_data", "file_url"),
        *("computer_screenshot", "image_generation_call", "partial_image_b64"),
        *("image_data", "audio_data", "video_data", "multimodal_data"),  # SGLang, llama.cpp
    }
)
SAID: Final = ("message", "delta", "text")
"""Fields of a choice with what the model says: whole, in pieces, and in the older completions."""
_ARGUMENTS: Final = "arguments"
_MAX_NESTED_JSON: Final = 4
_JSON_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|[\"\\/bfnrt])")
# Numbers in a row that could be codes of characters, and the share of them that must be.
_LEAST_CODES: Final = 8
_CODES_SHARE: Final = 0.8
_ASCII: Final = range(0x20, 0x7F)
_SHORT_ESCAPES: Final = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " "}


class Found(NamedTuple):
    """A string and its place. label: of a field whose value should be an identifier."""

    path: Path
    text: str
    label: bool = False


def strings(
    value: Any,
    *,
    skip: frozenset[str] = frozenset(),
    labels: bool = False,
    names: Collection[str] = LABELS,
) -> Iterator[Found]:
    """All strings below a JSON value, in order, and the names of fields that are not identifiers.

    skip: fields of the value itself to leave out. labels: whether identifiers count as names
    everywhere, and not only in the fields for them. names: these fields. Payloads of pictures and
    sounds are left out.
    The arguments of a call are one string, as most APIs have them: their names are words, too.
    An element of a list is named by its own `index` if it has one, like tool calls in a stream.
    Iterative: the sender chooses the depth of the value.
    """
    stack: list[tuple[Path, Any, bool]] = [((), value, False)]
    while stack:
        path, current, medium = stack.pop()
        if isinstance(current, str):
            name = path[-1] if path else ""
            if current and not (medium and is_payload(current)):
                yield Found(path, current, labels or name in names)
        elif isinstance(current, Mapping):
            below: list[tuple[Path, Any, bool]] = []
            for name, child in current.items():
                if not path and name in skip:
                    continue
                if not is_key(name) and name:
                    yield Found((*path, name, 0), name)
                if name == _ARGUMENTS and isinstance(child, Mapping | list):
                    child = json.dumps(child, ensure_ascii=False)
                if isinstance(child, str | Mapping | list):
                    below.append(((*path, name), child, medium or name in MEDIA))
            stack += reversed(below)
        elif isinstance(current, list):
            named = [
                ((*path, position(child, n)), child, medium)
                for n, child in enumerate(current)
                if isinstance(child, str | Mapping | list)
            ]
            stack += reversed(named)


def position(element: Any, number: int) -> int:
    """The name of an element of a list: its own `index`, or its number in the list."""
    index = element.get("index") if isinstance(element, Mapping) else None
    return index if isinstance(index, int) and not isinstance(index, bool) else number


def is_harmless_label(found: Found) -> bool:
    """Whether a string in a field for identifiers is one."""
    name = next((part for part in reversed(found.path) if isinstance(part, str)), "")
    return found.label and (is_identifier(name, found.text) or is_mark(found.text))


def in_order(found: Iterable[tuple[Path, str]]) -> list[str]:
    """Texts in an order that is the same for a whole answer and for one in pieces."""
    return [text for _, text in sorted(found, key=lambda item: list(map(_rank, item[0])))]


def _rank(part: str | int) -> tuple[int, str]:
    return (part, "") if isinstance(part, int) else (-1, part)


def texts(
    value: Any, *, skip: frozenset[str] = frozenset(), labels: bool = False
) -> Iterator[tuple[Path, str]]:
    """`strings` without the identifiers that stand where identifiers belong."""
    for found in strings(value, skip=skip, labels=labels):
        if not is_harmless_label(found):
            yield found.path, found.text


def text_of(value: Any, *, skip: frozenset[str] = frozenset(), labels: bool = False) -> str:
    """All texts below a value as one text, with JSON in strings opened."""
    return "\n".join(opened(text) for _, text in texts(value, skip=skip, labels=labels))


def opened(text: str, *, depth: int = _MAX_NESTED_JSON) -> str:
    """Text as a reader sees it: of JSON in a string, its names and strings without their escapes.

    `{"a": "\\u0062omb"}` would otherwise hide a word from the student. A name that comes twice is
    read with both values, for every reader takes another. Numbers in a row that could spell
    something stay. JSON that was cut off has its escapes undone in place.
    """
    if not looks_like_json(text):
        return whole_characters(text)
    try:
        value = json.loads(text, object_pairs_hook=_as_list)
    except (ValueError, RecursionError):
        return unescaped(text)
    found = [whole_characters(part) for part in _names_and_strings(value)]
    if depth:
        found = [opened(part, depth=depth - 1) for part in found]
    return "\n".join(found)


def looks_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[", '"')


def unescaped(text: str) -> str:
    """A piece of JSON with its escapes undone in place."""
    return whole_characters(_JSON_ESCAPE.sub(_unescape, text))


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _SHORT_ESCAPES.get(code, code)


def _as_list(pairs: list[tuple[str, Any]]) -> list[Any]:
    return [part for pair in pairs for part in pair]


def _names_and_strings(value: Any) -> Iterator[str]:
    """value: parsed with `_as_list`."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, list):
            stack += reversed(_with_codes(current))


def _with_codes(values: list[Any]) -> list[Any]:
    """A list with each row of numbers that could be codes of characters as one string."""
    found: list[Any] = []
    for is_number, group in itertools.groupby(values, lambda one: type(one) is int):
        row = list(group)
        codes = sum(one in _ASCII for one in row) if is_number else 0
        if not is_number:
            found += row
        elif len(row) >= _LEAST_CODES and codes >= _CODES_SHARE * len(row):
            found.append(" ".join(map(str, row)))
    return found


def whole_characters(text: str) -> str:
    """Join surrogate pairs. A lone surrogate, which no tokenizer accepts, becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fragments(choice: Mapping[str, Any]) -> list[Found]:
    """Strings of one choice, of a whole answer or of a piece of one, without media."""
    found = [
        one for name in SAID for one in _under(name, strings(choice.get(name))) if name in choice
    ]
    found += strings(choice, skip=frozenset({*SAID, "logprobs"}), labels=True)
    return found + weighed(choice.get("logprobs"), found)


def _under(name: str, found: Iterator[Found]) -> Iterator[Found]:
    for one in found:
        yield Found((name, *one.path), one.text, one.label)


def weighed(logprobs: Any, said: list[Found]) -> list[Found]:
    """Text of the tokens beside an answer, unless it repeats the answer.

    Alternatives of one word are skipped: they are what a model might have said, word by word.
    """
    if not isinstance(logprobs, Mapping):
        return [Found(("logprobs", *one.path), one.text) for one in strings(logprobs)]
    found: list[Found] = []
    told = {one.text for one in said}
    for name, entries in logprobs.items():
        if not is_key(name):
            found.append(Found(("logprobs", name, 0), name))
        tokens: list[str] = []
        for path, text, _ in strings(entries):
            if len(path) == 1 or path[1:] == ("token",):
                tokens.append(text)
            elif not is_token(text):
                found.append(Found(("logprobs", name, *path), text))
        if tokens and "".join(tokens) not in told:
            found.append(Found(("logprobs", name), "".join(tokens)))
    return found


def has_media(value: Any) -> bool:
    """Whether a value contains anything other than text. Names count in any case, as for Go."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, Mapping):
            kind = current.get("type")
            if isinstance(kind, str) and kind in MEDIA:
                return True
            for name, child in current.items():
                if name.casefold() in MEDIA and child:
                    return True
                if isinstance(child, Mapping | list):
                    stack.append(child)
        elif isinstance(current, list):
            stack += [child for child in current if isinstance(child, Mapping | list)]
    return False
