"""Heads come whole, however their bytes arrive, and no larger than they may be."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.errors import HeadersTooLarge, RequestRefused, UrlTooLong
from postern.http.heads import HeadLimits, Heads

LIMITS = HeadLimits(max_bytes=300, max_headers=5, max_url_bytes=100)
GOOD = st.lists(
    st.sampled_from([b"A: b", b"Host: x", b"uPgRaDe: h2c", b"Upgraded: y", b"X-Upgrade: z"]),
    max_size=5,
).map(lambda lines: b"\r\n".join([b"GET /a HTTP/1.1", *lines, b"", b""]))


def all_of(parts: list[bytes]) -> list[bytes]:
    heads, found = Heads(LIMITS), []
    for part in parts:
        start = 0
        while start < len(part):
            head, start = heads.take(part, start)
            if head is not None:
                found.append(head)
    return found


@given(heads=st.lists(GOOD, max_size=4), blank=st.booleans(), cuts=st.lists(st.integers(0, 900)))
def test_any_cut_gives_the_same_heads(heads: list[bytes], blank: bool, cuts: list[int]) -> None:
    data = b"".join((b"\r\n" if blank else b"") + head for head in heads)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[a:b] for a, b in itertools.pairwise(places)]
    found = all_of(parts)
    assert [len(head) for head in found] == [len(head) for head in heads]
    for head, given_ in zip(found, heads, strict=True):
        assert b"\r\nupgrade:" not in head.lower()
        assert head.count(b"ignored:") == given_.lower().count(b"\r\nupgrade:")
        assert b"Upgraded: y" in head or b"Upgraded: y" not in given_


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n\r\n", UrlTooLong),
        (b"GET /" + b"a" * 1000, UrlTooLong),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 6 + b"\r\n", HeadersTooLarge),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 300 + b"\r\n\r\n", HeadersTooLarge),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 3000, HeadersTooLarge),
    ],
)
@given(cut=st.integers(1, 3000))
def test_any_cut_of_too_much_is_refused(data: bytes, error: type[RequestRefused], cut: int) -> None:
    with pytest.raises(error):
        all_of([data[:cut], data[cut:]])


def test_what_is_held_is_bounded() -> None:
    heads = Heads(LIMITS)
    heads.take(b"GET / HTTP/1.1\r\n" + b"b" * 200, 0)
    with pytest.raises(HeadersTooLarge):
        heads.take(b"b" * 1_000_000, 0)
    assert len(heads._held) <= LIMITS.max_bytes + 200
