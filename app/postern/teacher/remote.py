"""Teachers over HTTP: an OpenAI-compatible server with log-probabilities, or another Postern."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, Field, ValidationError

from postern.contract.decision import Probability
from postern.contract.errors import UpstreamFailed, UpstreamInvalid, UpstreamTimeout
from postern.contract.exchange import Exchange
from postern.contract.teacher_call import Endpoint, path_of, question, read_tokens
from postern.contract.teacher_text import TeacherTemplate
from postern.http.upstream import Upstream
from postern.teacher.opinion import Opinion

_MAX_REPLY_BYTES: Final = 1 << 20
# These statuses concern the server or our access to it. Other 4xx statuses concern the text.
_OK: Final = 200
_NOT_ABOUT_THE_TEXT: Final = frozenset({401, 403, 404, 405, 408, 410, 426})
_THROTTLED: Final = 429
_FIRST_CLIENT_ERROR, _FIRST_SERVER_ERROR = 400, 500


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to ask one kind of server.

    read: decoded JSON -> probability, or None if it cannot be told. Raises ValueError if it has
    another form.
    """

    path: str
    write: Callable[[Exchange], dict[str, Any]]
    read: Callable[[Any, Exchange], float | None]
    described: dict[str, Any]
    knows_deadlines: bool = False
    """It reads `X-Request-Timeout-Ms`, and then does no work that nobody waits for."""


class RemoteTeacher:
    """A teacher at one fixed address. The connection ignores redirects and proxy variables."""

    def __init__(
        self, upstream: Upstream, dialect: Dialect, *, languages: Collection[str] = ()
    ) -> None:
        self._upstream = upstream
        self._dialect = dialect
        self.languages = frozenset(languages)

    def start(self) -> None:
        self._upstream.start()

    async def close(self) -> None:
        await self._upstream.close()

    @property
    def left_behind(self) -> bool:
        return False

    @property
    def described(self) -> dict[str, Any]:
        return self._dialect.described

    async def judge(self, exchange: Exchange, *, timeout_s: float) -> Opinion:
        """Ask once. Messages of that server never become messages of ours."""
        body = orjson.dumps(self._dialect.write(exchange))
        try:
            status, content = await self._post(body, timeout_s=timeout_s)
        except UpstreamTimeout:
            return Opinion("timeout")
        except UpstreamInvalid:  # a redirect, an unrequested encoding, or too many bytes
            return Opinion("invalid")
        except UpstreamFailed:
            return Opinion("unreachable")
        if status != _OK:
            return Opinion(_said_by(status))
        try:
            probability = self._dialect.read(orjson.loads(content), exchange)
        except ValueError:  # includes orjson's error
            return Opinion("invalid")
        return Opinion("cannot_tell") if probability is None else Opinion("answered", probability)

    async def _post(self, body: bytes, *, timeout_s: float) -> tuple[int, bytes]:
        headers = {}
        if self._dialect.knows_deadlines:
            headers["X-Request-Timeout-Ms"] = str(max(1, int(timeout_s * 1000.0)))
        reply = await self._upstream.ask(
            "POST", self._dialect.path, body=body, headers=headers, stream=False
        )
        try:
            return reply.status, await reply.read(_MAX_REPLY_BYTES)
        finally:
            await reply.close()


def _said_by(status: int) -> Literal["throttled", "invalid", "refused", "failed"]:
    if status == _THROTTLED:
        return "throttled"
    if status in _NOT_ABOUT_THE_TEXT:
        return "invalid"
    return "refused" if _FIRST_CLIENT_ERROR <= status < _FIRST_SERVER_ERROR else "failed"


def openai_dialect(
    template: TeacherTemplate, *, model: str, endpoint: Endpoint, temperature: float
) -> Dialect:
    """A guard model behind `/completions` or `/chat/completions`, asked for one short answer."""

    def write(exchange: Exchange) -> dict[str, Any]:
        return {"model": model, **question(template, exchange, endpoint=endpoint)}

    def read(content: Any, exchange: Exchange) -> float | None:
        tokens = read_tokens(content)
        if not any(token.top for token in tokens):
            raise ValueError("no log-probabilities")  # text alone gives no probability
        return template.probability(tokens, exchange, temperature=temperature)

    return Dialect(
        f"/{path_of(endpoint)}",
        write,
        read,
        {"kind": "openai", "model": model, "template": template.name},
    )


class _Result(BaseModel):
    probability: Probability
    decided_by: str | None = None

    @property
    def is_overruled(self) -> bool:
        """Whether rules of that server decided, and not the probability."""
        return self.decided_by in ("list", "policy")


class _Classified(BaseModel):
    results: list[_Result] = Field(min_length=1, max_length=1)


def _classify_body(exchange: Exchange) -> dict[str, Any]:
    # `never` keeps two Posterns that name each other as teacher from asking in circles.
    body: dict[str, Any] = {"prompt": exchange.prompt, "fallback": "never"}
    return body if exchange.response is None else body | {"response": exchange.response}


def _classified(content: Any, _: Exchange) -> float | None:
    """The probability; None where rules of that server overruled it, which are not ours."""
    try:
        result = _Classified.model_validate(content, strict=True).results[0]
        return None if result.is_overruled else result.probability
    except ValidationError as exc:
        raise ValueError("no verdict") from exc


POSTERN_DIALECT: Final = Dialect(
    "/classify", _classify_body, _classified, {"kind": "postern"}, knows_deadlines=True
)
