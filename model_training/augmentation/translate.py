"""Translations of English rows, kept where a translation back says the same.

A language model writes them. A small one often errs, so each translation is read twice without it:
the identifier of the server must name the language, and an encoder must find the translation back
into English close to the original.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from postern.contract.language import Reading
from pydantic import BaseModel, ConfigDict, Field

from model_training.augmentation.exclusions import is_excluded
from model_training.augmentation.respond import seed_of
from model_training.data.multilingual import MEASURED, TRANSLATED
from model_training.data.rows import (
    ENGLISH,
    LANGUAGE_SEPARATOR,
    BinaryLabel,
    Row,
    normalized_key,
)
from model_training.recipe.augmentation import Sampling
from model_training.recipe.multilingual import TranslateConfig
from model_training.run.journal import Journal
from model_training.teachers.llm import Backend, Call, Reply, answer_all, chat_call

NAMES: Final[Mapping[str, str]] = {
    "ar": "Arabic",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "zh": "Chinese",
    ENGLISH: "English",
}
"""How the model is asked for a language."""
SYSTEM: Final = "Translate each message into {language}. Write the translation alone."

Complaint = Literal[
    "refused_by_server", "empty", "excluded", "cut_off", "form", "language", "meaning"
]
Similarities = Callable[[Sequence[tuple[str, str]]], Sequence[float]]
"""Cosine in [-1, 1] of each pair of English texts."""
ReadLanguage = Callable[[str], Reading]


class Translated(BaseModel):
    """A translated row beside its original.

    similarity: cosine of the original and the translation back, the lower one of prompt and
    response.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: str
    source: str
    """Of the original."""
    label: BinaryLabel
    original_prompt: str
    original_response: str | None
    prompt: str
    response: str | None
    similarity: Annotated[float, Field(ge=-1.01, le=1.01)]
    measured: bool = False
    """Its original is held out: it is measured, and nothing learns from it."""
    topic: str | None = None

    @property
    def original(self) -> tuple[str, str, str | None, int]:
        """Source, prompt, response and label of the original."""
        return self.source, self.original_prompt, self.original_response, self.label

    def row(self, soft_label: float | None) -> Row:
        """The row to learn from. soft_label: the teacher's, of the original."""
        family = MEASURED if self.measured else TRANSLATED
        return Row(
            source=f"{family}{LANGUAGE_SEPARATOR}{self.language}",
            prompt=self.prompt,
            response=self.response,
            label=self.label,
            soft_label=soft_label,
            topic=self.topic,
        )


@dataclass(frozen=True)
class _Side:
    """One text on its way into a language and back."""

    text: str = ""
    back: str = ""
    complaint: Complaint | None = None


def translate(
    train: Sequence[Row],
    originals: Sequence[Row],
    config: TranslateConfig,
    backend: Backend,
    journal: Journal,
    *,
    read: ReadLanguage,
    similarities: Similarities,
) -> tuple[list[Translated], dict[str, Any]]:
    """Translations that stay, and a report by language. train: rows of the train split.

    originals: English rows that are held out. Their translations are measured.
    """
    chosen = [
        (language, row, False)
        for language in config.languages
        for row in chosen_rows(train, language, config)
    ]
    chosen += [
        (language, row, True)
        for language in config.measured_languages
        for row in _in_turns(_by_source(originals, config), config.measured, f"{config.seed}")
    ]
    texts = list(
        dict.fromkeys(pair for language, row, _ in chosen for pair in _texts(language, row))
    )
    sides = _sides(texts, config, backend, journal, read=read)
    read_back = [pair for pair, side in sides.items() if side.complaint is None]
    found = similarities([(text, sides[language, text].back) for language, text in read_back])
    close = dict(zip(read_back, found, strict=True))
    kept: list[Translated] = []
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for language, row, measured in chosen:
        some = [sides[pair] for pair in _texts(language, row)]
        complaint = next((side.complaint for side in some if side.complaint is not None), None)
        similarity = -1.0
        if complaint is None:
            similarity = min(close[pair] for pair in _texts(language, row))
            complaint = "meaning" if similarity < config.least_similarity else None
        kind = f"{row.slice}_{'harmful' if row.harmful else 'unharmful'}"
        said = complaint or ("kept_measured" if measured else f"kept_{kind}")
        counts[language][said] += 1
        if complaint is None:
            kept.append(
                Translated(
                    language=language,
                    source=row.source,
                    label=row.label,
                    original_prompt=row.prompt,
                    original_response=row.response,
                    prompt=some[0].text,
                    response=some[1].text if row.response is not None else None,
                    similarity=similarity,
                    measured=measured,
                    topic=row.topic,
                )
            )
    report = {
        "asked": len(chosen),
        "kept": len(kept),
        "languages": {language: dict(sorted(one.items())) for language, one in counts.items()},
    }
    return kept, report


def chosen_rows(train: Sequence[Row], language: str, config: TranslateConfig) -> list[Row]:
    """The rows that are translated into a language: of each class and kind as many as the recipe
    says, from its sources in turn. Each language has others, and more of them are a superset.
    """
    wanted = {
        (False, 1): config.harmful,
        (False, 0): config.harmless,
        (True, 1): config.pairs,
        (True, 0): config.pairs,
    }
    by_kind: dict[tuple[bool, int], dict[str, list[Row]]] = {kind: {} for kind in wanted}
    for row in train:
        is_pair = row.response is not None
        sources = config.pair_sources if is_pair else config.sources
        if row.source in sources and _fits(row, config):
            by_kind[is_pair, row.label].setdefault(row.source, []).append(row)
    found: list[Row] = []
    for kind, count in wanted.items():
        found += _in_turns(by_kind[kind], count, f"{language} {config.seed}")
    return found


def _by_source(rows: Sequence[Row], config: TranslateConfig) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.harmful and row.response is None and _fits(row, config):
            found.setdefault(row.source, []).append(row)
    return found


def _fits(row: Row, config: TranslateConfig) -> bool:
    texts = [row.prompt, *([] if row.response is None else [row.response])]
    return all(
        text.strip()
        and "\n" not in text.strip()
        and len(text) <= config.longest_characters
        and not is_excluded(text)
        for text in texts
    )


def _in_turns(by_source: Mapping[str, Sequence[Row]], count: int, salt: str) -> list[Row]:
    lots = [sorted(rows, key=lambda row: _lot(row, salt)) for _, rows in sorted(by_source.items())]
    found: list[Row] = []
    for turn in range(max(map(len, lots), default=0)):
        found += [rows[turn] for rows in lots if turn < len(rows)]
        if len(found) >= count:
            break
    return found[:count]


def _lot(row: Row, salt: str) -> bytes:
    text = f"{salt}\n{row.prompt}\n{row.response or ''}"
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _texts(language: str, row: Row) -> list[tuple[str, str]]:
    return [(language, text) for text in (row.prompt, row.response) if text is not None]


def _sides(
    texts: Sequence[tuple[str, str]],
    config: TranslateConfig,
    backend: Backend,
    journal: Journal,
    *,
    read: ReadLanguage,
) -> dict[tuple[str, str], _Side]:
    calls = [_call(language, text, config, backend) for language, text in texts]
    there = answer_all(calls, backend, journal, what="translate")
    sides: dict[tuple[str, str], _Side] = {}
    for (language, text), reply in zip(texts, there, strict=True):
        written = reply.text.strip()
        complaint = complaint_about_translation(text, written, reply)
        if complaint is None and read(written).language != language:
            complaint = "language"
        sides[language, text] = _Side(written, complaint=complaint)
    good = [pair for pair, side in sides.items() if side.complaint is None]
    calls = [_call(ENGLISH, sides[pair].text, config, backend) for pair in good]
    back = answer_all(calls, backend, journal, what="translate back")
    for pair, reply in zip(good, back, strict=True):
        written = reply.text.strip()
        complaint = complaint_about_translation(sides[pair].text, written, reply)
        if complaint is None and is_excluded(written):
            complaint = "excluded"
        sides[pair] = _Side(sides[pair].text, written, complaint)
    return sides


def _call(language: str, text: str, config: TranslateConfig, backend: Backend) -> Call:
    return translation_call(
        language,
        text,
        backend,
        model=config.model.model,
        sampling=config.sampling,
        seed=config.seed,
    )


def translation_call(
    language: str, text: str, backend: Backend, *, model: str, sampling: Sampling, seed: int
) -> Call:
    """Asks for a text in a language. The draws depend on the text and the seed."""
    return chat_call(
        backend,
        [
            {"role": "system", "content": SYSTEM.replace("{language}", NAMES[language])},
            {"role": "user", "content": text},
        ],
        model=model,
        prefix=None,
        sampling=sampling,
        seed=seed_of(text, seed),
    )


def complaint_about_translation(text: str, written: str, reply: Reply) -> Complaint | None:
    """Why what was written is no translation of a text, by its form alone."""
    if reply.refused is not None:
        return "refused_by_server"
    if not any(char.isalnum() for char in written):
        return "empty"
    if reply.finish == "length":
        return "cut_off"
    if "\n" in written or normalized_key(written) == normalized_key(text):
        return "form"
    return None


def translated_rows(kept: Iterable[Translated], labelled: Iterable[Row]) -> list[Row]:
    """Rows to learn from, each with the teacher's opinion of its original, where there is one."""
    softs = {(one.source, one.prompt, one.response, one.label): one.soft_label for one in labelled}
    return [one.row(softs.get(one.original)) for one in kept]
