"""agentgateway's guardrail webhook, `POST /request` and `POST /response`: its shapes.

The action in a reply has no name: the gateway takes `body` with `status_code` for a rejection, and
anything else, even an empty action, for a pass. So a rejection always has both, and no error has an
`action`. An error lets nothing pass unless the gateway is set to fail open.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, Field

from postern.dialects.bodies import HARMFUL_REASON

UNHARMFUL_REASON: Final = "Postern judged this content unharmful."
NO_TEXT_REASON: Final = "This answer has no text to judge."
AUDIT_REASON: Final = "Postern only audits here and blocks nothing."


class PromptMessagesIn(BaseModel):
    """Messages of the chat, in order. Other fields are read as in a chat for the proxy."""

    messages: list[dict[str, Any]] = Field(
        description="`role` and `content` of each. They are judged like those of the guarded proxy."
    )


class PromptHookIn(BaseModel):
    """What the gateway sends before it asks the model. Fields beside `body` are ignored."""

    body: PromptMessagesIn


class ResponseChoicesIn(BaseModel):
    """Answers of the model, as alternatives."""

    choices: list[dict[str, Any]] = Field(
        description="A `message` with `role` and `content` each. Every one is judged alone, for "
        "the gateway does not send its prompt."
    )


class ResponseHookIn(BaseModel):
    """What the gateway sends before it passes an answer on. Fields beside `body` are ignored."""

    body: ResponseChoicesIn


class PassActionOut(BaseModel):
    """It passes unchanged."""

    reason: str


class RejectActionOut(BaseModel):
    """The gateway answers its client with this body and status."""

    body: str = Field(description="OpenAI's error object, as a string.")
    status_code: int
    reason: str


class GatewayActionOut(BaseModel):
    """agentgateway's reply. Nothing is ever masked."""

    action: RejectActionOut | PassActionOut


def passes(reason: str) -> dict[str, Any]:
    """A reply in the shape of GatewayActionOut."""
    return {"action": {"reason": reason}}


def rejects(body: str, status: int) -> dict[str, Any]:
    """A reply in the shape of GatewayActionOut. body, status: what the gateway's client gets."""
    return {"action": {"body": body, "status_code": status, "reason": HARMFUL_REASON}}
