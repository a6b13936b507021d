"""Standard streams that may be closed, full or unread: these never cause a traceback."""

from __future__ import annotations

import contextlib
import os
import sys


def keep_open() -> None:
    """Replace closed standard streams by `/dev/null`.

    Otherwise the next file or socket that is opened would get their number, and log lines would go
    into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for good
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for good


def say(line: str) -> None:
    """Write a line to standard output, if possible."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)
        return
    _abandon(1)


def complain(line: str) -> None:
    """Write a line to standard error, if possible. Line breaks in names are escaped."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
    with contextlib.suppress(OSError, ValueError):
        print(shown, file=sys.stderr, flush=True)
        return
    _abandon(2)


def finish() -> str | None:
    """Flush standard output. Returns why that failed, or None."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        _abandon(1)
        return exc.strerror or type(exc).__name__
    return None


def _abandon(number: int) -> None:
    """Otherwise the interpreter tries again at exit, and reports the failure."""
    with contextlib.suppress(OSError):
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, number)
        os.close(empty)
