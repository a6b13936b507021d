"""Pool -> rows without duplicates or contradictions -> train, validation, calibration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model_training.data.rows import PoolRow, Row, normalized_key, prompt_hash

_BUCKETS = 10_000


@dataclass(frozen=True)
class Splits:
    """No prompt is on two sides, whatever its response, source or label."""

    train: list[Row]
    validation: list[Row]
    calibration: list[Row]


@dataclass(frozen=True)
class Deduplicated:
    """Rows in pool order, and the number of dropped rows by reason."""

    rows: list[Row]
    dropped: Counter[str]


def labelled_rows(pool: Iterable[PoolRow]) -> list[Row]:
    """One row for each label of a pool row: for the prompt alone, and for the pair."""
    rows: list[Row] = []
    for row in pool:
        if row.prompt_label is not None:
            rows.append(
                Row(source=row.source, prompt=row.prompt, response=None, label=row.prompt_label)
            )
        if row.response is not None and row.response_label is not None:
            rows.append(
                Row(
                    source=row.source,
                    prompt=row.prompt,
                    response=row.response,
                    label=row.response_label,
                )
            )
    return rows


def deduplicate(rows: Sequence[Row]) -> Deduplicated:
    """Keep the first of rows with the same normalized text, and drop contradicting rows."""
    by_text: defaultdict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        response = None if row.response is None else normalized_key(row.response)
        by_text[normalized_key(row.prompt), response].append(row)
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    for same in by_text.values():
        if len({row.label for row in same}) > 1:
            dropped["contradictory"] += len(same)
            continue
        dropped["duplicate"] += len(same) - 1
        if same[0].prompt.strip():
            kept.append(same[0])
        else:
            dropped["empty"] += 1
    return Deduplicated(kept, dropped)


def split_rows(
    rows: Sequence[Row],
    *,
    validation_share: float,
    calibration_share: float,
    held_out_more: dict[str, float],
) -> Splits:
    """Split by a hash of the normalized prompt.

    Shares are in [0, 1]. For some sources, `held_out_more` adds a share of their prompts to
    validation. If a prompt belongs to several sources, the largest share counts for all of them, so
    that the prompt stays on one side.
    """
    extra: defaultdict[int, float] = defaultdict(float)
    hashes = [prompt_hash(row.prompt) for row in rows]
    for row, key in zip(rows, hashes, strict=True):
        extra[key] = max(extra[key], held_out_more.get(row.source, 0.0))
    splits = Splits([], [], [])
    for row, key in zip(rows, hashes, strict=True):
        position = (key % _BUCKETS) / _BUCKETS
        if position < calibration_share:
            splits.calibration.append(row)
        elif position < calibration_share + validation_share + extra[key]:
            splits.validation.append(row)
        else:
            splits.train.append(row)
    return splits
