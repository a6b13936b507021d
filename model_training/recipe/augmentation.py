"""Settings of the stages generate, filter, respond and label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from postern.contract.teacher_call import Endpoint
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Precision = Literal["auto", "bf16", "fp32"]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0.0, le=10.0)]


def _name_alone(value: str) -> str:
    """The last part of a path: recipes are published, so local paths must not be."""
    return Path(value).name if Path(value).is_absolute() else value


ModelName = Annotated[str, Field(min_length=1), PlainSerializer(_name_alone)]

OPERATIONAL = frozenset(
    {"base_url", "api_key_file", "concurrency", "attempts", "timeout_s", "patience_s"}
    | {"batch_rows", "batch_tokens", "slots", "threads"}
)
"""Settings of speed and location. They do not change the rows."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Http(_Section):
    """Where a server is, and how patiently it is asked."""

    # Excluded from published recipes: the address of a server is private.
    base_url: Annotated[str, Field(pattern=r"^https?://", exclude=True)]
    api_key_file: Path | None = Field(None, exclude=True)
    """A file that contains only the key. Never the key itself: recipes are shared."""
    concurrency: Positive = 16
    attempts: Positive = 8
    """Tries of one call before the stage stops.

    Waiting for a rate limit does not count as a try.
    """
    timeout_s: Seconds = 120.0
    """Timeout of one whole call, from sending to the last byte."""
    patience_s: Seconds = 3600.0
    """Longest total time that one call may wait for rate limits."""


class ServerConfig(Http):
    """An OpenAI-compatible server. For most of them, `base_url` ends in /v1."""

    kind: Literal["server"]
    model: Annotated[str, Field(min_length=1)]

    @property
    def asked(self) -> str:
        """Who answers, as journals and headers name it."""
        return self.model


class LocalConfig(_Section):
    """A causal language model of transformers, run in this process."""

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
    """Calls that are answered at once."""
    slot_tokens: Positive = 1024
    """Space of each slot for request and answer; a longer text is refused."""
    threads: Positive | None = None
    """None: llama.cpp's own choice."""


Model = Annotated[ServerConfig | LocalConfig | LlamaCppConfig, Field(discriminator="kind")]


class Sampling(_Section):
    """How tokens are drawn. Each call also has a seed of its own."""

    temperature: Temperature = 1.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    max_tokens: Positive = 128


class GenerateConfig(_Section):
    """Generation of harmful instructions and harmless look-alikes."""

    model: Model
    harmful: Annotated[int, Field(ge=0)] = 100_000
    """Number of calls for harmful instructions. The filter decides how many results stay."""
    benign: Annotated[int, Field(ge=0)] = 50_000
    exemplars: Annotated[int, Field(ge=0)] = 5
    draws: Positive = 1
    """Instructions drawn from one request: the same exemplars and prefix, other seeds.

    A model in this process reads the request only once for all of them. The more draws, the fewer
    different exemplars are shown.
    """
    exemplar_sources: tuple[str, ...] = ()
    """Sources whose labelled harmful prompts serve as exemplars.

    Empty: all sources of the recipe.
    """
    categories: Literal["source", "families", "map"] = "source"
    """`source`: each source's own categories, which may name the source itself.

    `families`: coarse categories by the words of a prompt, the same for all sources
    (`families.py`).
    `map`: the kinds of harm of `categories.json` in the data folder.
    """
    category_weights: dict[str, Weight] = {}
    """Factor of a kind of harm of the map in the number of calls, which is otherwise the root of
    the number of its exemplars. 0 leaves it out.
    """
    longest_exemplar: Positive = 300
    """In characters. Wrapped jailbreaks are longer and not worth imitating."""
    harmful_prefixes: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "I have an idea for a prompt:",
        "Here is a prompt of this kind:",
        "Sure, one such instruction is:",
    )
    """Beginnings of the assistant's turn. The first is the paper's."""
    benign_prefixes: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "I have an idea for a harmless prompt:",
        "Here is a harmless prompt of this kind:",
    )
    without_prefix_share: Share = 0.0
    """Share of calls without a prefix, to measure what the prefix is worth."""
    harmful_template: str | None = None
    """Custom prompt instead of the built-in one. It may contain {category} and {exemplars}."""
    benign_template: str | None = None
    sampling: Sampling = Sampling()
    seed: int = 42

    @model_validator(mode="after")
    def _weights_need_the_map(self) -> GenerateConfig:
        if self.category_weights and self.categories != "map":
            raise ValueError('`category_weights` needs categories = "map"')
        return self


class FilterConfig(_Section):
    """Conditions under which generated instructions stay."""

    fewest_words: Positive = 3
    longest_characters: Positive = 1000
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes. Empty: any language."""
    least_language_probability: Share = 0.1
    """A text is dropped if the languages above have a lower probability than this.

    The value is low because the language of short text is hard to tell.
    """
    near_duplicate: Share = 0.7
    """Jaccard similarity of character 5-grams from which two instructions count as one."""
    test_words: Positive = 8
    """An instruction that shares this many consecutive words with a test text is dropped."""
    diversity_rows: Annotated[int, Field(ge=0)] = 4000
    """Instructions of each kind that the diversity report embeds. 0: no report."""
    diversity_base: ModelName | None = None
    """Encoder for the diversity report. None: the student's base."""
    novelty_rows: Annotated[int, Field(ge=0)] = 2000
    """Instructions of each kind whose nearest training prompt the same encoder finds for the
    report. 0: no report."""
    far_below: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Below this cosine to the nearest training prompt, an instruction counts as far from all of
    them."""
    new_to_training: bool = False
    """Also drop near-duplicates of training prompts: a small model copies many of the exemplars
    that it is shown."""
    cluster_distance: Annotated[float, Field(gt=0.0, le=2.0)] = 0.3
    """Cosine distance within which DBSCAN counts two instructions as neighbours."""
    seed: int = 42


class TwinsConfig(_Section):
    """Twins of instructions: other intent, same words."""

    model: Model
    benign: Annotated[int, Field(ge=0)] = 2000
    """Number of harmful instructions that get a harmless twin."""
    harmful: Annotated[int, Field(ge=0)] = 1000
    """Number of harmless instructions that get a harmful twin."""
    benign_prefixes: tuple[str, ...] = ("Here is a harmless request with most of the same words:",)
    harmful_prefixes: tuple[str, ...] = ("Here is a harmful request with most of the same words:",)
    """Beginnings of the assistant's turn. None: the model answers as it likes."""
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=64)
    least_gap: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 2.0
    """A pair stays if the teacher calls one twin harmful and the other not, as intended, and if its
    log-odds are at least this far apart, in nats."""
    seed: int = 42


class StanceConfig(_Section):
    """Who answers, and how it is made to refuse or to comply."""

    model: Model
    system: str | None = None
    prefixes: tuple[str, ...] = ()
    """Beginnings of the answer, of which each instruction gets one. It stays part of the answer.

    Several, lest one beginning is a sign of harm.
    """
    sampling: Sampling = Sampling(max_tokens=256)


class RespondConfig(_Section):
    """One refusal and one complying answer for each instruction. Either can be omitted."""

    refuse: StanceConfig | None = None
    comply: StanceConfig | None = None
    instructions: Positive | None = None
    """Largest number of instructions that are answered, chosen at random by their text.

    None: all. The others stay as prompts without a response.
    """
    seed: int = 42

    @model_validator(mode="after")
    def _one_at_least(self) -> RespondConfig:
        if self.refuse is None and self.comply is None:
            raise ValueError("needs [respond.refuse], [respond.comply] or both")
        return self


class GuardServer(ServerConfig):
    """A guard model behind an OpenAI-compatible server that returns log-probabilities."""

    kind: Literal["server"]
    template: str
    """A name of `postern.contract.teacher_text.TEMPLATES`."""
    endpoint: Endpoint = "completions"
    """`completions`: Postern writes the whole prompt, control tokens included, which is tested
    against golden files. `chat`: the server's chat template adds the control tokens, for servers
    that offer nothing else. `conversation`: the guard model's own chat template writes the prompt
    around the turns."""


class GuardLocal(LocalConfig):
    """A guard model of transformers, run in this process."""

    kind: Literal["local"]
    template: str


class ClassifierTeacher(_Section):
    """Sequence classifiers with two labels (unharmful, harmful), averaged in logit space."""

    kind: Literal["classifier"]
    folders: Annotated[tuple[ModelName, ...], Field(min_length=1)]
    """Folders or hub ids. Several form an ensemble."""
    format: Literal["pair", "student"]
    """`pair`: tokenizer(prompt, response), cut at `window_tokens`, as HarmAug-Guard was trained.

    `student`: text and windows as in serving, for checkpoints of this repository.
    """
    window_tokens: Positive = 1024
    overlap_tokens: Annotated[int, Field(ge=0)] = 64
    batch_tokens: Positive = 8192
    precision: Precision = "fp32"
    """Of the forward pass. `auto` is bfloat16 on processors that compute in it: twice as fast."""


class EnsembleTeacher(_Section):
    """The result of `train-teacher` and `fit-ensemble`: members of several kinds, with weights."""

    kind: Literal["ensemble"]
    folder: ModelName | None = None
    """Folder of its `ensemble.json`. None: `teacher/` of this run."""
    batch_tokens: Positive = 8192
    precision: Precision = "auto"
    """`auto`: bfloat16 if the device computes in it, which is two and a half times as fast
    (docs/research/log.md)."""


class PosternTeacher(Http):
    """Another Postern server. Its probabilities are calibrated."""

    kind: Literal["postern"]
    artifact: Annotated[str, Field(pattern=r"^\S+ \S+$")]
    """Name and version of the student that it must serve, such as `postern-minilm 2.0.0`, because
    labels of two students must not be mixed."""

    @property
    def asked(self) -> str:
        """Who answers, as journals and headers name it."""
        return f"postern {self.artifact}"


TeacherConfig = Annotated[
    GuardServer | GuardLocal | ClassifierTeacher | EnsembleTeacher | PosternTeacher,
    Field(discriminator="kind"),
]


class LabelConfig(_Section):
    """Which rows a teacher labels, and how its labels are used."""

    teacher: TeacherConfig
    temperature: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    """The teacher's own temperature: softmax(logit / temperature). Distillation has another."""
    rows: Annotated[tuple[Literal["generated", "unlabelled", "labelled"], ...], Field(min_length=1)]
    """`generated`: instructions and answers of this run.

    `unlabelled`: unlabelled text of the pool. `labelled`: the train split, for soft labels and for
    the list of disagreements.
    """
    labelled_rows: Positive | None = None
    """Largest number of `labelled` rows: the rows that training would draw first. None: all."""
    disagreement: Share = 0.9
    """Distance between label and teacher probability that puts a row on the list of disagreements,
    unless people gave all labels of its source."""
    drop_disagreements: bool = False
    """Exclude the rows of that list from training."""


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
