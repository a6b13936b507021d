"""The teacher behind the student."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from postern.contract.decision import OnTeacherFailure
from postern.contract.language import LANGUAGE_TAG
from postern.contract.teacher_call import Endpoint
from postern.contract.teacher_text import TEMPLATES
from postern.settings.section import PREFIX, Section, checked_url, split_list


class TeacherSettings(Section):
    """Who is asked behind the student, when, and how often. A request can set none of these."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}TEACHER_")

    artifacts: Annotated[tuple[Path, ...], NoDecode] = Field(
        (),
        description="Folders of published students that teach in this process, separated by "
        "commas. Several are averaged.",
    )
    url: str | None = Field(
        None,
        description="Base URL of a teacher elsewhere: up to /v1 of an OpenAI-compatible API, or "
        "the root of another Postern.",
    )
    kind: Literal["openai", "postern"] = Field(
        "openai", description="Kind of server at the teacher's URL."
    )
    model: str | None = Field(
        None, description="Name of the model that an OpenAI-compatible teacher is asked for."
    )
    template: str = Field(
        "llama-guard-3",
        description="How an OpenAI-compatible teacher is asked: " + ", ".join(TEMPLATES) + ".",
    )
    endpoint: Endpoint = Field(
        "completions",
        description="Who writes the prompt. completions: Postern writes all of it. chat: the "
        "teacher's chat template adds the control tokens. conversation: the chat template of a "
        "guard model writes it around the turns.",
    )
    temperature: float = Field(
        1.0,
        gt=0.0,
        allow_inf_nan=False,
        description="Divides the log-odds of an OpenAI-compatible teacher. Above 1 it is trusted "
        "less.",
    )
    api_key_file: Path | None = Field(
        None, description="File whose only line is the API key that is sent to the teacher."
    )
    ca_file: Path | None = Field(
        None, description="Certificates to trust for an https teacher instead of the public ones."
    )
    connect_timeout_ms: int = Field(
        200, ge=1, description="Longest time to connect to the teacher."
    )
    timeout_ms: int = Field(
        2000, ge=1, description="Longest time for a question to the teacher, its retry included."
    )
    concurrency: int = Field(
        8, ge=1, le=1024, description="Questions that are asked at the same time."
    )
    queue: int = Field(64, ge=0, description="Questions that may wait. Further ones are not asked.")
    max_chars: int = Field(
        16_000,
        ge=100,
        description="Longest exchange that the teacher reads whole, in characters. From a longer "
        "one it gets the most harmful window.",
    )
    threads: int = Field(
        1, ge=1, le=256, description="Low-priority threads of a teacher in this process."
    )
    beside_share: float = Field(
        0.05,
        gt=0.0,
        le=1.0,
        description="Share of the student's working time during which a teacher in this process "
        "may also run. 1 sets no limit.",
    )
    retry_share: float = Field(
        0.1,
        ge=0.0,
        le=1.0,
        description="Largest number of retries, as a share of the questions. 0 allows none.",
    )
    breaker_failures: int = Field(
        5,
        ge=1,
        description="Number of failures among the last calls that opens the circuit breaker.",
    )
    breaker_calls: int = Field(
        20, ge=1, description="Number of recent calls that the circuit breaker looks at."
    )
    breaker_open_ms: int = Field(
        5000,
        ge=1,
        description="Time that the circuit breaker stays open before the teacher is tried again.",
    )
    mode: Literal["band", "budget"] = Field(
        "band",
        description="Which exchanges go to the teacher. band: those in the artifact's deferral "
        "band. budget: the share nearest to the threshold.",
    )
    budget_share: float = Field(
        0.05, gt=0.0, le=1.0, description="The share of all exchanges in budget mode."
    )
    max_share: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="Hard cap: the largest share of all exchanges that the teacher is asked about.",
    )
    share_window_s: float = Field(
        60.0, gt=0.0, allow_inf_nan=False, description="Period over which the shares are counted."
    )
    free_questions: int = Field(
        60, ge=0, description="Questions per period that the cap always allows."
    )
    audit_share: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        description="Random share of the student's own verdicts that the teacher checks in the "
        "background.",
    )
    triggers: bool = Field(
        True,
        description="Also score disguised text without its disguise, and ask the teacher about it.",
    )
    languages: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Languages that the teacher at the URL was measured for, as BCP 47 tags "
        "separated by commas. It then decides about those that the student was not measured for. "
        "Teachers in this process name their own.",
    )
    on_failure: OnTeacherFailure | None = Field(
        None,
        description="What decides if the teacher gives no opinion: student, block or allow. Unset: "
        "the artifact's choice.",
    )

    _split_lists = field_validator("artifacts", "languages", mode="before")(split_list)
    _plain_url = field_validator("url")(checked_url)

    @property
    def is_set(self) -> bool:
        """Whether a teacher is configured."""
        return bool(self.artifacts) or self.url is not None

    @model_validator(mode="after")
    def _consistent(self) -> TeacherSettings:
        if self.artifacts and self.url is not None:
            raise ValueError("teacher_artifacts and teacher_url are two teachers; set one")
        if self.template not in TEMPLATES:
            raise ValueError(f"teacher_template must be one of {', '.join(TEMPLATES)}")
        if self.endpoint == "conversation" and not TEMPLATES[self.template].takes_turns:
            raise ValueError(f"teacher_endpoint: no model writes {self.template} itself")
        if self.url and self.kind == "openai" and not self.model:
            raise ValueError("teacher_model must name the model that answers at teacher_url")
        if self.languages and self.url is None:
            raise ValueError("teacher_languages describes the teacher at teacher_url; set that")
        if not all(map(LANGUAGE_TAG.fullmatch, self.languages)):
            raise ValueError("teacher_languages must hold tags such as de, without a region")
        if self.breaker_failures > self.breaker_calls:
            raise ValueError("teacher_breaker_calls must be at least teacher_breaker_failures")
        return self
