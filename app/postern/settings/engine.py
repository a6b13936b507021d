"""Which student is served, and with what."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from postern.settings.section import Section
from postern.shipped import DEFAULT_ARTIFACT

_FEWEST_BATCH_TOKENS = 64


class EngineSettings(Section):
    """The student, its threads, its batches and its queue."""

    artifact: Path = Field(
        DEFAULT_ARTIFACT, description="Folder of the published student: artifacts/<name>/<version>."
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="Where the student runs. cuda needs onnxruntime-gpu and a card."
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Batches that run side by side. 0 is one for each core, or one on a card.",
    )
    intra_op_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads inside one batch. 0 uses every core once, whether one batch runs or "
        "several.",
    )
    max_batch_tokens: int = Field(
        0,
        ge=0,
        description="Most padded tokens in one batch, 64 or more; one window always fits. 0 is "
        "512 on processors and 16384 on a card.",
    )
    max_queue_tokens: int = Field(
        131072, ge=1024, description="Tokens that may wait. Beyond them requests get 429."
    )
    cache_entries: int = Field(
        0, ge=0, description="Scores kept for exchanges that come again. 0 keeps none."
    )

    @field_validator("max_batch_tokens")
    @classmethod
    def _holds_some_text(cls, value: int) -> int:
        if 0 < value < _FEWEST_BATCH_TOKENS:
            raise ValueError(f"must be 0, or {_FEWEST_BATCH_TOKENS} at least")
        return value
