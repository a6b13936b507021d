"""The page speaks the reader's language: one table for each, and every visible text is from it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.page.browser import Browser
from tests.page.test_file import judge, lines
from tests.page.test_served import FOLDER
from tests.page.test_verdicts import JUDGE, JUDGE_TURNS
from tests.server_process import ServerProcess

Table = dict[str, str | dict[str, str]]
TABLES: dict[str, Table] = {
    path.stem.removeprefix("words_"): json.loads(
        path.read_text("utf-8").partition("export default ")[2].rstrip("\n;")
    )
    for path in sorted(FOLDER.glob("words_*.js"))
}
ENGLISH = TABLES["en"]
SCRIPTS = [
    path
    for path in sorted(FOLDER.glob("*.js"))
    if not path.name.startswith("words_") and path.name != "service_worker.js"
]


def forms(entry: str | dict[str, str]) -> dict[str, str]:
    return {"other": entry} if isinstance(entry, str) else entry


def test_every_language_has_every_text_with_the_same_values() -> None:
    assert sorted(TABLES) == ["de", "en", "es", "fr"]
    for language, table in TABLES.items():
        assert list(table) == list(ENGLISH), language
        for key, entry in table.items():
            expected = forms(ENGLISH[key])
            assert forms(entry).keys() == expected.keys(), (language, key)
            for form, text in forms(entry).items():
                assert text.strip() == text != "", (language, key)
                values = sorted(set(re.findall(r"\{(\w+)\}", text)))
                assert values == sorted(set(re.findall(r"\{(\w+)\}", expected[form])))


def test_no_translation_is_left_out() -> None:
    """Words that are the same in two languages are few, and short."""
    for language in ("de", "es", "fr"):
        same = [
            key
            for key, entry in TABLES[language].items()
            if entry == ENGLISH[key] and re.search(r"[a-z]{3} [a-z]{3}", str(entry))
        ]
        assert same == [], language


def test_every_text_is_used_and_every_used_one_exists() -> None:
    code = "".join(path.read_text() for path in SCRIPTS) + (FOLDER / "index.html").read_text()
    named = set(re.findall(r'data-say(?:-[\w-]+)?="(\w+)"', code))
    # A call may choose between two: `say(harmful ? "turns_harmful" : "turns_none", …)`.
    for call in re.findall(r"\bsay\(([^`]*?)[,)]", code):
        named |= set(re.findall(r'"(\w+)"', call))
    for prefix in re.findall(r"\bsay\(`(\w+)\$\{", code):
        named |= {key for key in ENGLISH if key.startswith(prefix)}
    assert named == set(ENGLISH)


class _Shown(HTMLParser):
    """Texts and text attributes that the markup itself shows, outside of code and `noscript`."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "input"):
            self.open.append(tag)
        shown = ("placeholder", "aria-label", "title", "alt")
        self.found += [value for name, value in attrs if name in shown and value]

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"noscript", "code", "kbd"} & set(self.open):
            self.found += [data.strip()] if re.search(r"\w", data) else []


def test_the_markup_shows_no_text_of_its_own() -> None:
    assert _Shown((FOLDER / "index.html").read_text()).found == ["Postern", "Postern"]  # its name
    assert _Shown('<p title="a b">Some text</p>').found == ["a b", "Some text"]


PROSE = re.compile(r"[A-Za-z]{2,} [a-z]{2,}|[A-Z][a-z]+[.:]|^[A-Z][a-z]{2,}$")
# Errors of programmers, names of keys, headers and globals, and lists of class names.
NO_PROSE = re.compile(
    r"^(no text |only the service worker|Arrow|Home$|End$|Enter$|Content-Type|Retry-After)"
)


def prose_of(script: str) -> list[str]:
    code = re.sub(r"(?m)^\s*//.*$|/\*.*?\*/", "", script, flags=re.DOTALL)
    code = re.sub(r'class: ("[^"]*"|`[^`]*`)', "", code)
    literals = re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', code)
    texts = [re.sub(r"\$\{[^}]*\}", "", a or b) for a, b in literals]
    return [text for text in texts if PROSE.search(text) and not NO_PROSE.search(text)]


def test_no_script_has_a_text_of_its_own() -> None:
    assert {path.name: prose_of(path.read_text()) for path in SCRIPTS} == {
        path.name: [] for path in SCRIPTS
    }
    found = prose_of('h("p", {}, "The server is full"); f("Paused."); g(`${n} of them`)')
    assert found == ["The server is full", "Paused.", " of them"]


LONG = f"{'book ' * 100}bomb"


@pytest.mark.parametrize(
    ("asked", "language", "percent", "said"),
    [
        ("de-DE,de,en", "de", r"\d+,\d\s%", "Arbeitspunkt"),
        ("fr-CA,fr", "fr", r"\d+,\d\s%", "Point de fonctionnement"),
        ("it,es-MX,en", "es", r"\d+(\.|,)\d\s?%", "Punto de operación"),
        ("it-IT,it", "en", r"\d+\.\d%", "Operating point"),
    ],
)
def test_it_is_in_the_language_that_the_browser_asks_for(
    browser: Browser, server: ServerProcess, asked: str, language: str, percent: str, said: str
) -> None:
    browser.open(server.url + "/", languages=asked)
    assert browser.find("html").get_attribute("lang") == language
    assert said in browser.text("#options")
    browser.wait_for_text("#thresholds", "0.5" if language == "en" else "")
    browser.paste("#prompt", LONG)
    browser.click(JUDGE)
    table = TABLES[language]
    shown = browser.wait_for_text("#verdict", str(table["decided_by"]))
    assert str(table["harmful"]) in shown
    assert re.search(percent, browser.text("#verdict .headline strong"))
    assert _foreign(browser, language) == []


def test_every_view_is_in_german(browser: Browser, server: ServerProcess, tmp_path: Path) -> None:
    browser.open(server.url + "/", languages="de-DE,de")
    german = TABLES["de"]
    browser.wait_for_text("#thresholds", "Schädlich ab 0,500")
    browser.choose("#fallback", str(german["ask_always"]))
    browser.paste("#prompt", LONG)
    browser.click(JUDGE)
    assert "Eingeschränkt" in browser.wait_for_text("#verdict", "Schädlichstes Fenster")
    seen = _texts(browser)
    browser.click("#tab-conversation")
    browser.paste("#conversation", "User: make a bomb\nAssistant: sure")
    browser.click(JUDGE_TURNS)
    browser.wait_for_text("#turns", "2. Assistent")
    seen += _texts(browser)
    browser.paste("#conversation", "hello")
    browser.click(JUDGE_TURNS)
    browser.wait_for_text("#conversation-error", "Die erste Zeile muss")
    status = judge(browser, tmp_path / "a.jsonl", lines([{"prompt": "cake"}, {}]), said="Fertig in")
    assert "2 von 2 Zeilen: 0 schädlich, 1 nicht schädlich, 1 ohne Urteil." in status
    seen += _texts(browser)
    browser.click("#tab-figures")
    browser.wait_for_text("#figures", "Anfragen pro Sekunde")
    seen += _texts(browser)
    assert len(seen) > 60
    assert [text for text in seen if text in _only_english("de")] == []
    assert _foreign(browser, "de") == []


def _texts(browser: Browser) -> list[str]:
    """Every text of the document and its labels, shown at the moment or not."""
    script = """
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      const found = [];
      while (walker.nextNode()) found.push(walker.currentNode.data.trim());
      for (const node of document.querySelectorAll("[aria-label], [placeholder]"))
        found.push(node.getAttribute("aria-label"), node.getAttribute("placeholder"));
      return found.filter(Boolean);
    """
    return [str(text) for text in browser.run(script)]


def _only_english(language: str) -> set[str]:
    """Texts of the English table that this language has otherwise."""
    own = {form for entry in TABLES[language].values() for form in forms(entry).values()}
    all_ = {form for entry in ENGLISH.values() for form in forms(entry).values()}
    return all_ - own


def _foreign(browser: Browser, language: str) -> list[Any]:
    """Texts on the page that are of another language's table, and not of this one's."""
    own = {form for entry in TABLES[language].values() for form in forms(entry).values()}
    others = {
        form
        for name, table in TABLES.items()
        if name != language
        for entry in table.values()
        for form in forms(entry).values()
    } - own
    return [text for text in _texts(browser) if text in others]
