"""What the upstream remembers of a chat: fetched, so that it is judged like the rest of it.

Only responses are fetched. One that is over never changes, so what was judged is what the upstream
will read. A conversation can be filled from elsewhere meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from postern.chat_guard.answers import parsed
from postern.chat_guard.identifiers import is_identifier, is_model_path
from postern.chat_guard.passed_ids import PassedIds
from postern.chat_guard.readable import strings
from postern.chat_guard.responses.request import ResponsesRequest, parse_responses
from postern.chat_guard.shape import Call, Reading
from postern.chat_guard.sse import to_json
from postern.contract.callers import current_caller
from postern.contract.errors import (
    BodyMismatch,
    ExchangeTooLong,
    UnjudgedReference,
    UpstreamInvalid,
    UpstreamTimeout,
)
from postern.http.passing_headers import HeaderRules
from postern.http.upstream import Upstream

PREVIOUS: Final = "previous_response_id"
MOST_QUESTIONS: Final = 64
"""To the upstream, for one request: responses, and pages of their input."""
_PAGE: Final = 100
_OVER: Final = ("completed", "incomplete")
_UNTOLD: Final = "the upstream does not tell what it remembers of this chat"
_Items = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Memory:
    """Fetches responses that did not pass here. within_s: for all that one request needs."""

    upstream: Upstream
    passed_ids: PassedIds
    reading: Reading
    max_bytes: int
    within_s: float

    async def recalled(
        self, asked: ResponsesRequest, call: Call, *, path: str, rules: HeaderRules
    ) -> ResponsesRequest:
        """The request with all that it goes on from, as if the client had sent it. What goes to
        the upstream stays as it is.

        path: of responses at the upstream. Raises UnjudgedReference for what it does not have or
        what cannot be judged, UpstreamFailed, and whatever `parse_responses` raises.
        """
        named = dict(asked.follows).get(PREVIOUS)
        if named is None or self.passed_ids.knows(named, caller=current_caller()):
            return asked
        visit = _Visit(self, call, path, rules)
        try:
            async with asyncio.timeout(self.within_s):
                items = await visit.all_before(named)
        except TimeoutError:
            raise UpstreamTimeout from None
        return await self._with(asked, items)

    async def _with(self, asked: ResponsesRequest, items: _Items) -> ResponsesRequest:
        given = asked.body.get("input")
        own = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
        body = {name: value for name, value in asked.body.items() if name != PREVIOUS}
        whole = to_json(body | {"input": [*items, *own]})
        try:
            # Long chats are read string by string, which must not hold up the event loop.
            read = await asyncio.to_thread(parse_responses, whole, self.reading)
        except BodyMismatch:  # the request alone was read before
            raise UnjudgedReference(PREVIOUS) from None
        known = {one["id"] for one in items if isinstance(one.get("id"), str)}
        return replace(
            asked,
            exchanges=read.exchanges,
            turns=tuple(_own_turn(turn, len(items)) for turn in read.turns),
            prompt=read.prompt,
            unjudged_media=read.unjudged_media,
            follows=tuple(
                (name, one)
                for name, one in asked.follows
                if name != PREVIOUS and (name == "conversation" or one not in known)
            ),
        )


def _own_turn(turn: int | None, before: int) -> int | None:
    """The place of a turn in the request itself; None for what was fetched."""
    return None if turn is None or turn < before else turn - before


@dataclass(slots=True)
class _Visit:
    """What is fetched for one request."""

    memory: Memory
    call: Call
    path: str
    rules: HeaderRules
    questions: int = 0
    seen: set[str] = field(default_factory=set)

    async def all_before(self, one: str) -> _Items:
        """The items of a response and of all that it goes on from, the oldest first, up to what
        passed here."""
        found: list[_Items] = []
        following: str | None = one
        while following is not None:
            if following in self.seen:
                raise UpstreamInvalid("the upstream's chat goes in a circle")
            self.seen.add(following)
            response = await self._told(following)
            asked = [*_template_texts(response), *await self._input_of(following)]
            found.append([*asked, *_objects(response.get("output"))])
            following = response.get(PREVIOUS)
            if following is not None and not isinstance(following, str):
                raise UpstreamInvalid(_UNTOLD)
            if following and self.memory.passed_ids.knows(following, caller=current_caller()):
                break
        return [item for items in reversed(found) for item in items]

    async def _told(self, one: str) -> dict[str, Any]:
        response = await self._get(one)
        if response.get("id") != one:
            raise UpstreamInvalid(_UNTOLD)
        if response.get("status", "completed") not in _OVER:
            raise UnjudgedReference(PREVIOUS)  # what is not over can still change
        return response

    async def _input_of(self, one: str) -> _Items:
        items: _Items = []
        after: dict[str, str] = {}
        while True:
            asked = {"limit": str(_PAGE), "order": "asc", **after}
            page = await self._get(one, "/input_items", asked)
            items += _objects(page.get("data"))
            if page.get("has_more") is not True:
                return items
            last = page.get("last_id")
            if not isinstance(last, str) or not is_identifier("id", last):
                raise UpstreamInvalid(_UNTOLD)
            after = {"after": last}

    async def _get(
        self, one: str, below: str = "", query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        if not is_identifier("id", one) or not is_model_path(one):
            raise UnjudgedReference(PREVIOUS)
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise ExchangeTooLong(what="responses that a chat goes on from", limit=MOST_QUESTIONS)
        reply = await self.memory.upstream.ask(
            "GET",
            f"{self.path}/{one}{below}",
            body=None,
            headers=self.call.headers,
            rules=self.rules,
            stream=False,
            query={**self.call.query, **(query or {})},
            beside_v1=self.call.beside_v1,
        )
        try:
            if reply.status == HTTPStatus.NOT_FOUND:
                raise UnjudgedReference(PREVIOUS)
            if reply.status != HTTPStatus.OK:
                raise UpstreamInvalid(_UNTOLD)
            return parsed(await reply.read(self.memory.max_bytes))
        finally:
            await reply.close()


def _objects(items: Any) -> Sequence[Mapping[str, Any]]:
    """Raises UpstreamInvalid for anything but a list of objects."""
    if not isinstance(items, list) or not all(isinstance(item, Mapping) for item in items):
        raise UpstreamInvalid(_UNTOLD)
    return items


def _template_texts(response: Mapping[str, Any]) -> _Items:
    """What a caller put into a template of the upstream, as a turn of the user."""
    said = [found.text for found in strings(response.get("prompt"))]
    return [{"role": "user", "content": "\n".join(said)}] if said else []
