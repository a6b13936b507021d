"""How the page is served: strict headers, complete, nothing but itself, and only where wanted."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.page.browser import Browser
from tests.server_process import ROOT, ServerProcess

FOLDER = ROOT / "app/postern/page"
FILES = sorted(path.name for path in FOLDER.iterdir())


class _Links(HTMLParser):
    """Every reference of the markup, and every inline script or style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.links += [str(names[name]) for name in ("src", "href") if name in names]
        self.inline += [name for name in names if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in FILES)])
def test_every_file_carries_the_strict_headers(server: ServerProcess, path: str) -> None:
    reply = server.get(path)
    assert reply.status_code == 200
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "connect-src", "img-src"), "'self'"),
        **dict.fromkeys(("frame-ancestors", "base-uri", "form-action"), "'none'"),
        "require-trusted-types-for": "'script'",
    }
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["x-frame-options"] == "DENY"
    name = path.removeprefix("/page/").lstrip("/") or "index.html"
    assert reply.content == (FOLDER / name).read_bytes()
    kinds = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
    kinds |= {".webmanifest": "application/manifest+json"}
    expected = kinds.get(Path(name).suffix, "image/svg+xml")
    assert reply.headers["content-type"].startswith(expected)


@pytest.mark.parametrize(
    "path", ["/page/", "/page/none.js", "/page/..%2fmain.py", "/page/../main.py", "/page/%00"]
)
def test_nothing_else_is_served(server: ServerProcess, path: str) -> None:
    assert server.get(path).status_code == 404


def test_it_is_whole_and_has_nothing_inline() -> None:
    found = _Links((FOLDER / "index.html").read_text())
    assert found.inline == []
    for link in found.links:
        assert link.startswith("#") or link == "docs" or (FOLDER.parent / link).is_file(), link
    for name in FILES:
        text = (FOLDER / name).read_text()
        assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
        for other in re.findall(r'from "\./([\w.]+)"', text):
            assert other in FILES, f"{name} imports {other}"
        assert len(text.splitlines()) < 300, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


@pytest.mark.parametrize(
    "breach",
    [
        "document.body.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))",
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.setAttribute('style', 'color: red')",
        "fetch('https://example.invalid/')",
        "document.body.append(Object.assign(new Image(), {src: 'https://example.invalid/x.png'}))",
    ],
)
def test_the_policy_stops_and_tells(browser: Browser, server: ServerProcess, breach: str) -> None:
    """Each is stopped, and shows in the console that every other test finds empty."""
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny")
    browser.run(
        "document.body.addEventListener('click', () => { try { " + breach + " } catch {} },"
        " {once: true})"
    )
    browser.click("#tab-file")
    messages: list[str] = []

    def complaints() -> list[str]:
        messages.extend(browser.console())
        return messages

    browser.wait(complaints, "a complaint")
    assert any("Content Security Policy" in m or "Trusted" in m for m in messages)
    assert browser.run("return typeof x") == "undefined"
    browser.open(server.url + "/")  # so that what was tried here is not held against the page


def test_it_can_be_switched_off(start_server: StartServer) -> None:
    server = start_server(page="false")
    assert server.get("/").status_code == 405  # where TEI's clients post
    assert server.get("/page/script.js").status_code == 404
    assert server.classify({"prompt": "cake"}).status_code == 200


def test_the_page_asks_for_no_key_but_what_it_shows_does(start_server: StartServer) -> None:
    server = start_server(api_keys="zzsecretzz")
    assert server.get("/").status_code == 200
    assert server.get("/page/script.js").status_code == 200
    for path in ("/info", "/metrics"):
        assert server.get(path).status_code == 401
    assert server.classify({"prompt": "cake"}).status_code == 401


def test_requests_for_files_make_few_series(server: ServerProcess) -> None:
    for index in range(20):
        server.get(f"/page/made-up-{index}.js")
    text = server.get("/metrics").text
    assert "made-up" not in text
    assert 'route="/page/{asset}"' in text


def test_it_says_that_texts_are_kept(
    browser: Browser, start_server: StartServer, server: ServerProcess, tmp_path: Path
) -> None:
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny 0.0.1")
    assert not browser.find("#feedback").is_displayed()
    keeping = start_server(feedback_file=tmp_path / "labels.jsonl", feedback_keep_s=600)
    browser.open(keeping.url + "/")
    browser.wait_for_text("#feedback", "keeps what you send for 10 minutes")
