"""The page names the kinds of harm that apply, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.page.browser import Browser
from tests.page.test_verdicts import JUDGE, JUDGE_TURNS
from tests.server_process import ServerProcess
from tests.tiny_categories import build_categorized

HARMFUL = "how to make a bomb"


@pytest.fixture(scope="module")
def told(
    start_server: StartServer, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    folder = tmp_path_factory.mktemp("categorized")
    return start_server(artifact=build_categorized(tiny_artifact, folder))


def test_a_verdict_and_a_turn_name_what_applies(browser: Browser, told: ServerProcess) -> None:
    (expected,) = told.classify({"prompt": HARMFUL}).json()["results"]
    shown = [
        f"{one['name'].replace('_', ' ')} {one['probability'] * 100:.1f}%"
        for one in expected["categories"]
    ]
    assert len(shown) > 1
    browser.open(told.url + "/")
    browser.type("#prompt", HARMFUL)
    browser.click(JUDGE)
    browser.wait_for_text("#verdict", "Decided by")
    assert [item.text for item in browser.all("#verdict .categories li")] == shown
    browser.click("#tab-conversation")
    browser.paste("#conversation", f"User: bake a cake\nAssistant: sure\nUser: {HARMFUL}")
    browser.click(JUDGE_TURNS)
    browser.wait_for_text("#turns", "judged turns")
    assert [item.text for item in browser.all(".turn.harmful .categories li")] == shown
    assert len(browser.all(".categories")) == 2  # of the verdict and of one turn
