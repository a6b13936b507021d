"""What the server counts is what its clients saw, and no text of theirs is in it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.conftest import StartServer
from tests.server_process import ServerProcess

MARKER = "zzmarkerzz"


@pytest.fixture(scope="module")
def fresh(start_server: StartServer) -> ServerProcess:
    return start_server()


def test_counts_are_those_of_the_client(fresh: ServerProcess) -> None:
    bodies = [
        {"prompt": "read a book"},
        {"prompt": "bomb"},
        {"prompt": MARKER, "operating_point": MARKER},
        {"prompt": ""},
        {MARKER: 1},
        {"inputs": [{"prompt": "cake"}, {"prompt": "a weapon", "response": MARKER}]},
        {"prompt": "cake", "fallback": "always"},
    ] * 3
    responses = [fresh.classify(body) for body in bodies]
    seen = Counter(response.status_code for response in responses)
    for status, count in seen.items():
        line = f'postern_requests_total{{route="/classify",status="{status}"}}'
        assert fresh.metric(line) == count
    assert fresh.metric('postern_request_duration_seconds_count{route="/classify"}') == len(bodies)

    results = [
        result
        for response in responses
        if response.status_code == 200
        for result in response.json()["results"]
    ]
    verdicts = Counter(
        ("harmful" if result["harmful"] else "unharmful", result["decided_by"])
        for result in results
    )
    for (verdict, decided_by), count in verdicts.items():
        line = f'postern_verdicts_total{{decided_by="{decided_by}",verdict="{verdict}"}}'
        assert fresh.metric(line) == count
    assert fresh.metric("postern_degraded_total") == sum(r["degraded"] for r in results) == 3
    assert fresh.metric('postern_probability_count{slice="pair"}') == 3.0
    assert fresh.metric('postern_probability_count{slice="prompt"}') == len(results) - 3.0

    refused = Counter(
        response.json()["type"].rpartition(":")[2]
        for response in responses
        if response.status_code != 200
    )
    for slug, count in refused.items():
        assert fresh.metric(f'postern_rejected_total{{reason="{slug}"}}') == count


def test_nothing_of_a_request_becomes_a_label(fresh: ServerProcess) -> None:
    before = len(fresh.get("/metrics").text.splitlines())
    for index in range(20):
        fresh.get(f"/{MARKER}{index}")
        fresh.request(f"X{MARKER}", f"/classify?{MARKER}={index}")
        fresh.classify({"prompt": MARKER, MARKER: index}, X_Request_Id=f"{MARKER}{index}")
    response = fresh.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert MARKER not in response.text
    # A few series more for new routes and statuses, not one for each request.
    assert len(response.text.splitlines()) < before + 80


def test_every_line_is_a_comment_or_a_sample(fresh: ServerProcess) -> None:
    text = fresh.get("/metrics").text
    sample = re.compile(r'[a-z_]+(\{([a-z0-9_]+="[^"\\]*",?)+\})? [0-9.e+-]+(Inf|NaN)?')
    for line in text.splitlines():
        assert line.startswith("# ") or sample.fullmatch(line), line
    assert "postern_model_info{" in text


def test_each_request_is_one_line_in_the_log(fresh: ServerProcess) -> None:
    fresh.classify({"inputs": [{"prompt": "cake"}, {"prompt": "bomb"}]}, X_Request_Id="the-one")
    (line,) = [one for one in fresh.log_lines() if one.get("request_id") == "the-one"]
    assert {"time", "level", "event", "route", "status", "duration_ms"} <= set(line)
    assert (line["exchanges"], line["tokens"], line["harmful"]) == (2, 2, 1)
    assert (line["method"], line["route"], line["status"]) == ("POST", "/classify", 200)
