"""Labels rows with a teacher's probabilities; `cannot tell` is counted, never guessed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from postern.contract.exchange import Exchange, Slice
from pydantic import BaseModel, ConfigDict, Field

from model_training.augmentation.instructions import SOURCES, Instruction
from model_training.augmentation.respond import Exchanged
from model_training.augmentation.translate import Translated
from model_training.augmentation.write import Written
from model_training.data.rows import BinaryLabel, PoolRow, Row, normalized_key, prompt_hash
from model_training.data.sampling import draw
from model_training.recipe.config import DistilConfig
from model_training.run.journal import Journal
from model_training.teachers.labellers import Teacher
from model_training.teachers.llm import Reply, answer_all

Origin = Literal["generated", "unlabelled", "labelled"]

_DISPUTABLE: Final = frozenset({"construction", "mixed", "model"})
"""Kinds of labels that were not, or not all, given by people."""
_CERTAIN: Final = 1e-6
_HARMFUL_FROM: Final = 0.5
"""The hard label is harmful if the soft label is above it (HarmAug, section 3)."""


@dataclass(frozen=True)
class Candidate:
    """An exchange for the teacher. label: from a person or by construction, if there is one."""

    origin: Origin
    source: str
    exchange: Exchange
    label: int | None
    label_kind: str
    """human, construction, mixed, model (another model's), derived or none."""
    twin: str | None = None
    """The name that it shares with its twin."""


class Disagreement(BaseModel):
    """A labelled row about which the teacher disagrees. It contains names, no text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    source: str
    slice: Slice
    label: BinaryLabel
    soft_label: Annotated[float, Field(ge=0, le=1)]


def text_sha256(exchange: Exchange) -> str:
    """Identifies an exchange where its text must not be written."""
    content = json.dumps([exchange.prompt, exchange.response])
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()


def generated(rows: Iterable[Exchanged], twins: Sequence[Instruction] = ()) -> list[Candidate]:
    """Candidates of the generated exchanges, and then of the twins of their instructions."""
    names = {one.twin_of: one.id for one in twins}
    found = [
        Candidate(
            "generated",
            SOURCES[row.intent],
            Exchange(row.prompt, row.response),
            None,
            "none",
            None if row.response is not None else names.get(row.id),
        )
        for row in rows
    ]
    return found + [
        Candidate("generated", SOURCES[one.intent], Exchange(one.text), None, "none", one.id)
        for one in twins
    ]


def agreed_twins(
    rows: Sequence[Row], *, least_gap: float
) -> tuple[list[Row], dict[str, dict[str, int]]]:
    """Drop twins about which the teacher does not agree, and free their originals. Also counts.

    rows: an original comes before its twin, and both have soft labels. They stay a pair if the one
    that was to be harmful is, the other is not, and the log-odds are `least_gap` nats apart.
    """
    pairs: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row.twin is not None:
            pairs.setdefault(row.twin, []).append(place)
    freed: set[int] = set()
    dropped: set[int] = set()
    counts = {intent: {"pairs": 0, "agreed": 0} for intent in SOURCES}
    for places in pairs.values():
        if len(places) == 1:  # the teacher could not tell about the other
            freed.update(places)
            continue
        original, twin = places
        count = counts["harmful" if rows[twin].source == SOURCES["harmful"] else "benign"]
        count["pairs"] += 1
        if _agreed([rows[original], rows[twin]], least_gap):
            count["agreed"] += 1
        else:
            freed.add(original)
            dropped.add(twin)
    kept = [
        row.model_copy(update={"twin": None}) if place in freed else row
        for place, row in enumerate(rows)
        if place not in dropped
    ]
    return kept, {f"{intent}_twins": count for intent, count in counts.items()}


def _agreed(pair: Sequence[Row], least_gap: float) -> bool:
    soft = {row.source: row.soft_label for row in pair}
    harmful, harmless = soft.get(SOURCES["harmful"]), soft.get(SOURCES["benign"])
    if harmful is None or harmless is None or not harmless <= _HARMFUL_FROM < harmful:
        return False
    return _log_odds(harmful) - _log_odds(harmless) >= least_gap


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, _CERTAIN), 1.0 - _CERTAIN)
    return math.log(clipped / (1.0 - clipped))


def labelled(rows: Iterable[Row], label_kinds: Mapping[str, str]) -> list[Candidate]:
    """Candidates of the train split. label_kinds: by source; missing sources count as derived."""
    return [
        Candidate(
            "labelled",
            row.source,
            row.exchange,
            row.label,
            label_kinds.get(row.source) or "derived",
        )
        for row in rows
    ]


def written(kept: Iterable[Written]) -> list[Candidate]:
    """Candidates of what was written in other languages: their English, which the teacher reads."""
    return [
        Candidate("generated", one.source, Exchange(one.english), one.label, "construction")
        for one in kept
    ]


def agreed_requests(kept: Iterable[Written], labelled: Iterable[Row]) -> list[Row]:
    """Rows to learn from: those whose translation the teacher judges as was asked for. They learn
    its opinion. labelled: rows of the stage `label`, with these translations among them.
    """
    softs = {(one.source, one.prompt): one.soft_label for one in labelled}
    found = []
    for one in kept:
        soft = softs.get((one.source, one.english))
        if soft is not None and (soft > _HARMFUL_FROM) == bool(one.label):
            found.append(
                Row(
                    source=one.source,
                    prompt=one.prompt,
                    response=None,
                    label=one.label,
                    soft_label=soft,
                )
            )
    return found


def likeliest(rows: Sequence[Row], count: int | None, settings: DistilConfig) -> list[Row]:
    """At most `count` rows, balanced as in training, in the order of the split."""
    if count is None or count >= len(rows):
        return list(rows)
    draws = draw(
        [(row.slice, row.label, row.source) for row in rows],
        n_draws=8 * count,  # because rows of small sources are drawn repeatedly
        pair_share=settings.pair_share,
        source_exponent=settings.source_exponent,
        source_weights=settings.source_weights,
        rng=np.random.default_rng(settings.seed),
    )
    first = list(dict.fromkeys(draws.tolist()))[:count]
    return [rows[place] for place in sorted(first)]


def with_originals(
    rows: Sequence[Row], train: Iterable[Row], kept: Iterable[Translated]
) -> list[Row]:
    """`rows`, and those rows of the train split that are translated: the translation learns the
    teacher's opinion of its original.
    """
    originals = {one.original for one in kept}
    there = {(row.source, row.prompt, row.response, row.label) for row in rows}
    found = list(rows)
    for row in train:
        key = (row.source, row.prompt, row.response, row.label)
        if key in originals and key not in there:
            found.append(row)
    return found


def unlabelled(
    pool: Iterable[PoolRow], *, train: Sequence[Row], held_out: Sequence[Row], test_keys: set[str]
) -> list[Candidate]:
    """Unlabelled texts of the pool, without repeats, and without any that are known or held out.

    test_keys: normalized prompts of the test sets.
    """
    closed = {prompt_hash(row.prompt) for row in held_out}
    seen = {_key(row.exchange) for row in train}
    found: list[Candidate] = []
    for row in pool:
        exchanges = []
        if row.prompt_label is None:
            exchanges.append(Exchange(row.prompt))
        if row.response is not None and row.response_label is None:
            exchanges.append(Exchange(row.prompt, row.response))
        for exchange in exchanges:
            key = _key(exchange)
            if (
                not exchange.prompt.strip()
                or key in seen
                or prompt_hash(exchange.prompt) in closed
                or normalized_key(exchange.prompt) in test_keys
            ):
                continue
            seen.add(key)
            found.append(Candidate("unlabelled", row.source, exchange, None, "none"))
    return found


def label(
    candidates: Sequence[Candidate],
    teacher: Teacher,
    journal: Journal,
    *,
    disagreement: float,
    least_gap: float = 0.0,
) -> tuple[list[Row], list[Disagreement], dict[str, Any]]:
    """Rows with soft labels, the list of disagreements, and the report.

    A row keeps a label that it has. Other rows get the teacher's, harmful above 0.5. Rows about
    which the teacher cannot tell are left out, and twins about which it does not agree.
    least_gap: see `agreed_twins`.
    """
    calls = [teacher.write(candidate.exchange) for candidate in candidates]
    replies = answer_all(calls, teacher.backend, journal, what="label")
    softs = [
        None if reply.refused is not None else teacher.read(reply, candidate.exchange)
        for candidate, reply in zip(candidates, replies, strict=True)
    ]
    rows = [
        Row(
            source=one.source,
            prompt=one.exchange.prompt,
            response=one.exchange.response,
            label=int(soft > _HARMFUL_FROM) if one.label is None else one.label,
            soft_label=soft,
            twin=one.twin,
        )
        for one, soft in zip(candidates, softs, strict=True)
        if soft is not None
    ]
    rows, twins = agreed_twins(rows, least_gap=least_gap)
    disputed = [
        Disagreement(
            sha256=text_sha256(one.exchange),
            source=one.source,
            slice=one.exchange.slice,
            label=one.label,
            soft_label=soft,
        )
        for one, soft in zip(candidates, softs, strict=True)
        if soft is not None
        and one.label is not None
        and one.label_kind in _DISPUTABLE
        and abs(soft - one.label) >= disagreement
    ]
    return rows, disputed, _report(candidates, replies, softs, len(disputed)) | twins


def _report(
    candidates: Sequence[Candidate],
    replies: Sequence[Reply],
    softs: Sequence[float | None],
    n_disputed: int,
) -> dict[str, Any]:
    groups: dict[str, dict[str, list[int]]] = {}
    for index, one in enumerate(candidates):
        groups.setdefault(one.origin, {}).setdefault(one.source, []).append(index)
    return {
        "rows": len(candidates),
        "cannot_tell": sum(soft is None for soft in softs),
        "refused_by_server": sum(reply.refused is not None for reply in replies),
        "disagreements": n_disputed,
        "sources": {
            origin: {
                source: _of_source(candidates, softs, indices)
                for source, indices in sorted(sources.items())
            }
            for origin, sources in groups.items()
        },
    }


def _of_source(
    candidates: Sequence[Candidate], softs: Sequence[float | None], indices: Sequence[int]
) -> dict[str, Any]:
    """Counts, the teacher's harmful share and, if there are labels, its agreement with them."""
    told = [(candidates[i], soft) for i in indices if (soft := softs[i]) is not None]
    found: dict[str, Any] = {
        "rows": len(indices),
        "cannot_tell": len(indices) - len(told),
        "label_kind": candidates[indices[0]].label_kind,
    }
    if told:
        found["teacher_harmful"] = float(np.mean([soft > _HARMFUL_FROM for _, soft in told]))
    judged = [(one.label, soft) for one, soft in told if one.label is not None]
    if judged:
        found["agreement"] = float(
            np.mean([(soft > _HARMFUL_FROM) == bool(human) for human, soft in judged])
        )
        for name, value in (("harmful", 1), ("unharmful", 0)):
            same = [
                (soft > _HARMFUL_FROM) == bool(value) for human, soft in judged if human == value
            ]
            if same:
                found[f"agreement_{name}"] = float(np.mean(same))
    return found


def _key(exchange: Exchange) -> tuple[str, str | None]:
    response = None if exchange.response is None else normalized_key(exchange.response)
    return normalized_key(exchange.prompt), response
