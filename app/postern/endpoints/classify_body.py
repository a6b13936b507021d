"""The body of `POST /classify` -> the exchanges to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

from postern.contract.decision import FallbackMode
from postern.contract.errors import NothingToJudge
from postern.contract.exchange import Exchange
from postern.contract.moderation import Options
from postern.http.bodies import Text, refusal_of


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExchangeIn(_In):
    """A prompt and, if the response is to be judged, the response to it."""

    prompt: Text = Field(description="Text of the person.")
    response: Text | None = Field(
        None, description="Text of the model, if it is to be judged. Empty is not absent."
    )


class MessageIn(_In):
    """One turn of a conversation. System turns are accepted but not judged."""

    role: Literal["user", "assistant", "system"] = Field(description="Who speaks.")
    content: Text = Field(description="Text of the turn.")


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
        "window",
        description="What to do with text of more than one window: score every window, "
        "or answer 413.",
    )
    categories: Literal["applying", "all"] = Field(
        "applying",
        description="Which categories of harm each result names, if the artifact tells them apart: "
        "those that apply, or all.",
    )


class PromptForm(_OptionsIn):
    """One exchange."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"prompt": "How do I bake bread?"}]},
    )

    prompt: Text = Field(description="Text of the person.")
    response: Text | None = Field(
        None, description="Text of the model, if it is to be judged. Empty is not absent."
    )


class InputsForm(_OptionsIn):
    """Several exchanges, judged one by one."""

    inputs: Annotated[tuple[ExchangeIn, ...], Field(min_length=1), FailFast()] = Field(
        description="Exchanges to judge."
    )


class MessagesForm(_OptionsIn):
    """A conversation: every user turn and every user-to-assistant exchange is judged."""

    messages: Annotated[tuple[MessageIn, ...], Field(min_length=1), FailFast()] = Field(
        description="Turns in order."
    )


def _form_of(body: Any) -> str:
    """The form in which a body is parsed. Fields of another form are then refused as unknown."""
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
    """Exchanges to judge, the turn of each (None outside a conversation), and options.

    all_categories: the reply names all, not only those that apply.
    """

    exchanges: tuple[Exchange, ...]
    turns: tuple[int | None, ...]
    options: Options
    all_categories: bool = False


def parse_classify(body: bytes) -> Asked:
    """Parse a body. Raises MalformedBody, BodyMismatch, NothingToJudge."""
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
    exchanges: tuple[Exchange, ...]
    turns: tuple[int | None, ...]
    match form:
        case PromptForm():
            exchanges, turns = (Exchange(form.prompt, form.response),), (None,)
        case InputsForm():
            exchanges = tuple(Exchange(one.prompt, one.response) for one in form.inputs)
            turns = (None,) * len(exchanges)
        case MessagesForm():
            judged = conversation(form.messages)
            exchanges = tuple(exchange for _, exchange in judged)
            turns = tuple(turn for turn, _ in judged)
    return Asked(exchanges, turns, options, form.categories == "all")


def conversation(messages: Sequence[MessageIn]) -> list[tuple[int, Exchange]]:
    """The judged parts of a conversation: (turn, exchange), in order.

    A user turn is judged alone. An assistant turn is judged as the response to the user turns since
    the last answer, joined. An assistant turn before any user turn has no prompt, so its text is
    judged alone. Raises NothingToJudge if there is neither.
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
