"""The settings of the teacher; `settings/settings.py` reads them with all others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import NoDecode

from postern.contract.decision import OnTeacherFailure
from postern.contract.teacher_call import Endpoint
from postern.contract.teacher_text import TEMPLATES


class TeacherSettings(BaseModel):
    """Each is `POSTERN_TEACHER_<NAME>` in the environment; a request can set none of them."""

    model_config = ConfigDict(frozen=True)

    teacher_artifacts: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Folders of published students that teach, in this process, separated by "
        "commas; several are averaged.",
    )
    teacher_url: str | None = Field(
        None,
        description="Base URL of a teacher elsewhere: up to /v1 of an OpenAI-compatible API, or "
        "the root of another Postern.",
    )
    teacher_kind: Literal["openai", "postern"] = Field(
        "openai", description="What answers at the teacher's URL."
    )
    teacher_model: str | None = Field(
        None, description="Name of the model that an OpenAI-compatible teacher is asked for."
    )
    teacher_template: str = Field(
        "llama-guard-3",
        description="How an OpenAI-compatible teacher is asked: " + ", ".join(TEMPLATES) + ".",
    )
    teacher_endpoint: Endpoint = Field(
        "completions",
        description="Who writes the prompt: completions, all of it is written here; chat, the "
        "teacher's chat template adds the control tokens; conversation, the chat template of a "
        "guard model writes it around the turns.",
    )
    teacher_temperature: float = Field(
        1.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Divides the log-odds of an OpenAI-compatible teacher; above 1 trusts it less.",
    )
    teacher_api_key_file: Path | None = Field(
        None, description="File whose one line is the API key sent to the teacher."
    )
    teacher_ca_file: Path | None = Field(
        None, description="Certificates to trust for an https teacher instead of the public ones."
    )
    teacher_connect_timeout_ms: int = Field(
        200, ge=1, description="Time that connecting to the teacher may take."
    )
    teacher_timeout_ms: int = Field(
        2000, ge=1, description="Time that a question to the teacher may take, its retry included."
    )
    teacher_concurrency: int = Field(
        8, ge=1, le=1024, description="Questions that the teacher is asked at once."
    )
    teacher_queue: int = Field(
        64, ge=0, description="Questions that may wait for that; further ones are not asked."
    )
    teacher_max_chars: int = Field(
        16_000,
        ge=100,
        description="Longest exchange that the teacher reads whole; of a longer one it gets the "
        "most harmful window.",
    )
    teacher_threads: int = Field(
        1, ge=1, le=256, description="Threads of a teacher in this process, all of low priority."
    )
    teacher_beside_share: float = Field(
        0.05,
        gt=0.0,
        le=1.0,
        description="Share of the student's working time in which a teacher in this process may "
        "run, too; 1 for no limit.",
    )
    teacher_retry_share: float = Field(
        0.1, ge=0.0, le=1.0, description="Second tries, as a share of the questions; 0 for none."
    )
    teacher_breaker_failures: int = Field(
        5, ge=1, description="So many failures among the last calls open the breaker."
    )
    teacher_breaker_calls: int = Field(
        20, ge=1, description="How many calls back the breaker looks."
    )
    teacher_breaker_open_ms: int = Field(
        5000, ge=1, description="Time for which a teacher that fails is left alone."
    )
    teacher_mode: Literal["band", "budget", "value"] = Field(
        "band",
        description="Which exchanges the teacher gets: those in the artifact's deferral band, the "
        "share nearest to the threshold, or those whose verdict the artifact's value head thinks "
        "it would put right.",
    )
    teacher_budget_share: float = Field(
        0.05, gt=0.0, le=1.0, description="The share of all exchanges in budget mode."
    )
    teacher_max_share: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="Hard cap: the largest share of all exchanges that the teacher is asked about.",
    )
    teacher_share_window_s: float = Field(
        60.0, gt=0.0, allow_inf_nan=False, description="Time over which that share is counted."
    )
    teacher_free_questions: int = Field(
        60, ge=0, description="Questions in that time that the cap always lets through."
    )
    teacher_audit_share: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        description="Random share of the student's own verdicts that the teacher is asked about "
        "in the background.",
    )
    teacher_triggers: bool = Field(
        True,
        description="Read text that looks disguised without its disguise, too, and ask the teacher "
        "about it.",
    )
    teacher_on_failure: OnTeacherFailure | None = Field(
        None,
        description="What decides when the teacher gives nothing: student, block or allow; the "
        "artifact's choice where not set.",
    )

    @property
    def has_teacher(self) -> bool:
        return bool(self.teacher_artifacts) or self.teacher_url is not None

    def check_teacher(self) -> None:
        """Raises ValueError where settings contradict each other."""
        if self.teacher_artifacts and self.teacher_url is not None:
            raise ValueError("teacher_artifacts and teacher_url are two teachers; set one")
        if self.teacher_template not in TEMPLATES:
            raise ValueError(f"teacher_template must be one of {', '.join(TEMPLATES)}")
        if (
            self.teacher_endpoint == "conversation"
            and not TEMPLATES[self.teacher_template].takes_turns
        ):
            raise ValueError(f"teacher_endpoint: no model writes {self.teacher_template} itself")
        if self.teacher_url and self.teacher_kind == "openai" and not self.teacher_model:
            raise ValueError("teacher_model must name the model that answers at teacher_url")
        if self.teacher_breaker_failures > self.teacher_breaker_calls:
            raise ValueError("teacher_breaker_calls must be at least teacher_breaker_failures")
