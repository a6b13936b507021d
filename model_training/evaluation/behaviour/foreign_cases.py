"""The form of behaviour cases in other languages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ForeignCases:
    """Prompts by kind, and refusals, each of which answers every harmful prompt."""

    help_seeking: tuple[str, ...]
    topic_words: tuple[str, ...]
    plain_harm: tuple[str, ...]
    refusals: tuple[str, ...]
