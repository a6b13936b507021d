"""Which events of a streamed completion are known."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk
from postern.chat_guard.completions import CHAT
from postern.chat_guard.events import chunks_of
from postern.chat_guard.text_completions import TEXT

CHOICES = [{"index": n, "delta": {"content": "a"}, "finish_reason": None} for n in range(2)]


def test_the_kinds_are_those_of_openai_s_package() -> None:
    for model, form in ((ChatCompletionChunk, CHAT), (Completion, TEXT)):
        assert get_args(model.model_fields["object"].annotation) == (form.piece,)


@pytest.mark.parametrize(
    ("content", "unknown"),
    [
        ({"object": CHAT.piece, "choices": CHOICES}, False),
        ({"object": CHAT.piece, "choices": [], "usage": {"total_tokens": 3}}, False),
        ({"object": CHAT.piece, "usage": {"total_tokens": 3}}, False),
        ({"object": "", "choices": [], "prompt_filter_results": []}, False),  # Azure
        ({"choices": CHOICES}, False),
        ({"object": None, "choices": CHOICES}, False),
        ({"object": "x.new", "choices": CHOICES}, True),
        ({"object": "x.new", "note": "two words"}, True),
        ({"object": TEXT.piece, "choices": CHOICES}, True),
        ({"object": {"x": 1}, "choices": CHOICES}, True),
        ({"type": "x_new", "note": "two words"}, True),
        ({}, True),
    ],
    ids=str,
)
def test_an_event_that_is_no_chunk_is_unknown_once(content: dict[str, Any], unknown: bool) -> None:
    chunks = chunks_of(json.dumps(content), CHAT.piece)
    assert [chunk.unknown_event for chunk in chunks] == [unknown, False][: len(chunks)]
    if "note" in content:
        assert "two words" in [text for _, text in chunks[0].beside]
