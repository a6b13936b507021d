"""A LangChain chat model behind Postern: `guarded(model)` is a Runnable like the model itself.

Every turn is judged before the model is asked, and the answer before it is returned. A stream of it
yields the answer in one piece, after its verdict. Where no verdict can be had, `invoke` raises.
"""

from __future__ import annotations

from typing import Any

import httpx
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

REFUSAL = "Sorry, I cannot help with that."
_ROLES = {"ai": "assistant", "AIMessageChunk": "assistant", "system": "system"}


def guarded(
    model: Runnable[LanguageModelInput, BaseMessage],
    *,
    url: str = "http://127.0.0.1:8000",
    api_key: str | None = None,
    operating_point: str = "balanced",
    timeout_s: float = 10.0,
) -> Runnable[LanguageModelInput, BaseMessage]:
    """The model; a harmful prompt or answer gives REFUSAL. Raises httpx.HTTPError."""
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    options: dict[str, Any] = {"headers": headers, "timeout": timeout_s}

    def body(messages: list[BaseMessage]) -> dict[str, Any]:
        return {"messages": _turns(messages), "operating_point": operating_point}

    def harmful(messages: list[BaseMessage]) -> bool:
        return _verdict(httpx.post(f"{url}/classify", json=body(messages), **options))

    async def aharmful(messages: list[BaseMessage]) -> bool:
        async with httpx.AsyncClient() as client:
            return _verdict(await client.post(f"{url}/classify", json=body(messages), **options))

    def ask(given: LanguageModelInput, config: RunnableConfig) -> BaseMessage:
        messages = _messages(given)
        if harmful(messages):
            return AIMessage(REFUSAL)
        answer = model.invoke(messages, config)
        return AIMessage(REFUSAL) if harmful([*messages, answer]) else answer

    async def aask(given: LanguageModelInput, config: RunnableConfig) -> BaseMessage:
        messages = _messages(given)
        if await aharmful(messages):
            return AIMessage(REFUSAL)
        answer = await model.ainvoke(messages, config)
        return AIMessage(REFUSAL) if await aharmful([*messages, answer]) else answer

    return RunnableLambda(ask, afunc=aask)


def _messages(given: LanguageModelInput) -> list[BaseMessage]:
    if isinstance(given, PromptValue):
        return given.to_messages()
    return convert_to_messages([given] if isinstance(given, str) else given)


def _turns(messages: list[BaseMessage]) -> list[dict[str, str]]:
    """Turns as `/classify` takes them; what a tool found is judged like what a user says."""
    turns = []
    for message in messages:
        calls = getattr(message, "tool_calls", [])
        texts = [message.text, *(str(call["args"]) for call in calls)]
        content = "\n".join(text for text in texts if text.strip())
        if content:
            turns.append({"role": _ROLES.get(message.type, "user"), "content": content})
    return turns


def _verdict(reply: httpx.Response) -> bool:
    reply.raise_for_status()  # an error is no verdict
    return bool(reply.json()["harmful"])
