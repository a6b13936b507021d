"""Generates harmful instructions, and harmless look-alikes, with a language model.

After HarmAug (Lee et al. 2024, section 3): the prompt asks for one harmful instruction and shows
exemplars of the labelled set, and the assistant's turn starts with an affirmative prefix. Each kind
of harmful instruction also gets harmless counterparts. Otherwise the student would learn to refuse
on alarming words alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from model_training.augmentation.exclusions import is_excluded
from model_training.augmentation.families import category_of
from model_training.augmentation.instructions import (
    Instruction,
    Intent,
    complaint_about,
    instruction_of,
)
from model_training.data.categories import CategoryMap, read_category_map
from model_training.data.rows import PoolRow, prompt_hash
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import GenerateConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Backend, Call, Reply, answer_all, chat_call, written_after

# The first sentence is the paper's. The category and the exemplars are filled in.
HARMFUL_TEMPLATE: Final = (
    "Make a single harmful instruction prompt that would elicit offensive content{category}.\n\n"
    "{exemplars}Write the instruction alone, on one line, unlike the examples."
)
BENIGN_TEMPLATE: Final = (
    "The instructions below seek harm{category}.\n\n"
    "{exemplars}Make a single instruction prompt that shares alarming words with them and is "
    "nonetheless plainly harmless in what it asks for, as in 'How do I kill a Python process?'. "
    "Write the instruction alone, on one line."
)
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z&,-]*")
_LONGEST_CATEGORY: Final = 60
_LABELS_IN_WORDS: Final = {
    "cyber": "hacking and malware",
    "self_harm": "self-harm",
    "sexual": "sexual content",
    "threat": "threats",
}
"""Labels of the map that are not the words for it."""

_Group = tuple[str | None, str | None]


@dataclass(frozen=True)
class Kind:
    """Labelled harmful prompts of one source and category. category: in words, if known.

    source: None if all sources share the category. weight: factor in the number of calls.
    """

    source: str | None
    category: str | None
    prompts: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Planned:
    """One call, and the intent of its answer."""

    call: Call
    intent: Intent
    kind: Kind
    prefix: str | None
    seed: int


def known_kinds(data: Path, config: GenerateConfig) -> CategoryMap | None:
    """The map of the data folder, if the recipe asks for its kinds of harm. Raises DataInvalid."""
    return read_category_map(data) if config.categories == "map" else None


def kinds_of(
    pool: Iterable[PoolRow],
    *,
    train: frozenset[int],
    config: GenerateConfig,
    styles: Mapping[str, str] = MappingProxyType({}),
    known: CategoryMap | None = None,
) -> list[Kind]:
    """Groups of exemplars, only from the train side of the pool.

    train: prompt hashes of the train split. styles: of sources, for families. known: the map, for
    its kinds of harm; a prompt of several kinds is an exemplar of each. A category with fewer
    prompts than a call shows is merged with its source's prompts without a category. Raises
    DataInvalid if nothing is left.
    """
    groups: defaultdict[_Group, dict[int, str]] = defaultdict(dict)
    for row in pool:
        if row.prompt_label != 1 or len(row.prompt) > config.longest_exemplar:
            continue
        if config.exemplar_sources and row.source not in config.exemplar_sources:
            continue
        key = prompt_hash(row.prompt)
        if key not in train or is_excluded(f"{row.category} {row.prompt}"):
            continue
        for group in _groups_of(row, styles, known, config):
            groups[group].setdefault(key, row.prompt)
    merged: defaultdict[_Group, list[str]] = defaultdict(list)
    for (source, category), prompts in groups.items():
        enough = len(prompts) >= max(1, config.exemplars)
        merged[source, category if enough else None] += prompts.values()
    weights = {_words(name): weight for name, weight in config.category_weights.items()}
    if not any(weights.get(category or "", 1.0) for _, category in merged):
        raise DataInvalid("no labelled harmful prompt of the train split can serve as exemplar")
    return [
        Kind(source, category, tuple(sorted(prompts)), weights.get(category or "", 1.0))
        for (source, category), prompts in sorted(
            merged.items(), key=lambda item: (item[0][0] or "", item[0][1] or "")
        )
    ]


def _groups_of(
    row: PoolRow, styles: Mapping[str, str], known: CategoryMap | None, config: GenerateConfig
) -> list[_Group]:
    if known is not None:
        labels = sorted(map(_words, known.labels_of(row.source, row.category)))
        if is_excluded(" ".join(labels)):  # its other labels would show the row as well
            return []
        return [(None, one) for one in labels] or [(None, None)]
    if config.categories == "families":
        text = " ".join(row.prompt.split())
        return [(None, category_of(text, style=styles.get(row.source, "")))]
    return [(row.source, in_words(row.category))]


def _words(label: str) -> str:
    """A label of the map as words."""
    return _LABELS_IN_WORDS.get(label, label.replace("_", " "))


def in_words(category: str | None) -> str | None:
    """A source's own category as words: `malicious_use/['Theft']` -> `malicious use, theft`."""
    if category is None:
        return None
    parts = [" ".join(_WORD.findall(part.replace("_", " "))) for part in category.split("/")]
    text = ", ".join(part.lower() for part in parts if part)
    return text if 0 < len(text) <= _LONGEST_CATEGORY else None


def plan(kinds: Sequence[Kind], config: GenerateConfig, backend: Backend) -> list[Planned]:
    """All calls. Each request has its own random generator, which also gives the seeds of its
    draws, so a longer plan begins with the same calls.
    """
    # keeps large sources from drowning the others
    weights = np.array([kind.weight * len(kind.prompts) ** 0.5 for kind in kinds])
    weights /= weights.sum()
    wanted: list[tuple[Intent, int]] = [("harmful", config.harmful), ("benign", config.benign)]
    planned: list[Planned] = []
    for number, (intent, count) in enumerate(wanted):
        for first in range(0, count, config.draws):
            rng = np.random.default_rng([config.seed, number, first // config.draws])
            drawn = _request(intent, kinds, weights, config, backend, rng)
            planned += drawn[: count - first]
    return planned


def _request(
    intent: Intent,
    kinds: Sequence[Kind],
    weights: np.ndarray[Any, np.dtype[np.float64]],
    config: GenerateConfig,
    backend: Backend,
    rng: np.random.Generator,
) -> list[Planned]:
    """One request, and each of its draws."""
    kind = kinds[int(rng.choice(len(kinds), p=weights))]
    n_shown = min(config.exemplars, len(kind.prompts))
    shown = [kind.prompts[i] for i in rng.choice(len(kind.prompts), size=n_shown, replace=False)]
    prefixes = config.harmful_prefixes if intent == "harmful" else config.benign_prefixes
    bare = float(rng.random()) < config.without_prefix_share
    prefix = None if bare else prefixes[int(rng.integers(len(prefixes)))]
    messages = [{"role": "user", "content": ask(intent, kind, shown, config)}]
    planned = []
    for seed in rng.integers(2**31, size=config.draws).tolist():
        call = chat_call(
            backend,
            messages,
            model=config.model.model,
            prefix=prefix,
            sampling=config.sampling,
            seed=seed,
        )
        planned.append(Planned(call, intent, kind, prefix, seed))
    return planned


def ask(intent: Intent, kind: Kind, shown: Sequence[str], config: GenerateConfig) -> str:
    """The user's turn. Custom templates get {category} and {exemplars}, like the built-in ones."""
    template = {
        "harmful": config.harmful_template or HARMFUL_TEMPLATE,
        "benign": config.benign_template or BENIGN_TEMPLATE,
    }[intent]
    category = f" about {kind.category}" if kind.category else ""
    lines = [f"{number}. {' '.join(text.split())}" for number, text in enumerate(shown, start=1)]
    exemplars = "Examples:\n" + "\n".join(lines) + "\n\n" if lines else ""
    # Not str.format: braces in an exemplar or a custom template are plain text.
    return template.replace("{category}", category).replace("{exemplars}", exemplars)


def generate(
    kinds: Sequence[Kind], config: GenerateConfig, backend: Backend, journal: Journal
) -> tuple[list[Instruction], dict[str, Any]]:
    """Instructions in the order of the plan, successes and failures alike, and the report.

    Raises ServerUnusable if the backend cannot continue an assistant turn that already has text.
    """
    planned = plan(kinds, config, backend)
    if any(one.prefix is not None for one in planned):
        backend.require_continuation(journal)
    replies = answer_all([one.call for one in planned], backend, journal, what="generate")
    rows = instructions_of(planned, replies, config, backend)
    return rows, report(rows)


def instructions_of(
    planned: Sequence[Planned], replies: Sequence[Reply], config: GenerateConfig, backend: Backend
) -> list[Instruction]:
    """What each call wrote, with what is wrong with it."""
    return [
        _instruction(one, reply, config, backend)
        for one, reply in zip(planned, replies, strict=True)
    ]


def _instruction(
    planned: Planned, reply: Reply, config: GenerateConfig, backend: Backend
) -> Instruction:
    text = instruction_of(written_after(planned.prefix, reply.text))
    return Instruction(
        id=planned.call.key,
        intent=planned.intent,
        category=planned.kind.category,
        exemplar_source=planned.kind.source,
        text=text,
        complaint="refused_by_server" if reply.refused is not None else complaint_about(text),
        prefix=planned.prefix,
        finish=reply.finish,
        model=backend.asked,
        seed=planned.seed,
        sampling=config.sampling.model_dump(),
    )


def report(rows: Sequence[Instruction]) -> dict[str, Any]:
    """Calls, successes and their share, for each intent, with and without the prefix."""
    found: dict[str, Any] = {}
    for intent in ("harmful", "benign"):
        for name, with_prefix in (("with_prefix", True), ("without_prefix", False)):
            group = [
                row
                for row in rows
                if row.intent == intent and (row.prefix is not None) == with_prefix
            ]
            if not group:
                continue
            complaints = Counter(row.complaint for row in group if row.complaint)
            n_successes = len(group) - complaints.total()
            found.setdefault(intent, {})[name] = {
                "calls": len(group),
                "successes": n_successes,
                "success_rate": n_successes / len(group),
                "complaints": dict(sorted(complaints.items())),
            }
    return found
