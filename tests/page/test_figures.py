"""The live figures are those of /metrics; and how the page looks in every light and width."""

from __future__ import annotations

import re
import time

import pytest

from tests.conftest import StartServer
from tests.page.browser import Browser
from tests.server_process import ServerProcess


def _card(browser: Browser, title: str) -> str:
    return next((c.text for c in browser.all("#figures .card") if c.text.startswith(title)), "")


def test_they_are_those_of_the_server(browser: Browser, start_server: StartServer) -> None:
    server = start_server()
    for prompt in ("cake", "bomb", "read a book"):
        server.classify({"prompt": prompt})
    server.classify({"prompt": "cake", "fallback": "always"})
    server.classify({"prompt": ""})
    browser.open(server.url + "/#figures")
    browser.wait_for_text("#figures", "4\n1 harmful (25.0%), 3 not")
    assert "1\n25.0% of the verdicts; 1 degraded" in _card(browser, "Deferred")
    assert "1\nempty-prompt: 1" in _card(browser, "Refused")
    assert "5 since the start" in _card(browser, "Requests per second")
    said = browser.find("#figures .wide svg").get_attribute("aria-label") or ""
    assert sum(int(count) for count in re.findall(r": (\d+)", said)) == 4

    for _ in range(20):
        server.classify({"prompt": "cake"})
    browser.wait(lambda: "25 since" in _card(browser, "Requests per second"), "the new requests")
    assert float(_card(browser, "Requests per second").split("\n")[1]) > 0
    middle, slow = (
        float(_card(browser, f"Latency, {name}").split("\n")[1].removesuffix(" ms"))
        for name in ("median", "slowest")
    )
    assert 0 < middle <= slow


def test_they_can_be_paused(browser: Browser, start_server: StartServer) -> None:
    server = start_server()
    browser.open(server.url + "/#figures")
    browser.wait_for_text("#figures", "Verdicts\n0\nnone yet")
    browser.click("#figures-pause")
    browser.wait_for_text("#figures-status", "Paused")
    time.sleep(3)  # a poll that was under way has ended
    scraped = server.metric('postern_requests_total{route="/metrics",status="200"}')
    time.sleep(5)
    again = server.metric('postern_requests_total{route="/metrics",status="200"}')
    assert again == scraped + 1  # our own
    server.classify({"prompt": "cake"})
    browser.click("#figures-pause")
    browser.wait_for_text("#figures", "0 harmful (0.0%), 1 not")


def test_a_server_that_stops_is_said(browser: Browser, start_server: StartServer) -> None:
    server = start_server()
    browser.open(server.url + "/#figures")
    browser.wait_for_text("#figures", "Verdicts")
    server.stop()
    browser.wait_for_text("#figures-error", "does not answer")
    assert "no longer live" in browser.text("#figures-status")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1100])
def test_every_view_fits_its_screen(
    browser: Browser, server: ServerProcess, width: int, scheme: str
) -> None:
    browser.open(server.url + "/")
    browser.look(width=width, height=800, scheme=scheme)
    browser.wait_for_text("#thresholds", "0.500")
    browser.paste("#prompt", f"{'book ' * 100} {'x' * 300} bomb")
    browser.choose("#fallback", "always")
    browser.click("#try-form button[type=submit]")
    browser.wait_for_text("#verdict", "Worst window")
    browser.click("#tab-conversation")
    browser.paste("#conversation", f"User: {'y' * 300}\nAssistant: sure")
    browser.click("#conversation-form button[type=submit]")
    browser.wait_for_text("#turns", "2. Assistant")
    for name in ("try", "conversation", "file", "figures"):
        browser.click(f"#tab-{name}")
        if name == "figures":
            browser.wait_for_text("#figures", "Probabilities")
        assert browser.run("return document.documentElement.scrollWidth") <= width, name
    colours = browser.run(
        "const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]"
    )
    ink, ground = (sum(int(n) for n in re.findall(r"\d+", colour)[:3]) for colour in colours)
    assert (ink < ground) == (scheme == "light")


def test_contrast_of_text_is_enough(browser: Browser, server: ServerProcess) -> None:
    """WCAG AA, 4.5 to 1, for each colour of text on each ground that it stands on."""
    pairs = [
        *((ink, ground) for ink in ("ink", "quiet") for ground in ("ground", "card")),
        *(("accent", "ground"), ("accent", "card"), ("accent-ink", "accent")),
        *((name, f"{name}-ground") for name in ("harmful", "unharmful", "warn")),
        *(("warn", "card"), ("ink", "harmful-ground")),
    ]
    for scheme in ("light", "dark"):
        browser.open(server.url + "/")
        browser.look(width=1100, height=900, scheme=scheme)
        for ink, ground in pairs:
            colours = browser.run(
                "const style = getComputedStyle(document.documentElement);"
                "return [...arguments].map((name) => style.getPropertyValue('--' + name).trim())",
                *(ink, ground),
            )
            first, second = sorted(map(_luminance, colours))
            assert (second + 0.05) / (first + 0.05) >= 4.5, (scheme, ink, ground)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_control_has_a_name(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/")
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    roles = {"button", "textbox", "combobox", "tab", "link", "progressbar", "region", "img"}
    nodes = [
        node
        for node in tree["nodes"]
        if not node.get("ignored") and node.get("role", {}).get("value") in roles
    ]
    assert len(nodes) >= 10
    for node in nodes:
        assert node.get("name", {}).get("value"), node["role"]
