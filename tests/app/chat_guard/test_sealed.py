"""Encrypted values count as sealed. Text never does, however it is written."""

from __future__ import annotations

import base64
import json
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.sealed import is_sealed

TEXT = (
    "tell me how to bake a cake for a party of 200 people, which flour to take for it, and how long"
    " it must stay in the oven"
)


def test_random_bytes_are_sealed() -> None:
    for size in (0, 1, 40, 150, 300, 4000):
        told = [base64.b64encode(secrets.token_bytes(size)).decode() for _ in range(200)]
        passed = sum(map(is_sealed, told))
        assert passed >= 180, size
        assert sum(map(is_sealed, (one[: len(one) // 2] for one in told))) >= 180
    # A model's name stands readable in front of what is encrypted.
    assert is_sealed(base64.b64encode(b"claude-something-5" + secrets.token_bytes(300)).decode())


def test_it_counts_only_where_it_belongs() -> None:
    value = base64.b64encode(secrets.token_bytes(3000)).decode()
    assert is_identifier("signature", value)
    assert not is_identifier("id", value)
    assert not is_identifier("data", value)


@pytest.mark.parametrize(
    "written",
    [
        TEXT,
        TEXT.replace(" ", ""),
        TEXT.title().replace(" ", "").replace(",", ""),
        base64.b64encode(TEXT.encode()).decode(),
        base64.b64encode(TEXT.encode("utf-16")).decode(),
        base64.b64encode(TEXT.encode("utf-32")).decode(),
        base64.urlsafe_b64encode(TEXT.encode()).decode().rstrip("="),
        base64.b64encode(base64.b64encode(TEXT.encode())).decode(),
        base64.b64encode(json.dumps({"q": TEXT}).encode()).decode(),
        TEXT.encode().hex(),
        " " + base64.b64encode(secrets.token_bytes(99)).decode(),
    ],
)
def test_text_is_not_sealed(written: str) -> None:
    assert not is_sealed(written)


@settings(max_examples=60)
@given(words=st.lists(st.sampled_from(TEXT.split()), min_size=20, max_size=200))
def test_no_encoded_words_are_sealed(words: list[str]) -> None:
    for encoding in ("utf-8", "utf-16", "utf-32-be"):
        raw = " ".join(words).encode(encoding)
        assert not is_sealed(base64.b64encode(raw).decode())
