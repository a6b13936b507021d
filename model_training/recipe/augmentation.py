"""Settings of the data stages: generate, filter, respond, label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from postern.contract.teacher_call import Endpoint
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from model_training.recipe.families import FAMILIES_VERSION

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Precision = Literal["auto", "bf16", "fp32"]
Temperature = Annotated[float, Field(ge=0.0, le=10.0)]


def _name_alone(value: str) -> str:
    """Recipes are published with the artifact: a folder by its name, not by where it lies."""
    return Path(value).name if Path(value).is_absolute() else value


ModelName = Annotated[str, Field(min_length=1), PlainSerializer(_name_alone)]

OPERATIONAL = frozenset(
    {"base_url", "api_key_file", "concurrency", "attempts", "timeout_s", "patience_s"}
    | {"batch_rows", "batch_tokens", "slots", "threads"}
)
"""Settings that say how fast and from where, not what: they do not make other rows."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Http(_Section):
    # Excluded from what is published: where a server stands is nobody's business.
    base_url: Annotated[str, Field(pattern=r"^https?://", exclude=True)]
    api_key_file: Path | None = Field(None, exclude=True)
    """A file that holds the key alone. Never the key itself: recipes are shared."""
    concurrency: Positive = 16
    attempts: Positive = 8
    """Tries of one call before the stage stops; waiting as a rate limit says is not a try."""
    timeout_s: Seconds = 120.0
    """For one whole call, from sending to the last byte."""
    patience_s: Seconds = 3600.0
    """How long one call may wait for rate limits in all."""


class ServerConfig(_Http):
    """An OpenAI-compatible server; `base_url` ends in /v1 with most of them."""

    kind: Literal["server"]
    model: Annotated[str, Field(min_length=1)]

    @property
    def asked(self) -> str:
        """Who answers, as journals and headers name it."""
        return self.model


class LocalConfig(_Section):
    """A causal language model of transformers, in this process."""

    kind: Literal["local"]
    model: ModelName
    """A folder or a hub id."""
    batch_rows: Positive = 16
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


class LlamaCppConfig(_Section):
    """GGUF weights through llama.cpp (package `xllamacpp`), in this process."""

    kind: Literal["llama.cpp"]
    model: ModelName
    """A file of GGUF weights."""
    slots: Positive = 8
    """Calls that are answered side by side."""
    slot_tokens: Positive = 1024
    """Room of each, for what is asked and what is written; a longer text is refused."""
    threads: Positive | None = None
    """None: as llama.cpp chooses."""


Model = Annotated[ServerConfig | LocalConfig | LlamaCppConfig, Field(discriminator="kind")]


class Sampling(_Section):
    """How tokens are drawn. Each call has a seed of its own beside these."""

    temperature: Temperature = 1.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    max_tokens: Positive = 128


class GenerateConfig(_Section):
    """Harmful instructions, and harmless ones that look alike."""

    model: Model
    harmful: Annotated[int, Field(ge=0)] = 100_000
    """Calls for harmful instructions; what is kept of them depends on the filter."""
    benign: Annotated[int, Field(ge=0)] = 50_000
    exemplars: Annotated[int, Field(ge=0)] = 5
    exemplar_sources: tuple[str, ...] = ()
    """Sources whose labelled harmful prompts serve as exemplars; none named: all of the recipe."""
    categories: Literal["source", "families"] = "source"
    """`source`: as each source names its own. `families`: coarse ones by the words of a prompt,
    alike for all sources (`families.py`), as a generator trained here asks for."""
    longest_exemplar: Positive = 300
    """In characters: wrapped jailbreaks are no instructions to imitate."""
    harmful_prefixes: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "I have an idea for a prompt:",
        "Here is a prompt of this kind:",
        "Sure, one such instruction is:",
    )
    """How the assistant's turn begins; the first is the paper's."""
    benign_prefixes: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "I have an idea for a harmless prompt:",
        "Here is a harmless prompt of this kind:",
    )
    without_prefix_share: Share = 0.0
    """Share of calls without a prefix, to measure what the prefix is worth."""
    harmful_template: str | None = None
    """Own prompt in place of the built-in one; may hold {category} and {exemplars}."""
    benign_template: str | None = None
    sampling: Sampling = Sampling()
    seed: int = 42


_TEXT_SETTINGS = {"harmful_prefixes", "benign_prefixes", "harmful_template", "benign_template"}


def text_settings(config: GenerateConfig) -> dict[str, Any]:
    """What decides the text that a generator is asked with, and so is trained on."""
    found: dict[str, Any] = config.model_dump(mode="json", include=_TEXT_SETTINGS)
    return found | {"families": FAMILIES_VERSION}


class FilterConfig(_Section):
    """What generated instructions must be to stay."""

    fewest_words: Positive = 3
    longest_characters: Positive = 1000
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes; empty: any."""
    least_language_probability: Share = 0.1
    """A text stays unless the languages above have less than this: short text is hard to tell."""
    near_duplicate: Share = 0.7
    """Jaccard similarity of character 5-grams from which two instructions count as one."""
    test_words: Positive = 8
    """An instruction that shares so many words in a row with a test text is dropped."""
    diversity_rows: Annotated[int, Field(ge=0)] = 4000
    """Instructions of each kind that the diversity report embeds; 0: no report."""
    diversity_base: ModelName | None = None
    """Encoder for it; none: the base of the student."""
    novelty_rows: Annotated[int, Field(ge=0)] = 2000
    """Instructions of each kind whose nearest training prompt is sought by the same encoder, for
    the report; 0: no report."""
    far_below: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Cosine to the nearest training prompt below which an instruction counts as far from all."""
    new_to_training: bool = False
    """Drop near-duplicates of training prompts too: a small generator knows many by heart."""
    cluster_distance: Annotated[float, Field(gt=0.0, le=2.0)] = 0.3
    """Cosine distance within which DBSCAN calls two instructions neighbours."""
    seed: int = 42


class StanceConfig(_Section):
    """Who answers, and how it is brought to refuse or to comply."""

    model: Model
    system: str | None = None
    prefix: str | None = None
    """How the answer begins; part of the answer that is kept."""
    sampling: Sampling = Sampling(max_tokens=256)


class RespondConfig(_Section):
    """One refusing and one complying answer for each instruction; either may be left out."""

    refuse: StanceConfig | None = None
    comply: StanceConfig | None = None
    seed: int = 42

    @model_validator(mode="after")
    def _one_at_least(self) -> RespondConfig:
        if self.refuse is None and self.comply is None:
            raise ValueError("needs [respond.refuse], [respond.comply] or both")
        return self


class GuardServer(ServerConfig):
    """A guard model behind an OpenAI-compatible server that gives log-probabilities."""

    kind: Literal["server"]
    template: str
    """A name of `postern.contract.teacher_text.TEMPLATES`."""
    endpoint: Endpoint = "completions"
    """`completions`: the whole prompt, control tokens and all, is ours and golden-tested.
    `chat`: the server's chat template writes them, for servers that offer nothing else.
    `conversation`: the guard model's own chat template writes all of it around the turns."""


class GuardLocal(LocalConfig):
    """A guard model of transformers, in this process."""

    kind: Literal["local"]
    template: str


class ClassifierTeacher(_Section):
    """Sequence classifiers of two labels (unharmful, harmful), averaged in logit space."""

    kind: Literal["classifier"]
    folders: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    """Folders or hub ids; several are an ensemble."""
    format: Literal["pair", "student"]
    """`pair`: tokenizer(prompt, response), cut at `window_tokens`, as HarmAug-Guard was trained.
    `student`: text and windows as in serving, for checkpoints of this repository."""
    window_tokens: Positive = 1024
    overlap_tokens: Annotated[int, Field(ge=0)] = 64
    batch_tokens: Positive = 8192


class EnsembleTeacher(_Section):
    """What `train-teacher` and `fit-ensemble` left: members of several kinds, with weights."""

    kind: Literal["ensemble"]
    folder: ModelName | None = None
    """Where its `ensemble.json` lies; none: in the `teacher/` of this run."""
    batch_tokens: Positive = 8192
    precision: Precision = "auto"
    """`auto`: bfloat16 where the device computes in it, two and a half times as fast (LOG.md)."""


class PosternTeacher(_Http):
    """Another Postern server; its probabilities are calibrated."""

    kind: Literal["postern"]
    artifact: Annotated[str, Field(pattern=r"^\S+ \S+$")]
    """Name and version of the student that it must serve, such as `postern-minilm 1.4.0`: labels
    of two students are never mixed."""

    @property
    def asked(self) -> str:
        """Who answers, as journals and headers name it."""
        return f"postern {self.artifact}"


TeacherConfig = Annotated[
    GuardServer | GuardLocal | ClassifierTeacher | EnsembleTeacher | PosternTeacher,
    Field(discriminator="kind"),
]


class LabelConfig(_Section):
    """Which rows a teacher labels, and what is done with its labels."""

    teacher: TeacherConfig
    temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    """The teacher's own: softmax(logit / temperature). Distillation has another."""
    rows: Annotated[tuple[Literal["generated", "unlabelled", "labelled"], ...], Field(min_length=1)]
    """`generated`: instructions and answers of this run. `unlabelled`: text of the pool without a
    label. `labelled`: the train split, for soft labels and for the list of disagreements."""
    labelled_rows: Positive | None = None
    """At most so many of `labelled`, those that training would draw first; none: all."""
    disagreement: Share = 0.9
    """Distance of a label from the teacher's probability that puts a row on the list of
    disagreements, where people did not give it, or not all of its source."""
    drop_disagreements: bool = False
    """Leave the rows of that list out of training."""


def made_by(section: BaseModel) -> dict[str, Any]:
    """The settings that decide what a stage writes, for its header."""
    content: dict[str, Any] = _without(section.model_dump(mode="json"), OPERATIONAL)
    return content


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(one, names) for key, one in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    return value
