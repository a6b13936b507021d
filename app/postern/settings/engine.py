"""Which student is served, and with which resources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from postern.contract.decision import Probability
from postern.contract.language import OnUnsupportedLanguage
from postern.settings.section import Section, split_list
from postern.shipped import DEFAULT_ARTIFACT, language_artifacts_beside

_FEWEST_BATCH_TOKENS = 64


def _beside_artifact(given: dict[str, Any]) -> tuple[Path, ...]:
    """given: the fields that were read before, less those that are wrong."""
    artifact = given.get("artifact")
    return language_artifacts_beside(artifact) if isinstance(artifact, Path) else ()


class EngineSettings(Section):
    """The student, its threads, its batches and its queue."""

    artifact: Path = Field(
        DEFAULT_ARTIFACT, description="Folder of the published student: artifacts/<name>/<version>."
    )
    language_artifacts: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=_beside_artifact,
        description="Folders of students for other languages, separated by commas. Each reads the "
        "languages that it was measured for and the student at `artifact` was not. Unset: those "
        "that a clone and the container have beside the default student. Empty: none.",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="Where the student runs. cuda needs onnxruntime-gpu and a GPU."
    )
    engine: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto",
        description="What runs the student on a CPU. auto: OpenVINO if it is installed, the "
        "processor has AVX-512 with VNNI (or AMX), the artifact has no certificate, and "
        "`POSTERN_SERVE_ARTIFACT` is off, since pages agree with ONNX Runtime; it then takes half "
        "or two thirds of the time, and more memory. ONNX Runtime otherwise, on a GPU, for "
        "students of other languages, and for teachers. `/info` says what runs each student.",
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
    on_unsupported_language: OnUnsupportedLanguage = Field(
        "teacher",
        description="What decides about a language that the student was not measured for. teacher: "
        "a teacher that was, or else the student. student: the student. block: nobody; the "
        "exchange counts as harmful. The student's verdict says degraded.",
    )
    category_thresholds: Annotated[dict[str, Probability], NoDecode] = Field(
        {},
        description="Thresholds of categories instead of the artifact's, as a JSON object such as "
        '{"weapons": 0.3}. A category applies to a harmful exchange if its probability, given '
        "harm, reaches its threshold.",
    )

    _split_lists = field_validator("language_artifacts", mode="before")(split_list)

    @field_validator("engine")
    @classmethod
    def _runs_on_the_device(cls, value: str, info: ValidationInfo) -> str:
        if value == "openvino" and info.data.get("device") == "cuda":
            raise ValueError("openvino runs on a CPU, and device is cuda")
        return value

    @field_validator("category_thresholds", mode="before")
    @classmethod
    def _read_json(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("must be a JSON object of categories and thresholds") from None

    @field_validator("max_batch_tokens")
    @classmethod
    def _holds_some_text(cls, value: int) -> int:
        if 0 < value < _FEWEST_BATCH_TOKENS:
            raise ValueError(f"must be 0 or at least {_FEWEST_BATCH_TOKENS}")
        return value
