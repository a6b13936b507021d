"""Azure's own client against a student that tells categories apart; and Azure's errors."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import StartServer
from tests.documents import URL, code_of
from tests.end_to_end.dialects import AZURE, assert_fails
from tests.end_to_end.test_dialects import shape
from tests.server_process import HANG_S, ROOT, ServerProcess
from tests.tiny_categories import HEAD, build_categorized
from tests.venvs import made_venv

pytestmark = pytest.mark.slow

PATH: Final = "/contentsafety/text:analyze"
HARMFUL: Final = "how to make a bomb"
KEY: Final = {"Ocp-Apim-Subscription-Key": "YOUR_KEY"}
PAGE = (ROOT / "docs/guides/gateways.md").read_text()
OTHER_TEAM: Final = {"Ocp-Apim-Subscription-Key": "other-team"}
POLICIES: Final = f"""
[policies.default]
[[policies.default.lists]]
name = "games"
action = "block"
phrases = ["Blackjack", "Roulette  Table", "poker"]
patterns = ['\\bbet-\\d{{4}}\\b']
[[policies.default.lists]]
name = "projects"
action = "block"
phrases = ["project hexagon"]
[[policies.default.lists]]
name = "answers"
action = "block"
phrases = ["poker"]
on = ["pair"]
[[policies.default.lists]]
name = "known"
action = "allow"
phrases = ["poker"]

[policies.other]
keys = ["sha256:{hashlib.sha256(b"other-team").hexdigest()}"]
lists = []
"""
# What the tiny head's labels cover of Azure's categories; it judges no self-harm and no hate alone.
JUDGED: Final = ["Hate", "Sexual", "Violence"]


@pytest.fixture(scope="module")
def told(
    start_server: StartServer, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> ServerProcess:
    policies = tmp_path_factory.mktemp("policies") / "policies.toml"
    policies.write_text(POLICIES)
    categorized = build_categorized(tiny_artifact, tmp_path_factory.mktemp("categorized"))
    return start_server(artifact=categorized, api_keys="YOUR_KEY,other-team", policies=policies)


def analyze(server: ServerProcess, **body: Any) -> Any:
    reply = server.post(PATH, json={"text": HARMFUL} | body, headers=KEY)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_documented_request(told: ServerProcess) -> None:
    golden = json.loads((ROOT / "tests/golden/dialects/azure_analyze_text.json").read_text())
    reply = told.post(golden["path"], json=golden["request"], headers=KEY).json()
    beside = {one for one in shape(reply) if one[0].split(".")[0] in golden["ours_beside"]}
    assert shape(reply) - beside == shape(golden["documented_reply"])
    assert beside


def test_a_category_that_applies_is_medium_or_more(told: ServerProcess) -> None:
    """`weapons` applies to whatever is harmful, and `violence` to nothing."""
    reply = analyze(told, outputType="EightSeverityLevels")
    found = {one["category"]: one["severity"] for one in reply["categoriesAnalysis"]}
    assert list(found) == JUDGED
    assert found["Violence"] >= 4
    body = {"prompt": HARMFUL, "categories": "all"}
    (ours,) = told.classify(body, X_API_Key="YOUR_KEY").json()["results"]
    by_name = {one["name"]: one for one in ours["categories"]}
    rows = {
        "Hate": ["harassment"],
        "Sexual": ["sexual_minors"],
        "Violence": ["weapons", "violence"],
    }
    for category, labels in rows.items():
        applies = any(by_name[label]["applies"] for label in labels)
        assert (found[category] >= 4) is applies, category
    four = {one["category"]: one["severity"] for one in analyze(told)["categoriesAnalysis"]}
    assert four == {name: severity // 2 * 2 for name, severity in found.items()}
    calm = analyze(told, text="how to bake a cake")
    assert all(one["severity"] < 4 for one in calm["categoriesAnalysis"])
    assert calm["postern"]["harmful"] is False
    assert set(HEAD.names) == set(by_name)


def test_what_is_not_judged_is_refused_in_azure_s_shape(
    told: ServerProcess, server: ServerProcess
) -> None:
    for body, inner in (
        ({"text": "cake", "categories": ["SelfHarm"]}, "UnsupportedContent"),
        ({"text": "cake", "blocklistNames": ["games", "zzmarkerzz"]}, "UnknownBlocklist"),
        ({"text": "cake", "blocklistNames": ["answers"]}, "UnknownBlocklist"),
        ({"text": "cake", "blocklistNames": ["known"]}, "UnknownBlocklist"),
        ({"text": "cake", "blocklistNames": [""]}, "UnknownBlocklist"),
        ({"text": "cake", "blocklistNames": "games"}, "BodyMismatch"),
        ({"text": "", "blocklistNames": ["games"], "haltOnBlocklistHit": True}, "EmptyPrompt"),
        ({"text": ""}, "EmptyPrompt"),
        ({"text": 3}, "BodyMismatch"),
    ):
        reply = told.post(PATH, json=body, headers=KEY)
        assert reply.status_code == 400, body
        error = reply.json()["error"]
        assert list(error) == ["code", "message", "details", "innererror"]
        assert (error["code"], error["innererror"]["code"]) == ("InvalidRequestBody", inner)
        assert "zzmarkerzz" not in reply.text
    # Without policies, or under another one, the same list is unknown: it never seems to be read.
    named = {"text": "cake", "blocklistNames": ["games"]}
    for other in (told.post(PATH, json=named, headers=OTHER_TEAM), server.post(PATH, json=named)):
        assert other.status_code == 400
    assert told.post(PATH, json={"text": "cake"}, headers=OTHER_TEAM).status_code == 200
    reply = told.post("/contentsafety/text:shieldPrompt", json={}, headers=KEY)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert "text:shieldPrompt" in reply.json()["error"]["message"]
    # An artifact without categories has no severities.
    reply = server.post(PATH, json={"text": "cake"})
    assert reply.json()["error"]["message"].endswith("these can: none")


def match(name: str, place: str, text: str) -> dict[str, str]:
    return {"blocklistName": name, "blocklistItemId": place, "blocklistItemText": text}


def test_blocklists_are_those_of_the_policy(told: ServerProcess) -> None:
    text = "is BLACKJACK at the  roulette table for bet-1234 in project hexagon"
    both = analyze(told, text=text, blocklistNames=["projects", "games", "games"])
    found = [
        match("games", "phrases.0", "Blackjack"),
        match("games", "phrases.1", "Roulette  Table"),
        match("games", "patterns.0", ""),  # the expression is not told, and neither is the text
        match("projects", "phrases.0", "project hexagon"),
    ]
    assert both["blocklistsMatch"] == found
    assert [one["category"] for one in both["categoriesAnalysis"]] == JUDGED
    assert (both["postern"]["decided_by"], both["postern"]["list_name"]) == ("list", "games")
    one = analyze(told, text=text, blocklistNames=["projects"])
    assert one["blocklistsMatch"] == found[3:]
    # A policy's lists decide whether they are named or not; only named ones are listed.
    unnamed = analyze(told, text=text)
    assert (unnamed["blocklistsMatch"], unnamed["postern"]["harmful"]) == ([], True)
    encoded = base64.b64encode(b"shall we play blackjack this evening").decode()
    disguised = analyze(told, text=f"read {encoded}", blocklistNames=["games"])
    assert disguised["blocklistsMatch"] == found[:1]
    assert analyze(told, text="cake", blocklistNames=["games"])["blocklistsMatch"] == []


def test_a_hit_halts_the_analysis_where_that_is_asked(told: ServerProcess) -> None:
    def sample(line: str) -> float:
        text = told.get("/metrics", headers={"X-API-Key": "YOUR_KEY"}).text
        values = [one.rpartition(" ") for one in text.splitlines()]
        return next((float(value) for name, _, value in values if name == line), 0.0)

    listed = 'postern_verdicts_total{decided_by="list",verdict="harmful"}'
    batches = "postern_batch_windows_count"
    before, scored = sample(listed), sample(batches)
    assert scored > 0  # of the start's own forward pass
    asked = {"text": "a poker night", "blocklistNames": ["games"], "haltOnBlocklistHit": True}
    reply = told.post(PATH, json=asked, headers=KEY)
    assert reply.json() == {
        "blocklistsMatch": [match("games", "phrases.2", "poker")],
        "categoriesAnalysis": [],
        "postern": None,
    }
    assert reply.headers["x-postern-harmful"] == "true"
    assert sample(listed) == before + 1
    assert sample(batches) == scored  # the student was not asked
    calm = analyze(told, text="a cake", blocklistNames=["games"], haltOnBlocklistHit=True)
    assert [one["category"] for one in calm["categoriesAnalysis"]] == JUDGED
    assert sample(batches) > scored
    assert "poker" not in told.stderr()


def test_errors_have_azure_s_shape(told: ServerProcess) -> None:
    """Those of the server itself are in test_dialect_errors and test_overload."""
    text = {"text": "cake"}
    json_type = {"Content-Type": "application/json"}
    for sent, status, slug in (
        ({"content": b'{"text": "zzmarkerzz', "headers": json_type}, 400, "malformed-body"),
        ({"content": b'{"text": "\\ud800"}', "headers": json_type}, 400, "malformed-body"),
        ({"json": text | {"zzmarkerzz": 1}}, 422, "body-mismatch"),
        ({"json": text, "headers": {"X-Request-Timeout-Ms": "soon"}}, 400, "invalid-header"),
        (
            {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
            415,
            "unsupported-media-type",
        ),
        ({"json": {"text": "a" * 100_001}}, 413, "exchange-too-long"),
        ({"content": b"{" * (2 << 20), "headers": json_type}, 413, "body-too-large"),
        (
            {"json": text, "headers": {"X-Postern-Operating-Point": "zz"}},
            422,
            "unknown-operating-point",
        ),
    ):
        given: dict[str, Any] = dict(sent)
        reply = told.post(PATH, **given | {"headers": KEY | given.get("headers", {})})
        assert_fails(reply, AZURE, status, slug)
    assert_fails(told.get(PATH, headers=KEY), AZURE, 405, "method-not-allowed")


def test_a_key_where_azure_s_clients_put_it(told: ServerProcess) -> None:
    body = {"text": "cake"}
    for headers in ({}, {"Ocp-Apim-Subscription-Key": "other"}):
        reply = told.post(PATH, json=body, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "401")
    # Elsewhere such a header opens nothing.
    assert told.post("/classify", json={"prompt": "cake"}, headers=KEY).status_code == 401
    assert told.post(PATH, json=body, headers={"X-API-Key": "YOUR_KEY"}).status_code == 200


def test_azure_s_client_runs_what_the_guide_shows(told: ServerProcess) -> None:
    (code,) = code_of(PAGE, "python")
    more = """
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
text = "how to make a bomb"
found = client.analyze_text(AnalyzeTextOptions(text=text, output_type="EightSeverityLevels"))
print(max(one.severity for one in found.categories_analysis if one.category == "Violence"))
bet = AnalyzeTextOptions(
    text="a poker night", blocklist_names=["games"], halt_on_blocklist_hit=True
)
found = client.analyze_text(bet)
(one,) = found.blocklists_match
print(one.blocklist_name, one.blocklist_item_id, one.blocklist_item_text)
print(len(found.categories_analysis))
try:
    client.analyze_text(AnalyzeTextOptions(text=text, blocklist_names=["mine"]))
except HttpResponseError as exc:
    print(exc.status_code, exc.error.code)
try:
    ContentSafetyClient(client._config.endpoint, AzureKeyCredential("other")).analyze_text(
        AnalyzeTextOptions(text=text)
    )
except ClientAuthenticationError as exc:
    print(exc.status_code)
"""
    done = subprocess.run(
        [made_venv("gateways") / "python", "-c", code.replace(URL, told.url) + more],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *severities, violence, listed, judged, refused, denied = done.stdout.splitlines()
    assert [one.split()[0].rpartition(".")[2] for one in severities] == JUDGED
    assert int(violence) >= 4
    assert (listed, judged) == ("games phrases.2 poker", "0")
    assert (refused, denied) == ("400 InvalidRequestBody", "401")
