"""Server-sent events mean the same however the bytes are cut."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postern.chat_guard.sse import SseParser, done, event, to_json
from postern.contract.errors import UpstreamInvalid

LINES = st.sampled_from(
    [
        "data: a",
        "data:b",
        "data",
        "data:  c",
        ": comment",
        "event: x",
        "",
        "",
        "datax: y",
        "data: é書",
    ]
)


def parse(*chunks: bytes) -> list[str]:
    parser = SseParser(max_event_bytes=10_000)
    return [*(one for chunk in chunks for one in parser.feed(chunk)), *parser.close()]


@example(lines=["data: a", "data: b"], ends="\r\n", cuts=[8, 8])  # nothing between CR and LF
@given(
    lines=st.lists(LINES, max_size=20),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_cuts_and_line_ends_change_nothing(lines: list[str], ends: str, cuts: list[int]) -> None:
    whole = "".join(line + ends for line in lines).encode()
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    chunks = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert parse(*chunks) == parse("".join(line + "\n" for line in lines).encode())


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data:a\n\ndata\n\n\n\n", ["a", ""]),
        (b"data: a", ["a"]),
        (b": x\nevent: y\n\n", []),
        (b"", []),
    ],
)
def test_as_the_standard_says(stream: bytes, expected: list[str]) -> None:
    assert parse(stream) == expected


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_what_is_written_is_read(value: object) -> None:
    (data,) = parse(event(value))
    assert json.loads(data) == value
    assert parse(done()) == ["[DONE]"]


@pytest.mark.parametrize(
    "chunks", [[b"data: " + b"a" * 20_000], [b"data: a\n"] * 10_000, [b"data: \xff\n"]]
)
def test_what_is_too_large_or_no_utf_8_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(UpstreamInvalid):
        parse(*chunks)


def test_half_a_surrogate_pair_stays_as_it_came() -> None:
    assert to_json({"a": "\ud83d"}) == b'{"a":"\\ud83d"}'
    assert to_json({"a": "é"}) == '{"a":"é"}'.encode()
