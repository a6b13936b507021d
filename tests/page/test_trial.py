"""The page says what only audits and what is in the shadow, and counts what they would change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.end_to_end.test_audit import HOOK, guardrail
from tests.page.browser import Browser
from tests.server_process import ServerProcess
from tests.tiny_categories import build_categorized


def test_audit_mode_is_shown(browser: Browser, start_server: StartServer) -> None:
    server = start_server(route_modes=json.dumps({HOOK: "audit"}))
    guardrail(server, texts=["a bomb"])
    guardrail(server, texts=["a cake"])
    browser.open(server.url + "/#figures")
    shown = browser.wait_for_text("#mode", "Audit mode")
    assert shown == f"Audit mode: nothing is blocked on {HOOK}."
    browser.wait_for_text("#figures", "Would have been blocked\n1\n50.0% of 2")


def test_modes_of_policies_are_shown(
    browser: Browser,
    start_server: StartServer,
    tiny_artifact: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A policy audits while the server enforces, or the other way round; or for some categories."""
    folder = tmp_path_factory.mktemp("policies")
    artifact = build_categorized(tiny_artifact, folder)
    file = folder / "policies.toml"
    file.write_text(
        '[policies.strict]\nmode = "enforce"\n[policies.plain]\n'
        '[policies.newcomer]\nmode = "audit"\n[policies.guest]\nmode = "audit"\n'
        '[policies.some]\ncategories.weapons.mode = "audit"\ncategories.violence.mode = "audit"\n'
    )
    audited = (
        "Policies guest and newcomer: nothing is blocked. "
        "Policy some: nothing is blocked for violence and weapons alone."
    )
    server = start_server(artifact=artifact, policies=file)
    browser.open(server.url)
    assert browser.wait_for_text("#mode", "guest") == audited
    server = start_server(artifact=artifact, policies=file, route_modes=json.dumps({HOOK: "audit"}))
    browser.open(server.url)
    assert browser.wait_for_text("#mode", "guest") == (
        f"Audit mode: nothing is blocked on {HOOK}. "
        f"Policy strict: harm is blocked all the same. {audited}"
    )


def test_enforcing_needs_no_words(browser: Browser, server: ServerProcess) -> None:
    browser.open(server.url + "/#figures")
    browser.wait_for_text("#model", "tiny")
    browser.wait_for_text("#figures", "Verdicts")
    assert browser.text("#mode") == ""
    assert "Would have been blocked" not in browser.text("#figures")


def test_a_shadow_is_shown(
    browser: Browser, start_server: StartServer, tiny_artifact: Path
) -> None:
    server = start_server(shadow_artifact=tiny_artifact, shadow_share=1)
    for prompt in ("a bomb", "a cake"):
        server.classify({"prompt": prompt})
    server.wait_for_metric('postern_shadow_exchanges_total{outcome="judged"}', 2)
    browser.open(server.url + "/#figures")
    browser.wait_for_text("#model", "tiny 0.0.1, with tiny 0.0.1 in the shadow")
    browser.wait_for_text("#figures", "In the shadow\n2")
    browser.wait_for_text("#figures", "balanced: 0 to harmful, 0 to unharmful")
