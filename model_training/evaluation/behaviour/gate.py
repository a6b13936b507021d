"""Measures a candidate on the behaviour cases, through the code that serves."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.contract.decision import Policy
from postern.contract.exchange import SLICES
from postern.contract.probability import Floats, harmful_probability
from postern.contract.text import segments
from postern.disguises.triggers import decoded_counts, readable_disguise, second_reading

from model_training.data.rows import LANGUAGE_SEPARATOR, Row
from model_training.errors import GateFailed
from model_training.evaluation.behaviour.cases import KINDS, changed_cases, plain_cases
from model_training.evaluation.behaviour.gate_foreign import foreign_cases
from model_training.measures.served import Served, margins
from model_training.recipe.behaviour import BehaviourConfig

_CAUGHT: Final = ("plain_harm", "grave")
_Z_95: Final = 1.959964


def behaviour(served: Served, policy: Policy, config: BehaviourConfig) -> dict[str, Any]:
    """Number of cases, and of right verdicts at the default operating point, by kind.

    {kind: {"right", "n", "interval_95"}}; empty if the recipe asks for no cases. Diluted and
    obfuscated cases are made from the harmful prompts that the student flags unchanged.
    """
    if not config.cases:
        return {}
    plain = plain_cases(config.cases)
    flagged = _flagged(served, policy, plain)
    changed = changed_cases(caught_prompts(plain, flagged), config.cases)
    return by_kind([*plain, *changed], np.append(flagged, _flagged(served, policy, changed)))


def caught_prompts(plain: Sequence[Row], flagged: npt.NDArray[np.bool_]) -> list[str]:
    """The harmful prompts among the plain cases that are flagged, as `changed_cases` takes them."""
    caught = [
        row.prompt
        for row, one in zip(plain, flagged, strict=True)
        if one and row.source in _CAUGHT and row.label
    ]
    # Alternate the two kinds, so that a small number of cases contains both.
    return [one for half in (caught[::2], caught[1::2]) for one in half]


def by_kind(rows: Sequence[Row], flagged: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """{kind: {"right", "n", "interval_95"}} of verdicts (n,) on cases."""
    right = flagged == np.array([row.harmful for row in rows], dtype=np.bool_)
    kinds = np.array([row.source for row in rows])
    return {kind: _share(right[kinds == kind]) for kind in KINDS}


def foreign_behaviour(
    served: Served, policy: Policy, languages: Collection[str]
) -> dict[str, dict[str, Any]]:
    """{language: {kind: {"right", "n", "interval_95"}}} of the cases in these languages."""
    rows = foreign_cases(languages)
    right = _flagged(served, policy, rows) == np.array([row.harmful for row in rows], np.bool_)
    found: dict[str, dict[str, Any]] = {}
    for source in dict.fromkeys(row.source for row in rows):
        kind, language = source.split(LANGUAGE_SEPARATOR)
        here = np.array([row.source == source for row in rows])
        found.setdefault(language, {})[kind] = _share(right[here])
    return found


def served_margins(served: Served, rows: Sequence[Row]) -> Floats:
    """(n,) margins in nats, as the server computes them with triggers on.

    For a disguised text, the decoded reading counts, either alone or if it is the more harmful.
    """
    hidden = [readable_disguise(row.exchange) for row in rows]
    texts = [segments(row.exchange) for row in rows]
    decoded = {
        place: reading
        for place, (text, disguise) in enumerate(zip(texts, hidden, strict=True))
        if (reading := second_reading(text, disguise)) is not None
    }
    encodings = served.tokenizer.encode_many([*texts, *decoded.values()])
    found = margins(encodings, served.session.run, what="evaluate: behaviour")
    for further, place in enumerate(decoded, start=len(texts)):
        if decoded_counts(hidden[place], float(found[place]), float(found[further])):
            found[place] = found[further]
    return found[: len(texts)]


def _flagged(served: Served, policy: Policy, rows: Sequence[Row]) -> npt.NDArray[np.bool_]:
    if not rows:
        return np.zeros(0, dtype=np.bool_)
    found = served_margins(served, rows)
    points = policy.operating_points[policy.default_operating_point]
    slices = np.array([row.slice for row in rows])
    flagged = np.zeros(len(rows), dtype=np.bool_)
    for name in SLICES:
        here = slices == name
        probabilities = harmful_probability(found[here], policy.calibration[name])
        flagged[here] = probabilities >= points[name].threshold
    return flagged


def _share(right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    n, hits = len(right), int(right.sum())
    return {"right": hits, "n": n, "interval_95": list(wilson_interval(hits, n))}


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """95 % score interval of a share, in [0, 1]; (0, 1) if n is 0. After Wilson 1927."""
    if not n:
        return 0.0, 1.0
    share, z2 = right / n, _Z_95 * _Z_95
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def shortfalls(found: Mapping[str, Any], config: BehaviourConfig) -> list[str]:
    """Descriptions of the kinds below their floor; a kind without a case is below every floor."""
    lacking = []
    for kind in KINDS:
        floor, one = config.floor_of(kind), found.get(kind, {"right": 0, "n": 0})
        if floor and (not one["n"] or one["right"] < floor * one["n"]):
            lacking.append(f"{kind} {one['right']} of {one['n']}, floor {floor:.2f}")
    return lacking


def language_shortfalls(
    found: Mapping[str, Mapping[str, Any]], config: BehaviourConfig
) -> list[str]:
    """The same for the cases in other languages. found: by language and kind."""
    lacking = []
    for name, floor in config.language_floors.items():
        kind, _, language = name.partition(LANGUAGE_SEPARATOR)
        some = [
            kinds[kind] for one, kinds in found.items() if kind in kinds and language in ("", one)
        ]
        right, n = (sum(one[key] for one in some) for key in ("right", "n"))
        if floor and (not n or right < floor * n):
            lacking.append(f"{name} in other languages {right} of {n}, floor {floor:.2f}")
    return lacking


def check_floors(report: Mapping[str, Any], config: BehaviourConfig) -> None:
    """Raises GateFailed if a kind is below its floor; without a case, it is below every floor."""
    in_languages = report.get("languages", {}).get("behaviour", {})
    lacking = [
        *shortfalls(report.get("behaviour", {}), config),
        *language_shortfalls(in_languages, config),
    ]
    if lacking:
        raise GateFailed(f"behaviour is below its floor: {'; '.join(lacking)}")
