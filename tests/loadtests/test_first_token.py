"""What the proxy adds to a stream, measured on streams whose delays are known."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from loadtests.first_token import Heard, summary
from tests.scripted_upstream import DONE, ROLE, STOP, Seen, Step, StubUpstream, chunk, streamed
from tests.server_process import HANG_S, ROOT


def _heard(*came_s: float, finish: str = "stop") -> Heard:
    return Heard(came_s, finish)


def test_differences_are_those_of_pairs() -> None:
    direct = [_heard(1.0, 1.1, 1.2), _heard(2.0, 2.1, 2.2), _heard(3.0, 3.2)]
    guarded = [_heard(1.5, 1.5, 1.7), _heard(2.1, 2.1, 2.4), _heard(9.0, finish="content_filter")]
    told = summary({"direct": direct, "guarded": guarded})
    assert (told["pairs"], told["cut"]) == (2, 1)
    assert told["first_ms"] == {"direct": 1500.0, "guarded": 1800.0, "added": 300.0}
    assert told["mean_gap_ms"] == {"direct": 100.0, "guarded": 125.0, "added": 25.0}
    assert told["longest_gap_ms"] == {"direct": 100.0, "guarded": 250.0, "added": 150.0}
    with pytest.raises(RuntimeError):
        summary({"direct": direct[:1], "guarded": guarded[2:]})


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests.first_token", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
    )


def test_the_command_asks_both_ways_alike() -> None:
    def play(seen: Seen) -> Sequence[Step]:
        return streamed([ROLE, chunk("read "), chunk("a book"), STOP, DONE])

    with StubUpstream(play) as direct, StubUpstream(play) as guarded:
        done = _run("--direct", direct.url, "--guarded", guarded.url, "--rounds", "2")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["pairs"] == 8
        assert len(direct.seen) == len(guarded.seen) - 1
        assert {seen.body for seen in direct.seen} == {seen.body for seen in guarded.seen[1:]}
        guarded.play([b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"])
        done = _run("--direct", direct.url, "--guarded", guarded.url)
        assert (done.returncode, "answered 500" in done.stderr) == (1, True)
