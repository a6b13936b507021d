"""HTTP bodies <-> contract: what `POST /classify` takes and gives, and how a body can be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    FailFast,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)

from postern.contract.artifact import Manifest
from postern.contract.certificate import Certificate
from postern.contract.decision import (
    DecidedBy,
    FallbackMode,
    Probability,
)
from postern.contract.errors import (
    BodyMismatch,
    MalformedBody,
    NothingToJudge,
    RequestRefused,
)
from postern.contract.exchange import Exchange
from postern.contract.moderation import (
    DeferralReason,
    Judged,
    Moderation,
    Options,
    TeacherRead,
    TextSpan,
    WorstWindow,
)

_MAX_PROBLEMS = 100
# Not pydantic's, which speak of tuples and may repeat what the caller wrote. By kind of error.
_OWN_WORDS = {
    "extra_forbidden": "unknown field",
    "union_tag_invalid": "unknown type",
    "union_tag_not_found": "its type is missing",
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "finite_number": "must be a number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must not be empty",
    "too_long": "holds too many",
    "literal_error": "is none of the known values",
    "less_than_equal": "is too large",
    "greater_than_equal": "is too small",
}
_OTHER_WORDS = "has another type or value than it may"

Text = Annotated[str, Field(strict=True)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExchangeIn(_In):
    """A prompt, and the response to it where the response is to be judged."""

    prompt: Text
    response: Text | None = None


class MessageIn(_In):
    """One turn of a conversation; system turns give context to a reader and are not judged."""

    role: Literal["user", "assistant", "system"]
    content: Text


class _OptionsIn(_In):
    operating_point: Text | None = Field(
        None, description="Name of an operating point of the artifact; see `/info`."
    )
    threshold: Annotated[float, Field(ge=0.0, le=1.0, strict=True)] | None = Field(
        None, description="Overrides the threshold of the operating point."
    )
    fallback: FallbackMode = Field(
        "auto", description="When the teacher is asked: in the deferral band, never, or always."
    )
    on_overflow: Literal["window", "reject"] = Field(
        "window", description="Text of more than one window: score every window, or answer 413."
    )


class PromptForm(_OptionsIn):
    """One exchange."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"prompt": "How do I sharpen a kitchen knife?"}]},
    )

    prompt: Text
    response: Text | None = None


class InputsForm(_OptionsIn):
    """Several exchanges, judged one by one."""

    inputs: Annotated[tuple[ExchangeIn, ...], Field(min_length=1), FailFast()]


class MessagesForm(_OptionsIn):
    """A conversation: every user turn and every user-to-assistant exchange is judged."""

    messages: Annotated[tuple[MessageIn, ...], Field(min_length=1), FailFast()]


def _form_of(body: Any) -> str:
    """The form that a body is read as; fields of another form are then refused as unknown."""
    if isinstance(body, Mapping):
        for form in ("inputs", "messages"):
            if form in body:
                return form
    return "prompt"


ClassifyIn = Annotated[
    Annotated[PromptForm, Tag("prompt")]
    | Annotated[InputsForm, Tag("inputs")]
    | Annotated[MessagesForm, Tag("messages")],
    Discriminator(_form_of),
]
_CLASSIFY: TypeAdapter[PromptForm | InputsForm | MessagesForm] = TypeAdapter(ClassifyIn)
_FIELD_NAMES = frozenset(
    name
    for model in (PromptForm, InputsForm, MessagesForm, ExchangeIn, MessageIn)
    for name in model.model_fields
)


class Asked(NamedTuple):
    """Exchanges to judge, the turn that each belongs to (None outside a conversation), options."""

    exchanges: tuple[Exchange, ...]
    turns: tuple[int | None, ...]
    options: Options


def parse_classify(body: bytes) -> Asked:
    """Raises MalformedBody, BodyMismatch, NothingToJudge."""
    try:
        form = _CLASSIFY.validate_json(body)
    except ValidationError as exc:
        raise refusal_of(exc, names=_FIELD_NAMES, leading=1) from None
    options = Options(
        operating_point=form.operating_point,
        threshold=form.threshold,
        fallback=form.fallback,
        reject_long=form.on_overflow == "reject",
    )
    match form:
        case PromptForm():
            return Asked((Exchange(form.prompt, form.response),), (None,), options)
        case InputsForm():
            exchanges = tuple(Exchange(one.prompt, one.response) for one in form.inputs)
            return Asked(exchanges, (None,) * len(exchanges), options)
        case MessagesForm():
            judged = conversation(form.messages)
            return Asked(
                tuple(exchange for _, exchange in judged), tuple(t for t, _ in judged), options
            )


def conversation(messages: Sequence[MessageIn]) -> list[tuple[int, Exchange]]:
    """What is judged of a conversation: (turn, exchange), in order.

    A user turn alone; an assistant turn as the response to the user turns since the last answer,
    joined. An assistant turn before any user turn has no prompt, so its text is judged alone.
    Raises NothingToJudge when there is neither.
    """
    judged: list[tuple[int, Exchange]] = []
    asked: list[str] = []
    answered = False
    for turn, message in enumerate(messages):
        if message.role == "user":
            if answered:
                asked, answered = [], False
            asked.append(message.content)
            judged.append((turn, Exchange(message.content)))
        elif message.role == "assistant":
            answered = True
            if asked:
                # Joined once: a thousand answers to the same turns share one prompt in memory.
                asked = ["\n".join(asked)]
                judged.append((turn, Exchange(asked[0], message.content)))
            else:
                judged.append((turn, Exchange(message.content)))
    if not judged:
        raise NothingToJudge
    return judged


def refusal_of(exc: ValidationError, *, names: frozenset[str], leading: int = 0) -> RequestRefused:
    """MalformedBody or BodyMismatch, whichever it was; for every dialect's bodies.

    names: of all fields. leading: parts of a path to leave out, such as the form of a union.
    """
    if exc.error_count() > _MAX_PROBLEMS:  # describing a hundred thousand takes seconds
        return BodyMismatch((("", f"more than {_MAX_PROBLEMS} problems"),))
    errors = exc.errors(include_input=False, include_url=False, include_context=False)
    if any(error["type"] == "json_invalid" for error in errors):
        return MalformedBody()
    problems = tuple(
        (
            _known_path(error["loc"][leading:], names),
            _OWN_WORDS.get(error["type"], _OTHER_WORDS),
        )
        for error in errors[:10]
    )
    return BodyMismatch(problems)


def _known_path(loc: tuple[int | str, ...], names: frozenset[str]) -> str:
    """The path to a problem. A name that the caller made up is text of a user: not repeated."""
    return ".".join(str(part) for part in loc if isinstance(part, int) or part in names)


class ModelOut(BaseModel):
    """Which artifact answered. sha256: of its manifest, which holds the hashes of all its files."""

    name: str
    version: str
    sha256: str


class SpanOut(BaseModel):
    """A part of a text, in the student's tokens: they follow the text as normalized, not its bytes.

    `start / tokens` and `end / tokens` are good estimates of where the part lies in the text.
    """

    start: int = Field(description="First token, counted from 0.")
    end: int = Field(description="The token after the last.")
    tokens: int = Field(description="Tokens of the whole text.")


class WorstWindowOut(BaseModel):
    """The most harmful window, the first of equals. Its probability is that of the exchange."""

    index: int = Field(description="Position among the windows, from 0.")
    prompt: SpanOut = Field(description="What the window held of the prompt.")
    response: SpanOut | None = Field(
        description="What it held of the response, where there is one."
    )


class ResultOut(BaseModel):
    """The verdict on one exchange."""

    index: int = Field(description="Position among the judged exchanges.")
    turn: int | None = Field(
        None, description="With `messages`: the judged message. Absent otherwise."
    )
    harmful: bool
    probability: Probability = Field(description="Calibrated probability that it is harmful.")
    threshold: Probability
    deferral_band: tuple[Probability, Probability]
    decided_by: DecidedBy
    deferred: bool = Field(description="A teacher was wanted for this exchange.")
    degraded: bool = Field(description="It was wanted and gave nothing; the policy decided.")
    student_probability: Probability
    teacher_probability: Probability | None
    tokens: int = Field(description="Tokens of text, all of them scored.")
    windows: int = Field(description="Windows that the text was scored in.")
    worst_window: WorstWindowOut | None = Field(
        None, description="Which window decided. Absent where there is only one."
    )
    triggers: list[str] = Field(
        [], description="How the text seemed disguised. Absent where it did not."
    )
    teacher_read: TeacherRead | None = Field(
        None, description="What the teacher was shown. Absent where none gave an opinion."
    )
    deferral_reason: DeferralReason | None = Field(
        None, description="Why a teacher was wanted. Absent where none was."
    )


class TimingsOut(BaseModel):
    """Milliseconds; the slowest exchange of the request counts."""

    queue: float
    inference: float
    teacher: float
    total: float


class ClassifyOut(BaseModel):
    """Verdicts in the order of the exchanges; `harmful` where any of them is."""

    id: str
    model: ModelOut
    operating_point: str
    harmful: bool
    results: list[ResultOut]
    timings_ms: TimingsOut


@dataclass(frozen=True, slots=True)
class Identity:
    """The artifact as replies name it."""

    name: str
    version: str
    sha256: str


def classify_reply(
    moderation: Moderation, asked: Asked, *, request_id: str, identity: Identity
) -> dict[str, Any]:
    """The body of a reply, of the shape of ClassifyOut; plain data, as it is on the hot path."""
    timings = moderation.timings
    return {
        "id": request_id,
        "model": {
            "name": identity.name,
            "version": identity.version,
            "sha256": identity.sha256,
        },
        "operating_point": moderation.operating_point,
        "harmful": moderation.harmful,
        "results": [
            _result(index, turn, one)
            for index, (turn, one) in enumerate(zip(asked.turns, moderation.judged, strict=True))
        ],
        "timings_ms": {
            "queue": _ms(timings.queue_s),
            "inference": _ms(timings.inference_s),
            "teacher": _ms(timings.teacher_s),
            "total": _ms(timings.total_s),
        },
    }


def _result(index: int, turn: int | None, one: Judged) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "index": index,
        **({} if turn is None else {"turn": turn}),
        "harmful": verdict.harmful,
        "probability": _rounded(verdict.probability),
        "threshold": _rounded(verdict.threshold),
        "deferral_band": [_rounded(edge) for edge in verdict.deferral_band],
        "decided_by": verdict.decided_by,
        "deferred": verdict.deferred,
        "degraded": verdict.degraded,
        "student_probability": _rounded(verdict.student_probability),
        "teacher_probability": _rounded(verdict.teacher_probability),
        "tokens": one.tokens,
        "windows": one.windows,
        **({} if one.worst_window is None else {"worst_window": _worst(one.worst_window)}),
        **({"triggers": list(one.triggers)} if one.triggers else {}),
        **({} if one.teacher_read is None else {"teacher_read": one.teacher_read}),
        **({} if one.deferral_reason is None else {"deferral_reason": one.deferral_reason}),
    }


def _worst(window: WorstWindow) -> dict[str, Any]:
    return {
        "index": window.index,
        "prompt": _span(window.prompt),
        "response": None if window.response is None else _span(window.response),
    }


def _span(span: TextSpan) -> dict[str, int]:
    return {"start": span.start, "end": span.end, "tokens": span.tokens}


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 6)


def _ms(seconds: float) -> float:
    return round(seconds * 1000.0, 3)


class InfoOut(BaseModel):
    """What runs here. No secrets, no paths."""

    model: ModelOut
    licence: str
    text_format: int
    label_order: list[str]
    window_tokens: int
    overlap_tokens: int
    files: dict[str, str] = Field(description="SHA-256 of every file of the artifact.")
    operating_points: dict[str, Any]
    default_operating_point: str
    calibration: dict[str, Any]
    limits: dict[str, int]
    teacher: dict[str, Any]
    metrics: dict[str, Any] = Field(description="Figures of the artifact's report.")
    certificate: Certificate | None = Field(
        description="What `postern calibrate` proved of the policy, where it has run."
    )
    server_version: str


def info_reply(
    manifest: Manifest,
    *,
    identity: Identity,
    limits: dict[str, int],
    teacher: dict[str, Any],
    server_version: str,
) -> InfoOut:
    policy = manifest.policy.model_dump(mode="json")
    return InfoOut(
        model=ModelOut(name=identity.name, version=identity.version, sha256=identity.sha256),
        licence=manifest.licence,
        text_format=manifest.text_format,
        label_order=list(manifest.label_order),
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
        files={name: entry.sha256 for name, entry in manifest.files.items()},
        operating_points=policy["operating_points"],
        default_operating_point=policy["default_operating_point"],
        calibration=policy["calibration"],
        limits=limits,
        teacher=teacher,
        metrics=manifest.metrics,
        certificate=manifest.certificate,
        server_version=server_version,
    )
