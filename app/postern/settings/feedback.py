"""Corrections of verdicts: the file that keeps them, and what is held in memory until they come."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from postern.settings.section import PREFIX, Section


class FeedbackSettings(Section):
    """Whether callers can correct verdicts. Off by default: then no text is kept."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}FEEDBACK_")

    file: Path | None = Field(
        None,
        description="File, ending in .jsonl, to which corrected texts are appended. It switches "
        "feedback on: the server then keeps the texts of recent verdicts in memory.",
    )
    keep_s: float = Field(
        900.0,
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="Time for which the text of a verdict is kept, so that it can be corrected.",
    )
    max_verdicts: int = Field(
        10_000, ge=1, description="Most verdicts that are kept. The oldest are forgotten first."
    )
    max_memory_bytes: int = Field(
        32 << 20,
        ge=1024,
        description="Most memory for kept verdicts and their texts. The oldest are forgotten "
        "first.",
    )
    max_file_bytes: int = Field(
        16 << 20,
        ge=64 << 10,
        description="Largest file of feedback. Before a further line, it is renamed to end in "
        ".1.jsonl, and a new file begins.",
    )
    max_files: int = Field(
        8,
        ge=2,
        le=1000,
        description="Most files of feedback, the current one included. The oldest is deleted.",
    )

    @field_validator("file")
    @classmethod
    def _ends_in_jsonl(cls, value: Path | None) -> Path | None:
        # Both readers go by the ending: they would take .csv for a table and .gz for compressed.
        if value is not None and value.suffix != ".jsonl":
            raise ValueError("must end in .jsonl")
        return value
