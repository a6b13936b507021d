"""A file of policies: what it may say, what it inherits, and that a wrong one is rejected whole."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.artifact import Artifact
from postern.contract.categories import CategoryHead, CategoryLabel
from postern.contract.policy_errors import PoliciesInvalid, RateExceeded
from postern.policies.binding import Ground, bind
from postern.policies.book import PolicyBook
from postern.policies.records import PLAIN, CallerPolicy, LimitRule, Policies

from tests.server_process import ROOT

KEYS = [hashlib.sha256(key).digest() for key in (b"one", b"two")]
HEAD = CategoryHead(
    labels=(CategoryLabel(name="weapons", covers=("weapons",), scale=1.0, bias=0.0, threshold=0.5),)
)


def key(number: int) -> str:
    return f"sha256:{KEYS[number - 1].hex()}"


def read(artifact: Artifact, text: str, **more: Any) -> Policies:
    given_: dict[str, Any] = {"head": HEAD, "keys": KEYS, "limits": {"max_items": 100}} | more
    return bind(text.encode(), Ground(artifact.manifest.policy, **given_))


def test_a_policy_says_everything_it_may(artifact: Artifact) -> None:
    found = read(
        artifact,
        f"""
        [policies.default]
        operating_point = "strict"

        [policies.children]
        keys = ["{key(2)}"]
        thresholds = 0.2
        mode = "audit"
        fallback = "never"
        on_teacher_failure = "block"
        on_unsupported_language = "block"
        options = "refuse"
        languages.de = {{ thresholds = {{ pair = 0.25 }} }}
        categories.weapons = {{ thresholds = 0.1, applies_from = 0.3, mode = "audit" }}
        block = {{ reply = "error", text = "No.", status = 403 }}
        limits = {{ max_items = 7, requests_per_minute = 5 }}

        [[policies.children.lists]]
        name = "words"
        action = "block"
        phrases = ["bad word"]
        patterns = ['\\bx\\d+']
        reason = "house rules"
        on = ["prompt"]
        """,
    )
    assert found.of(0) is found.of(1) is found.by_name["default"]
    one = found.of(2)
    assert one is found.by_name["children"]
    assert dict(one.point.thresholds) == {"prompt": 0.2, "pair": 0.2}
    assert dict(one.languages["de"].thresholds) == {"pair": 0.25}
    assert one.categories is not None
    assert one.categories.labels[0].threshold == 0.3
    assert (one.block.as_error, one.block.text, one.block.status) == (True, "No.", 403)
    assert one.limits == LimitRule(max_items=7, requests_per_minute=5)
    assert one.fixes_options
    assert one.lists[0].matcher.matches("x12")
    assert one.lists[0].on == {"prompt"}


def test_without_a_default_the_rest_is_plain(artifact: Artifact) -> None:
    found = read(artifact, f'[policies.a]\nkeys = ["{key(1)}"]')
    assert found.of(2) is PLAIN
    assert found.of(1).name == "a"


def test_a_policy_takes_over_what_it_does_not_say(artifact: Artifact) -> None:
    found = read(
        artifact,
        f"""
        [policies.base]
        keys = ["{key(1)}"]
        thresholds = 0.4
        fallback = "never"
        limits.max_items = 9
        [[policies.base.lists]]
        name = "a"
        action = "block"
        phrases = ["a"]
        [[policies.base.lists]]
        name = "b"
        action = "block"
        phrases = ["b"]

        [policies.middle]
        extends = "base"
        thresholds.pair = 0.6
        limits.max_exchange_chars = 100
        [[policies.middle.lists]]
        name = "c"
        action = "allow"
        phrases = ["c"]
        [[policies.middle.lists]]
        name = "a"
        action = "allow"
        phrases = ["z"]

        [policies.last]
        extends = "middle"
        operating_point = "strict"
        """,
    )
    middle, last = found.by_name["middle"], found.by_name["last"]
    assert dict(middle.point.thresholds) == {"prompt": 0.4, "pair": 0.6}
    assert (middle.limits.max_items, middle.limits.max_exchange_chars) == (9, 100)
    assert [(one.name, one.action) for one in middle.lists] == [
        ("a", "allow"),
        ("b", "block"),
        ("c", "allow"),
    ]
    assert last.lists == middle.lists
    assert (last.fallback, last.point.operating_point) == ("never", "strict")
    assert not last.point.thresholds  # they would outweigh the point that it names
    assert found.of(1) is found.by_name["base"]
    assert middle.fingerprint != last.fingerprint


LIST = '[[policies.a.lists]]\nname = "x"\naction = "block"\n'
WRONG: dict[str, tuple[str, str]] = {
    "no TOML": ("x = = 1", "is not TOML: at line 3"),
    "nothing": ("", "policies: Field required"),
    "no policy": ("[policies]", "policies: "),
    "unknown name": ("[policies.a]\ncolour = 1", r"policies\.a\.colour: Extra"),
    "unknown table": ("[policies.a]\n[other]", "other: Extra"),
    "bad name": ('[policies."A b"]', r"policies\.A b"),
    "wrong type": ("[policies.a]\nthresholds = 'x'", r"policies\.a\.thresholds"),
    "text as number": ("[policies.a]\nthresholds.pair = '0.5'", r"thresholds\.pair"),
    "not a number": ("[policies.a]\nthresholds = nan", r"policies\.a\.thresholds"),
    "beyond one": ("[policies.a]\nthresholds = 1.5", r"policies\.a\.thresholds"),
    "no slice": ("[policies.a]\nthresholds.answer = 0.5", r"policies\.a\.thresholds\.answer"),
    "no such point": ("[policies.a]\noperating_point = 'x'", "the artifact defines: balanced"),
    "of a language": ("[policies.a]\nlanguages.de.operating_point = 'x'", r"languages\.de\.oper"),
    "no category": ("[policies.a]\ncategories.hate.mode = 'audit'", "the artifact has: weapons"),
    "no parent": ("[policies.a]\nextends = 'b'", r"a\.extends: there is no policy b"),
    "itself": ("[policies.a]\nextends = 'a'", "in a circle: a -> a"),
    "circle": (
        "[policies.a]\nextends = 'b'\n[policies.b]\nextends = 'c'\n[policies.c]\nextends = 'b'",
        "in a circle: b -> c -> b",
    ),
    "a key itself": ("[policies.a]\nkeys = ['my-secret-key']", r"policies\.a\.keys\.0"),
    "unknown key": (f"[policies.a]\nkeys = ['sha256:{'0' * 64}']", "no key with this hash"),
    "key of two": (
        f"[policies.a]\nkeys = ['{key(1)}']\n[policies.b]\nkeys = ['{key(1)}']",
        r"b\.keys\.0: policies\.a has this key",
    ),
    "above the server": ("[policies.a]\nlimits.max_items = 101", "the server's own limit is 100"),
    "no limit": ("[policies.a]\nlimits.max_items = 0", r"limits\.max_items"),
    "status": ("[policies.a]\nblock.status = 500", r"block\.status"),
    "empty list": (f"[policies.a]\n{LIST}", "neither phrases nor patterns"),
    "blocks the student": (
        f"[policies.a]\n{LIST}phrases = ['x']\noverrides_student = true",
        "only a list that allows",
    ),
    "same name": (f"[policies.a]\n{LIST}phrases = ['x']\n{LIST}phrases = ['y']", "the same name"),
    "pattern": (f"[policies.a]\n{LIST}patterns = ['(']", r"a\.lists\.0\.patterns\.0: is no reg"),
    "10,000 groups": (f"[policies.a]\n{LIST}patterns = ['{'(a)' * 10_000}']", "more than 1000"),
    "many phrases": (f"[policies.a]\n{LIST}phrases = {['x'] * 2001}", r"lists\.0\.phrases"),
    "long phrase": (f"[policies.a]\n{LIST}phrases = ['{'x' * 201}']", r"lists\.0\.phrases\.0"),
    "no UTF-8": ("[policies.a]\n# \udcff", "is not UTF-8"),
    "deep": (f"x = {'[' * 5000}", "is not TOML"),
    "a long number": (f"x = {'9' * 5000}", "is not TOML"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_rejected_whole(artifact: Artifact, name: str) -> None:
    text, message = WRONG[name]
    good = f'[policies.good]\nkeys = ["{key(2)}"]\n'
    content = text if name in ("nothing", "no policy") else good + text
    ground = Ground(artifact.manifest.policy, HEAD, KEYS, {"max_items": 100})
    with pytest.raises(PoliciesInvalid, match=message) as caught:
        bind(content.encode("utf-8", "surrogateescape"), ground)
    assert "my-secret-key" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_file_in_the_guide_is_right(artifact: Artifact) -> None:
    page = (ROOT / "docs" / "guides" / "policies.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    keys = [bytes.fromhex(one) for one in re.findall(r"sha256:([0-9a-f]{64})", text)]
    found = read(artifact, text, keys=keys)
    assert set(found.by_name) == {"default", "children", "newcomer"}
    assert found.of(1).lists[0].matcher.matches("pay with 4111 1111 1111 1111 please")


def test_keys_and_categories_that_nobody_has(artifact: Artifact) -> None:
    with pytest.raises(PoliciesInvalid, match="accepts no keys"):
        read(artifact, f'[policies.a]\nkeys = ["{key(1)}"]', keys=())
    with pytest.raises(PoliciesInvalid, match="the artifact has no categories"):
        read(artifact, "[policies.a]\ncategories.weapons.mode = 'audit'", head=None)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_noise_is_rejected(artifact: Artifact, content: bytes) -> None:
    with pytest.raises(PoliciesInvalid):
        bind(content, Ground(artifact.manifest.policy))


def test_a_long_chain_is_no_circle(artifact: Artifact) -> None:
    lines = ["[policies.p0]\nthresholds = 0.3"]
    lines += [f"[policies.p{n}]\nextends = 'p{n - 1}'" for n in range(1, 200)]
    found = read(artifact, "\n".join(reversed(lines)))
    assert dict(found.by_name["p199"].point.thresholds) == {"prompt": 0.3, "pair": 0.3}


@given(st.integers(1, 50), st.lists(st.floats(0.0, 5.0), max_size=60))
def test_no_more_than_the_rate_in_any_minute(limit: int, waits: list[float]) -> None:
    clock = [0.0]
    book = PolicyBook(Policies("", {}), clock=lambda: clock[0])
    policy = CallerPolicy("x", limits=LimitRule(requests_per_minute=limit))
    admitted = []
    refused = []
    for wait in waits:
        clock[0] += wait
        try:
            book.admit(1, policy)
            admitted.append(clock[0])
        except RateExceeded as exc:
            refused.append(exc.retry_after_s)
            book.admit(2, CallerPolicy("y"))  # others go on
    assert all(0.0 < one <= 60.0 / limit for one in refused)
    for first in admitted:
        # What may come at once, and what becomes free within the minute.
        assert sum(first <= one < first + 60.0 for one in admitted) <= 2 * limit
    assert len(admitted) >= min(limit, len(waits))
