"""One contender in a headless Chromium of its own, and Postern's server as another contender."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from loadtests.on_device.engines import CHROMIUM_FLAGS, found
from loadtests.on_device.texts import MARKS
from loadtests.own_server import started
from loadtests.watch import Watch, tree

_SCRIPT_S: Final = 600.0
_SETTLED_S: Final = 1.0
# A phone of 2023, as Chromium's own list of devices has it.
_PHONE: Final = {"width": 412, "height": 915, "deviceScaleFactor": 2.625, "mobile": True}
_DESK: Final = {"width": 1100, "height": 900, "deviceScaleFactor": 1, "mobile": False}


@dataclass(frozen=True)
class Cold:
    """From nothing to the first verdict."""

    wall_ms: float
    processor_ms: float


class Contender(Protocol):
    def judge(self, prompts: Sequence[str], tokens: int) -> list[float]:
        """Milliseconds of each verdict. Raises ValueError if a window is not of `tokens`."""

    def processor_s(self) -> float:
        """Processor time of all of its processes until now."""

    def peak_mb(self) -> float:
        """The most memory that its largest process held."""


class Page:
    """A page that holds one contender, in a Chromium with an empty profile."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self._driver = driver
        # The first that the driver started is the browser, of which all others are children.
        root = driver.service.process.pid
        self._browser = Watch(min(pid for pid in tree(root) if pid != root))
        before = self.processor_s()
        driver.get(url)
        ready = self._ask("globalThis.ready.then(done)")
        if "error" in ready:
            raise RuntimeError(f"{url}: {ready['error']}")
        self.cold = Cold(ready["ms"], (self.processor_s() - before) * 1000.0)

    def _ask(self, script: str, *arguments: Any) -> Any:
        head = "const done = arguments[arguments.length - 1];"
        return self._driver.execute_async_script(head + script, *arguments)

    def judge(self, prompts: Sequence[str], tokens: int) -> list[float]:
        told = self._ask("globalThis.judge(arguments[0]).then(done)", list(prompts))
        for one in told:
            # transformers.js does not tell what it read.
            if one["tokens"] not in (None, tokens - MARKS) or one["windows"] not in (None, 1):
                raise ValueError(f"a prompt of {tokens} tokens was read as {one['tokens']}")
        return [float(one["ms"]) for one in told]

    def slowed(self) -> dict[str, float]:
        """Milliseconds of the same counting in the page's thread and in a worker."""
        told: dict[str, float] = self._ask("globalThis.counting().then(done)")
        return told

    def processor_s(self) -> float:
        return self._browser.usage().cpu_s

    def peak_mb(self) -> float:
        return max(map(_peak_mb, tree(self._browser.pid or 0)))


@contextmanager
def page(url: str, *, slowdown: float = 1.0, phone: bool = False) -> Iterator[Page]:
    """The page at `url`, loaded, in a Chromium of its own.

    slowdown: how many times slower Chromium makes the page's thread. Raises RuntimeError if the
    page gave no first verdict.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = found("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = Service(found("chromedriver"))
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_script_timeout(_SCRIPT_S)
            driver.set_page_load_timeout(_SCRIPT_S)
            screen = _PHONE if phone else _DESK
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": slowdown})
            time.sleep(_SETTLED_S)
            yield Page(driver, url)
        finally:
            driver.quit()


class Server:
    """Postern's server with its defaults, asked over HTTP on the loopback interface."""

    def __init__(self, url: str, pid: int, since: float) -> None:
        self._watch = Watch(pid)
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_SCRIPT_S)
        self._classify("How do I bake bread?")
        self.cold = Cold((time.perf_counter() - since) * 1000.0, self.processor_s() * 1000.0)

    def _classify(self, prompt: str) -> Any:
        head = {"Content-Type": "application/json"}
        self._link.request("POST", "/classify", json.dumps({"prompt": prompt}), head)
        reply = self._link.getresponse()
        content = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"the server said {reply.status}")
        return json.loads(content)

    def judge(self, prompts: Sequence[str], tokens: int) -> list[float]:
        # The server ends a connection that was idle while the others had their turn.
        self._link.close()
        times = []
        for prompt in prompts:
            before = time.perf_counter()
            (result,) = self._classify(prompt)["results"]
            times.append((time.perf_counter() - before) * 1000.0)
            if result["tokens"] != tokens - MARKS or result["windows"] != 1:
                raise ValueError(f"a prompt of {tokens} tokens was read as {result['tokens']}")
        return times

    def close(self) -> None:
        self._link.close()

    def processor_s(self) -> float:
        return self._watch.usage().cpu_s

    def peak_mb(self) -> float:
        return max(map(_peak_mb, tree(self._watch.pid or 0)))


@contextmanager
def server(artifact: Path) -> Iterator[Server]:
    since = time.perf_counter()
    with started(artifact=artifact) as own:
        asked = Server(own.url, own.pid, since)
        try:
            yield asked
        finally:
            asked.close()


def _peak_mb(pid: int) -> float:
    """Zero for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmHWM:"))
