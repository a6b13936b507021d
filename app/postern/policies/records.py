"""A policy as it is in force: frozen, complete, checked. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from postern.contract.audit import Mode
from postern.contract.categories import CategoryHead
from postern.contract.decision import FallbackMode, OnTeacherFailure
from postern.contract.exchange import Slice
from postern.contract.language import OnUnsupportedLanguage
from postern.contract.moderation import ListAction, ListMatch
from postern.policies.matching import Matcher

BlockStatus = Literal[400, 403, 422, 451]
"""Statuses of a block. Clients try again after others."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where verdicts become harmful. thresholds: of slices, instead of the operating point's."""

    operating_point: str | None = None
    thresholds: Mapping[Slice, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """thresholds: probabilities of this category from which an exchange is harmful."""

    thresholds: Mapping[Slice, float] = field(default_factory=dict)
    mode: Mode = "enforce"


@dataclass(frozen=True, slots=True)
class BlockRule:
    """What a block looks like in the guarded proxy. None: as the settings say."""

    as_error: bool | None = None
    text: str | None = None
    status: BlockStatus = 400


@dataclass(frozen=True, slots=True)
class LimitRule:
    """Limits below those of the server. None: the server's."""

    max_items: int | None = None
    max_exchange_chars: int | None = None
    request_timeout_ms: int | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class PolicyList:
    """on: the slices whose judged text it reads: a prompt alone, or the response of a pair."""

    name: str
    action: ListAction
    matcher: Matcher
    reason: str | None = None
    overrides_student: bool = False
    on: frozenset[Slice] = frozenset(("prompt", "pair"))

    @property
    def match(self) -> ListMatch:
        return ListMatch(self.name, self.action, self.reason)


@dataclass(frozen=True, slots=True)
class CallerPolicy:
    """How the requests of some callers are judged. None: as the settings or the artifact say.

    fingerprint: differs between policies and between versions of the file, so that nothing that
    one decided is remembered for another. categories: the artifact's, with this policy's thresholds
    for what applies.
    """

    name: str
    fingerprint: str = ""
    point: Point = Point()
    languages: Mapping[str, Point] = field(default_factory=dict)
    category_rules: Mapping[str, CategoryRule] = field(default_factory=dict)
    categories: CategoryHead | None = None
    mode: Mode | None = None
    fallback: FallbackMode | None = None
    on_teacher_failure: OnTeacherFailure | None = None
    on_unsupported_language: OnUnsupportedLanguage | None = None
    fixes_options: bool = False
    """Requests may not choose operating point, threshold or fallback."""
    block: BlockRule = BlockRule()
    limits: LimitRule = LimitRule()
    lists: tuple[PolicyList, ...] = ()

    @property
    def audited_categories(self) -> tuple[str, ...]:
        """Those that block nothing alone, in alphabetical order."""
        rules = self.category_rules.items()
        return tuple(sorted(name for name, one in rules if one.mode == "audit"))


DEFAULT_NAME: Final = "default"
PLAIN: Final = CallerPolicy(DEFAULT_NAME)
"""Changes nothing: for callers without a policy where the file has no `default`."""


@dataclass(frozen=True)
class Policies:
    """Everything that one file says. sha256: of the file."""

    sha256: str
    by_name: Mapping[str, CallerPolicy]
    by_caller: Mapping[int, CallerPolicy] = field(default_factory=dict)

    @property
    def default(self) -> CallerPolicy:
        return self.by_name.get(DEFAULT_NAME, PLAIN)

    def of(self, caller: int) -> CallerPolicy:
        """The policy of a caller, by the number of its key; 0 without keys."""
        return self.by_caller.get(caller, self.default)
