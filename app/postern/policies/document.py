"""The file of policies as TOML: what it may say, and how one policy extends another. No I/O."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from postern.contract.audit import Mode
from postern.contract.decision import FallbackMode, OnTeacherFailure
from postern.contract.exchange import SLICES, Slice
from postern.contract.language import Language, OnUnsupportedLanguage
from postern.contract.moderation import ListAction
from postern.contract.policy_errors import PoliciesInvalid
from postern.policies.records import BlockStatus

MOST_POLICIES: Final = 256
MOST_LISTS: Final = 32
MOST_PHRASES: Final = 2000
MOST_PATTERNS: Final = 100
LONGEST_PHRASE: Final = 200

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""Of policies and lists: they stand in headers and metrics."""
Positive = Annotated[int, Field(ge=1, strict=True)]
Printed = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Share = Annotated[float, Field(ge=0.0, le=1.0, strict=True, allow_inf_nan=False)]
Thresholds = dict[Slice, Share]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _both_slices(value: object) -> object:
    """One number is the threshold of both slices."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return dict.fromkeys(SLICES, value)
    return value


class PointIn(_In):
    """Where verdicts become harmful, for one language."""

    operating_point: Annotated[str, Field(min_length=1)] | None = None
    """Operating point of the artifact."""
    thresholds: Thresholds = {}
    """Thresholds instead of that point's: one number, or a table with `prompt` and `pair`."""

    _each_slice = field_validator("thresholds", mode="before")(_both_slices)


class CategoryIn(_In):
    """What a policy does about one category of harm."""

    thresholds: Thresholds = {}
    """Probabilities of the category from which an exchange is harmful, whatever its overall
    probability: one number, or a table with `prompt` and `pair`."""
    applies_from: Share | None = None
    """Probability, given harm, from which the category applies to a harmful exchange."""
    mode: Mode = "enforce"
    """`audit`: an exchange to which only audited categories apply is not blocked."""

    _each_slice = field_validator("thresholds", mode="before")(_both_slices)


class BlockIn(_In):
    """What a block looks like in the guarded proxy."""

    reply: Literal["completion", "error"] | None = None
    """A refusal as the model's answer, or an error. Default: `POSTERN_ON_BLOCK`."""
    text: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """Text of the refusal. Default: `POSTERN_REFUSAL_TEXT`."""
    status: BlockStatus = 400
    """Status of the error."""


class LimitsIn(_In):
    """Limits of a caller, at most those of the server."""

    max_items: Positive | None = None
    """Largest number of exchanges in one request."""
    max_exchange_chars: Positive | None = None
    """Largest number of characters of one exchange."""
    request_timeout_ms: Positive | None = None
    """Deadline of a request."""
    requests_per_minute: Positive | None = None
    """Most requests of one key in a minute. Further ones get 429."""


class ListIn(_In):
    """Phrases and regular expressions that decide."""

    name: Name
    """Name in replies and metrics."""
    action: ListAction
    """What a match does. A list that blocks comes before one that allows."""
    phrases: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_PHRASE)], ...],
        Field(max_length=MOST_PHRASES),
    ] = ()
    """Whole words in this order, in any case."""
    patterns: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=MOST_PATTERNS)
    ] = ()
    """Regular expressions of RE2. They ignore case unless they begin with `(?-i)`."""
    reason: Printed | None = None
    """Words for the reply."""
    overrides_student: Annotated[bool, Field(strict=True)] = False
    """Only with `allow`: also pass what the student is sure of."""
    on: Annotated[tuple[Slice, ...], Field(min_length=1)] = SLICES
    """Read a `prompt` that is judged alone, the response of a `pair`, or both."""


class PolicyIn(_In):
    """One policy. What it does not say, the settings and the artifact do."""

    extends: Name | None = None
    """Policy that this one starts from. Keys are not inherited."""
    keys: (
        Annotated[
            tuple[Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")], ...], Field(min_length=1)
        ]
        | None
    ) = None
    """SHA-256 hashes of the API keys that have this policy."""
    operating_point: Annotated[str, Field(min_length=1)] | None = None
    """Operating point of the artifact."""
    thresholds: Thresholds = {}
    """Thresholds instead of that point's: one number, or a table with `prompt` and `pair`."""
    languages: dict[Language, PointIn] = {}
    """The same for single languages, by BCP 47 tag."""
    categories: dict[str, CategoryIn] = {}
    """Rules for categories of harm."""
    mode: Mode | None = None
    """Whether routes that can block do. Default: as `POSTERN_MODE` and `POSTERN_ROUTE_MODES`
    say."""
    fallback: FallbackMode | None = None
    """Whether a teacher is asked."""
    on_teacher_failure: OnTeacherFailure | None = None
    """What decides if it gives no opinion."""
    on_unsupported_language: OnUnsupportedLanguage | None = None
    """What decides about a language that the student was not measured for."""
    options: Literal["accept", "refuse"] = "accept"
    """Whether a request may choose `operating_point`, `threshold` and `fallback` itself."""
    block: BlockIn = BlockIn()
    """What a block looks like."""
    limits: LimitsIn = LimitsIn()
    """Limits of these callers."""
    lists: Annotated[tuple[ListIn, ...], Field(max_length=MOST_LISTS)] = ()
    """Lists that block or allow. A list of the same name replaces an inherited one."""

    _each_slice = field_validator("thresholds", mode="before")(_both_slices)


class _FileIn(_In):
    policies: Annotated[dict[Name, PolicyIn], Field(min_length=1, max_length=MOST_POLICIES)]


def read_policies(text: str) -> dict[str, PolicyIn]:
    """The policies of a file, each with what it inherits. Raises PoliciesInvalid.

    Messages name the place. They repeat no value, which may be a key by mistake.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise PoliciesInvalid(f"is not TOML: {_place(exc)}") from None
    except (RecursionError, ValueError):  # arrays in arrays, or an integer of thousands of digits
        raise PoliciesInvalid("is not TOML that can be read") from None
    own = _validated(_FileIn, raw).policies
    parents = {name: one.extends for name, one in own.items()}
    _check_parents(parents)
    given = {name: one.model_dump(exclude_unset=True) for name, one in own.items()}
    whole: dict[str, dict[str, Any]] = {}
    for name in own:
        _inherit(name, parents, given, whole)
    found = {}
    for name, one in whole.items():
        found[name] = _validated(PolicyIn, one, f"policies.{name}")
    _check_keys(found)
    _check_lists(found)
    return found


def _validated(model: type[Any], raw: object, prefix: str = "") -> Any:
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        parts = [prefix, *map(_shown, problem["loc"])] if prefix else map(_shown, problem["loc"])
        raise PoliciesInvalid(f"{'.'.join(parts)}: {problem['msg']}") from None


def _shown(part: object) -> str:
    """A name of the file, unless it may be anything."""
    text = str(part)
    return text if text.isascii() and text.isprintable() and len(text) <= 64 else "…"


def _place(exc: tomllib.TOMLDecodeError) -> str:
    """Where the file is wrong. The parser's message repeats characters of it, which are cut off."""
    told = str(exc)
    return told[told.rfind("(at ") :].strip("()") if "(at " in told else "it breaks off"


def _check_parents(parents: Mapping[str, str | None]) -> None:
    for name, parent in parents.items():
        if parent is not None and parent not in parents:
            raise PoliciesInvalid(f"policies.{name}.extends: there is no policy {parent}")
        path, current = [name], parent
        while current is not None:
            if current in path:
                circle = " -> ".join([*path[path.index(current) :], current])
                raise PoliciesInvalid(f"policies.{name}.extends: goes in a circle: {circle}")
            path.append(current)
            current = parents[current]


def _inherit(
    name: str,
    parents: Mapping[str, str | None],
    given: Mapping[str, dict[str, Any]],
    whole: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """The policy with what it inherits; `whole` receives it and those that it extends."""
    chain = [name]
    while (parent := parents[chain[-1]]) is not None and parent not in whole:
        chain.append(parent)
    for one in reversed(chain):
        base = whole[parent] if (parent := parents[one]) is not None else {}
        inherited = {key: value for key, value in base.items() if key not in ("keys", "extends")}
        whole[one] = _over(inherited, given[one])
    return whole[name]


def _over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged name by name, lists of a policy by their names; other values replace."""
    merged = dict(base)
    if "operating_point" in own:
        # Otherwise inherited thresholds would silently outweigh the point that is named here.
        merged.pop("thresholds", None)
    for name, value in own.items():
        before = merged.get(name)
        if name == "lists":
            merged[name] = _lists_over(before or (), value)
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = _over(before, value)
        else:
            merged[name] = value
    return merged


def _lists_over(base: Any, own: Any) -> list[Any]:
    replaced = {one["name"]: one for one in own}
    inherited = [replaced.pop(one["name"], one) for one in base]
    return inherited + [one for one in own if one["name"] in replaced]


def _check_keys(policies: Mapping[str, PolicyIn]) -> None:
    seen: dict[str, str] = {}
    for name, policy in policies.items():
        for index, key in enumerate(policy.keys or ()):
            where = f"policies.{name}.keys.{index}"
            if key in seen:
                raise PoliciesInvalid(f"{where}: policies.{seen[key]} has this key already")
            seen[key] = name


def _check_lists(policies: Mapping[str, PolicyIn]) -> None:
    for name, policy in policies.items():
        names = [one.name for one in policy.lists]
        for index, one in enumerate(policy.lists):
            where = f"policies.{name}.lists.{index}"
            if one.name in names[:index]:
                raise PoliciesInvalid(f"{where}.name: two lists have the same name")
            if not (one.phrases or one.patterns):
                raise PoliciesInvalid(f"{where}: has neither phrases nor patterns")
            if one.overrides_student and one.action != "allow":
                raise PoliciesInvalid(f"{where}.overrides_student: only a list that allows may")
