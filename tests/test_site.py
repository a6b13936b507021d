"""The site builds strictly, and its pages ask no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.server_process import HANG_S, ROOT

# Attributes that make a browser load something; links that a reader may follow are none of them.
_LOADS = {
    ("script", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("iframe", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("video", "src"),
    ("audio", "src"),
    ("embed", "src"),
    ("object", "data"),
    ("link", "href"),
}
_ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class Page(HTMLParser):
    """What a page loads, its classes, and its content security policies."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.styles: list[str] = []
        self.classes: set[str] = set()
        self.policies: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._in_style = tag == "style"
        self.classes |= set((given.get("class") or "").split())
        self.styles.append(given.get("style") or "")
        for name, value in attrs:
            if (tag, name) in _LOADS and value:
                self.loads.append(value)
        if tag == "meta" and (given.get("http-equiv") or "").lower() == "content-security-policy":
            self.policies.append(given.get("content") or "")

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        place = page.relative_to(ROOT / "docs").with_suffix("")
        built = place.parent if place.name == "index" else place
        assert (site / built / "index.html").is_file(), page


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert pages
    for path in pages:
        page = Page(path.read_text("utf-8"))
        assert page.loads, path
        assert [one for one in page.loads if _ELSEWHERE.match(one)] == [], path
        assert [one for one in page.styles if urls_elsewhere(one)] == [], path


def test_no_style_loads_anything_from_elsewhere(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for path in styles:
        assert urls_elsewhere(path.read_text("utf-8")) == [], path


def test_the_scripts_have_no_reason_to_ask_elsewhere(site: Path) -> None:
    """The theme's ask others for diagrams and for a repository's figures; no page has either."""
    for path in site.rglob("*.html"):
        page = Page(path.read_text("utf-8"))
        assert "mermaid" not in page.classes, path
        assert "md-source" not in page.classes, path


def test_the_browser_would_refuse_it(site: Path) -> None:
    for path in site.rglob("*.html"):
        (policy,) = Page(path.read_text("utf-8")).policies
        rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
        assert rules["default-src"] == "'self'", path
        allowed = {"'self'", "'unsafe-inline'", "data:", "blob:"}
        assert {one for sources in rules.values() for one in sources.split()} <= allowed, path


def urls_elsewhere(style: str) -> list[str]:
    """What a style sheet loads from other hosts."""
    loaded = re.findall(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", style)
    return [one for pair in loaded for one in pair if _ELSEWHERE.match(one)]


def test_a_style_from_elsewhere_is_noticed() -> None:
    assert urls_elsewhere("a { background: url( 'https://example.org/a.png') }")
    assert urls_elsewhere('@import "//example.org/a.css";')
    assert not urls_elsewhere("a { background: url(data:image/svg+xml;x) url(../b.png) }")


def test_what_a_page_loads_is_noticed() -> None:
    page = Page('<script src="https://a/b.js"></script><a href="https://c">d</a><img src="e.png">')
    assert page.loads == ["https://a/b.js", "e.png"]
