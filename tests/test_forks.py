"""A forked command is like one that an interpreter of its own runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest
from postern import __version__

from tests.forks import Fork, completed
from tests.server_process import HANG_S, ROOT, environment

COMMANDS = (
    ("classify",),  # the prompt comes from standard input, and is empty
    ("classify", "a prompt", "--threshold", "2"),
    ("no-such-command",),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_fork_says_and_returns_what_the_command_does(arguments: tuple[str, ...]) -> None:
    typed = subprocess.run(
        [sys.executable, "-m", "postern", *arguments],
        cwd=ROOT,
        env=environment({}),
        input=b" \n",
        capture_output=True,
        timeout=HANG_S,
        check=False,
    )
    forked = completed(["postern", *arguments], environment({}), stdin=b" \n", timeout=HANG_S)
    assert (forked.returncode, forked.stdout) == (typed.returncode, typed.stdout)
    assert forked.stderr == typed.stderr


def test_a_fork_has_the_environment_that_it_is_given() -> None:
    env = environment({"max_exchange_chars": "many"})
    done = completed(["postern", "classify", "a prompt"], env, stdin=b"", timeout=HANG_S)
    assert done.returncode == 2
    assert b"POSTERN_MAX_EXCHANGE_CHARS" in done.stderr
    assert "POSTERN_MAX_EXCHANGE_CHARS" not in os.environ


def test_a_fork_that_is_killed_says_so_and_the_next_one_works() -> None:
    reading, writing = os.pipe()  # it waits for a prompt
    with tempfile.TemporaryFile() as errors:
        fork = Fork(["postern", "classify"], environment({}), stdin=reading, stderr=errors.fileno())
        assert fork.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            fork.wait(0.0)
        fork.kill()
        assert fork.wait(HANG_S) == -9
        fork.kill()  # nothing is left to kill
        assert fork.stdout is not None
        assert fork.stdout.read() == b""
        fork.stdout.close()
    os.close(reading)
    os.close(writing)
    done = completed(["postern", "--version"], environment({}), stdin=b"", timeout=HANG_S)
    assert done.stdout.decode() == f"postern {__version__}\n"


def test_a_module_that_fails_prints_its_traceback() -> None:
    done = completed(["tests.no_such_module"], environment({}), stdin=b"", timeout=HANG_S)
    assert done.returncode == 1
    assert b"tests.no_such_module" in done.stderr
