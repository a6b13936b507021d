"""What `postern calibrate` proved about a policy, on which rows and under which assumptions."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from postern.contract.exchange import Slice

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Level = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

METHOD: Final = (
    "One-sided Clopper-Pearson bounds (1934); thresholds by fixed-sequence testing, the safest "
    "first (Learn then Test, Angelopoulos et al. 2021). Fitting, choosing, certifying and auditing "
    "each had prompts of their own."
)
ASSUMPTIONS: Final = (
    "Marginal: the bounds are averages over traffic like the labelled sample, not promises for one "
    "text, one topic or one user. Exchangeable: traffic comes from the same source as the sample, "
    "and the labels are right; the guarantee ends when traffic drifts. No adversaries: people who "
    "rewrite text until it passes are not covered. Each bound holds on its own at the stated "
    "confidence, not all of them at once. Thresholds given with a request are not covered. The "
    "measurement assumes that the server's triggers are on (the default): disguised text counts as "
    "its decoded reading or, if that is uncertain, as the more harmful of its readings, and the "
    "teacher, if there is one, is asked about all of it. Fused bounds assume that the teacher "
    "answers and that the cap on deferrals is not reached."
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bound(_Frozen):
    """A counted rate, and the upper bound on the true rate at confidence 1 - delta."""

    events: Count
    """Counted cases."""
    n: Count
    """Cases in all."""
    rate: Share
    """events / n."""
    upper_bound: Share
    """Bound on the true rate."""


class CertifiedThreshold(_Frozen):
    """An edge of the band. The student alone decides at most `alpha` of a class beyond it."""

    threshold: Share
    alpha: Level
    bound: Bound


class EndToEnd(_Frozen):
    """A whole policy at one operating point, on rows that were used for no fit and no choice."""

    miss_rate: Bound
    """Share of harmful exchanges that were called unharmful."""
    false_positive_rate: Bound
    """Share of unharmful exchanges that were called harmful."""
    deferral_rate: Bound
    """Share of all exchanges that lie inside the deferral band or, with a teacher, were sent to it
    by a trigger."""


class SliceCertificate(_Frozen):
    """Everything that was proved for prompts alone, or for pairs."""

    rows: dict[str, tuple[Count, Count]]
    """(harmful, unharmful) exchanges in each part of the sample."""
    low: CertifiedThreshold
    """P(probability < threshold | harmful) <= alpha: what passes without asking the teacher."""
    high: CertifiedThreshold
    """P(probability > threshold | unharmful) <= alpha: what is stopped without asking the
    teacher."""
    end_to_end: dict[str, EndToEnd]
    """By operating point.

    It includes the teacher's opinion on deferred exchanges, if there was one.
    """
    # Omitted when empty, so that a certificate of an older version stays the same.
    languages: dict[str, tuple[Count, Count]] = Field(
        default_factory=dict, exclude_if=lambda value: not value
    )
    """(harmful, unharmful) exchanges of the sample by the language that they were read as.

    The bounds hold for traffic with these languages in these shares, and for none of them alone.
    """


class ArtifactId(_Frozen):
    """An artifact, identified by name and by the hash of its manifest."""

    name: str
    version: str
    sha256: Sha256


class AskedTeacher(_Frozen):
    """A teacher at a URL.

    The URL is not recorded, and nobody can certify which model answers there.
    """

    kind: Literal["openai", "postern"]
    model: str | None = None
    template: str | None = None
    endpoint: str | None = None
    temperature: float | None = None
    outcomes: dict[str, Count] = {}
    """Number of questions by outcome. Only `answered` gave an opinion."""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.model}" if self.model else f"another {self.kind}"


class Certificate(_Frozen):
    """Each bound of it fails with a chance of at most `delta`."""

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    """Day of the calibration."""
    delta: Level
    """Chance that one bound fails. Each bound fails independently of how many there are."""
    slices: dict[Slice, SliceCertificate]
    teacher: tuple[ArtifactId, ...] | AskedTeacher | Literal["column"] | None
    """Whose opinion was fused: that of artifacts, of a teacher at a URL, of a column of the data,
    or nobody's."""
    source: ArtifactId
    """The artifact whose model was calibrated. It stays unchanged."""
    model_sha256: Sha256
    """Hash of `model.onnx`."""
    data_sha256: Sha256
    """Hash of the labelled data."""
    method: str = METHOD
    assumptions: str = ASSUMPTIONS
