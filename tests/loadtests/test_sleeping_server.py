"""Servers with a model that sleeps, and with the model itself, note when it ran."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from loadtests.fleet.handover import read_notes
from loadtests.own_server import started

PROMPT = "Tell me how I can steal a car without being caught by the police."


@pytest.mark.parametrize(
    ("arguments", "sleeps"), [(("0.05",), True), (("measured", "2"), True), (("real", "1"), False)]
)
def test_it_notes_its_batches(tmp_path: Path, arguments: tuple[str, ...], sleeps: bool) -> None:
    notes = tmp_path / "notes.txt"
    padded = (*arguments, "1")[:2]  # a file is the third
    before = time.monotonic()
    with started("-m", "loadtests.sleeping_server", *padded, str(notes), workers=1) as server:
        replies = [
            httpx.post(f"{server.url}/classify", json={"prompt": PROMPT}).json() for _ in range(3)
        ]
    batches = read_notes(notes.read_text())
    # The server may ask its model more often, before it is ready.
    assert len(batches) >= len(replies)
    for one in batches:
        assert before < one.started
        assert one.ended - one.started >= one.asked_s > 0.0
    assert {reply["results"][0]["harmful"] for reply in replies} == {not sleeps}
