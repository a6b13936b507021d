"""Selects the generated instructions that are worth answering, and counts the reason of each
drop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from py3langid.langid import MODEL_FILE, LanguageIdentifier
from tqdm import tqdm

from model_training.augmentation.instructions import Instruction, Intent
from model_training.data.near_duplicates import NearDuplicates, SharedRuns
from model_training.data.rows import PoolRow, Row, normalized_key
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import FilterConfig

# Reasons for dropping an instruction, in the order in which they are checked.
REASONS: Final = (
    *("refused_by_server", "empty", "excluded", "refusal", "chatter", "same"),
    *("cut_off", "too_short", "too_long", "language"),
    *("in_test", "like_test", "shares_words_with_test", "held_out", "in_training"),
    "like_training",
    *("duplicate", "near_duplicate"),
)


class Languages(Protocol):
    """Identifies languages; `rank` gives ISO codes with probabilities."""

    def rank(self, text: str) -> Sequence[tuple[str, float]]: ...


@dataclass(frozen=True)
class Known:
    """Text that generated instructions must not repeat."""

    test: Sequence[PoolRow]
    held_out: Sequence[Row]
    """Prompts of the validation and calibration splits."""
    train: Sequence[Row]


class _Sieve:
    """Tells why an instruction is dropped, and remembers the kept instructions.

    longest: length in characters of the longest instruction that will be shown.
    """

    def __init__(self, known: Known, config: FilterConfig, *, longest: int) -> None:
        if not known.test:
            raise DataInvalid("no test set to decontaminate against; sources.json must list them")
        self._config = config
        prompts = [row.prompt for row in known.test]
        responses = [row.response for row in known.test if row.response]
        self._test_keys = {normalized_key(text) for text in (*prompts, *responses)}
        self._held_out_keys = {normalized_key(row.prompt) for row in known.held_out}
        self._train_keys = {normalized_key(row.prompt) for row in known.train}
        self._test_runs = SharedRuns([*prompts, *responses], config.test_words)
        self._like_test = NearDuplicates(config.near_duplicate)
        for number, prompt in enumerate(tqdm(prompts, desc="test sets", unit="row")):
            self._like_test.add(number, prompt)
        self._like_train = NearDuplicates(config.near_duplicate)
        if config.new_to_training:
            self._remember_training(known.train, longest=longest)
        self._seen: set[str] = set()
        # Counterparts are meant to be look-alikes with another intent, so each intent is compared
        # only with itself.
        self._kept: dict[Intent, NearDuplicates] = {
            "harmful": NearDuplicates(config.near_duplicate),
            "benign": NearDuplicates(config.near_duplicate),
        }
        self._languages = _languages() if config.languages else None

    def _remember_training(self, rows: Sequence[Row], *, longest: int) -> None:
        # Text of more than twice the length of every instruction cannot be near any of them.
        prompts = sorted({row.prompt for row in rows if len(row.prompt) <= 2 * longest})
        for number, prompt in enumerate(tqdm(prompts, desc="training prompts", unit="row")):
            self._like_train.add(number, prompt)

    def reason(self, row: Instruction) -> str | None:
        """Reason for dropping the instruction. None: it stays and is remembered."""
        return row.complaint or self._by_form(row) or self._by_contents(row)

    def _by_form(self, row: Instruction) -> str | None:
        if row.finish == "length":
            return "cut_off"
        if len(row.text.split()) < self._config.fewest_words:
            return "too_short"
        if len(row.text) > self._config.longest_characters:
            return "too_long"
        if self._languages is not None:
            shares = dict(self._languages.rank(row.text))
            share = sum(shares.get(code, 0.0) for code in self._config.languages)
            if share < self._config.least_language_probability:
                return "language"
        return None

    def _by_contents(self, row: Instruction) -> str | None:
        key = normalized_key(row.text)
        if key in self._test_keys:
            return "in_test"
        if self._like_test.find(row.text) is not None:
            return "like_test"
        if self._test_runs.shared_with(row.text):
            return "shares_words_with_test"
        if key in self._held_out_keys:
            return "held_out"
        if key in self._train_keys:
            return "in_training"
        if self._like_train.find(row.text) is not None:
            return "like_training"
        if key in self._seen:
            return "duplicate"
        kept = self._kept[row.intent]
        if kept.find(row.text) is not None:
            return "near_duplicate"
        self._seen.add(key)
        kept.add(len(kept), row.text)
        return None


def sift(
    rows: Sequence[Instruction], known: Known, config: FilterConfig
) -> tuple[list[Instruction], dict[str, Any]]:
    """The instructions that stay, in order, and the counts of all.

    Raises DataInvalid if there is no test set to keep clear of, or if nothing stays.
    """
    longest = max((len(row.text) for row in rows), default=0)
    sieve = _Sieve(known, config, longest=longest)
    kept: list[Instruction] = []
    dropped: dict[Intent, Counter[str]] = {"harmful": Counter(), "benign": Counter()}
    for row in tqdm(rows, desc="filter", unit="row", dynamic_ncols=True):
        reason = sieve.reason(row)
        if reason is None:
            kept.append(row)
        else:
            dropped[row.intent][reason] += 1
    if not kept:
        raise DataInvalid(f"none of {len(rows)} instructions passes the filter")
    report: dict[str, Any] = {}
    for intent, counts in dropped.items():
        n_kept = sum(row.intent == intent for row in kept)
        report[intent] = {
            "read": n_kept + counts.total(),
            "kept": n_kept,
            "dropped": {reason: counts[reason] for reason in REASONS if counts[reason]},
        }
    return kept, report


def _languages() -> Languages:
    found: Languages = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return found
