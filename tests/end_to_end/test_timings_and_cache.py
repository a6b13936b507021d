"""Timings in a header for who asks, and the cache behind the real server."""

from __future__ import annotations

import pytest

from tests.conftest import StartServer
from tests.server_process import ServerProcess

GOOD = {"prompt": "read a book"}


def stages(header: str) -> dict[str, float]:
    parts = [part.split(";dur=") for part in header.split(", ")]
    return {name: float(ms) for name, ms in parts}


def test_who_asks_for_timings_gets_them_in_a_header(server: ServerProcess) -> None:
    asked = server.classify(GOOD, X_Postern_Timings="1")
    found = stages(asked.headers["Server-Timing"])
    assert list(found) == ["parse", "tokenize", "queue", "inference", "total"]
    assert all(ms >= 0.0 for ms in found.values())
    assert found["total"] >= found["inference"] > 0.0
    moderation = server.post(
        "/v1/moderations", json={"input": "a cake"}, headers={"X-Postern-Timings": "1"}
    )
    assert list(stages(moderation.headers["Server-Timing"])) == list(found)
    refused = server.classify({"prompt": ""}, X_Postern_Timings="1")
    assert "total" in stages(refused.headers["Server-Timing"])
    for other in ({}, {"X_Postern_Timings": "0"}):
        assert "Server-Timing" not in server.classify(GOOD, **other).headers


@pytest.fixture(scope="module")
def caching(start_server: StartServer) -> ServerProcess:
    return start_server(cache_entries=100, api_keys="key-a,key-b")


def lookups(server: ServerProcess, outcome: str) -> float:
    text = server.get("/metrics", headers={"X-API-Key": "key-a"}).text
    line = f'\npostern_cache_lookups_total{{outcome="{outcome}"}} '
    return float(text.partition(line)[2].split()[0]) if line in text else 0.0


def test_a_text_that_comes_again_gets_the_same_scores_at_any_operating_point(
    caching: ServerProcess,
) -> None:
    long = {"prompt": "a bomb " + "read a book " * 100}
    for body in (GOOD, long, {"prompt": "a cake", "response": "use poison"}):
        first = caching.classify(body, X_API_Key="key-a").json()
        hits = lookups(caching, "hit")
        again = caching.classify(body, X_API_Key="key-a").json()
        assert again["results"] == first["results"]
        assert again["timings_ms"]["inference"] == 0.0
        assert lookups(caching, "hit") == hits + 1.0
        strict = caching.classify(body | {"threshold": 0.0}, X_API_Key="key-a").json()
        assert strict["harmful"] is True  # the policy is applied anew
        assert strict["results"][0]["probability"] == first["results"][0]["probability"]


def test_one_key_does_not_see_what_another_has_sent(caching: ServerProcess) -> None:
    body = {"prompt": "sugar and flour"}
    caching.classify(body, X_API_Key="key-a")
    hits = lookups(caching, "hit")
    assert caching.classify(body, X_API_Key="key-b").json()["timings_ms"]["inference"] > 0.0
    assert lookups(caching, "hit") == hits


def test_long_text_is_refused_though_its_score_is_known(caching: ServerProcess) -> None:
    long = {"prompt": "read a poem " * 100}
    assert caching.classify(long, X_API_Key="key-a").status_code == 200
    refused = caching.classify(long | {"on_overflow": "reject"}, X_API_Key="key-a")
    assert refused.status_code == 413


def test_a_failure_names_the_exchange_and_does_not_hide_behind_the_cache(
    caching: ServerProcess,
) -> None:
    body = {"inputs": [GOOD, {"prompt": "\u200b"}, GOOD]}
    caching.classify(GOOD, X_API_Key="key-a")
    for _ in range(2):
        refused = caching.classify(body, X_API_Key="key-a")
        assert refused.status_code == 422
        assert refused.json()["index"] == 1
