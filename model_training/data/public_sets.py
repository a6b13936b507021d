"""Public safety sets: their columns, and how they map to the columns of a data folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Columns = Mapping[str, Any]

_WORDS: Final[Mapping[str, int | None]] = {
    **dict.fromkeys(("harmful", "unsafe", "1", "1.0", "true"), 1),
    **dict.fromkeys(("unharmful", "safe", "0", "0.0", "false"), 0),
    **dict.fromkeys(("", "null", "none"), None),
}


def _label(value: Any) -> int | None:
    """1, 0, or None for no label. Raises ValueError for anything else."""
    key = "" if value is None else str(value).strip().lower()
    if key not in _WORDS:
        raise ValueError("no label")
    return _WORDS[key]


@dataclass(frozen=True)
class Preset:
    """A public set: its default location, the columns to read, and how they map to rows."""

    hub_id: str
    config: str | None
    split: str
    columns: tuple[str, ...]
    read: Callable[[Columns], dict[str, Any]]
    licence: str
    permissive: bool
    label_kind: Literal["human", "mixed", "model"]
    """Who labelled. The teacher may dispute all labels except those of people."""


def _wildguardmix(row: Columns) -> dict[str, Any]:
    return {
        "prompt": row["prompt"],
        "response": row["response"],
        "prompt_label": _label(row["prompt_harm_label"]),
        "response_label": _label(row["response_harm_label"]),
        "category": row["subcategory"],
    }


def _toxicchat(row: Columns) -> dict[str, Any]:
    return {
        "prompt": row["user_input"],
        "response": row["model_output"],
        "prompt_label": _label(row["toxicity"]),
    }


def _beavertails(row: Columns) -> dict[str, Any]:
    safe = _label(row["is_safe"])
    named = sorted(name for name, given in (row["category"] or {}).items() if given)
    return {
        "prompt": row["prompt"],
        "response": row["response"],
        "response_label": None if safe is None else 1 - safe,
        "category": "/".join(named) or None,
    }


def _aegis(row: Columns) -> dict[str, Any]:
    return {
        "prompt": row["prompt"],
        "response": row["response"] or None,
        "prompt_label": _label(row["prompt_label"]),
        "response_label": _label(row["response_label"]),
        "category": row["violated_categories"] or None,
    }


PRESETS: Final[Mapping[str, Preset]] = {
    "wildguardmix": Preset(
        hub_id="allenai/wildguardmix",
        config="wildguardtrain",
        split="train",
        columns=(
            *("prompt", "response", "prompt_harm_label", "response_harm_label"),
            "subcategory",
        ),
        read=_wildguardmix,
        licence="ODC-BY",
        permissive=True,
        label_kind="model",  # GPT-4
    ),
    "toxicchat": Preset(
        hub_id="lmsys/toxic-chat",
        config="toxicchat0124",
        split="train",
        columns=("user_input", "model_output", "toxicity"),
        read=_toxicchat,
        licence="CC BY-NC 4.0",
        permissive=False,
        label_kind="mixed",  # people did not read those that a classifier found harmless
    ),
    "beavertails": Preset(
        hub_id="PKU-Alignment/BeaverTails",
        config=None,
        split="330k_train",
        columns=("prompt", "response", "category", "is_safe"),
        read=_beavertails,
        licence="CC BY-NC 4.0",
        permissive=False,
        label_kind="human",
    ),
    "aegis": Preset(
        hub_id="nvidia/Aegis-AI-Content-Safety-Dataset-2.0",
        config=None,
        split="train",
        columns=(
            *("prompt", "response", "prompt_label", "response_label"),
            "violated_categories",
        ),
        read=_aegis,
        licence="CC BY 4.0",
        permissive=True,
        label_kind="mixed",  # people, and a jury of models for some answers
    ),
}
