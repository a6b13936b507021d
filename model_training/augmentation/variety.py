"""Diversity and novelty of the kept instructions, reported beside the counts of `filter`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_training.augmentation.diversity import diversity_report
from model_training.augmentation.filter import Known
from model_training.augmentation.instructions import Instruction
from model_training.augmentation.novelty import novelty_report
from model_training.data.rows import Row
from model_training.recipe.augmentation import FilterConfig


def variety_report(
    rows: Sequence[Instruction], known: Known, *, base: str, config: FilterConfig
) -> dict[str, Any]:
    """Diversity and novelty by intent, with labelled prompts as a yardstick."""
    generated = {
        intent: [row.text for row in rows if row.intent == intent]
        for intent in ("harmful", "benign")
    }
    report: dict[str, Any] = {}
    if config.diversity_rows:
        groups: Mapping[str, Sequence[str]] = {
            **generated,
            "labelled_harmful": _prompts(known.train, harmful=True),
        }
        report["diversity"] = diversity_report(groups, base=base, config=config)
    if config.novelty_rows:
        longest = max(len(row.text) for row in rows)

        def short(texts: Sequence[str]) -> list[str]:
            return [text for text in texts if len(text) <= longest]

        # New prompts that people wrote or chose show how far is far.
        yardstick = {
            f"held_out_{name}": short(_prompts(known.held_out, harmful=name == "harmful"))
            for name in generated
        }
        train = [row.prompt for row in known.train if row.response is None]
        report["novelty"] = novelty_report(
            {**generated, **yardstick}, short(train), base=base, config=config
        )
    return report


def _prompts(rows: Sequence[Row], *, harmful: bool) -> list[str]:
    return [row.prompt for row in rows if row.response is None and row.harmful == harmful]
