"""A real headless Chromium, driven as a person would: by clicks, keys and what is on the screen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.system_packages import require

# Only against hangs.
WAIT_S = 60.0

# Nothing but the page may reach for the network, and /dev/shm is small in containers.
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--disable-default-apps", "--no-proxy-server"),
)


class Browser:
    """One Chromium with a profile of its own below `folder`; downloads land in `downloads`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        chromium, chromedriver = require("chromium", "chromedriver")
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*_FLAGS, *flags, f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(chromedriver))
        self.origin = ""
        self.driver.execute_cdp_cmd(
            "Browser.setDownloadBehavior",
            {"behavior": "allow", "downloadPath": str(self.downloads)},
        )

    def close(self) -> None:
        self.driver.quit()

    def open(self, url: str, *, languages: str = "en-US,en") -> None:
        """A fresh load, at the size of a desk, in light colours, with empty logs.

        languages: those that the browser asks for, the dearest first.
        """
        self.driver.get("about:blank")
        agent = self.run("return navigator.userAgent")
        asked = {"userAgent": agent, "acceptLanguage": languages}
        self.driver.execute_cdp_cmd("Emulation.setUserAgentOverride", asked)
        self.look(width=1100, height=900, scheme="light")
        for log in ("browser", "performance"):
            self.log(log)
        self.origin = "/".join(url.split("/")[:3]) + "/"
        self.driver.get(url)

    def look(self, *, width: int, height: int, scheme: str) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    # --- what is there ---------------------------------------------------------------------

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str) -> str:
        """Visible text of the first match; empty where there is none."""
        found = self.all(css)
        return found[0].text if found else ""

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], what: str = "the page") -> Any:
        """The first true value of the condition."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            try:
                if value := condition():
                    return value
            except StaleElementReferenceException:
                pass
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}: {self.text('body')}")

    def wait_for_text(self, css: str, part: str) -> str:
        return str(self.wait(lambda: part in (t := self.text(css)) and t, f"{part!r} in {css}"))

    def focused(self) -> str:
        """The id of the focused element, or its text where it has none."""
        element = self.driver.switch_to.active_element
        return element.get_attribute("id") or element.text

    # --- what a person does ----------------------------------------------------------------

    def click(self, css: str) -> None:
        self.find(css).click()

    def type(self, css: str, text: str) -> None:
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def paste(self, css: str, text: str) -> None:
        """As the clipboard does: all at once, with the event."""
        field = self.find(css)
        field.clear()
        field.click()
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, modifier: str, key: str) -> None:
        chain = webdriver.ActionChains(self.driver)
        chain.key_down(modifier).send_keys(key).key_up(modifier).perform()

    def tab(self) -> str:
        self.press(Keys.TAB)
        return self.focused()

    def choose(self, css: str, label: str) -> None:
        (option,) = [
            o for o in self.find(css).find_elements(By.TAG_NAME, "option") if o.text == label
        ]
        option.click()

    def downloaded(self, name: str) -> bytes:
        path = self.downloads / name
        self.wait(path.exists, name)
        return path.read_bytes()

    # --- what it did behind the screen -----------------------------------------------------

    def log(self, kind: str) -> list[dict[str, Any]]:
        """What was written into one of the browser's logs since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def console(self) -> list[str]:
        """What the console says since the last call; replies with an error status are left out."""
        return [
            entry["message"]
            for entry in self.log("browser")
            if "Failed to load resource" not in entry["message"]
        ]

    def requested(self) -> list[str]:
        """Every URL that was asked for since the last call."""
        messages = [json.loads(one["message"])["message"] for one in self.log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
