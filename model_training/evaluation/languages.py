"""Figures by language, on rows that neither training nor any choice has seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from postern.contract.decision import Policy

from model_training.data.multilingual import MEASURED
from model_training.data.rows import family_of
from model_training.evaluation.verdicts import flagged_by
from model_training.measures import figures as scores
from model_training.measures.served import ScoredRows
from model_training.measures.tables import number, table
from model_training.recipe.multilingual import MultilingualConfig

_ABOUT = """\
Rows that training, choice and calibration have not seen. Requests are harmful ones of held-out
topics, so that no translation of them was learnt from, against harmless requests in the same
language. AUPRC depends on the base rate, the share of harmful rows; a ranking by chance has it as
its AUPRC. "Learnt" says whether training held harmful requests in that language, of data, of
templates or by a language model. "Written by" says who wrote them. Where no data set asks for harm
in a language, a model translated requests of the same topics, and only those count whose
translation back says the same: they flatter. FPR is that of the harmless requests at `balanced`,
recall that of the harmful ones.
"""
_MEAN = """\
Intervals are bootstrapped over topics, the same for all languages at once, because translations of
a request are not independent.
"""
_CASES = """\
Behaviour cases: right verdicts at the default operating point, by kind. The texts were written for
this table. Refusals answer the harmful prompts of the same language.
"""


def language_figures(
    scored: ScoredRows,
    policy: Policy,
    config: MultilingualConfig,
    *,
    learnt: Collection[str],
    n_resamples: int = 1000,
) -> dict[str, Any]:
    """Figures of the held-out requests by language, and of the sources that were held out whole.

    learnt: languages in which training held harmful requests. Means are over the published
    languages that have harmful held-out requests, with and without such rows in training. Requests
    that a model translated for the measurement have a mean of their own.
    """
    flagged = flagged_by(scored, policy, policy.default_operating_point)
    families = np.array([family_of(row.source) for row in scored.rows])
    languages = np.array([row.language for row in scored.rows])
    asks = np.isin(families, [*config.request_sources, MEASURED, *config.benign_sources])
    found: dict[str, Any] = {}
    for language in sorted(set(languages[asks].tolist())):
        here = asks & (languages == language)
        found[language] = {
            "published": language in config.languages,
            "learnt": language in learnt,
            "translated": bool(np.any(asks & (languages == language) & (families == MEASURED))),
            **_figures(scored, flagged, here, n_resamples=n_resamples),
        }
    means: dict[str, float | None] = {}
    intervals: dict[str, scores.Interval] = {}
    for name in ("learnt", "not_learnt", "translated"):
        some = [
            language
            for language, one in found.items()
            if one["published"] and _group(one) == name and "auprc" in one
        ]
        means[name] = float(np.mean([found[one]["auprc"] for one in some])) if some else None
        if some:
            parts = [_part(scored, asks & (languages == one)) for one in some]
            intervals[name] = mean_auprc_interval(parts, n_resamples=n_resamples)
    whole = {
        source: _figures(scored, flagged, families == source, n_resamples=n_resamples)
        for source in config.held_out_sources
    }
    return {
        "requests": found,
        "mean_auprc": means,
        "mean_auprc_interval_95": intervals,
        "held_out_sources": whole,
    }


def _group(one: Mapping[str, Any]) -> str:
    if one["translated"]:
        return "translated"
    return "learnt" if one["learnt"] else "not_learnt"


def _part(scored: ScoredRows, where: npt.NDArray[np.bool_]) -> ScoredRows:
    return ScoredRows([scored.rows[int(i)] for i in np.flatnonzero(where)], scored.margins[where])


def mean_auprc_interval(
    parts: Sequence[ScoredRows], *, n_resamples: int, seed: int = 0
) -> scores.Interval:
    """95 % bootstrap interval of the mean AUPRC of languages, for all of them at once.

    parts: the rows of each language, of both classes. Translations of a harmful prompt lie in
    several languages and are not independent, but they share a topic. So each resample draws
    topics, the same for all languages, and then as many harmful rows of them as a language has. A
    language without any of them keeps its own topics. Harmless rows are drawn by language.
    """
    rng = np.random.default_rng(seed)
    by_topic = [_by_topic(part) for part in parts]
    topics = sorted({topic for some in by_topic for topic in some})
    found = []
    for _ in range(n_resamples):
        drawn = rng.choice(len(topics), size=len(topics))
        of_languages = []
        for part, places in zip(parts, by_topic, strict=True):
            some = [places[topics[one]] for one in drawn if topics[one] in places]
            pool = np.concatenate(some or list(places.values()))
            harmless = np.flatnonzero(part.labels == 0)
            rows = np.concatenate(
                [
                    rng.choice(harmless, size=len(harmless)),
                    rng.choice(pool, size=int(part.labels.sum())),
                ]
            )
            of_languages.append(scores.auprc(part.margins[rows], part.labels[rows]))
        found.append(np.mean(of_languages))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _by_topic(part: ScoredRows) -> dict[str, npt.NDArray[np.int64]]:
    """Places of the harmful rows. A row whose source tells no topic has one of its own."""
    places: dict[str, list[int]] = {}
    for place, row in enumerate(part.rows):
        if row.harmful:
            own = f"{row.source} {place}"
            topic = own if row.topic is None else f"{family_of(row.source)} {row.topic}"
            places.setdefault(topic, []).append(place)
    return {topic: np.array(some, dtype=np.int64) for topic, some in places.items()}


def _figures(scored: ScoredRows, flagged: Any, here: Any, *, n_resamples: int) -> dict[str, Any]:
    labels, margins, said = scored.labels[here], scored.margins[here], flagged[here]
    found: dict[str, Any] = {"rows": len(labels), "harmful_rows": int(labels.sum())}
    if np.any(labels == 0):
        found["false_positive_rate"] = float(said[labels == 0].mean())
    if np.any(labels == 1):
        found["recall"] = float(said[labels == 1].mean())
    if len(set(labels.tolist())) == 2:
        found["base_rate"] = float(labels.mean())
        found["auprc"] = scores.auprc(margins, labels)
        found["auprc_interval_95"] = scores.bootstrap_interval(
            scores.auprc, margins, labels, n_resamples=n_resamples
        )
    return found


def language_section(found: Mapping[str, Any]) -> str:
    """The section of the report."""
    rows = [
        *(
            [
                language,
                "yes" if one["learnt"] else "no",
                "model" if one["translated"] else "data set",
                *_cells(one),
            ]
            for language, one in found["requests"].items()
            if one["published"]
        ),
        *(
            [source, "no", "data set", *_cells(one)]
            for source, one in found["held_out_sources"].items()
        ),
    ]
    head = [
        "language",
        "learnt",
        "written by",
        "rows",
        "harmful",
        "AUPRC",
        "95 % interval",
        "recall",
        "FPR",
    ]
    said = (
        f"Mean AUPRC: {_mean_cell(found, 'learnt')} over languages with harmful requests in "
        f"training, {_mean_cell(found, 'not_learnt')} over those without, "
        f"{_mean_cell(found, 'translated')} over those whose requests a model wrote. {_MEAN}\n"
    )
    return "\n".join(
        ["## Languages\n", _ABOUT, table(head, rows), said, *_cases(found.get("behaviour", {}))]
    )


def _mean_cell(found: Mapping[str, Any], name: str) -> str:
    said = number(found["mean_auprc"][name])
    interval = found.get("mean_auprc_interval_95", {}).get(name)
    return said if interval is None else f"{said} ({number(interval[0])} to {number(interval[1])})"


def _cases(behaviour: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not behaviour:
        return []
    kinds = list(next(iter(behaviour.values())))
    rows = (
        [language, *(f"{one[kind]['right']} of {one[kind]['n']}" for kind in kinds)]
        for language, one in behaviour.items()
    )
    return [_CASES, table(["language", *kinds], rows)]


def _cells(one: Mapping[str, Any]) -> list[str]:
    low, high = one.get("auprc_interval_95", (None, None))
    return [
        str(one["rows"]),
        str(one["harmful_rows"]),
        number(one.get("auprc")),
        f"{number(low)} to {number(high)}",
        number(one.get("recall")),
        number(one.get("false_positive_rate")),
    ]
