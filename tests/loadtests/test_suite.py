"""The suite does what is missing, in order, in its time, and leaves what it has."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from loadtests import growth, suite
from loadtests.suite import PARTS, Part, Suite


def part(name: str, *codes: str, minutes: float = 5.0) -> Part:
    return Part(name, minutes, lambda *_: [["-c", code] for code in codes])


def test_parts_run_in_order_and_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(name: str) -> str:
        return f"open({str(tmp_path / 'seen')!r}, 'a').write({name!r})"

    failing = part("b", noted("b"), "raise SystemExit(1)", noted("never"))
    monkeypatch.setattr(suite, "PARTS", (part("a", noted("a")), failing, part("c", noted("c"))))
    arguments = ["--output", str(tmp_path / "out"), "--parts", "a", "b", "c"]
    assert suite.main(arguments) == 1
    assert (tmp_path / "seen").read_text() == "abc"
    assert suite.main(arguments) == 1  # what failed is tried again, what is done is not
    assert (tmp_path / "seen").read_text() == "abcb"
    assert suite.main([*arguments[:2], "--parts", "a", "c"]) == 0


def test_what_is_late_is_interrupted_and_may_tidy_up(tmp_path: Path) -> None:
    mark = tmp_path / "tidied"
    code = f"""
import pathlib, time
try:
    time.sleep(600)
except KeyboardInterrupt:
    pathlib.Path({str(mark)!r}).touch()
"""
    said: list[str] = []
    began = time.monotonic()
    late = part("late", code)
    asked = Suite(tmp_path, None, tmp_path)
    # Long enough for the interpreter to start on a busy machine; the least is a second.
    assert not suite.run_part(late, asked, minutes=0.1, say=said.append)
    assert time.monotonic() - began < 300.0
    assert mark.exists()
    assert not (tmp_path / "late.done").exists()
    assert "not finished" in said[-1]


def test_every_command_can_be_asked_for(tmp_path: Path) -> None:
    """The options of all parts exist: each module's own parser takes them."""
    from loadtests import __main__, overhead
    from loadtests.own_server import OwnServer
    from loadtests.peers import __main__ as peers

    parsers = {
        "loadtests": __main__._parser,
        "loadtests.peers": peers._parser,
        "loadtests.overhead": overhead.parser,
        "loadtests.growth": growth.parser,
    }
    asked = Suite(tmp_path, tmp_path, tmp_path / "{name}", scale=0.01)
    (tmp_path / "mosec/bin").mkdir(parents=True)
    (tmp_path / "mosec/bin/python").touch()
    checked = set()
    for one in PARTS:
        for command in one.commands(asked, OwnServer("http://127.0.0.1:1", 1)):
            if command[0] == "-m":
                assert parsers[command[1]]().parse_args(command[2:])
                checked.add(command[1])
    assert checked == set(parsers)


@pytest.mark.slow
def test_growth_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    arguments = ["clients", "--output", str(tmp_path), "--seconds", "0.4", "--warm-up", "0.1"]
    assert growth.main([*arguments, "--most", "1"]) == 0
    (first,) = json.loads((tmp_path / "clients.json").read_text())["points"]
    assert first["texts_per_s"] > 0.0
    assert first["memory_peak_bytes"] > 10_000_000
    assert growth.main([*arguments, "--most", "10"]) == 0
    points = json.loads((tmp_path / "clients.json").read_text())["points"]
    assert [one["value"] for one in points] == [1, 10]
    assert points[0] == first
    assert (tmp_path / "clients.png").read_bytes().startswith(b"\x89PNG")
