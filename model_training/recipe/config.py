"""The recipe as one frozen `RunConfig`, which the manifest repeats."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model_training.errors import RecipeInvalid, first_problem
from model_training.recipe.augmentation import (
    FilterConfig,
    GenerateConfig,
    LabelConfig,
    RespondConfig,
    TwinsConfig,
)
from model_training.recipe.behaviour import BehaviourConfig, BehaviourRowsConfig
from model_training.recipe.categories import CategoriesConfig
from model_training.recipe.ensemble import EnsembleConfig, MemberName
from model_training.recipe.inherit import read_merged
from model_training.recipe.multilingual import MultilingualConfig, TranslateConfig, WriteConfig
from model_training.recipe.published import PublishedStudent, placed

LICENCE: Final = "Apache-2.0"
"""Licence of weights that are trained here."""

STUDY_SECTIONS: Final = {"ablation": "ablate", "case_study": "case-study"}
"""Sections that no stage reads, and the study that reads them (`studies/config.py`)."""

Recipe = TypeVar("Recipe", bound="RunConfig")

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Section):
    """Which sources are read, and how they are split."""

    sources: Literal["default", "permissive", "all"] | tuple[str, ...] = "default"
    """`default` (recommended by the catalogue), `permissive`, `all`, or a list of names."""
    validation_share: Share = 0.04
    """Share of the prompts in the validation split."""
    calibration_share: Share = 0.06
    """Share of the prompts in the calibration split."""
    held_out_more: dict[str, Share] = {}
    """Further share for validation, by source: harmless look-alikes, to measure over-refusal."""


class AugmentConfig(_Section):
    """Rows that are derived from the train split. Counts are upper bounds."""

    constructed_statements: int = 0
    """Statements from templates: sexual content, self-harm, violence, and look-alikes."""
    constructed_stories: int = 0
    """Texts of several such statements. They are harmful if any statement is."""
    responses_as_statements: int = 0
    """Labelled responses as standalone plain text."""
    needles: int = 0
    """Harmful prompts (and equally many harmless ones) inside long harmless text."""
    rewrapped: int = 0
    """Short prompts of both classes in the jailbreak wrappers of `wrapper_sources`."""
    wrapper_sources: tuple[str, ...] = ()
    """Sources whose prompts share wrappers."""
    swapped_responses: int = 0
    """Harmless answers to harmful prompts, and harmful answers to harmless prompts."""
    statements_as_responses: int = 0
    """Labelled statements as the answer to a harmless prompt."""
    behaviour: BehaviourRowsConfig = BehaviourRowsConfig()
    """Rows that teach behaviour, by kind, with a seed of their own."""


class MixConfig(_Section):
    """One of several trainings of a student: what it draws. All else is as in `[distil]`, whose
    weights the stages label, round and fit-policy go by."""

    name: MemberName
    n_draws: Positive
    """Rows drawn in all."""
    source_weights: dict[str, float] = {}
    """Factors for single sources. They replace those of `[distil]`; all others stay."""


class DistilConfig(_Section):
    """The student and its training."""

    base: str
    """A package name of a bundled encoder, a hub id, or a folder."""
    artifact: PublishedStudent | None = None
    """A published student of that base, by folder or by name, version and hash.

    Its weights replace the base's own at the start.
    """
    start_share: Annotated[float, Field(ge=0.0, lt=1.0)] | Literal["best"] = 0.0
    """Share of the start in the student: after training, its weights are interpolated with those
    it started from. That keeps more of what the start knew about other data (WiSE-FT,
    arXiv 2109.01903). `best`: the share that measures best, out of 0, 1/4, 1/2 and 3/4.
    """
    average_share: Share = 0.0
    """Share of the steps, the last ones, whose weights are averaged. The student is then this mean
    and not the best checkpoint. On data of another kind it is often better than any step (SWA,
    arXiv 1803.05407). 0: no mean.
    """
    mixes: tuple[MixConfig, ...] = ()
    """Trainings that differ in what they draw. The student is the mean of their students (model
    soups, arXiv 2203.05482), which often keeps what each of them is best at. Empty: one training.
    """
    development_sources: tuple[str, ...] = ()
    """Sources that the recipe does not learn from: development sets, and train sources that
    `[data] sources` leaves out. With them, the best checkpoint and the best `start_share` are those
    with the best mean of the validation AUPRC and of the mean AUPRC of these sources.
    """
    development_rows: Positive = 200
    """Rows of each of them."""
    window_tokens: Positive = 512
    """Longest window in training."""
    overlap_tokens: Positive = 64
    """Tokens that neighbouring windows share."""
    shortest_window_tokens: Positive | None = None
    """Read each draw in windows of a random length between this and `window_tokens`, so that a full
    window says nothing about harm. None: always `window_tokens`."""
    bag_windows: Positive = 8
    """Windows of one text among which the most harmful is sought.

    If there are more, a random choice.
    """
    seed: int = 42
    n_draws: Positive = 300_000
    """Rows drawn in all."""
    epochs: Annotated[float, Field(gt=0.0)] | None = None
    """Passes over the rows; replaces `n_draws` if given."""
    n_steps: Positive | None = None
    """Stop after this many steps, to compare runs at equal cost.

    Runs over other rows have other numbers of steps, because batches are counted in tokens. There
    must be enough draws.
    """
    batch_tokens: Positive = 4096
    """Padded tokens of one forward pass."""
    gradient_accumulation: Positive = 1
    """Batches of one optimizer step. Several processes share them."""
    soft_weight: Share = 0.5
    """Weight of the divergence from the teacher in rows with a soft label.

    Cross-entropy has the rest.
    """
    twin_weight: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 0.0
    """Weight of a pair of twins: of what their margins lack of `twin_gap`. Twins are then drawn
    together and share a batch. 0: their rows are drawn like any other.
    """
    twin_gap: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2.0
    """In nats."""
    distillation_temperature: Annotated[float, Field(gt=0.0)] = 1.0
    """Softens teacher and student alike before they are compared."""
    learning_rate: float = 1e-4
    """Highest learning rate of AdamW."""
    frozen_embeddings: bool = False
    """Keep the base's word embeddings unchanged."""
    embedding_bits: Literal[4] | None = None
    """Round the base's word embeddings before training, as `[export] embedding_bits` packs them.
    With `frozen_embeddings` or `frozen_layers`, they stay rounded. None: no rounding.
    """
    vocabulary_tokens: Positive | None = None
    """Cut a Unigram vocabulary (SentencePiece) to this many tokens before training: those that the
    train split uses most, all single characters, then by their score. None: the whole vocabulary.
    """
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Freeze this many of the lowest layers and all embeddings. No gradients pass through them,
    which saves two thirds of their cost.
    """
    weight_decay: float = 0.01
    """Weight decay of AdamW, which excludes biases and norms."""
    dropout: Share | Literal["base"] = 0.0
    """Rate of all dropout layers. `base` keeps the base's own."""
    warmup_share: Share = 0.06
    """Share of the steps in which the learning rate rises."""
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Replaces `warmup_share` if given."""
    gradient_clip: float = 1.0
    """Largest norm of a gradient."""
    label_smoothing: Share = 0.05
    """Smoothing of hard labels."""
    pair_share: Share = 0.4
    """Share of draws that are pairs."""
    source_exponent: float = 0.5
    """Sources are drawn by their size to this power."""
    source_weights: dict[str, float] = {}
    """Factors for single sources."""
    evaluations: Positive = 12
    """Evaluations on the validation split during training."""
    evaluation_rows: Positive = 3000
    """Rows of each evaluation."""
    patience: Positive = 5
    """Evaluations without a better validation AUPRC before training stops."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"

    @model_validator(mode="after")
    def _has_mixes_to_average(self) -> DistilConfig:
        names = [one.name for one in self.mixes]
        if len(names) == 1 or len(set(names)) < len(names):
            raise ValueError("`mixes` needs at least two, with a name of its own each")
        if self.mixes and self.epochs is not None:
            raise ValueError("each of `mixes` has its own `n_draws`, so `epochs` has no meaning")
        return self

    @property
    def trainings(self) -> dict[str, DistilConfig]:
        """The settings of each training by its mix; one without a name if there are none."""
        return {
            one.name: self.model_copy(
                update={
                    "mixes": (),
                    "n_draws": one.n_draws,
                    "source_weights": self.source_weights | one.source_weights,
                }
            )
            for one in self.mixes
        } or {"": self}

    @model_validator(mode="after")
    def _has_a_start_to_keep(self) -> DistilConfig:
        if self.start_share and (self.artifact is None or self.vocabulary_tokens is not None):
            raise ValueError("`start_share` needs `artifact` and its whole vocabulary")
        if self.start_share == "best" and not self.development_sources:
            raise ValueError(
                '`start_share = "best"` needs `development_sources`: '
                "rows like those of the training always favour its end"
            )
        return self

    def draws_of(self, n_rows: int) -> int:
        """Number of rows drawn in all trainings. n_rows: those that can be drawn."""
        if self.mixes:
            return sum(one.n_draws for one in self.mixes)
        return self.n_draws if self.epochs is None else max(1, round(self.epochs * n_rows))

    def warmup_of(self, n_steps: int) -> int:
        """Steps until the learning rate is at its highest, at least one."""
        steps = math.ceil(n_steps * self.warmup_share)
        return max(1, steps if self.warmup_steps is None else self.warmup_steps)


class WindowConfig(_Section):
    """Text is read in overlapping windows of at most this many tokens."""

    window_tokens: Positive
    overlap_tokens: Annotated[int, Field(ge=0)]


class ExportConfig(_Section):
    """The served graph."""

    windows: WindowConfig | None = None
    """Windows in serving. None: those of training."""

    quantization: Literal["none", "static", "weight_only", "auto"] = "static"
    """`none`: float32.

    `static`: int8 with fixed activation scales. `weight_only`: int8 weights. `auto`: the first of
    `static`, `weight_only`, `none` that passes the parity gate.
    """
    calibration_rows: Positive = 512
    """Train rows, drawn balanced, whose activations set the scales of `static`."""
    activation_range: Literal["min_max", "percentile", "least_squares"] = "min_max"
    """Which of the observed values the scales of `static` span. Others are clipped."""
    activation_percentile: Annotated[float, Field(gt=50.0, le=100.0)] = 99.999
    """For `percentile`: the share of values inside the range, in percent."""
    parity_rows: Positive = 2800
    """Validation rows, half of them pairs, on which the served graph must match the torch model."""
    embedding_bits: Literal[8, 4] = 8
    """Bits of the word embeddings in a quantized graph: int8 with a scale for each row, or four
    bits with a scale for each 128 columns. For encoders whose file would be too large.
    """
    measured_rows: Positive | None = None
    """At most this many rows of the calibration split (for the policy) and of the validation split
    (for the report), half of them pairs. Limit them if the student is slow. None: all.
    """
    float_layers: tuple[str, ...] = ()
    """MatMul nodes (substrings of names) whose activations stay float, because quantizing them
    costs most."""


class RoundingConfig(_Section):
    """Further training of the student, with the rounding of the int8 graph, so that the weights
    make up for it (quantization-aware training, arXiv 1712.05877).

    The layers are those that `[export] float_layers` leaves. The ranges of their inputs are
    measured first, by `[export] activation_percentile`, and the graph keeps them. All else is as in
    `[distil]`, without `artifact`, `start_share` and `mixes`.
    """

    n_draws: Positive = 16_000
    """Rows drawn in all."""
    learning_rate: float = 4e-5
    """Highest learning rate of AdamW."""
    evaluations: Positive = 2
    """Evaluations on the validation split."""


class ImportConfig(_Section):
    """The base is a finished classifier: the stage `distil` takes it over instead of training."""

    harmful_index: Annotated[int, Field(ge=0)]
    """Index of the output that means harmful."""
    licence: str = "not stated"
    """Licence of the weights, for the manifest and the model card."""


class RunConfig(_Section):
    """A whole recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9._-]*$")]
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    distil: DistilConfig
    export: ExportConfig = ExportConfig()
    rounding: RoundingConfig | None = None
    """None: the student is exported as `[distil]` leaves it."""
    imported: ImportConfig | None = None
    generate: GenerateConfig | None = None
    filter: FilterConfig | None = None
    twins: TwinsConfig | None = None
    """Twins of the instructions. None: there are none."""
    respond: RespondConfig | None = None
    label: LabelConfig | None = None
    ensemble: EnsembleConfig | None = None
    """The teacher, if this repository trains it."""
    categories: CategoriesConfig | None = None
    """A head that tells kinds of harm apart. None: the student judges harm alone."""
    multilingual: MultilingualConfig | None = None
    """Rows in other languages. None: the student reads English alone."""
    translate: TranslateConfig | None = None
    """Translations of English rows. None: there are none."""
    write: WriteConfig | None = None
    """Requests written in other languages. None: there are none."""
    behaviour: BehaviourConfig = BehaviourConfig()
    """Cases of each kind that a published student must get right."""

    @model_validator(mode="after")
    def _is_imported_or_trained(self) -> RunConfig:
        if self.imported is not None and self.distil.artifact is not None:
            raise ValueError(
                "[imported] uses a classifier as it is, so it cannot start from an artifact"
            )
        return self

    @property
    def licence(self) -> str:
        """Licence of the published weights."""
        return LICENCE if self.imported is None else self.imported.licence

    @property
    def windows(self) -> WindowConfig:
        """Windows of the served student, and so of calibration and evaluation too."""
        return self.export.windows or WindowConfig(
            window_tokens=self.distil.window_tokens, overlap_tokens=self.distil.overlap_tokens
        )


def read_recipe(path: Path, *, older: Path | None = None) -> RunConfig:
    """Read the recipe of a run. Raises RecipeInvalid with the first problem.

    older: folder of the students that the recipe names by name and version.
    """
    content = read_merged(path)
    if older is not None:
        content = placed(content, older)
    for section, study in STUDY_SECTIONS.items():
        if section in content:
            raise RecipeInvalid(
                f"{path}: [{section}] belongs to the study `{study}`; stages cannot use this recipe"
            )
    config = _validated(path, content, RunConfig)
    if config.rounding is not None:
        # Not in the model: a run folder records no [export], which may change.
        if config.export.quantization not in ("static", "auto"):
            raise RecipeInvalid(
                f'{path}: [rounding] needs [export] quantization "static" or "auto"'
            )
        if config.export.activation_range != "percentile":
            raise RecipeInvalid(f'{path}: [rounding] needs [export] activation_range "percentile"')
    return config


def read_recipe_as(kind: type[Recipe], path: Path) -> Recipe:
    """Read the recipe of a study, with the sections of `kind`. Raises RecipeInvalid."""
    return _validated(path, read_merged(path), kind)


def _validated(path: Path, content: dict[str, Any], kind: type[Recipe]) -> Recipe:
    try:
        return kind.model_validate(content)
    except ValidationError as exc:
        raise RecipeInvalid(f"{path}: {first_problem(exc)}") from exc
