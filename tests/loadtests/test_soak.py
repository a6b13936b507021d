"""Half a minute of everything that is hostile: nothing leaks, hangs or goes uncounted."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import soak as soak_module
from loadtests.bench import run
from loadtests.chats import ChatTally
from loadtests.hostile_upstream import ANSWERS
from loadtests.misbehaving import Misbehaving, Tally
from loadtests.misbehaving_chats import MisbehavingChats
from loadtests.soak import Soak, soak, theil_sen
from tests.conftest import StartServer
from tests.ports import free_port

_SECONDS = 30.0
_URL = "http://127.0.0.1:9"


def _kinds() -> set[str]:
    chats = MisbehavingChats(_URL, ChatTally()).kinds
    return set(Misbehaving(_URL, Tally(), seed=0, more=chats)._kinds)


@pytest.mark.slow
def test_a_soak_leaves_nothing_behind(start_server: StartServer) -> None:
    port = free_port()
    # The tiny tokenizer spells most words letter by letter: the longest made texts would get 413.
    server = start_server(
        body_timeout_ms=1000,
        max_exchange_tokens=1 << 16,
        upstream_url=f"http://127.0.0.1:{port}/v1",
    )
    asked = Soak(
        server.url,
        _SECONDS,
        rate=10.0,
        misbehaving=6,
        deadline_ms=120_000,
        pid=server.process.pid,
        upstream_port=port,
    )
    result = run(soak(asked))
    assert result["problems"] == [], result
    assert result["requests"] > 100
    assert result["well_behaved"].keys() <= {"200", "429"}
    assert result["well_behaved"]["200"] > 50
    # Every kind of misbehaviour had its turn, and those that are answered were.
    assert result["misbehaving"].keys() == _kinds()
    assert {"200", "408", "413", "415", "422"} <= result["misbehaving_statuses"].keys()
    assert result["left"] > 0
    assert server.metric("postern_cancelled_total") > 0.0
    chats = result["chats"]
    assert chats["well_behaved"]["200"] > 5
    assert {"200", "400", "413", "502", "529"} <= chats["statuses"].keys()
    assert {"passed", "failed", "upstream_error"} == chats["outcomes"].keys()
    assert chats["seen"]["upstream cut streamed: 200 error"] > 0
    assert chats["upstream"]["asked"].keys() == ANSWERS.keys()
    assert server.metric('postern_proxied_total{outcome="left"}') > 0.0


def test_the_server_must_ask_this_upstream(start_server: StartServer) -> None:
    server = start_server()
    asked = Soak(server.url, 1.0, pid=server.process.pid, upstream_port=free_port())
    with pytest.raises(SystemExit, match="POSTERN_UPSTREAM_URL"):
        run(soak(asked))


def judged(**changes: Any) -> list[str]:
    well = {
        "memory": {"growth_bytes": 0},
        "open_files": {"before": 10, "after": 10},
        "hung": {},
        "well_behaved": {"200": 5},
        "unexpected": {},
        "counts": {"differences": {}},
        "queue_tokens_after": 0.0,
        "chats": None,
    }
    return soak_module._problems(Soak(_URL, 1.0), well | changes)


def chatted(**changes: Any) -> dict[str, Any]:
    well = {"well_behaved": {"200": 5, "busy": 1}, "unexpected": {}, "faults": {}, "going_on": 0}
    given = well | changes
    upstream = {"faults": given.pop("faults"), "going_on_after": given.pop("going_on")}
    return given | {"upstream": upstream}


@pytest.mark.parametrize(
    "changes",
    [
        {"memory": {"growth_bytes": 1 << 30}},
        {"open_files": {"before": 10, "after": 100}},
        {"hung": {"slow body": 1}},
        {"well_behaved": {"200": 5, "unanswered": 1}},
        {"well_behaved": {"200": 5, "broken": 1}},
        {"well_behaved": {"200": 5, "500": 1}},
        {"unexpected": {"200 for ['422']": 1}},
        {"counts": {"differences": {"200": {"client": 1, "server": 2}}}},
        {"queue_tokens_after": 17.0},
        {"chats": chatted(well_behaved={"200": 5, "200 other": 1})},
        {"chats": chatted(well_behaved={"hung": 1})},
        {"chats": chatted(unexpected={"upstream nan: 200 for ['502']": 1})},
        {"chats": chatted(faults={"a cookie": 1})},
        {"chats": chatted(going_on=1)},
    ],
    ids=str,
)
def test_what_is_wrong_is_noticed(changes: dict[str, Any]) -> None:
    assert len(judged(**changes)) == 1
    assert judged() == judged(chats=chatted()) == []


@given(
    slope=st.floats(-1e4, 1e4),
    jumps=st.lists(st.tuples(st.integers(0, 59), st.floats(0, 1e7)), max_size=5),
)
def test_the_slope_is_found_in_spite_of_peaks(slope: float, jumps: list[tuple[int, float]]) -> None:
    rng = random.Random(0)
    samples = [(float(at), slope * at + rng.uniform(-1.0, 1.0)) for at in range(60)]
    for place, peak in jumps:
        samples[place] = (samples[place][0], samples[place][1] + peak)
    assert abs(theil_sen(samples) - slope) < 1.0 + 0.02 * abs(slope)


def test_a_leak_is_seen() -> None:
    """A megabyte a minute, under noise of ten times what it grows between two samples."""
    rng = random.Random(1)
    per_second = (1 << 20) / 60.0
    samples = [(float(at), 2e8 + per_second * at + rng.uniform(-2e5, 2e5)) for at in range(600)]
    assert theil_sen(samples) == pytest.approx(per_second, rel=0.05)
