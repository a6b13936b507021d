"""Calls to language models: one form of call and reply for all backends; each is paid for once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Protocol

from postern.contract import teacher_call
from postern.contract.errors import PosternError
from postern.contract.teacher_text import TokenChoice
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tqdm import tqdm

from model_training.errors import DataInvalid, ServerUnusable
from model_training.recipe.augmentation import Sampling
from model_training.run.journal import Journal
from model_training.teachers.http_json import HttpConfig, JsonClient, Refused, Stopped

Endpoint = Literal["chat/completions", "completions", "classify"]
Finished = Callable[[Mapping[str, "Reply"]], None]

_PROBE_MESSAGES: Final = (
    {"role": "user", "content": "Count from one to ten in words, separated by single spaces."},
    {"role": "assistant", "content": "one two three four"},
)
_PROBE_NEXT: Final = "five"
_ENOUGH_REFUSALS: Final = 100
"""The stage stops if this many first calls were all refused and no call was answered."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(_Frozen):
    """A request in OpenAI's form; `key` is its name in the journal.

    asked: who is asked, including a fingerprint of the weights if they are local.
    """

    endpoint: Endpoint
    asked: str
    body: dict[str, Any]

    @property
    def key(self) -> str:
        content = json.dumps([self.endpoint, self.asked, self.body], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


class Reply(_Frozen):
    """The text written and why it ended, or the status with which the call was refused."""

    text: str = ""
    finish: str | None = None
    tokens: tuple[tuple[str, dict[str, float]], ...] = ()
    """If log-probabilities were requested: each token, with the likeliest tokens at its
    position.
    """
    margin: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """For classifiers: harmful minus unharmful logit."""
    prompt_tokens: int | None = None
    written_tokens: int | None = None
    """Counted by models in this process alone."""
    refused: int | None = None

    @property
    def choices(self) -> list[TokenChoice]:
        return [TokenChoice(token, top) for token, top in self.tokens]


class Backend(Protocol):
    """Answers calls: a server, or a model in this process."""

    @property
    def asked(self) -> str:
        """Identifies who answers; part of each call's key."""

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Answer calls in any order, and pass replies to `finished` by key as they arrive."""

    def require_continuation(self, journal: Journal) -> None:
        """Raises ServerUnusable unless the backend continues an assistant turn that already has
        text.
        """


def answer_all(
    calls: Sequence[Call], backend: Backend, journal: Journal, *, what: str
) -> list[Reply]:
    """Replies in the order of the calls. Equal calls are made once, over all runs.

    Refusals are not kept, so a later run with another server or key asks again. Raises
    ServerUnusable if all calls are refused, and whatever the backend raises; the journal keeps the
    answers received until then.
    """
    keys = [call.key for call in calls]
    todo = {key: call for key, call in zip(keys, calls, strict=True) if key not in journal}
    times = Counter(keys)
    refused: dict[str, Reply] = {}
    first = set(list(todo)[:_ENOUGH_REFUSALS])  # wait for a slow answer among them
    done = sum(count for key, count in times.items() if key not in todo)
    with tqdm(total=len(keys), initial=done, desc=what, unit="call", dynamic_ncols=True) as bar:

        def finished(replies: Mapping[str, Reply]) -> None:
            answered = {key: reply for key, reply in replies.items() if reply.refused is None}
            refused.update((key, replies[key]) for key in replies.keys() - answered.keys())
            if answered:
                journal.append(
                    {key: one.model_dump(exclude_defaults=True) for key, one in answered.items()}
                )
            elif first <= refused.keys() and not any(key in journal for key in times):
                status = next(iter(refused.values())).refused
                raise ServerUnusable(f"{what}: every call was refused (status {status})")
            bar.update(sum(times[key] for key in replies))

        if todo:
            backend.answer(list(todo.values()), finished)
    return [refused[key] if key in refused else _kept(journal, key) for key in keys]


def _kept(journal: Journal, key: str) -> Reply:
    try:
        return Reply.model_validate(journal.get(key))
    except ValidationError as exc:
        raise DataInvalid("a journal contains a reply of another form; remove it") from exc


def chat_call(
    backend: Backend,
    messages: Sequence[Mapping[str, str]],
    *,
    model: str,
    prefix: str | None,
    sampling: Sampling,
    seed: int,
) -> Call:
    """A chat call whose answer begins with `prefix`, if there is one."""
    body: dict[str, Any] = {"model": model, "messages": list(messages), "seed": seed}
    body |= sampling.model_dump()
    if prefix is not None:
        body["messages"] = [*messages, {"role": "assistant", "content": prefix}]
        # vLLM, SGLang and llama.cpp leave the last turn open and continue it.
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return Call(endpoint="chat/completions", asked=backend.asked, body=body)


def written_after(prefix: str | None, text: str) -> str:
    """The text written after the prefix; some servers return the prefix with it."""
    if prefix and text.lstrip().startswith(prefix):
        return text.lstrip().removeprefix(prefix)
    return text


class ServerBackend:
    """A server over HTTP. At most `concurrency` calls run at once.

    read: decoded reply -> Reply, raising ValueError for nonsense.
    """

    def __init__(self, config: HttpConfig, *, read: Callable[[Any], Reply]) -> None:
        self._config = config
        self._read = read

    @property
    def asked(self) -> str:
        return self._config.asked

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Raises ServerUnavailable, ServerUnusable, OSError, after calls under way have ended."""
        asyncio.run(self._answer(iter(calls), finished))

    async def _answer(self, calls: Iterator[Call], finished: Finished) -> None:
        failures: list[Exception] = []

        async def work(client: JsonClient) -> None:
            for call in calls:
                if failures:
                    return
                try:
                    reply = await client.post(call.endpoint, call.body, self._read)
                    if isinstance(reply, Refused):
                        reply = Reply(refused=reply.status)
                    await asyncio.to_thread(finished, {call.key: reply})
                except Stopped:
                    return
                except (PosternError, OSError) as exc:
                    # The other workers finish their calls, which are already paid for.
                    failures.append(exc)
                    client.stop()

        async with JsonClient(self._config) as client:
            await asyncio.gather(*(work(client) for _ in range(self._config.concurrency)))
        if failures:
            raise failures[0]

    def require_continuation(self, journal: Journal) -> None:
        """Asks with and without the flag that keeps the last turn open.

        The server honours the flag if it counts another number of prompt tokens without it (the
        turn is then closed), or if it continues a count where the turn stopped. Neither call asks
        for a new turn: a server that knows only that flag would also count differently, yet close
        the turn.
        """
        no_turn = {"add_generation_prompt": False}
        body = {
            "model": self.asked,
            "messages": list(_PROBE_MESSAGES),
            "max_tokens": 4,
            "temperature": 0.0,
        }
        calls = [
            # The key contains the address: another server with the same model is asked again.
            Call(
                endpoint="chat/completions",
                asked=f"{self.asked} at {self._config.base_url}",
                body=body | no_turn | more,
            )
            for more in ({}, {"continue_final_message": True})
        ]
        # Also a call that every server accepts; if all calls are refused, the flag is not the
        # cause.
        plain = Call(
            endpoint="chat/completions",
            asked=calls[0].asked,
            body=body | {"messages": list(_PROBE_MESSAGES[:1])},
        )
        closed, kept_open, _ = answer_all([*calls, plain], self, journal, what="probe")
        if kept_open.refused is not None:
            raise ServerUnusable(
                "the server does not accept continue_final_message (it answered with status "
                f"{kept_open.refused}); the prefix of the recipe cannot be sent"
            )
        counts = (kept_open.prompt_tokens, closed.prompt_tokens)
        counted = None not in counts and counts[0] != counts[1]
        if not counted and not kept_open.text.strip().lower().startswith(_PROBE_NEXT):
            raise ServerUnusable(
                "the server ignores continue_final_message: it begins a new turn instead of "
                "continuing the assistant's; the prefix of the recipe would have no effect"
            )


def read_completion(content: Any) -> Reply:
    """A reply of `/chat/completions` or `/completions`. Raises ValueError: another form."""
    found = teacher_call.read_completion(content)
    choice = found.choices[0]
    tokens = tuple(choice.logprobs.choices()) if choice.logprobs else ()
    return Reply(
        text=choice.written or "",  # content is null if a chat model wrote nothing
        finish=choice.finish_reason,
        tokens=tuple((one.token, dict(one.top)) for one in tokens),
        prompt_tokens=found.usage.prompt_tokens if found.usage else None,
    )
