"""A file of policies -> policies in force: checked against the artifact, keys and limits. No I/O.

A file is used whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postern.contract.categories import CategoryHead
from postern.contract.decision import Policy
from postern.contract.policy_errors import PoliciesInvalid
from postern.policies.document import (
    CategoryIn,
    LimitsIn,
    ListIn,
    PointIn,
    PolicyIn,
    read_policies,
)
from postern.policies.matching import Matcher, compiled
from postern.policies.records import (
    BlockRule,
    CallerPolicy,
    CategoryRule,
    LimitRule,
    Point,
    Policies,
    PolicyList,
)

MOST_PHRASES_IN_ALL = 20_000
MOST_PATTERNS_IN_ALL = 256
"""Each may take a megabyte."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What policies are checked against. keys: SHA-256 digests of the accepted API keys, in order.

    limits: the server's own, by the names of LimitsIn that have one.
    """

    artifact: Policy
    head: CategoryHead | None = None
    keys: Sequence[bytes] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


def bind(content: bytes, ground: Ground) -> Policies:
    """Read and check a file. Raises PoliciesInvalid."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PoliciesInvalid("is not UTF-8") from None
    found = read_policies(text)
    sha256 = hashlib.sha256(content).hexdigest()
    matchers = _Matchers()
    by_name = {
        name: _policy(name, one, f"{name}@{sha256}", ground, matchers)
        for name, one in found.items()
    }
    callers = {digest.hex(): number for number, digest in enumerate(ground.keys, start=1)}
    by_caller: dict[int, CallerPolicy] = {}
    for name, one in found.items():
        for index, key in enumerate(one.keys or ()):
            where = f"policies.{name}.keys.{index}"
            if not callers:
                raise PoliciesInvalid(f"{where}: this server accepts no keys (see api_keys)")
            number = callers.get(key.removeprefix("sha256:"))
            if number is None:
                raise PoliciesInvalid(f"{where}: this server accepts no key with this hash")
            by_caller[number] = by_name[name]
    return Policies(sha256, by_name, by_caller)


class _Matchers:
    """Compiles each list once, however many policies inherit it, within limits for the file."""

    def __init__(self) -> None:
        self._made: dict[tuple[tuple[str, ...], tuple[str, ...]], Matcher] = {}

    def of(self, one: ListIn, where: str) -> Matcher:
        key = (one.phrases, one.patterns)
        if key not in self._made:
            kept = [*self._made, key]
            if sum(len(phrases) for phrases, _ in kept) > MOST_PHRASES_IN_ALL:
                raise PoliciesInvalid(f"{where}: more than {MOST_PHRASES_IN_ALL} phrases in all")
            if sum(len(patterns) for _, patterns in kept) > MOST_PATTERNS_IN_ALL:
                raise PoliciesInvalid(f"{where}: more than {MOST_PATTERNS_IN_ALL} patterns in all")
            try:
                self._made[key] = compiled(*key)
            except PoliciesInvalid as exc:
                raise PoliciesInvalid(f"{where}.{exc}") from None
        return self._made[key]


def _policy(
    name: str, given: PolicyIn, fingerprint: str, ground: Ground, matchers: _Matchers
) -> CallerPolicy:
    where = f"policies.{name}"
    _check_point(given, where, ground)
    for language, own in given.languages.items():
        _check_point(own, f"{where}.languages.{language}", ground)
    _check_limits(given.limits, where, ground)
    return CallerPolicy(
        name,
        fingerprint,
        _point(given),
        {language: _point(one) for language, one in given.languages.items()},
        {
            label: CategoryRule(dict(one.thresholds), one.mode)
            for label, one in given.categories.items()
        },
        _head(given.categories, where, ground.head),
        given.mode,
        given.fallback,
        given.on_teacher_failure,
        given.on_unsupported_language,
        given.options == "refuse",
        BlockRule(
            None if given.block.reply is None else given.block.reply == "error",
            given.block.text,
            given.block.status,
        ),
        LimitRule(**given.limits.model_dump()),
        tuple(
            _list(one, matchers, f"{where}.lists.{index}") for index, one in enumerate(given.lists)
        ),
    )


def _point(given: PolicyIn | PointIn) -> Point:
    return Point(given.operating_point, dict(given.thresholds))


def _check_point(given: PolicyIn | PointIn, where: str, ground: Ground) -> None:
    known = ground.artifact.operating_points
    if given.operating_point is not None and given.operating_point not in known:
        raise PoliciesInvalid(
            f"{where}.operating_point: the artifact defines: {', '.join(sorted(known))}"
        )


def _check_limits(given: LimitsIn, where: str, ground: Ground) -> None:
    for name, largest in ground.limits.items():
        own = getattr(given, name)
        if own is not None and own > largest:
            raise PoliciesInvalid(f"{where}.limits.{name}: the server's own limit is {largest}")


def _head(
    rules: Mapping[str, CategoryIn], where: str, head: CategoryHead | None
) -> CategoryHead | None:
    """The artifact's categories with this policy's thresholds; None if it changes none."""
    if not rules:
        return None
    if head is None:
        raise PoliciesInvalid(f"{where}.categories: the artifact has no categories")
    if not set(rules) <= set(head.names):
        raise PoliciesInvalid(f"{where}.categories: the artifact has: {', '.join(head.names)}")
    moved = {name: one.applies_from for name, one in rules.items() if one.applies_from is not None}
    return head.moved_to(moved) if moved else None


def _list(given: ListIn, matchers: _Matchers, where: str) -> PolicyList:
    return PolicyList(
        given.name,
        given.action,
        matchers.of(given, where),
        given.reason,
        given.overrides_student,
        frozenset(given.on),
    )
