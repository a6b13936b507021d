"""Which student is served, and with which resources."""

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
        "cpu", description="Where the student runs. cuda needs onnxruntime-gpu and a GPU."
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Batches that run in parallel. 0 is one per core, or one on a GPU.",
    )
    intra_op_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads inside one batch. 0 uses every core once, however many batches run.",
    )
    max_batch_tokens: int = Field(
        0,
        ge=0,
        description="Largest number of padded tokens in one batch, 64 or more. One window always "
        "fits. 0 is 512 on a CPU and 16384 on a GPU.",
    )
    max_queue_tokens: int = Field(
        131072, ge=1024, description="Tokens that may wait. Further requests get 429."
    )
    cache_entries: int = Field(
        0, ge=0, description="Scores kept for repeated exchanges. 0 keeps none."
    )

    @field_validator("max_batch_tokens")
    @classmethod
    def _holds_some_text(cls, value: int) -> int:
        if 0 < value < _FEWEST_BATCH_TOKENS:
            raise ValueError(f"must be 0 or at least {_FEWEST_BATCH_TOKENS}")
        return value
