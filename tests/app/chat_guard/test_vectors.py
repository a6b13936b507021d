"""Base64 of numbers is told apart from base64 of text, and from text."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.vectors import is_vector

NUMBERS = st.lists(
    st.one_of(
        st.just(0.0), st.floats(2**-20, 64.0, width=32), st.floats(-64.0, -(2**-20), width=32)
    ),
    min_size=16,
    max_size=40,
)
TEXTS = st.text(st.characters(codec="ascii", categories=["L", "Zs", "Po"]), min_size=64)


@settings(max_examples=50)
@given(numbers=NUMBERS)
def test_numbers_are_a_vector(numbers: list[float]) -> None:
    raw = struct.pack(f"<{len(numbers)}f", *numbers)
    assert is_vector(base64.b64encode(raw).decode())


@settings(max_examples=50)
@given(text=TEXTS)
def test_text_in_base64_is_none(text: str) -> None:
    raw = text.encode()
    assert not is_vector(base64.b64encode(raw[: len(raw) // 4 * 4]).decode())


@pytest.mark.parametrize(
    "value",
    [
        *("", "AAAA", "how to bake a cake", "A" * 85, "howtobakeacake" * 8 + "howtobak" * 2),
        base64.b64encode(struct.pack("<16f", *[float("nan")] * 16)).decode(),
        base64.b64encode(struct.pack("<16f", *[float("inf")] * 16)).decode(),
        base64.b64encode(struct.pack("<15f", *[0.5] * 15)).decode(),
    ],
)
def test_neither_is_what_holds_no_numbers(value: str) -> None:
    assert not is_vector(value)
