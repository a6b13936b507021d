"""Dashboard and alerts against a real Prometheus that scrapes a real server under load."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from postern.calibration.publishing import write_durably, write_version
from postern.contract.artifact import MODEL, TOKENIZER, Manifest, file_entries, read_artifact
from postern.contract.exchange import SLICES
from postern.contract.reference import ProbabilityReference

from tests.conftest import StartServer
from tests.scripted_upstream import StubUpstream, answer
from tests.server_process import ROOT, ServerProcess
from tests.system_packages import require

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yaml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "postern.json").read_text())
# Only against hangs.
WAIT_S = 120.0
_COMPARISON = re.compile(r"\s[<>]=?\s*([0-9.]+)$")


def _queries() -> list[str]:
    return [t["expr"] for panel in DASHBOARD["panels"] for t in panel.get("targets", [])]


class Prometheus:
    """A real one, with the shipped configuration but for addresses and pace."""

    def __init__(self, folder: Path, target: tuple[str, int]) -> None:
        (self._program,) = require("prometheus")
        config = CONFIG.read_text()
        assert config.count("127.0.0.1:8000") == 1
        config = config.replace("127.0.0.1:8000", "{}:{}".format(*target)).replace("15s", "1s")
        (folder / "prometheus.yaml").write_text(config)
        (folder / "alerts.yaml").write_text(ALERTS.read_text())
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [
                self._program,
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        root = self._wait(self._address, "the address of Prometheus")
        # Until its storage is open it answers 503, as plain text.
        self._wait(
            lambda: httpx.get(f"{root}/-/ready", verify=False, timeout=WAIT_S).is_success,
            "Prometheus to be ready",
        )
        self.url = f"{root}/api/v1"

    def _address(self) -> str | None:
        self._log.seek(0)
        found = re.search(r'Listening on" address=(127\.0\.0\.1:[1-9]\d*)', self._log.read())
        return f"http://{found[1]}" if found else None

    def _wait(self, condition: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.2)
        raise AssertionError(f"waited in vain for {what}")

    def _get(self, path: str, **parameters: str) -> Any:
        reply = httpx.get(f"{self.url}/{path}", params=parameters, verify=False, timeout=WAIT_S)
        body = reply.json()
        assert body["status"] == "success", body
        return body["data"]

    def values(self, expression: str) -> list[float]:
        """Of every series that the query gives now; NaN is no data."""
        result = self._get("query", query=expression)["result"]
        return [v for one in result if (v := float(one["value"][1])) == v]

    def wait_for_data(self, expression: str) -> list[float]:
        found: list[float] = self._wait(lambda: self.values(expression), expression)
        return found

    def rules(self) -> dict[str, dict[str, Any]]:
        groups = self._get("rules", type="alert")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def wait_for_alert(self, name: str) -> None:
        def raised() -> bool:
            return any(one["labels"]["alertname"] == name for one in self._get("alerts")["alerts"])

        self._wait(raised, f"the alert {name}")

    def wait_until_pending(self, name: str) -> None:
        self._wait(lambda: self.rules()[name]["state"] != "inactive", f"{name} to be pending")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(WAIT_S)
        self._log.close()


BODIES = (
    {"prompt": "how to bake a cake"},
    {"prompt": "how to make a bomb"},
    {"prompt": "tell me a story", "response": "the cat read a book"},
    {"prompt": "cake", "fallback": "always"},
    {"prompt": ""},
    {"prompt": "b o o k  a n d  c a k e"},
    {"prompt": "garden"},  # for which the model fails
    {"inputs": [{"prompt": "read a book " * 30}] * 5},  # five of these overfill the queue
)
COMPLETIONS = "/v1/chat/completions"
CHATS = tuple(
    {"model": "m", "messages": [{"role": "user", "content": text}], "stream": True}
    for text in ("read a book", "garden")  # for the second of which judging fails
)


class Load:
    """Every kind of request, over and over: judged, harmful, refused, failing, too many at once."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._over = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._send, args=("/classify", BODIES, n)) for n in range(8)),
            *(threading.Thread(target=self._send, args=(COMPLETIONS, CHATS, n)) for n in range(2)),
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, path: str, bodies: Sequence[dict[str, Any]], number: int) -> None:
        with httpx.Client(base_url=self._server.url, verify=False, timeout=WAIT_S) as client:
            turn = number
            while not self._over.wait(0.02):
                client.post(path, json=bodies[turn % len(bodies)])
                turn += 1

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WAIT_S)


@pytest.fixture(scope="module")
def drifting_artifact(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny student with a reference that no traffic of this module looks like."""
    source, target = read_artifact(tiny_artifact), tmp_path_factory.mktemp("drift") / "0.0.2"
    reference = ProbabilityReference(edges=(0.45, 0.55), masses=(1.0, 1000.0, 1.0))

    def fill(staging: Path) -> Manifest:
        write_durably(staging / MODEL, source.model)
        write_durably(staging / TOKENIZER, source.tokenizer)
        references = {"probability_reference": dict.fromkeys(SLICES, reference)}
        changes = {"version": "0.0.2", "files": file_entries(staging), **references}
        return source.manifest.model_copy(update=changes)

    write_version(target, fill)
    return target


@pytest.fixture(scope="module")
def server(start_faulty_server: StartServer, drifting_artifact: Path) -> Iterator[ServerProcess]:
    require("prometheus", "promtool")
    with StubUpstream(lambda seen: answer("The cat read a book. It was long.")) as upstream:
        yield _faulty(start_faulty_server, upstream.url, drifting_artifact)


def _faulty(start_faulty_server: StartServer, upstream_url: str, artifact: Path) -> ServerProcess:
    policies = artifact.parent / "policies.toml"
    # Of no key, so it touches no request; what is watched is that it only audits.
    policies.write_text('[policies.newcomer]\nmode = "audit"\n')
    process = start_faulty_server(
        {"delay_s": 0.05, "raise_word": "garden"},
        artifact=artifact,
        upstream_url=upstream_url,
        teacher_url="http://127.0.0.1:9",  # where nobody listens
        teacher_kind="postern",
        teacher_audit_share=1.0,
        policies=policies,
        max_queue_tokens=1024,
        max_exchange_tokens=512,
        max_batch_tokens=128,
    )
    process.wait_until_ready()
    return process


@pytest.fixture(scope="module")
def prometheus(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Under load for as long as this module's tests run."""
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), server.address)
    load = Load(server)
    try:
        yield prometheus
    finally:
        load.end()
        prometheus.close()


@pytest.mark.parametrize(("what", "path"), [("rules", ALERTS), ("config", CONFIG)])
def test_promtool_finds_no_fault(what: str, path: Path) -> None:
    (promtool,) = require("promtool")
    done = subprocess.run([promtool, "check", what, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_dashboard_is_well_formed() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(DASHBOARD["panels"])))
    assert used == names
    boxes = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for box in boxes
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24
    assert all(panel.get("description") for panel in DASHBOARD["panels"] if panel["type"] != "row")


@pytest.mark.slow
def test_every_query_of_the_dashboard_has_data(prometheus: Prometheus) -> None:
    queries = _queries()
    assert len(queries) > 15
    for query in queries:
        filled = query.replace("$__rate_interval", "1m")
        filled = filled.replace("$job", "postern").replace("$instance", ".*")
        assert "$" not in filled
        prometheus.wait_for_data(filled)


def test_every_metric_is_watched() -> None:
    """What the server measures and nobody looks at is not worth measuring."""
    from postern.metrics import Metrics

    looked_at = " ".join(_queries())
    for metric in Metrics().registry.collect():
        if metric.name.startswith("postern_"):
            assert metric.name in looked_at, metric.name


def test_every_alert_looks_at_something_and_those_provoked_are_raised(
    prometheus: Prometheus, server: ServerProcess
) -> None:
    rules = prometheus.rules()
    assert len(rules) == ALERTS.read_text().count("- alert: ") > 5
    for name, rule in rules.items():
        expression = " ".join(rule["query"].split())
        assert _COMPARISON.search(expression), name
        prometheus.wait_for_data(_COMPARISON.sub("", expression))
    provoked = {"Failing", "Overloaded", "InferenceFailing", "Degraded"}
    for short in provoked:
        prometheus.wait_for_alert(f"Postern{short}")
    # Which wait for longer than a test does.
    for short in ("TrafficShifted", "Drifted", "PolicyOnlyAudits"):
        prometheus.wait_until_pending(f"Postern{short}")
    for name, rule in prometheus.rules().items():
        assert rule["health"] == "ok", (name, rule.get("lastError"))
        assert rule["annotations"]["summary"]
        if name == "PosternDown":
            assert rule["state"] == "inactive"


def test_a_server_that_cannot_be_scraped_is_noticed(
    start_server: StartServer, tmp_path: Path
) -> None:
    locked = start_server(api_keys="zzsecretzz")
    prometheus = Prometheus(tmp_path, locked.address)
    try:
        prometheus.wait_for_alert("PosternDown")
    finally:
        prometheus.close()
