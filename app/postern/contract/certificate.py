"""What `postern calibrate` proved of a policy, on which rows, and under which assumptions."""

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
    "Marginal: an average over traffic like the labelled sample, not a promise for one text, one "
    "topic or one user. Exchangeable: traffic comes from the same source as the sample, and the "
    "labels are right; it ends when traffic drifts. No adversaries: whoever rewrites text until it "
    "passes is not covered. Each bound holds on its own at the stated confidence, not all at once. "
    "A threshold given with a request is not covered. Measured as a server decides whose triggers "
    "are on (the default): disguised text counts as what it says without the disguise or, where "
    "that is not certain, as the more harmful of its readings, and a teacher, where there is one, "
    "is asked about all of it. Fused bounds assume that the teacher answers and that the cap on "
    "deferrals is not reached."
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bound(_Frozen):
    """A rate that was counted, and the upper bound on the true one at confidence 1 - delta."""

    events: Count
    n: Count
    rate: Share
    upper_bound: Share


class CertifiedThreshold(_Frozen):
    """An edge of the band: at most `alpha` of its class lies beyond it, decided by the student."""

    threshold: Share
    alpha: Level
    bound: Bound


class EndToEnd(_Frozen):
    """A whole policy at one operating point, on rows that nothing was fitted or chosen on."""

    miss_rate: Bound
    """Harmful exchanges called unharmful, of all harmful ones."""
    false_positive_rate: Bound
    """Unharmful exchanges called harmful, of all unharmful ones."""
    deferral_rate: Bound
    """Exchanges inside the deferral band, of all; with a teacher, those that a trigger sent to it,
    too."""


class SliceCertificate(_Frozen):
    """All that was proved for prompts alone, or for pairs."""

    rows: dict[str, tuple[Count, Count]]
    """Of each part of the sample: (harmful, unharmful) exchanges."""
    low: CertifiedThreshold
    """P(probability < threshold | harmful) <= alpha: what passes on the student's word."""
    high: CertifiedThreshold
    """P(probability > threshold | unharmful) <= alpha: what is stopped on the student's word."""
    end_to_end: dict[str, EndToEnd]
    """By operating point; with the teacher's opinion on deferred exchanges where one was given."""


class ArtifactId(_Frozen):
    """An artifact by name and by the hash of its manifest."""

    name: str
    version: str
    sha256: Sha256


class AskedTeacher(_Frozen):
    """A teacher at an address, which is not told; who answers there, nobody can certify."""

    kind: Literal["openai", "postern"]
    model: str | None = None
    template: str | None = None
    endpoint: str | None = None
    temperature: float | None = None
    outcomes: dict[str, Count] = {}
    """How the questions ended; all but `answered` gave no opinion."""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.model}" if self.model else f"another {self.kind}"


class Certificate(_Frozen):
    """Each bound of it fails with a chance of at most `delta`."""

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    delta: Level
    slices: dict[Slice, SliceCertificate]
    teacher: tuple[ArtifactId, ...] | AskedTeacher | Literal["column"] | None
    """Whose opinion was fused: artifacts, a server's, a column of the data, or nobody's."""
    source: ArtifactId
    """The artifact whose model was calibrated; it is as it was."""
    model_sha256: Sha256
    data_sha256: Sha256
    method: str = METHOD
    assumptions: str = ASSUMPTIONS
