"""The items of a conversation: which there are, whose words they hold, and where their texts stand.

A list of items comes in a request (`input`) and in an answer (`output`). What a kind of item means
decides how it is judged, so a kind that is not listed here is no item that can be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from postern.chat_guard.identifiers import LABELS, is_payload
from postern.chat_guard.readable import Found, Path, is_harmless_label, strings, weighed

RESULTS: Final = frozenset(
    {
        *("function_call_output", "custom_tool_call_output", "computer_call_output"),
        *("local_shell_call_output", "shell_call_output", "apply_patch_call_output"),
        *("mcp_list_tools", "mcp_approval_response", "tool_search_output", "program_output"),
    }
)
"""What a tool told the model, or a user told it about a tool."""
ANSWERS: Final = frozenset(
    {
        *("reasoning", "function_call", "custom_tool_call", "web_search_call", "file_search_call"),
        *("computer_call", "code_interpreter_call", "local_shell_call", "shell_call"),
        *("apply_patch_call", "mcp_call", "mcp_approval_request", "tool_search_call", "program"),
        *("image_generation_call", "compaction"),
    }
)
"""What a model said or did, besides its messages."""
INSTRUCTIONS: Final = frozenset({"additional_tools", "configuration_update"})
NO_WORDS: Final = frozenset({"compaction_trigger"})
MESSAGE: Final = "message"
REFERENCE: Final = "item_reference"
ITEMS: Final = RESULTS | ANSWERS | INSTRUCTIONS | NO_WORDS | {MESSAGE, REFERENCE}
"""Every type of an item that is known here."""
PARTS: Final = frozenset(
    {
        *("output_text", "refusal", "reasoning_text", "summary_text", "text"),
        *("input_text", "input_image", "input_file", "computer_screenshot"),
    }
)
"""Every type of a part of an item's `content` or `summary` that is known here."""

NAMED: Final = LABELS | {
    *("status", "call_id", "item_id", "response_id", "previous_response_id", "container_id"),
    *("file_id", "caller_id", "approval_request_id", "server_label", "phase", "execution"),
    *("created_by", "fingerprint", "button", "obfuscation"),
}
"""Fields of items and events whose value names something, if it is an identifier."""

_CALL_TEXTS: Final = frozenset({"arguments", "input", "code"})
# The hold-back buffer waits until a call is complete. It knows one by this part of a path.
_CALL: Final = "function_call"
_LOGPROBS: Final = "logprobs"
_IMAGE: Final = "image_generation_call"


def place(index: int, *path: str | int) -> Path:
    """Where a text of an item stands: the same for a piece of it and for the whole item."""
    if path[0] in _CALL_TEXTS:
        return (index, _CALL, *path)
    return (index, *path)


def item_texts(index: int, item: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """All texts of an item, each with its place. index: of the item in its list."""
    for path, text in _texts(item):
        yield place(index, *path), text


def item_text(item: Mapping[str, Any], *, skip: frozenset[str]) -> list[str]:
    """The same without places and without the fields `skip`."""
    return [text for path, text in _texts(item) if path[0] not in skip]


def unknown_places(item: Mapping[str, Any]) -> Iterator[Path]:
    """Where an item, or the parts of a known one, have a type that is not known here; () is the
    item itself."""
    if not _is_of(ITEMS, item):
        yield ()
        return
    for name in ("content", "summary"):
        parts = item.get(name)
        for number, part in enumerate(parts if isinstance(parts, list) else []):
            if is_unknown_part(part):
                yield (name, number)


def is_unknown_part(part: Any) -> bool:
    return not _is_of(PARTS, part)


def _is_of(kinds: frozenset[str], value: Any) -> bool:
    kind = value.get("type") if isinstance(value, Mapping) else None
    return isinstance(kind, str) and kind in kinds


def part_texts(part: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Texts of one part of a message."""
    plain = {name: value for name, value in part.items() if name != _LOGPROBS}
    yield from named_texts(plain)
    yield from logprob_texts(part.get(_LOGPROBS), part.get("text"))


def named_texts(value: Any, *, labels: bool = False) -> Iterator[tuple[Path, str]]:
    """All strings below a value, without identifiers in the fields for them.

    labels: in any field.
    """
    for found in strings(value, labels=labels, names=NAMED):
        if not is_harmless_label(found):
            yield found.path, found.text


def logprob_texts(logprobs: Any, said: Any) -> Iterator[tuple[Path, str]]:
    """Texts of tokens, unless they repeat the text that they make up."""
    if logprobs:
        beside = [Found(("text",), said)] if isinstance(said, str) else []
        for found in weighed({"tokens": logprobs}, beside):
            yield found.path, found.text


def _texts(item: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    content = item.get("content")
    if item.get("type") == _IMAGE and is_payload(str(item.get("result", ""))):
        item = {name: value for name, value in item.items() if name != "result"}
    if not isinstance(content, list):
        yield from named_texts(item)
        return
    yield from named_texts({name: value for name, value in item.items() if name != "content"})
    for number, part in enumerate(content):
        if isinstance(part, Mapping):
            for path, text in part_texts(part):
                yield ("content", number, *path), text
        else:
            for path, text in named_texts([part]):
                yield ("content", number, *path), text
