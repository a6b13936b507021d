"""Rows in other languages: read, split and mixed.

Rows that are only measured on are held out by topic. So no translation of them is learnt from. The
other rows are split by their own prompts. So validation and calibration rows may be translations
of texts that were learnt from, and figures on them flatter.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from model_training.data.behaviour.foreign_answers_text import FOREIGN_ANSWERS
from model_training.data.behaviour.foreign_east_text import FOREIGN
from model_training.data.behaviour.foreign_people_far_text import FOREIGN_PEOPLE
from model_training.data.rows import (
    ENGLISH,
    LANGUAGE_SEPARATOR,
    FurtherSource,
    PoolRow,
    Row,
    family_of,
    normalized_key,
    prompt_hash,
    read_further_sources,
    read_pool,
)
from model_training.data.split import Splits, deduplicate, labelled_rows, split_rows
from model_training.errors import DataInvalid
from model_training.recipe.config import DataConfig
from model_training.recipe.multilingual import MultilingualConfig

SPLIT: Final = "train_multilingual"
SWITCHED: Final = "switched"
TEMPLATES: Final = "foreign_templates"
PEOPLE: Final = "foreign_people"
"""People who suffer or do harm, and alarming words without harm, from templates."""
ANSWERED: Final = "foreign_answers"
TRANSLATED: Final = "translated"
MEASURED: Final = "translated_requests"
"""Translations of requests that are held out."""
WRITTEN: Final = "written"
"""Requests that a language model wrote."""
_BUCKETS: Final = 10_000
_LONGEST_CHARACTERS: Final = 300
_CUT_CATEGORY: Final = 120
"""Characters at which the data folder cuts categories of English rows."""


@dataclass(frozen=True)
class Multilingual:
    """splits: rows to learn from, to choose by and to calibrate on. held_out: to measure alone.

    closed: topics of the held-out requests, whose English originals must not be learnt from either.
    """

    splits: Splits
    held_out: list[Row]
    closed: frozenset[str]


def learnt_languages(train: Iterable[Row], config: MultilingualConfig) -> frozenset[str]:
    """Languages in which training holds harmful requests: of data, of templates, or by a model."""
    asking = {*config.request_sources, TEMPLATES, PEOPLE, TRANSLATED, WRITTEN}
    return frozenset(row.language for row in train if row.label and family_of(row.source) in asking)


def choose_multilingual(
    sources: Sequence[FurtherSource], config: MultilingualConfig
) -> list[FurtherSource]:
    """Sources by the recipe's rule. Raises DataInvalid if a name is unknown or none is left."""
    known = [source for source in sources if source.split == SPLIT]
    named = {source.name for source in known}
    if config.sources == "permissive":
        chosen = [source for source in known if source.permissive]
    else:
        chosen = [source for source in known if source.name in config.sources]
        _check_known(config.sources, named)
    _check_known((*config.request_sources, *config.benign_sources), named)
    _check_known(config.held_out_sources, named)
    if not chosen:
        raise DataInvalid("no source in other languages is left to read")
    return chosen


def _check_known(names: Iterable[str], known: set[str]) -> None:
    unknown = sorted(set(names) - known)
    if unknown:
        raise DataInvalid(f"sources_extra.json has no {SPLIT} source {unknown[0]!r}")


def read_multilingual(data: Path, config: MultilingualConfig, shares: DataConfig) -> Multilingual:
    """Read and split the rows. Raises DataInvalid, also if a row does not name its language."""
    rows: list[Row] = []
    held_out: list[Row] = []
    all_closed: set[str] = set()
    for source in choose_multilingual(read_further_sources(data), config):
        pool = read_pool(data, source)
        if source.name in config.held_out_sources:
            held_out += _named(pool)
            continue
        asks, is_benign = (
            source.name in config.request_sources,
            source.name in config.benign_sources,
        )
        closed = _closed(pool, config) if asks else set()
        all_closed |= closed
        open_, shut = [], []
        for row in pool:
            language, topic = _language_and_topic(row)
            if topic in closed or (is_benign and _is_measured(row, config, shares)):
                shut.append(row)
            elif asks and language in config.held_out_languages:
                continue  # a translation of what is learnt from: no measure, nothing to learn
            else:
                open_.append(row)
        rows += _named(open_)
        held_out += _named(shut)
    kept = deduplicate(rows).rows
    known = {prompt_hash(row.prompt) for row in kept}
    splits = split_rows(
        kept,
        validation_share=shares.validation_share,
        calibration_share=shares.calibration_share,
        held_out_more={},
    )
    measured = [row for row in deduplicate(held_out).rows if prompt_hash(row.prompt) not in known]
    return Multilingual(splits, measured, frozenset(all_closed))


def without_originals(
    rows: Iterable[Row],
    pool: Iterable[PoolRow],
    config: MultilingualConfig,
    closed: Collection[str],
) -> tuple[list[Row], list[Row]]:
    """English rows without the originals of held-out requests, and those originals, with topics.

    pool: the rows of `rows`, with their categories, which name the topic, some behind the name of
    the set. The pool cuts long categories. A row of another source with the same prompt leaves,
    too.
    """
    topics: dict[str, str] = {}
    for one in pool:
        if one.source not in config.original_sources or one.category is None:
            continue
        for said in (one.category, one.category.partition("/")[2]):
            cut = len(one.category) >= _CUT_CATEGORY
            for topic in closed:
                if said == topic or (cut and said and topic.startswith(said)):
                    topics[normalized_key(one.prompt)] = topic
    kept: list[Row] = []
    originals: list[Row] = []
    for row in rows:
        named = topics.get(normalized_key(row.prompt))
        if named is None:
            kept.append(row)
        else:
            originals.append(row.model_copy(update={"topic": named}))
    return kept, originals


def _named(pool: Iterable[PoolRow]) -> list[Row]:
    named = []
    for one in pool:
        language, topic = _language_and_topic(one)
        more = {"source": f"{one.source}{LANGUAGE_SEPARATOR}{language}", "topic": topic}
        named += [row.model_copy(update=more) for row in labelled_rows([one])]
    return named


def _language_and_topic(row: PoolRow) -> tuple[str, str]:
    language, found, topic = (row.category or "").partition(":")
    if not found or not 2 <= len(language) <= 3:
        raise DataInvalid(f"{row.source}: a row does not begin its category with a language")
    return language, topic


def _closed(pool: Sequence[PoolRow], config: MultilingualConfig) -> set[str]:
    """Topics that are held out, in an order that their hash decides, until the share is reached."""
    sizes = Counter(_language_and_topic(row)[1] for row in pool)
    closed: set[str] = set()
    taken = 0
    for topic in sorted(sizes, key=_hash):
        if taken + sizes[topic] / 2 > config.held_out_share * len(pool):
            continue
        closed.add(topic)
        taken += sizes[topic]
    return closed


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8])


def _is_measured(row: PoolRow, config: MultilingualConfig, shares: DataConfig) -> bool:
    """Whether it is of the share that nothing learns from, behind the calibration and validation
    rows, which `split_rows` takes first by the same hash. They need harmless requests, too.
    """
    position = (prompt_hash(row.prompt) % _BUCKETS) / _BUCKETS
    first = shares.calibration_share + shares.validation_share
    return first <= position < config.held_out_share


def judged_rows(rows: Sequence[Row], config: MultilingualConfig | None) -> list[Row]:
    """The rows that a student of these languages is chosen by, calibrated and measured on.

    Pairs stay whatever their language, because no source has pairs in another one than English.
    """
    if config is None:
        return list(rows)
    return [row for row in rows if row.response is not None or row.language in config.languages]


def foreign_templates(config: MultilingualConfig, rng: np.random.Generator) -> list[Row]:
    """At most `config.templates` requests from templates for each language that has them.

    Half of them are harmful, in the same frames as the harmless ones.
    """
    found: list[Row] = []
    for language, text in FOREIGN.items():
        source = f"{TEMPLATES}{LANGUAGE_SEPARATOR}{language}"
        for label, actions, whole in (
            (0, text.harmless, text.seeking_help),
            (1, text.harmful, text.meaning_harm),
        ):
            filled = [frame.replace("{do}", do) for frame in text.frames for do in actions]
            texts = [*whole, *(filled[int(place)] for place in rng.permutation(len(filled)))]
            found += [
                Row(source=source, prompt=_capitalized(one), response=None, label=label)
                for one in texts[: config.templates // 2]
            ]
    return found


def foreign_people(config: MultilingualConfig, rng: np.random.Generator) -> list[Row]:
    """At most `config.people` texts for each language that has some, at most half of them harmful.

    Harmless: people who suffer harm and ask for help, and questions with alarming words. Harmful:
    people who do harm and ask how to hide it.
    """
    found: list[Row] = []
    for language, text in FOREIGN_PEOPLE.items():
        for label, told, asked, whole in (
            (0, text.suffering, text.asking, text.topics),
            (1, text.doing, text.hiding, ()),
        ):
            filled = [f"{one} {question}" for one in told for question in asked]
            texts = [*whole, *(filled[int(place)] for place in rng.permutation(len(filled)))]
            found += [
                Row(
                    source=f"{PEOPLE}{LANGUAGE_SEPARATOR}{language}",
                    prompt=one,
                    response=None,
                    label=label,
                )
                for one in texts[: config.people // 2]
            ]
    return found


def foreign_answers(
    requests: Sequence[Row], config: MultilingualConfig, rng: np.random.Generator
) -> list[Row]:
    """At most `config.answers` answers to `requests` for each language that has some.

    Half of them are harmful: answers that comply with harmful requests. The others refuse these, or
    comply with harmless ones in the same words, so that neither side tells alone. requests: rows of
    the train split, of which those count that ask.
    """
    asking = {TEMPLATES, PEOPLE, *config.request_sources, *config.benign_sources}
    asked: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for row in requests:
        if row.response is None and family_of(row.source) in asking:
            asked[row.language, row.label].append(row.prompt)
    found: list[Row] = []
    for language, answers in FOREIGN_ANSWERS.items():
        for label, asks, some, share in (
            (1, 1, answers.complying, 2),
            (0, 1, answers.refusing, 4),
            (0, 0, answers.complying, 4),
        ):
            prompts = asked[language, asks]
            if not prompts:
                continue
            for place in rng.permutation(len(prompts))[: config.answers // share]:
                found.append(
                    Row(
                        source=f"{ANSWERED}{LANGUAGE_SEPARATOR}{language}",
                        prompt=prompts[int(place)],
                        response=some[int(rng.integers(len(some)))],
                        label=label,
                    )
                )
    return found


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def code_switched(
    english: Sequence[Row], foreign: Sequence[Row], count: int, rng: np.random.Generator
) -> list[Row]:
    """At most `count` prompts with harmless sentences in another language around them.

    Half of them are harmful. The prompt is English, or foreign beside another language's sentences,
    so that neither language is a sign of harm. english, foreign: rows of the train split.
    """
    sentences: defaultdict[str, list[str]] = defaultdict(list)
    for row in foreign:
        if not row.label and row.response is None and len(row.prompt) <= _LONGEST_CHARACTERS:
            sentences[row.language].append(row.prompt)
    sentences[ENGLISH] = [
        row.prompt
        for row in english
        if not row.label and row.response is None and len(row.prompt) <= _LONGEST_CHARACTERS // 2
    ]
    languages = sorted(language for language, some in sentences.items() if some)
    if len(languages) < 2:
        return []
    found: list[Row] = []
    for label in (0, 1):
        sides = [_short(english, label), _short(foreign, label)]
        for place in range(count // 2):
            side = sides[place % 4 == 3]  # three of four are English: most requests are
            if not side:
                continue
            row = side[int(rng.integers(len(side)))]
            others = [one for one in languages if one != row.language]
            other = others[int(rng.integers(len(others)))]
            found.append(_switched(row, sentences[other], other, rng))
    return found


def _short(rows: Sequence[Row], label: int) -> list[Row]:
    return [
        row
        for row in rows
        if row.label == label and row.response is None and len(row.prompt) <= _LONGEST_CHARACTERS
    ]


def _switched(row: Row, sentences: Sequence[str], language: str, rng: np.random.Generator) -> Row:
    before, after = ((1, 0), (0, 1), (1, 1), (2, 1))[int(rng.integers(4))]
    some = [sentences[int(place)] for place in rng.integers(len(sentences), size=before + after)]
    parts = [*some[:before], row.prompt, *some[before:]]
    named = language if language != ENGLISH else row.language
    return Row(
        source=f"{SWITCHED}{LANGUAGE_SEPARATOR}{named}",
        prompt=(" ", "\n")[int(rng.integers(2))].join(parts),
        response=None,
        label=row.label,
    )
