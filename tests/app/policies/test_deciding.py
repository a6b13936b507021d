"""What a policy makes of a verdict: laws over all probabilities, lists and categories."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.artifact import Artifact
from postern.contract.categories import CategoryHead, CategoryLabel
from postern.contract.decision import OperatingPoint, blocked_verdict, student_verdict
from postern.contract.moderation import Options
from postern.contract.policy_errors import OptionFixed
from postern.policies.deciding import (
    Matched,
    Ruling,
    check_options,
    match_lists,
    point_for,
    point_name,
    rule,
    settles,
)
from postern.policies.matching import compiled
from postern.policies.records import PLAIN, CallerPolicy, CategoryRule, Point, PolicyList

HEAD = CategoryHead(
    labels=tuple(
        CategoryLabel(name=name, covers=(name,), scale=1.0, bias=0.0, threshold=0.5)
        for name in ("weapons", "hate")
    )
)
POINT = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))
NOTHING = compiled((), ())
BLOCK = PolicyList("no", "block", NOTHING, "not here")
ALLOW = PolicyList("yes", "allow", NOTHING)
ALWAYS = PolicyList("always", "allow", NOTHING, overrides_student=True)

probabilities = st.floats(0.0, 1.0)


def ruled(
    probability: float,
    matched: Matched,
    policy: CallerPolicy = PLAIN,
    given_harm: tuple[float, float] = (0.0, 0.0),
    *,
    unsupported: bool = False,
) -> Ruling:
    verdict = student_verdict(probability, POINT)
    if unsupported:
        verdict = blocked_verdict(probability, POINT)
    return rule(
        policy,
        slice_="prompt",
        verdict=verdict,
        block_reason="unsupported_language" if unsupported else None,
        matched=matched,
        head=HEAD,
        given_harm=given_harm,
    )


@given(probabilities, st.sampled_from([None, ALLOW, ALWAYS]), st.booleans())
def test_a_list_that_blocks_is_never_overruled(
    probability: float, allow: PolicyList | None, unsupported: bool
) -> None:
    found = ruled(probability, Matched(BLOCK, allow), unsupported=unsupported)
    assert (found.verdict.harmful, found.verdict.decided_by) == (True, "list")
    assert found.list_match == BLOCK.match
    assert found.verdict.probability == probability
    assert not found.audited
    assert settles(Matched(BLOCK, allow), probability, POINT)


@given(probabilities, st.booleans(), st.tuples(probabilities, probabilities), probabilities)
def test_a_list_that_allows_never_passes_what_the_student_is_sure_of(
    probability: float, unsupported: bool, given_harm: tuple[float, float], own: float
) -> None:
    policy = CallerPolicy("x", category_rules={"hate": CategoryRule({"prompt": own})})
    found = ruled(probability, Matched(None, ALLOW), policy, given_harm, unsupported=unsupported)
    sure = probability > 0.6 or unsupported
    assert found.verdict.harmful == sure
    assert (found.overruled == "yes") == sure
    if sure:
        assert found.verdict.decided_by == ("policy" if unsupported else "student")
        assert found.list_match is None


@given(probabilities, st.booleans())
def test_unless_the_policy_says_so(probability: float, unsupported: bool) -> None:
    found = ruled(probability, Matched(None, ALWAYS), unsupported=unsupported)
    assert not found.verdict.harmful
    assert found.overruled is None
    assert settles(Matched(None, ALWAYS), probability, POINT)


@given(probabilities, st.tuples(probabilities, probabilities))
def test_without_lists_and_rules_nothing_changes(
    probability: float, given_harm: tuple[float, float]
) -> None:
    found = ruled(probability, Matched(), PLAIN, given_harm)
    assert found.verdict == student_verdict(probability, POINT)
    assert (found.list_match, found.overruled, found.block_reason) == (None, None, None)
    assert not found.audited


@given(probabilities, st.tuples(probabilities, probabilities), probabilities)
def test_nothing_applies_to_what_is_unharmful(
    probability: float, given_harm: tuple[float, float], own: float
) -> None:
    policy = CallerPolicy("x", category_rules={"weapons": CategoryRule({"prompt": own})})
    for matched in (Matched(), Matched(None, ALLOW), Matched(None, ALWAYS)):
        found = ruled(probability, matched, policy, given_harm)
        if not found.verdict.harmful:
            assert not any(one.applies for one in found.categories or ())


def test_a_category_has_a_threshold_of_its_own() -> None:
    policy = CallerPolicy("x", category_rules={"weapons": CategoryRule({"prompt": 0.2})})
    found = ruled(0.45, Matched(), policy, (0.45, 0.9))  # 0.45 * 0.45 = 0.2025
    assert (found.verdict.harmful, found.verdict.decided_by) == (True, "policy")
    assert found.block_reason == "category"
    # The one that decided applies, though its share alone would not be enough.
    assert [one.name for one in found.categories or () if one.applies] == ["weapons", "hate"]
    assert not ruled(0.45, Matched(), policy, (0.44, 0.9)).verdict.harmful
    assert not ruled(0.45, Matched(None, ALLOW), policy, (0.45, 0.9)).verdict.harmful


@pytest.mark.parametrize(
    ("audits", "given_harm", "audited"),
    [
        (("weapons",), (0.9, 0.1), True),
        (("weapons",), (0.9, 0.9), False),  # another kind applies, too
        (("weapons", "hate"), (0.9, 0.9), True),
        (("weapons",), (0.1, 0.1), False),  # no kind applies
        ((), (0.9, 0.9), False),
    ],
)
def test_audited_categories_alone_block_nothing(
    audits: tuple[str, ...], given_harm: tuple[float, float], audited: bool
) -> None:
    policy = CallerPolicy("x", category_rules=dict.fromkeys(audits, CategoryRule(mode="audit")))
    found = ruled(0.9, Matched(), policy, given_harm)
    assert found.verdict.harmful
    assert found.audited == audited
    assert not ruled(0.9, Matched(BLOCK), policy, given_harm).audited
    assert not ruled(0.1, Matched(), policy, given_harm).audited


def test_an_audited_threshold_blocks_nothing_that_would_have_passed() -> None:
    audit = CategoryRule({"prompt": 0.2}, mode="audit")
    policy = CallerPolicy("x", category_rules={"weapons": audit})
    found = ruled(0.45, Matched(), policy, (0.9, 0.9))
    assert [one.name for one in found.categories or () if one.applies] == ["weapons", "hate"]
    assert (found.verdict.harmful, found.verdict.decided_by, found.audited) == (
        True,
        "policy",
        True,
    )
    policy = CallerPolicy(
        "x", category_rules={"weapons": audit, "hate": CategoryRule({"prompt": 0.2})}
    )
    assert not ruled(0.45, Matched(), policy, (0.9, 0.9)).audited
    assert not ruled(0.9, Matched(), CallerPolicy("x", category_rules={}), (0.9, 0.9)).audited


def test_a_teacher_is_not_asked_about_what_lists_settle() -> None:
    assert settles(Matched(None, ALLOW), 0.6, POINT)
    assert not settles(Matched(None, ALLOW), 0.61, POINT)
    assert not settles(Matched(), 0.5, POINT)


def test_a_decoded_reading_can_block_but_not_allow() -> None:
    block = PolicyList("no", "block", compiled(("bad words",), ()))
    allow = PolicyList("yes", "allow", compiled(("bad words",), ()))
    lists = (allow, block)
    assert match_lists(lists, "prompt", "plain", "bad words") == Matched(block, None)
    assert match_lists(lists, "prompt", "bad words", None) == Matched(block, allow)
    only_pairs = (PolicyList("no", "block", block.matcher, on=frozenset({"pair"})),)
    assert match_lists(only_pairs, "prompt", "bad words", None) == Matched()
    assert match_lists(only_pairs, "pair", "bad words", None).block is not None


def test_points_of_callers_policies_and_languages(artifact: Artifact) -> None:
    served = artifact.manifest.policy
    policy = CallerPolicy(
        "x",
        point=Point("strict", {"prompt": 0.2}),
        languages={"de": Point(None, {"prompt": 0.9}), "fr": Point("permissive")},
    )

    def threshold(options: Options = Options(), **more: Any) -> float:  # noqa: B008
        asked = {"slice_": "prompt", "language": "en"} | more
        return point_for(policy, served, options, **asked).threshold

    assert threshold() == 0.2
    assert threshold(slice_="pair") == 0.3
    assert threshold(language="de") == 0.9
    assert threshold(language="de", slice_="pair") == 0.3
    assert threshold(language="fr") == 0.7
    assert threshold(Options(threshold=0.6), language="de") == 0.6
    assert threshold(Options(operating_point="balanced"), language="de") == 0.5
    assert threshold(Options(default_operating_point="permissive"), slice_="pair") == 0.3
    assert point_name(PLAIN, served, Options(default_operating_point="strict")) == "strict"
    assert point_name(PLAIN, served, Options()) == "balanced"
    assert point_name(policy, served, Options()) == "strict"


@pytest.mark.parametrize(
    "options", [Options("strict"), Options(threshold=0.0), Options(fallback="never")]
)
def test_a_policy_can_fix_the_options(options: Options) -> None:
    with pytest.raises(OptionFixed):
        check_options(CallerPolicy("x", fixes_options=True), options)
    check_options(CallerPolicy("x"), options)
    check_options(CallerPolicy("x", fixes_options=True), Options(reject_long=True))
