"""Content blocks of Anthropic's Messages: their strings, and whether they are more than text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.readable import Found, has_media, strings

TOOL_USE: Final = "tool_use"
# Blocks that consist of text, whatever they call it. Any other kind is more than text: its strings
# are judged as well, but what it shows to a reader is not known here.
_TEXT_BLOCKS: Final = frozenset(
    {
        *("text", "thinking", "redacted_thinking", "document", "search_result", "tool_reference"),
        *(TOOL_USE, "server_tool_use", "mcp_tool_use", "tool_result", "mcp_tool_result"),
        *("web_search_tool_result", "web_fetch_tool_result", "tool_search_tool_result"),
        *("code_execution_tool_result", "bash_code_execution_tool_result"),
        *("text_editor_code_execution_tool_result", "advisor_tool_result", "mcp_tool_listing"),
        *("compaction", "fallback"),
    }
)
# Known kinds that are more than text.
_OTHER_BLOCKS: Final = frozenset({"image", "container_upload"})
KNOWN_BLOCKS: Final = _TEXT_BLOCKS | _OTHER_BLOCKS
_WITH_BLOCKS: Final = frozenset({"tool_result", "mcp_tool_result"})
# Of a document: its text itself, or blocks of text.
_TEXT_SOURCES: Final = frozenset({"text", "content"})


@dataclass(frozen=True, slots=True)
class Block:
    """kind: as the block says. media: whether it is more than text. unknown: whether its kind, or
    that of a block within it, is not known here."""

    kind: str
    found: list[Found]
    media: bool
    unknown: bool = False


def read_block(block: Mapping[str, Any]) -> Block:
    """All strings of a block, at their places within it."""
    plain = _plain(block)
    found = list(strings(plain))
    media = not _are_all(_TEXT_BLOCKS, block) or has_media(plain)
    return Block(_kind(block), found, media, unknown=not _are_all(KNOWN_BLOCKS, block))


def is_result(kind: str) -> bool:
    """Whether a block holds what a tool returned."""
    return kind.endswith("tool_result")


def as_json(value: Any) -> str:
    """The input of a tool as it is streamed, so that both read alike."""
    return json.dumps(value, ensure_ascii=False)


def _kind(block: Any) -> str:
    kind = block.get("type") if isinstance(block, Mapping) else None
    return kind if isinstance(kind, str) else ""


def _are_all(kinds: frozenset[str], block: Any) -> bool:
    """Whether a block and the blocks within it are of these kinds."""
    kind = _kind(block)
    if kind not in kinds:
        return False
    within = block.get("content") if kind in _WITH_BLOCKS else None
    return not isinstance(within, list) or all(_are_all(kinds, one) for one in within)


def _plain(value: Any) -> Any:
    """A block with everything named for what it is: a tool's input as one JSON string, payloads of
    pictures and files as such, what is encrypted as such."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    plain: dict[str, Any] = {}
    for name, child in value.items():
        if name == "input" and isinstance(child, Mapping | list):
            _put(plain, name, as_json(child) if child else "")
        elif name == "source" and isinstance(child, Mapping) and _kind(child) not in _TEXT_SOURCES:
            _put(plain, "file", child)
        elif name == "data" and _kind(value) == "redacted_thinking":
            _put(plain, "encrypted_content", child)
        else:
            _put(plain, name, _plain(child))
    return plain


def _put(plain: dict[str, Any], name: str, child: Any) -> None:
    """A name that is there already keeps what it has."""
    plain[name] = [plain[name], child] if name in plain else child
