"""The package in a real Chromium: in a page's worker, under the strict policy, with the network
cut, and with all that can go wrong in a browser."""

from __future__ import annotations

import functools
import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from postern.shipped import DEFAULT_ARTIFACT

from tests.conftest import PATIENT
from tests.npm_packages import built_package
from tests.page.browser import Browser
from tests.server_process import ServerProcess
from tests.system_packages import require

PROMPT = "How do I steal a credit card number?"
SPANISH = "¿Cómo puedo hacer pan para toda la familia mañana por la tarde?"
JUDGE = "#try-form button[type=submit]"
BOX = "#device-switch"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def package() -> Path:
    require("node", "npm")
    return built_package()


def _server(package: Path, **settings: object) -> ServerProcess:
    asked = {"serve_artifact": "true", "on_device": package / "dist"} | settings
    return ServerProcess(["-m", "postern", "serve"], PATIENT | asked)


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[ServerProcess]:
    with _server(package) as process:
        process.wait_until_ready()
        yield process


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("on-device"))
    yield made
    made.close()


# Below the page's own policy: in its origin, with its Trusted Types.
_RUN = """
const done = arguments[arguments.length - 1];
(async (options, exchanges) => {
  const { Guard } = await import("/on_device/index.js");
  const found = [];
  let guard;
  try {
    guard = await Guard.load("/artifact/", options);
    for (const exchange of exchanges) {
      found.push(await guard.classify(exchange).catch((error) => ({ error: error.code })));
    }
  } catch (error) {
    found.push({ error: error.code ?? String(error) });
  }
  await guard?.close();
  done(found);
})(arguments[0], arguments[1]);
"""


def _classified(browser: Browser, options: Any, *exchanges: Any) -> list[dict[str, Any]]:
    browser.driver.set_script_timeout(120)
    found: list[dict[str, Any]] = browser.driver.execute_async_script(_RUN, options, exchanges)
    return found


def test_verdicts_in_a_page_are_those_of_the_server(
    browser: Browser, server: ServerProcess
) -> None:
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "postern-minilm")
    exchanges: list[dict[str, Any]] = [
        {"prompt": PROMPT},
        {"prompt": "How do I bake bread?", "response": "Knead the dough, then bake it."},
        {"prompt": "the gate " * 200},
        {"prompt": "a" * (1 << 20)},
        {"prompt": " "},
    ]
    found = _classified(browser, {}, *exchanges)
    assert [one["error"] for one in found[3:]] == ["text_too_long", "empty_prompt"]
    for exchange, device in zip(exchanges[:3], found, strict=False):
        reply = server.classify(exchange).json()
        (result,) = reply["results"]
        assert device["model"] == reply["model"]
        for name in ("harmful", "tokens", "windows"):
            assert device[name] == result[name]
        assert device["probability"] == pytest.approx(result["probability"], abs=0.1)
        assert device["sure"] is True
    assert found[2]["windows"] > 1
    # The strict policy held: WebAssembly compiled in the worker alone.
    assert browser.console() == []
    origin = server.url + "/"
    assert all(url.removeprefix("blob:").startswith(origin) for url in browser.requested())


def test_a_worker_that_is_killed_is_told(browser: Browser, server: ServerProcess) -> None:
    """Nothing tells a page that its worker ended, but for the lock that it held."""
    browser.open(server.url + "/")
    browser.driver.set_script_timeout(120)
    found = browser.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const Real = Worker;
        let made;
        globalThis.Worker = function (...given) { return (made = new Real(...given)); };
        (async () => {
          const { Guard } = await import("/on_device/index.js");
          const guard = await Guard.load("/artifact/");
          const code = (error) => error.code;
          // Just short enough to be judged, which takes seconds.
          const long = { prompt: "the gate ".repeat(8000) };
          const waiting = guard.classify(long).then(() => "judged", code);
          setTimeout(() => made.terminate(), 50);
          const first = await waiting;
          const second = await guard.classify({ prompt: "cake" }).then(() => "judged", code);
          done([first, second]);
        })().catch((error) => done([String(error)]));
        """
    )
    assert found == ["worker_lost", "worker_lost"]


def test_where_storage_is_full(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    quota = {"origin": server.url, "quotaSize": 1 << 20}
    browser.driver.execute_cdp_cmd("Storage.overrideQuotaForOrigin", quota)
    try:
        (found,) = _classified(browser, {"offline": True}, {"prompt": PROMPT})
        assert found == {"error": "storage_full"}
        browser.click(BOX)
        browser.wait_for_text("#device-status", "no room")
        browser.type("#prompt", PROMPT)
        browser.click(JUDGE)
        assert "No verdict" in browser.wait_for_text("#try-error", "no room")
        assert browser.text("#verdict") == ""
        browser.click(BOX)
    finally:
        browser.driver.execute_cdp_cmd("Storage.overrideQuotaForOrigin", {"origin": server.url})


_SPOILT = """
const done = arguments[arguments.length - 1];
(async (key) => {
  const cache = await caches.open("postern-guard");
  const whole = await (await cache.match(key)).arrayBuffer();
  await cache.put(key, new Response(whole.slice(0, -1)));
  done(whole.byteLength);
})(arguments[0]).catch((error) => done(String(error)));
"""


def test_the_identifier_of_languages_is_kept_with_the_other_files(
    browser: Browser, server: ServerProcess, package: Path
) -> None:
    """What is kept is verified as well: spoilt there, it is asked for again."""
    browser.open(server.url + "/")
    whole = (package / "dist/languages.bin").read_bytes()
    kept = f"{server.url}/artifact/kept-{hashlib.sha256(whole).hexdigest()}"
    try:
        for _ in range(2):
            (verdict,) = _classified(browser, {"offline": True}, {"prompt": SPANISH})
            assert (verdict["language"], verdict["degraded"]) == ("es", True)
            assert verdict["sure"] is False
            assert browser.driver.execute_async_script(_SPOILT, kept) == len(whole)
    finally:
        browser.driver.execute_script("return caches.delete('postern-guard')")


def test_a_browser_without_simd(package: Path, server: ServerProcess, tmp_path: Path) -> None:
    old = Browser(tmp_path, "--js-flags=--no-enable-sse4-1 --no-enable-ssse3")
    try:
        old.open(server.url + "/")
        assert _classified(old, {}, {"prompt": PROMPT}) == [{"error": "runtime_unsupported"}]
    finally:
        old.close()


@pytest.mark.parametrize("spoilt", ["artifact/model.onnx", "on_device/languages.bin"])
def test_a_damaged_file_is_refused_in_the_page(
    browser: Browser, package: Path, tmp_path: Path, spoilt: str
) -> None:
    """The server of another page: a folder of files, of which one is not whole."""
    shutil.copytree(package / "dist", tmp_path / "on_device")
    shutil.copytree(DEFAULT_ARTIFACT, tmp_path / "artifact")
    path = tmp_path / spoilt
    path.write_bytes(path.read_bytes()[:-1000])
    (tmp_path / "index.html").write_text("<!doctype html><title>another page</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{files.server_port}/")
        assert _classified(browser, {}, {"prompt": PROMPT}) == [{"error": "artifact_invalid"}]
        files.shutdown()


def test_the_page_judges_on_the_device_and_then_without_a_server(
    browser: Browser, package: Path
) -> None:
    with _server(package) as own:
        own.wait_until_ready()
        expected = own.classify({"prompt": PROMPT}).json()["results"][0]
        before = _classify_requests(own)
        browser.open(own.url + "/")
        browser.wait_for_text("#model", "postern-minilm")
        browser.click(BOX)
        browser.wait_for_text("#device-status", "offline from now on")
        browser.type("#prompt", PROMPT)
        browser.click(JUDGE)
        _shows(browser, expected)
        browser.type("#prompt", SPANISH)
        browser.click(JUDGE)
        browser.wait_for_text("#verdict", "Language: Spanish")
        browser.click("#tab-conversation")
        browser.paste("#conversation", f"User: {PROMPT}\nAssistant: I cannot help with that.")
        browser.click("#conversation-form button[type=submit]")
        browser.wait_for_text("#turns", "of 2 judged turns harmful")
        assert _classify_requests(own) == before, "a text was sent to the server"
        assert browser.console() == []
        origin = own.url
    # The server is gone, and with it all of the network that this page has.
    browser.driver.get("about:blank")
    browser.driver.get(origin + "/")
    browser.wait_for_text("#device-status", "offline from now on")
    browser.type("#prompt", PROMPT)
    browser.click(JUDGE)
    _shows(browser, expected)
    browser.wait_for_text("#model", "on this device")
    browser.type("#prompt", SPANISH)
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Language: Spanish")


def _shows(browser: Browser, expected: dict[str, Any]) -> None:
    shown = browser.wait_for_text("#verdict", "Decided by")
    assert ("▲ Harmful" in shown) is expected["harmful"]
    assert f"{expected['probability'] * 100:.1f}%" in shown.split("calibrated")[0]


def _classify_requests(server: ServerProcess) -> float:
    lines = server.get("/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("postern_requests_total") and "/classify" in line
    )


def test_the_switch_is_there_only_where_it_was_asked_for(browser: Browser) -> None:
    with ServerProcess(["-m", "postern", "serve"], PATIENT) as plain:
        plain.wait_until_ready()
        browser.open(plain.url + "/")
        browser.wait_for_text("#model", "postern-minilm")
        assert not browser.find("#device").is_displayed()
        for path in ("/artifact/manifest.json", "/on_device/index.js", "/service_worker.js"):
            assert plain.get(path).status_code == 404
