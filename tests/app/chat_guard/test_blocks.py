"""Which content blocks of Anthropic's Messages are known."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import ContentBlock
from anthropic.types.beta import BetaContentBlock
from postern.chat_guard.blocks import KNOWN_BLOCKS, read_block

from tests.sdk_types import types_in


def test_every_block_that_the_package_may_get_is_known() -> None:
    assert types_in(ContentBlock) | types_in(BetaContentBlock) <= KNOWN_BLOCKS


@pytest.mark.parametrize(
    ("block", "unknown", "media"),
    [
        ({"type": "text", "text": "a"}, False, False),
        ({"type": "image", "source": {"type": "url", "url": "https://example.org"}}, False, True),
        ({"type": "container_upload", "file_id": "f"}, False, True),
        ({"type": "x_new", "text": "a"}, True, True),
        ({"type": ["text"], "text": "a"}, True, True),
        ({"text": "a"}, True, True),
        ({"type": "tool_result", "content": [{"type": "text", "text": "a"}]}, False, False),
        ({"type": "tool_result", "content": [{"type": "image"}]}, False, True),
        ({"type": "tool_result", "content": [{"type": "x_new"}]}, True, True),
        ({"type": "tool_result", "content": ["a"]}, True, True),
    ],
    ids=str,
)
def test_blocks_of_unknown_kinds_are_told_from_media(
    block: dict[str, Any], unknown: bool, media: bool
) -> None:
    read = read_block(block)
    assert (read.unknown, read.media) == (unknown, media)
