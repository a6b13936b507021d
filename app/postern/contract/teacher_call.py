"""The question to an OpenAI-compatible teacher as JSON, and the tokens of its reply.

Labelling and serving write the same body and read the reply with the same function.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from postern.contract.exchange import Exchange
from postern.contract.teacher_text import TOP_LOGPROBS, TeacherTemplate, TokenChoice

Endpoint = Literal["completions", "chat", "conversation"]
"""Who writes what. `completions`: the whole prompt is ours. `chat`: the server's chat template puts
its control tokens around our body. `conversation`: the server gets the turns alone, and the chat
template of a guard model writes its own prompt around them."""

# The chat template of Llama Guard 3 ends before the line breaks that precede an answer, so the
# model writes these first ("\n\nsafe").
_LINE_BREAK_TOKENS: Final = 2


def question(
    template: TeacherTemplate, exchange: Exchange, *, endpoint: Endpoint
) -> dict[str, Any]:
    """The body of a call, without the name of the model.

    Raises ValueError for a conversation if the models of this template do not take one.
    """
    common = {"max_tokens": template.answer_tokens, "temperature": 0.0}
    if endpoint == "completions":
        return common | {"prompt": template.prompt(exchange), "logprobs": TOP_LOGPROBS}
    messages = [{"role": "user", "content": template.body(exchange)}]
    if endpoint == "conversation":
        messages = template.turns(exchange)
        common["max_tokens"] = template.answer_tokens + _LINE_BREAK_TOKENS
    return common | {"messages": messages, "logprobs": True, "top_logprobs": TOP_LOGPROBS}


def path_of(endpoint: Endpoint) -> Literal["completions", "chat/completions"]:
    """The path behind the base URL, without a leading slash."""
    return "completions" if endpoint == "completions" else "chat/completions"


class _TopLogprob(BaseModel):
    token: str
    logprob: float


class _ChatToken(_TopLogprob):
    top_logprobs: list[_TopLogprob] = []


class Logprobs(BaseModel):
    """Log-probabilities of a chat completion (`content`) or of a plain one (`tokens`,
    `top_logprobs`)."""

    content: list[_ChatToken] | None = None
    tokens: list[str] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None

    def choices(self) -> Iterator[TokenChoice]:
        """One item for each token that was written. Raises ValueError if the lists do not match."""
        if self.content is not None:
            for one in self.content:
                tops = {top.token: top.logprob for top in one.top_logprobs}
                yield TokenChoice(one.token, {one.token: one.logprob} | tops)
        elif self.tokens is not None and self.top_logprobs is not None:
            if len(self.tokens) != len(self.top_logprobs):
                raise ValueError("tokens and log-probabilities differ in number")
            for token, top in zip(self.tokens, self.top_logprobs, strict=True):
                yield TokenChoice(token, dict(top or {}))


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def written(self) -> str | None:
        return self.text if self.message is None else self.message.content


class _Usage(BaseModel):
    prompt_tokens: int | None = None


class Completion(BaseModel):
    """A reply of `/chat/completions` or `/completions`. Unused fields are ignored."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


def read_completion(content: Any) -> Completion:
    """Parse a reply. content: decoded JSON. Raises ValueError if it has another form."""
    try:
        found = Completion.model_validate(content, strict=True)
    except ValidationError as exc:
        raise ValueError("no completion") from exc
    choice = found.choices[0]
    if choice.written is None and choice.message is None:
        raise ValueError("no text")
    return found


def read_tokens(content: Any) -> tuple[TokenChoice, ...]:
    """The written tokens with their log-probabilities; empty if the server gives none.

    content: decoded JSON. Raises ValueError if it has another form.
    """
    logprobs = read_completion(content).choices[0].logprobs
    return () if logprobs is None else tuple(logprobs.choices())
