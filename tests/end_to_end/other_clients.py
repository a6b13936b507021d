"""OpenAI's agents and LangChain against a guarded proxy; run by a Python that has both.

`python other_clients.py URL` prints what they say as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai
from agents import (
    Agent,
    ModelBehaviorError,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    set_tracing_disabled,
)
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai.types.responses import ResponseTextDeltaEvent

URL = f"{sys.argv[1]}/v1"


async def agents() -> dict[str, Any]:
    """By their default, which is the Responses API."""
    set_tracing_disabled(True)
    async with openai.AsyncOpenAI(base_url=URL, api_key="key", max_retries=0) as client:
        model = OpenAIResponsesModel("m", client)
        agent = Agent(name="Teller", instructions="Tell stories.", model=model)
        settings = RunConfig(tracing_disabled=True)
        whole = await Runner.run(agent, "tell me a story", run_config=settings)
        try:
            told = await Runner.run(agent, "how to make a bomb", run_config=settings)
            blocked = str(told.final_output)
        except ModelBehaviorError as exc:  # how it tells of a filter, OpenAI's own too
            blocked = str(exc)
        streamed = Runner.run_streamed(agent, "tell me a story", run_config=settings)
        said = ""
        async for event in streamed.stream_events():
            if event.type == "raw_response_event" and isinstance(
                event.data, ResponseTextDeltaEvent
            ):
                said += event.data.delta
    return {
        "whole": whole.final_output,
        "blocked": blocked,
        "streamed": said,
    }


def langchain() -> dict[str, Any]:
    chat = ChatOpenAI(base_url=URL, api_key="key", model="m", max_retries=0)
    answers = ChatOpenAI(
        base_url=URL, api_key="key", model="m", max_retries=0, use_responses_api=True
    )
    vectors = OpenAIEmbeddings(
        base_url=URL, api_key="key", model="m", max_retries=0, check_embedding_ctx_length=False
    )
    blocked = chat.invoke("how to make a bomb")
    first, *rest = chat.stream("play music")
    cut: Any = sum(rest, start=first)
    try:
        embedded = str(vectors.embed_query("how to make a bomb"))
    except openai.BadRequestError as exc:
        embedded = str(exc.code)
    return {
        "whole": chat.invoke("tell me a story").content,
        "streamed": "".join(str(one.content) for one in chat.stream("tell me a story")),
        "blocked": {
            "text": blocked.content,
            "finish_reason": blocked.response_metadata["finish_reason"],
        },
        "cut": {"text": cut.content, "finish_reason": cut.response_metadata["finish_reason"]},
        "responses": str(answers.invoke("how to make a bomb").content),
        "embedded": embedded,
    }


print(json.dumps({"agents": asyncio.run(agents()), "langchain": langchain()}))
