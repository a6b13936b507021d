"""The comparison: a real peer gives our probabilities; ratios, resuming and report are right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtests import results
from loadtests.peers import compare as compare_module
from loadtests.peers import report
from loadtests.peers.__main__ import main
from loadtests.peers.compare import (
    NotTheSame,
    Plan,
    ahead,
    check_same,
    measure,
    peer_requests,
    ratios,
    sample_texts,
)
from loadtests.peers.launch import RunningPeer, variables_of
from loadtests.peers.model import ENGINES, PeerModel
from loadtests.peers.registry import OURS, PEERS
from loadtests.watch import lives, tree
from tests.server_process import HANG_S, ROOT


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's own environment can run the plainest of the peers."""
    folder = tmp_path_factory.mktemp("environments")
    for name in ("fastapi", "mosec"):
        (folder / name).symlink_to(sys.prefix)
    return folder


def test_a_peer_gives_our_probabilities(environments: Path) -> None:
    with (
        RunningPeer(PEERS[OURS], environments) as ours,
        RunningPeer(PEERS["fastapi"], environments) as other,
    ):
        assert check_same(ours, other) < 1e-4
        family = [*tree(ours.pid), *tree(other.pid)]
        assert len(family) >= 4  # two workers of the peer's
        other.probability = lambda prompt: 0.5  # type: ignore[method-assign]
        with pytest.raises(NotTheSame, match="fastapi"):
            check_same(ours, other)
    assert not any(map(lives, family))


def test_a_peer_finds_our_tokenizing_without_an_installation_of_ours() -> None:
    where = "import postern, loadtests; print(postern.__file__)"
    found = subprocess.run(
        [sys.executable, "-S", "-c", where],  # -S: without what is installed here
        env=variables_of(PEERS["fastapi"], Path(sys.executable).parent),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(ROOT / "app")


def test_a_peer_that_does_not_start_says_why(environments: Path) -> None:
    with pytest.raises(RuntimeError, match="mosec"), RunningPeer(PEERS["mosec"], environments):
        pass


def test_bare_engines_judge_the_same() -> None:
    pytest.importorskip("openvino")
    prompts = sample_texts(long=True)
    given = {
        engine: PeerModel(threads=1, engine=engine).probabilities(prompts) for engine in ENGINES
    }
    assert given["openvino"] != given["onnxruntime"]  # it was asked: it rounds differently
    assert given["openvino"] == pytest.approx(given["onnxruntime"], abs=0.05)


def test_ours_is_asked_for_an_engine() -> None:
    for engine in ENGINES:
        assert Plan(Path(), None, engine=engine).ours.environment == {"POSTERN_ENGINE": engine}
    assert PEERS[OURS].environment == {"POSTERN_ENGINE": "onnxruntime"}


def test_the_same_texts_go_to_all() -> None:
    plan = Plan(Path(), None)
    asked = {
        name: [
            json.loads(request.body)
            for request, _ in zip(
                peer_requests(peer, "tail", plan, seed=5), range(20), strict=False
            )
        ]
        for name, peer in PEERS.items()
    }
    prompts = [body["prompt"] for body in asked[OURS]]
    assert [body["prompts"] for body in asked["bentoml"]] == [[one] for one in prompts]
    assert [body["input"] for body in asked["infinity"]] == [[one] for one in prompts]
    for name in ("fastapi", "litserve", "mosec", "ray"):
        assert asked[name] == asked[OURS]


def test_every_peer_has_pinned_requirements() -> None:
    for name, peer in PEERS.items():
        if name == OURS:
            continue
        lines = peer.requirements.read_text().split()
        assert lines
        assert all("==" in line and "/" not in line for line in lines)


@pytest.mark.slow
def test_a_measurement_of_the_real_server(environments: Path) -> None:
    # A limit that nobody meets, and no rung below the first: the search itself is tested elsewhere.
    plan = Plan(
        *(environments, None),
        measured_s=0.4,
        warm_up_s=0.1,
        seeds=1,
        clients=4,
        limit_s=1e-6,
        lowest_share=1.0,
    )
    found = measure(PEERS[OURS], "tokens-16", plan, seed=1, say=lambda _: None)
    assert found["closed"]["clients"] == plan.clients
    assert found["closed"]["texts_per_s"] > 0.0
    assert found["closed"]["server"]["memory_peak_bytes"] > 10_000_000
    assert found["idle"]["latency_ms"]["p50"] > 0.0
    assert found["capacity"]["rate_rps"] is None
    assert len(found["points"]) == 2


@pytest.mark.slow
def test_who_carries_what_ours_carries(environments: Path, tmp_path: Path) -> None:
    """Real servers; a peer that does not start costs only its own row."""
    plan = Plan(
        *(environments, None),
        measured_s=0.4,
        warm_up_s=0.1,
        seeds=1,
        clients=4,
        limit_s=10.0,  # met by the first rung on any machine; higher ones only cost time here
        precision=10.0,
    )
    said: list[str] = []
    asked: dict[str, Any] = {
        "peers": [PEERS["mosec"], PEERS["fastapi"]],
        "scenarios": ["tokens-16"],
        "plan": plan,
        "output": tmp_path,
        "say": said.append,
    }
    ahead(**asked)
    found = json.loads((tmp_path / "ahead-tokens-16.json").read_text())
    rate = found["settings"]["rate_rps"]
    assert rate == found["ours"]["capacity"]["rate_rps"] > 0.0
    rows = found["at_that_rate"]
    assert set(rows) == {"fastapi", OURS}
    for row in rows.values():
        points = row["points"]
        assert [point["offered_rps"] for point in points] == pytest.approx([rate] * len(points))
        assert row["carries"] == (points[-1]["within_limit"] >= 0.99)
    assert any("mosec: FAILED" in line for line in said)
    # A scenario that has its file is not measured again.
    said.clear()
    ahead(**asked)
    assert said == []


def measured(rate: float | None, *, texts_per_s: float = 100.0) -> dict[str, Any]:
    return {
        "capacity": {"rate_rps": rate},
        "closed": {
            "texts_per_s": texts_per_s,
            "server": {"cpu_s_per_1000_texts": 10.0, "memory_peak_bytes": 1000},
        },
        "idle": {"latency_ms": {"p50": 4.0}},
    }


def test_ratios_take_the_mean_of_ours() -> None:
    found = ratios([measured(90.0), measured(110.0, texts_per_s=300.0)], measured(50.0))
    assert found["rate"] == 2.0
    assert found["throughput"] == 2.0
    assert found["idle_p50"] == found["cpu"] == found["memory"] == 1.0
    assert found["drift"] == pytest.approx(1.2222, abs=1e-4)
    assert ratios([measured(90.0), measured(90.0)], measured(None))["rate"] is None
    assert ratios([measured(None), measured(90.0)], measured(50.0))["rate"] is None


def made_trial(scenario: str, peer: str, number: int, rate: float | None) -> dict[str, Any]:
    ours, theirs = [measured(100.0), measured(100.0)], measured(rate)
    settings = {"scenario": scenario, "peer": peer, "number": number}
    return {
        "kind": "trial",
        "settings": settings,
        "ours": ours,
        "theirs": theirs,
        "ratios": ratios(ours, theirs),
    }


def test_a_stopped_comparison_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str, bool]] = []

    def trial(peer: Any, scenario: str, _: Plan, *, number: int, before: Any, say: Any) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append((peer.name, scenario, before is not None))
        return made_trial(scenario, peer.name, number, 50.0)

    monkeypatch.setattr(compare_module, "trial", trial)
    asked: dict[str, Any] = {
        "peers": [PEERS["fastapi"], PEERS["mosec"]],
        "scenarios": ["prompts", "tail"],
        "rounds": 1,
        "plan": Plan(tmp_path, None),
        "output": tmp_path,
        "say": lambda _: None,
    }
    with pytest.raises(KeyboardInterrupt):
        compare_module.compare(**asked)
    first, done[:] = list(done), []
    compare_module.compare(**asked)
    # Ours is measured once between two peers, but not across an interruption.
    assert [*first, *done] == [
        ("fastapi", "prompts", False),
        ("mosec", "prompts", True),
        ("fastapi", "tail", False),
        ("mosec", "tail", False),
    ]


@pytest.mark.slow
def test_what_is_terminated_leaves_no_server_behind(environments: Path) -> None:
    command = [sys.executable, "-m", "loadtests.peers", "ahead", "--peers", "fastapi"]
    options = ["--environments", str(environments), "--scenarios", "tokens-16", "--seconds", "60"]
    measuring = subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while len(family := tree(measuring.pid)) < 2:
            assert measuring.poll() is None
            time.sleep(0.1)
        measuring.terminate()
        assert measuring.wait(HANG_S) == 143
        assert not any(map(lives, family))
    finally:
        measuring.kill()


def test_what_nobody_holds_yet_is_killed_too() -> None:
    program = (
        "import subprocess\n"
        "from loadtests.peers.launch import kill_descendants\n"
        "child = subprocess.Popen(['sh', '-c', 'sleep 600; true'], start_new_session=True)\n"
        "input()\n"
        "kill_descendants()\n"
        "print(child.poll())\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        while len(family := tree(started.pid)) < 3:
            assert started.poll() is None
            time.sleep(0.05)
        said, _ = started.communicate(b"\n", timeout=HANG_S)
        assert said.split() == [b"-9"]
        assert not any(map(lives, family))
    finally:
        started.kill()


def test_the_report_shows_median_and_spread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, rate in enumerate((50.0, 40.0, None)):
        trial = made_trial("prompts", "ray", number, rate)
        results.save(trial, tmp_path / f"prompts-{number}-ray.json")
    # What `ahead` leaves in the same folder is no trial.
    results.save({"kind": "ahead", "settings": {}}, tmp_path / "ahead-tokens-128.json")
    assert main(["report", str(tmp_path)]) == 0
    assert "| prompts | ray | 3 | 2.25 (2.00 to 2.50, 1 none) | 1.00" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / report.REPORT).read_text())["rows"]
    assert row["peer_carries"] == [50.0, 40.0, None]
    assert (tmp_path / "rate-prompts.png").exists()


def test_what_is_not_installed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--peers", "ray", "--environments", str(tmp_path)]) == 2
    assert "ray" in capsys.readouterr().err
