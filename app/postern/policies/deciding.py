"""What a policy makes of an exchange: its operating point, its lists, its categories. No I/O.

Laws, held by property tests: a list that blocks is never overruled; a list that allows never passes
what the student is sure of, unless the policy says so; without lists and rules, nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from postern.contract.categories import Category, CategoryHead, categories
from postern.contract.decision import OperatingPoint, Policy, Verdict
from postern.contract.exchange import Slice
from postern.contract.moderation import BlockReason, ListHit, ListMatch, Options
from postern.contract.policy_errors import OptionFixed, UnknownBlocklist
from postern.policies.records import CallerPolicy, Point, PolicyList


def check_options(policy: CallerPolicy, options: Options) -> None:
    """Raises OptionFixed."""
    if not policy.fixes_options:
        return
    if options.operating_point is not None:
        raise OptionFixed("operating_point")
    if options.threshold is not None:
        raise OptionFixed("threshold")
    if options.fallback != "auto":
        raise OptionFixed("fallback")


def point_name(policy: CallerPolicy, artifact: Policy, options: Options) -> str:
    """The operating point that a reply names: the caller's, else the policy's."""
    return (
        options.operating_point
        or policy.point.operating_point
        or options.default_operating_point
        or artifact.default_operating_point
    )


def point_for(
    policy: CallerPolicy, artifact: Policy, options: Options, *, slice_: Slice, language: str
) -> OperatingPoint:
    """What counts for an exchange in this language. Raises UnknownOperatingPoint.

    The caller's own choice comes first, then the policy's for the language, then the policy's.
    """
    name, threshold = point_name(policy, artifact, options), options.threshold
    if options.operating_point is None:
        own = policy.languages.get(language, Point())
        name = own.operating_point or name
        if threshold is None:
            threshold = own.thresholds.get(slice_)
        if threshold is None and own.operating_point is None:
            threshold = policy.point.thresholds.get(slice_)
    return artifact.point(slice_, operating_point=name, threshold=threshold)


@dataclass(frozen=True, slots=True)
class Matched:
    """The lists that an exchange matches. allow: one that overrides the student, if any does."""

    block: PolicyList | None = None
    allow: PolicyList | None = None


NO_MATCH = Matched()


def match_lists(
    lists: Sequence[PolicyList], slice_: Slice, text: str, decoded: str | None
) -> Matched:
    """text: the judged part, normalized. decoded: the same without its disguise, if it has one.

    Both readings can block. Only the text as it came can allow.
    """
    block = allow = None
    for one in lists:
        if slice_ not in one.on:
            continue
        if one.action == "block":
            if block is None and (
                one.matcher.matches(text) or (decoded is not None and one.matcher.matches(decoded))
            ):
                block = one
        elif (allow is None or (one.overrides_student and not allow.overrides_student)) and (
            one.matcher.matches(text)
        ):
            allow = one
    return Matched(block, allow)


def blocklists_named(policy: CallerPolicy, names: Sequence[str]) -> tuple[PolicyList, ...]:
    """The lists of a policy that block prompts and are named, in the policy's order.

    Raises UnknownBlocklist: a list that is not read must not look like one that matches nothing.
    """
    known = {one.name: one for one in policy.lists if one.action == "block" and "prompt" in one.on}
    for index, name in enumerate(names):
        if name not in known:
            raise UnknownBlocklist(index)
    return tuple(one for name, one in known.items() if name in names)


def hits_of(lists: Sequence[PolicyList], text: str, decoded: str | None) -> tuple[ListHit, ...]:
    """Every entry that a text matches in either reading, each once, list by list.

    text, decoded: as in `match_lists`.
    """
    readings = (text,) if decoded is None else (text, decoded)
    found = (
        ListHit(one.name, entry.place, entry.phrase)
        for one in lists
        for reading in readings
        for entry in one.matcher.entries(reading)
    )
    return tuple(dict.fromkeys(found))


def is_sure(probability: float, band: tuple[float, float]) -> bool:
    """Whether the student has no doubt that an exchange is harmful: it lies above the band."""
    return probability > band[1]


def settles(matched: Matched, probability: float, point: OperatingPoint) -> bool:
    """Whether lists decide whatever a teacher would say, so that none need be asked."""
    if matched.block is not None:
        return True
    allow = matched.allow
    if allow is None:
        return False
    return allow.overrides_student or not is_sure(probability, point.deferral_band)


@dataclass(frozen=True, slots=True)
class Ruling:
    """overruled: a list that allows what the student is sure of, and did not count."""

    verdict: Verdict
    block_reason: BlockReason | None = None
    list_match: ListMatch | None = None
    overruled: str | None = None
    categories: tuple[Category, ...] | None = None
    audited: bool = False


def rule(
    policy: CallerPolicy,
    *,
    slice_: Slice,
    verdict: Verdict,
    block_reason: BlockReason | None,
    matched: Matched,
    head: CategoryHead | None,
    given_harm: Sequence[float] = (),
) -> Ruling:
    """The final verdict. verdict: of student and teacher. given_harm: of each label of the head."""
    # What an operator blocks whatever it holds is not said to hold anything.
    judged_harmful = verdict.harmful and block_reason is None
    over: frozenset[str] = frozenset()
    if head is not None and policy.category_rules and block_reason is None:
        over = _over_threshold(policy, head, given_harm, slice_, verdict.probability)
        if over and not verdict.harmful:
            verdict = replace(verdict, harmful=True, decided_by="policy")
            block_reason, judged_harmful = "category", True
    allow, overruled, list_match = matched.allow, None, None
    if matched.block is not None:
        list_match, block_reason = matched.block.match, None
        verdict = replace(verdict, harmful=True, decided_by="list")
    elif allow is not None and verdict.harmful:
        sure = block_reason == "unsupported_language" or is_sure(
            verdict.student_probability, verdict.deferral_band
        )
        if sure and not allow.overrides_student:
            overruled = allow.name
        else:
            list_match, block_reason, judged_harmful = allow.match, None, False
            verdict = replace(verdict, harmful=False, decided_by="list")
    held: tuple[Category, ...] | None = None
    if head is not None:
        held = categories(head, given_harm, probability=verdict.probability, harmful=judged_harmful)
        if judged_harmful and over:
            held = tuple(one._replace(applies=one.applies or one.name in over) for one in held)
    reasons = {one.name for one in held or () if one.applies}
    if block_reason == "category":  # without the rules, it would have passed whatever else applies
        reasons &= over
    audited = matched.block is None and verdict.harmful and _only_audited(policy, reasons)
    return Ruling(verdict, block_reason, list_match, overruled, held, audited)


def _over_threshold(
    policy: CallerPolicy,
    head: CategoryHead,
    given_harm: Sequence[float],
    slice_: Slice,
    probability: float,
) -> frozenset[str]:
    found = set()
    for label, share in zip(head.labels, given_harm, strict=True):
        own = policy.category_rules.get(label.name)
        threshold = None if own is None else own.thresholds.get(slice_)
        if threshold is not None and probability * share >= threshold:
            found.add(label.name)
    return frozenset(found)


def _only_audited(policy: CallerPolicy, categories: Set[str]) -> bool:
    """Whether there are categories, and the policy audits all of them."""
    rules = policy.category_rules
    return bool(categories) and all(
        name in rules and rules[name].mode == "audit" for name in categories
    )
