"""Requests that a language model writes in other languages, after examples in the language.

HarmAug's method (Lee et al. 2024, section 3) in another language: the model is shown a numbered
list of requests of one class, and its turn begins with the next number. The identifier of the
server must name the language of each request. The teacher, which reads English, reads its
translation: a request that it does not judge as was asked for teaches nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from model_training.augmentation.exclusions import is_excluded
from model_training.augmentation.instructions import is_refusal
from model_training.augmentation.translate import (
    NAMES,
    ReadLanguage,
    Translated,
    complaint_about_translation,
    translation_call,
)
from model_training.data.multilingual import WRITTEN
from model_training.data.rows import (
    ENGLISH,
    LANGUAGE_SEPARATOR,
    BinaryLabel,
    Row,
    family_of,
    normalized_key,
)
from model_training.recipe.multilingual import WriteConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Backend, Call, Reply, answer_all, chat_call, written_after

TEMPLATES: Final[Mapping[int, str]] = {
    1: (
        "These requests to a chatbot seek harm. They are in {language}.\n\n{exemplars}\n\n"
        "Continue the list with {count} requests in {language} that seek other kinds of harm. "
        "Write one on each line."
    ),
    0: (
        "These requests to a chatbot are harmless. They are in {language}.\n\n{exemplars}\n\n"
        "Continue the list with {count} harmless requests in {language} about other things. "
        "Write one on each line."
    ),
}
"""By the label that is asked for."""
_NUMBER: Final = re.compile(r"^\s*\d{1,2}\s*[.):]\s*")
_QUOTES: Final = '"“”„«»「」'
_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "ar": ("ARABIC",),
    "hi": ("DEVANAGARI",),
    "ja": ("HIRAGANA", "KATAKANA", "CJK"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "zh": ("CJK",),
}
"""Beginnings of the names of letters, beside Latin ones, by language."""
_LONGER: Final = 2
"""Times the longest request: a longer held-out text cannot say the same."""

Complaint = Literal[
    "excluded", "form", "script", "known", "language", "untranslated", "held_out", "similar"
]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""English texts to vectors of length one, [texts, dimensions]."""


class Written(BaseModel):
    """A request that the model wrote, and its own translation of it into English."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    label: BinaryLabel
    """As was asked for."""
    prompt: str
    english: str

    @property
    def source(self) -> str:
        return f"{WRITTEN}{LANGUAGE_SEPARATOR}{self.language}"


@dataclass(frozen=True)
class _Line:
    """One line of a reply."""

    language: str
    label: BinaryLabel
    text: str


def write(
    train: Sequence[Row],
    translated: Sequence[Translated],
    held_out: Sequence[Row],
    config: WriteConfig,
    backend: Backend,
    journal: Journal,
    *,
    read: ReadLanguage,
    embed: Embed,
) -> tuple[list[Written], dict[str, Any]]:
    """Requests that stay, and a report by language.

    train: rows of the train split. translated: what the stage `translate` kept. Both give the
    examples. held_out: rows that nothing may learn from. What repeats one leaves, and what says the
    same as an English one. Raises ServerUnusable if the backend cannot continue an assistant turn.
    """
    asked = [
        (language, label, call)
        for language in config.languages
        for label, count in ((1, config.harmful), (0, config.harmless))
        for call in _calls(
            exemplars_of(train, translated, language, label, config),
            language,
            label,
            count,
            config,
            backend,
        )
    ]
    backend.require_continuation(journal)
    replies = answer_all([call for *_, call in asked], backend, journal, what="write")
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    known = {normalized_key(row.prompt) for row in (*train, *held_out)}
    known |= {normalized_key(one.prompt) for one in translated}
    lines: list[_Line] = []
    for (language, label, call), reply in zip(asked, replies, strict=True):
        counts[language]["calls"] += 1
        for text in lines_of(reply, call)[: config.requests]:
            complaint = _complaint(text, language, known, config, read=read)
            known.add(normalized_key(text))
            if complaint is None:
                lines.append(_Line(language, label, text))
            else:
                counts[language][complaint] += 1
    requests = _translated(lines, config, backend, journal, counts)
    longest = _LONGER * config.longest_characters
    english = sorted(
        {row.prompt for row in held_out if row.language == ENGLISH and len(row.prompt) <= longest}
    )
    kept = _apart(requests, english, config, counts, embed=embed)
    for one in kept:
        counts[one.language][f"kept_{'harmful' if one.label else 'unharmful'}"] += 1
    languages = {language: dict(sorted(one.items())) for language, one in counts.items()}
    return kept, {"kept": len(kept), "languages": languages}


def exemplars_of(
    train: Iterable[Row],
    translated: Iterable[Translated],
    language: str,
    label: int,
    config: WriteConfig,
) -> list[str]:
    """Requests of one class in a language that the examples are drawn from, in a fixed order."""
    sources = config.harmful_sources if label else config.harmless_sources
    rows = [row for row in train if row.language == language and family_of(row.source) in sources]
    rows += [one.row(None) for one in translated if one.language == language and not one.measured]
    return sorted(
        {
            row.prompt.strip()
            for row in rows
            if row.response is None
            and row.label == label
            and "\n" not in row.prompt.strip()
            and len(row.prompt) <= config.longest_characters
            and not is_excluded(row.prompt)
        }
    )


def _calls(
    exemplars: Sequence[str],
    language: str,
    label: int,
    count: int,
    config: WriteConfig,
    backend: Backend,
) -> list[Call]:
    """Each call has its own random generator, so that more calls begin with the same ones."""
    if len(exemplars) < config.exemplars:
        return []
    calls = []
    for number in range(count):
        rng = np.random.default_rng([config.seed, label, number])
        drawn = rng.choice(len(exemplars), size=config.exemplars, replace=False)
        shown = [f"{place}. {exemplars[i]}" for place, i in enumerate(drawn, start=1)]
        asked = (
            TEMPLATES[label]
            .replace("{language}", NAMES[language])
            .replace("{count}", str(config.requests))
            .replace("{exemplars}", "\n".join(shown))
        )
        calls.append(
            chat_call(
                backend,
                [{"role": "user", "content": asked}],
                model=config.model.model,
                prefix=f"{config.exemplars + 1}.",
                sampling=config.sampling,
                seed=int(rng.integers(2**31)),
            )
        )
    return calls


def lines_of(reply: Reply, call: Call) -> list[str]:
    """The requests in a reply, without their numbers. A line that was cut off is none."""
    if reply.refused is not None:
        return []
    prefix = call.body["messages"][-1]["content"]
    lines = written_after(prefix, reply.text).splitlines()
    if reply.finish == "length":
        lines = lines[:-1]
    found = [_NUMBER.sub("", line).strip().strip(_QUOTES).strip() for line in lines]
    return [line for line in found if any(char.isalnum() for char in line)]


def _complaint(
    text: str, language: str, known: set[str], config: WriteConfig, *, read: ReadLanguage
) -> Complaint | None:
    if is_excluded(text):
        return "excluded"
    if len(text) > config.longest_characters:
        return "form"
    if normalized_key(text) in known:
        return "known"
    if read(text).language != language:
        return "language"
    if not _in_script(text, language):
        return "script"
    return None


def _in_script(text: str, language: str) -> bool:
    """Whether all letters are Latin or of the language's own script. A small model falls into
    another language in mid-word, most often into Chinese.
    """
    own = ("LATIN", "FULLWIDTH LATIN", *_SCRIPTS.get(language, ()))
    return all(unicodedata.name(char, "").startswith(own) for char in text if char.isalpha())


def _translated(
    lines: Sequence[_Line],
    config: WriteConfig,
    backend: Backend,
    journal: Journal,
    counts: Mapping[str, Counter[str]],
) -> list[Written]:
    calls = [
        translation_call(
            ENGLISH,
            line.text,
            backend,
            model=config.model.model,
            sampling=config.translating,
            seed=config.seed,
        )
        for line in lines
    ]
    replies = answer_all(calls, backend, journal, what="translate")
    found = []
    for line, reply in zip(lines, replies, strict=True):
        english = reply.text.strip()
        if is_excluded(english):
            counts[line.language]["excluded"] += 1
        elif complaint_about_translation(line.text, english, reply) or is_refusal(english):
            counts[line.language]["untranslated"] += 1
        else:
            found.append(
                Written(language=line.language, label=line.label, prompt=line.text, english=english)
            )
    return found


def _apart(
    requests: Sequence[Written],
    held_out: Sequence[str],
    config: WriteConfig,
    counts: Mapping[str, Counter[str]],
    *,
    embed: Embed,
) -> list[Written]:
    """Requests that say neither what a held-out one says, nor what an earlier one of the same
    language does.
    """
    if not requests:
        return []
    vectors = embed([one.english for one in requests])
    closed = np.zeros(len(requests), dtype=bool)
    if held_out:
        near = vectors @ embed(held_out).T
        closed = near.max(axis=1) >= config.most_similarity
    places: defaultdict[str, list[int]] = defaultdict(list)
    found = []
    for place, one in enumerate(requests):
        earlier = vectors[places[one.language]] @ vectors[place]
        if closed[place]:
            counts[one.language]["held_out"] += 1
        elif np.any(earlier >= config.most_similarity):
            counts[one.language]["similar"] += 1
        else:
            places[one.language].append(place)
            found.append(one)
    return found
