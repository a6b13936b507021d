"""Requests made of the server's own document: no 500, nothing undocumented."""

from __future__ import annotations

import subprocess

import pytest

from loadtests.fuzz import command
from tests.conftest import StartServer
from tests.server_process import ROOT

# `python -m loadtests fuzz` runs as long as one likes.
SECONDS = 60
# These are answered with 501 where there is no upstream; the guarded proxy has tests of its own.
PROXIED = "^/(v1/(chat/completions|completions|embeddings|messages|responses|models.*)|openai/.*)$"


@pytest.mark.slow
def test_every_answer_is_as_documented(start_server: StartServer) -> None:
    server = start_server()
    done = subprocess.run(
        command(server.url, seconds=SECONDS, examples=200, seed=1, without=PROXIED),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert server.get("/healthz").status_code == 200
    lines = server.log_lines()
    assert not [line for line in lines if line["event"] == "defect" or line.get("status") == 500]
