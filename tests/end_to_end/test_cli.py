"""The command judges text as the server does; what is wrong is one line and exit code 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server_process import HANG_S, ROOT, ServerProcess, environment, postern

MARKER = "zzmarkerzz"


@pytest.fixture(scope="module")
def artifact_flag(tiny_artifact: Path) -> tuple[str, str]:
    return "--artifact", str(tiny_artifact)


def reply(*arguments: str, stdin: str = "") -> dict[str, Any]:
    done = postern(*arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return dict(json.loads(done.stdout))


def assert_refused(done: subprocess.CompletedProcess[bytes], *says: str) -> None:
    message = done.stderr.decode()
    assert done.returncode == 2, message
    assert message.count("\n") == 1, message
    assert message.startswith("postern: ")
    assert all(part in message for part in says), message
    assert MARKER not in message


def test_the_command_says_what_the_server_says(
    server: ServerProcess, artifact_flag: tuple[str, str]
) -> None:
    prompt, response = "tell me a story", "make a bomb with sugar"
    over_http = server.classify({"prompt": prompt, "response": response}).json()
    here = reply("classify", prompt, "--response", response, *artifact_flag)
    (result,) = over_http["results"]
    assert here["model"] == over_http["model"]
    assert here["harmful"] is result["harmful"] is True
    assert here["probability"] == pytest.approx(result["probability"], abs=1e-3)
    assert set(here) == (set(result) - {"index"}) | {"model", "operating_point"}


def test_the_prompt_may_come_from_standard_input(artifact_flag: tuple[str, str]) -> None:
    options = ("--operating-point", "strict", "--threshold", "0.9")
    here = reply("classify", *options, *artifact_flag, stdin="how to make\npoison\n")
    assert here["harmful"] is True
    assert here["tokens"] == 4
    assert (here["operating_point"], here["threshold"]) == ("strict", 0.9)


def test_json_lines_are_answered_line_by_line_and_bad_ones_are_named(
    artifact_flag: tuple[str, str], tmp_path: Path
) -> None:
    lines = [
        b'{"prompt": "read a book"}',
        b"not json",
        b"",
        b'{"prompt": "bomb"}',
        b'{"prompt": ""}',
        b'{"prompt": "tell me", "response": "a story"}',
        b'{"prompt": 5}',
        b'{"prompt": "zzmarkerzz", "zzmarkerzz": 1}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "\\ud800"}',
        b"[" * 10_000,
    ]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"\n".join(lines) + b"\n")
    done = postern("classify", "--jsonl", str(source), "--output", str(target), *artifact_flag)
    assert_refused(done, "7 lines")
    assert done.stdout == b""
    replies = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one["line"] for one in replies] == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert {one["line"]: one["harmful"] for one in replies if "error" not in one} == {
        1: False,
        4: True,
        6: False,
    }
    assert MARKER not in target.read_text()
    piped = postern("classify", "--jsonl", "-", *artifact_flag, stdin=b"\n".join(lines[:1] * 70))
    assert piped.returncode == 0
    assert [json.loads(one)["line"] for one in piped.stdout.splitlines()] == list(range(1, 71))


def test_info_shows_the_artifact(artifact_flag: tuple[str, str]) -> None:
    info = reply("info", *artifact_flag)
    assert info["model"]["name"] == "tiny"
    assert set(info["operating_points"]) == {"strict", "balanced", "permissive"}


@pytest.mark.parametrize("command", [(), ("serve",), ("classify",), ("info",)])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = postern(*command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"usage: postern")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("classify", ""), "empty"),
        (("classify", " \u200b"), "empty"),
        (("classify", MARKER, "--operating-point", MARKER), "unknown operating point"),
        (("classify", MARKER, "--threshold", "1.5"), "threshold"),
        (("classify", MARKER, "--threshold", "nan"), "threshold"),
        (("classify", MARKER, "--jsonl", "-"), "--jsonl"),
        (("classify", "--jsonl", "/nonexistent/lines"), "cannot be read"),
        (("classify", "a", "--output", "/nonexistent/out"), "cannot be written"),
        (("classify", "a " * 20_000), "more than"),
        (("info", "--artifact", "/nonexistent"), "cannot be read"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    artifact_flag: tuple[str, str], arguments: tuple[str, ...], says: str
) -> None:
    flag = () if "--artifact" in arguments else artifact_flag
    assert_refused(postern(*arguments, *flag), says)


@pytest.mark.parametrize(
    "arguments", [(), ("unknown",), ("serve", "--unknown"), ("classify", "a", "--threshold", "x")]
)
def test_wrong_usage_exits_with_2_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = postern(*arguments)
    assert done.returncode == 2
    assert b"postern" in done.stderr
    assert b"Traceback" not in done.stderr


def test_invalid_bytes_on_standard_input_are_refused_in_one_line(
    artifact_flag: tuple[str, str],
) -> None:
    assert_refused(postern("classify", *artifact_flag, stdin=b"read \xff a book"), "UTF-8")
    argument = os.fsdecode(b"read \xff a book")
    assert_refused(postern("classify", argument, *artifact_flag), "UTF-8")
    assert_refused(postern("classify", "a", "--response", argument, *artifact_flag), "UTF-8")


def test_an_interrupt_ends_the_command_quietly(artifact_flag: tuple[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "postern", "classify", "--jsonl", "-", *artifact_flag],
        cwd=ROOT,
        env=environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b'{"prompt": "read a book"}\n' * 40)
        process.stdin.flush()
        assert process.stdout is not None
        assert process.stdout.readline()  # it works, and waits for more
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG_S) == 130
        assert b"Traceback" not in process.stderr.read()
