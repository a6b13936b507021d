"""What a reader could see in the JSON of a chat is found, however it is wrapped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.chat_guard.parts import content_texts
from postern.chat_guard.readable import Found, fragments, has_media, opened, text_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
_CODES_SEEN = "n\nx\ncodes\n72 111 119 32 116 111 32 98"
SECRET = "zq\u00e9bomb"


@given(around=JSON, name=st.text(alphabet="abcxyz_", min_size=1), ascii_only=st.booleans())
def test_a_word_is_found_at_any_place_and_in_json_in_strings(
    around: Any, name: str, ascii_only: bool
) -> None:
    value = {"x": around, name + "_field": [SECRET]}
    assert SECRET in text_of(value)
    assert SECRET in opened(json.dumps(value, ensure_ascii=ascii_only))
    twice = json.dumps({"inner": json.dumps(value, ensure_ascii=ascii_only)})
    assert SECRET in opened(twice)
    cut_off = json.dumps([SECRET], ensure_ascii=ascii_only)[:-2]
    assert SECRET in opened(cut_off)


@given(st.text())
def test_text_that_is_no_json_stays_as_it_is(text: str) -> None:
    if text.lstrip()[:1] not in ("{", "[", '"'):
        assert opened(text) == text


@pytest.mark.parametrize(
    ("given_text", "seen"),
    [
        ('{"a": 1', '{"a": 1'),
        ("[" * 100_000, "[" * 100_000),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83d", "a\ufffd"),
        ('{"a": "\\ud83d"}', "a\n\ufffd"),
        ("[72, 111, 119, 32, 116, 111, 32, 98]", "72 111 119 32 116 111 32 98"),
        ('{"n": "x", "codes": [[72, 111, 119, 32, 116, 111, 32, 98, 1.5, true]]}', _CODES_SEEN),
        ('{"rows": [1, 2, 3, 4, 5, 6, 7, 8], "n": 3}', "rows\nn"),
        ('{"q": "one", "q": "two"}', "q\none\nq\ntwo"),
        ('[{"q": {"q": "one"}, "q": [2]}]', "q\nq\none\nq"),
    ],
    ids=[
        "cut",
        "deep",
        "pair",
        "half",
        "half in json",
        "codes",
        "codes below",
        "numbers",
        "twins",
        "twins below",
    ],
)
def test_odd_text(given_text: str, seen: str) -> None:
    assert opened(given_text) == seen


def test_of_a_choice_the_message_is_read_and_how_it_ended_is_not() -> None:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "logprobs": {"content": [{"token": "x"}]},
        "delta": {
            "role": "assistant",
            "content": "a",
            "tool_calls": [{"index": 3, "id": "c", "type": "function", "function": {"name": "n"}}],
            "audio": {"data": "AAAA"},
        },
    }
    assert [tuple(one) for one in fragments(choice)] == [
        (("delta", "role"), "assistant", True),
        (("delta", "content"), "a", False),
        (("delta", "tool_calls", 3, "id"), "c", True),
        (("delta", "tool_calls", 3, "type"), "function", True),
        (("delta", "tool_calls", 3, "function", "name"), "n", False),
        (("finish_reason",), "stop", True),
        (("logprobs", "content"), "x", False),
    ]
    choice["logprobs"] = {"content": [{"token": "a", "top_logprobs": [{"token": " b"}]}]}
    assert not [one for one in fragments(choice) if "logprobs" in one.path]
    assert has_media(choice)
    assert not has_media({"delta": {"content": "a", "audio": None, "images": []}})
    assert has_media({"message": {"content": [{"image_url": {"url": "x"}}]}})
    spoken = {"message": {"audio": {"data": "AAAA", "transcript": "said so"}}}
    assert fragments(spoken) == [Found(("message", "audio", "transcript"), "said so")]


@pytest.mark.parametrize(
    ("content", "texts", "media"),
    [
        (None, [], False),
        ("a", ["a"], False),
        ([{"type": "text", "text": "a"}, "b"], ["a", "b"], False),
        ([{"type": "text", "text": "a", "cache_control": {"type": "x"}}], ["a"], False),
        ([{"type": "text", "text": "a", "id": "p1", "annotations": []}], ["a"], False),
        ([{"type": "text", "text": "a", "annotations": [{"title": "b"}]}], ["a", "b"], False),
        ([{"type": "thinking", "thinking": "a", "signature": "b c"}], ["a", "b c"], False),
        ([{"type": "refusal", "refusal": "a"}], ["a"], False),
        ([{"type": "text", "text": "a", "id": "b c"}], ["a", "b c"], False),
        ([{"type": "text", "text": 5}], [], True),
        ([{"type": "text", "text": "a", "image_url": "x"}], ["a"], True),
        (
            [{"type": "text", "text": "a", "x": "data:image/png;base64,AA"}],
            ["a", "data:image/png;base64,AA"],
            True,
        ),
        ([{"type": "tool_result", "content": [{"type": "image", "source": {}}]}], [], True),
        ([{"text": "a"}], ["a"], True),
        ([{"type": "brand_new", "text": "a"}], ["a"], True),
        ({"type": "text"}, [], True),
        (7, [], True),
    ],
)
def test_content_parts(content: Any, texts: list[str], media: bool) -> None:
    assert content_texts(content) == (texts, media)
