"""The result's schema is frozen, and a driver's run against the real server is whole and true."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from loadtests import results
from loadtests.__main__ import main
from loadtests.driver import Load, Step
from loadtests.latencies import Latencies
from loadtests.server_counts import ServerCounts, differences
from loadtests.watch import Usage, listener_pid
from tests.conftest import StartServer
from tests.server_process import ROOT, ServerProcess

GOLDEN = ROOT / "tests/golden/loadtest_result.json"
# Of the machine and the moment.
_VARYING = ("when", "machine")


def made_step(seed: int) -> Step:
    latency = Latencies.of((index + seed) / 1000.0 for index in range(1, 101))
    return Step(
        Load(rate=50.0, measured_s=2.0, deadline_s=1.0),
        scheduled=102,
        outcomes=Counter({"200": 100, "429": 2}),
        replies=100,
        texts_metered=100,
        texts_judged=100,
        texts_in_time=99,
        latency=latency,
        service=latency,
        delay=Latencies.of([0.0005] * 102),
        late=Latencies.of([0.0002] * 102),
        usage=Usage(1.5, 200, 100, 300),
        generator_cpu_s=0.1,
        elapsed_s=2.5,
        peak_connections=7,
        peak_waiting=1,
    )


def made_result() -> dict[str, Any]:
    result = results.document(
        "run", settings={"scenario": "prompts"}, server={"model": None, "version": "0.1.0"}
    )
    steps = [made_step(0), made_step(10)]
    result["points"] = [results.point(steps, limit_s=0.05, differences=[{}, {}])]
    result["capacity"] = {"rate_rps": 50.0}
    return result


def test_the_schema_is_frozen() -> None:
    """A changed key or meaning raises SCHEMA_VERSION and this file with it."""
    result = made_result()
    assert set(result["machine"]) == {
        *("processor", "cpus", "memory_bytes", "system", "python", "load_average_before"),
    }
    shown = {name: value for name, value in result.items() if name not in _VARYING}
    assert shown == json.loads(GOLDEN.read_text())


def test_a_refused_request_is_a_late_one() -> None:
    step = made_step(0)
    within = results.point([step], limit_s=0.2, differences=None)
    assert within["within_limit"] == pytest.approx(100 / 102, abs=1e-5)
    assert not results.passes(within)
    step.scheduled, step.outcomes = 100, Counter({"200": 100})
    assert results.passes(results.point([step], limit_s=0.2, differences=None))
    assert not results.passes(results.point([step], limit_s=0.098, differences=None))


def test_counts_are_compared() -> None:
    text = (
        'postern_requests_total{route="/classify",status="200"} 12.0\n'
        'postern_requests_total{route="/metrics",status="200"} 5.0\n'
        'postern_requests_total{route="/classify",status="429"} 3.0\n'
        'postern_verdicts_total{decided_by="student",verdict="harmful"} 4.0\n'
        'postern_verdicts_total{decided_by="student",verdict="unharmful"} 9.0\n'
    )
    before = ServerCounts(Counter({"200": 2}), 3)
    server = ServerCounts.parsed(text).since(before)
    assert server == ServerCounts(Counter({"200": 10, "429": 3}), 10)
    assert differences({"200": 10, "429": 3}, 10, server) == {}
    assert differences({"200": 9, "429": 3, "broken": 1}, 9, server) == {}
    assert differences({"200": 9, "429": 3}, 9, server) == {
        "200": {"client": 9, "server": 10},
        "lost": {"client": 0, "server": 1},
        "verdicts": {"client": 9, "server": 10},
    }
    assert "200" in differences({"200": 11, "429": 3, "broken": 5}, 10, server)
    assert "lost" in differences({"200": 8, "429": 3, "broken": 1}, 8, server)


def test_a_run_against_the_real_server(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server()
    output, plot = tmp_path / "result.json", tmp_path / "result.png"
    status = main(
        [
            *("run", "--url", server.url, "--scenario", "chatbot", "--rates", "10", "20"),
            *("--seconds", "0.7", "--warm-up", "0.2", "--seeds", "1", "--deadline-ms", "120000"),
            *("--output", str(output), "--plot", str(plot)),
        ]
    )
    assert status == 0
    result = json.loads(output.read_text())
    assert result["server"]["model"]["name"] == "tiny"
    assert [point["offered_rps"] for point in result["points"]] == [10.0, 20.0]
    for point in result["points"]:
        assert point["counts"] == {"checked": True, "differences": []}
        assert point["outcomes"] == {"200": point["scheduled"]}
        assert point["server"]["memory_after_bytes"] > 10_000_000
        assert point["latency_ms"]["p50"] >= point["service_ms"]["p50"] > 0.0
        decoded = Latencies.decoded(point["latency_histogram"])
        assert decoded.count == point["scheduled"]
        assert decoded.summary_ms() == point["latency_ms"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert main(["plot", str(output), str(tmp_path / "again.svg")]) == 0
    assert "requests per second" in (tmp_path / "again.svg").read_text()


@pytest.mark.slow
def test_a_closed_loop_and_a_search_against_the_real_server(
    server: ServerProcess, tmp_path: Path
) -> None:
    """The search ends also where no rate is within the limit."""
    output = tmp_path / "closed.json"
    plot = tmp_path / "plot.png"
    common = ["--url", server.url, "--seconds", "0.5", "--warm-up", "0", "--seeds", "1"]
    common += ["--output", str(output), "--deadline-ms", "100000"]
    assert main(["closed", "--clients", "1", "4", "--plot", str(plot), *common]) == 0
    result = json.loads(output.read_text())
    assert [point["clients"] for point in result["points"]] == [1, 4]
    assert plot.exists()
    assert all(point["generator"]["peak_connections"] <= 4 for point in result["points"])
    # Sixteen points, and none can pass: the shorter, the better.
    search = ["search", "--limit-ms", "0.001", "--start", "0.5", *common, "--seconds", "0.1"]
    assert main(search) in (0, 1)
    assert json.loads(output.read_text())["capacity"]["rate_rps"] is None


def test_the_listening_process_is_found(server: ServerProcess) -> None:
    assert listener_pid(server.url) == server.process.pid
    assert listener_pid("http://127.0.0.1:9") is None


if __name__ == "__main__":
    shown = {name: value for name, value in made_result().items() if name not in _VARYING}
    GOLDEN.write_text(json.dumps(shown, indent=2) + "\n")
