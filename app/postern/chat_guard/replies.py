"""The proxy's own replies to a client: verdict objects, headers, refusals. No I/O."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from postern.chat_guard.identifiers import is_identifier
from postern.chat_guard.judge import Judgement
from postern.chat_guard.sse import to_json
from postern.contract.moderation import Judged

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
CONTENT_FILTER: Final = "content_filter"
FIELD: Final = "postern"
"""Name of the verdict object in a completion or a chunk of one."""
BLOCKED_STATUS: Final = 400
UNJUDGED_MEDIA: Final = {"X-Postern-Unjudged": "media"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply in one piece."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Refusals:
    """How a block looks. created: seconds since 1970; model: of the artifact that judges."""

    text: str
    judged_by: str

    def verdict(self, judgement: Judgement) -> dict[str, Any]:
        """The verdict object: the exchange that decided, and its place."""
        place, worst = judgement.worst or (None, None)
        if worst is None:
            return {"stage": judgement.stage, "harmful": False, "model": self.judged_by}
        verdict = worst.verdict
        where = "choice" if judgement.stage == "response" else "turn"
        return {
            "stage": judgement.stage,
            where: place,
            "harmful": verdict.harmful,
            "probability": round(verdict.probability, 6),
            "threshold": round(verdict.threshold, 6),
            "operating_point": judgement.operating_point,
            "decided_by": verdict.decided_by,
            "degraded": judgement.degraded,
            "model": self.judged_by,
        }

    def completion(
        self, judgement: Judgement, *, reply_id: str, model: str, created: int, n_choices: int = 1
    ) -> dict[str, Any]:
        """A whole completion that refuses, for a prompt that was not sent to a model."""
        return {
            "id": f"chatcmpl-{reply_id}",
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": list(map(self._choice, range(n_choices))),
            "usage": _usage(None),
            FIELD: self.verdict(judgement),
        }

    def redacted(self, answer: Mapping[str, Any], judgement: Judgement) -> dict[str, Any]:
        """An answer of the upstream without its harmful choices; the rest is unchanged.

        If the text beside the choices is harmful, only the frame is left.
        """
        harmful = {place for place, one in judgement.judged if one.verdict.harmful}
        if None in harmful:
            harmful = set(range(len(answer["choices"])))
            kept = {"choices": answer["choices"], "usage": _usage(answer.get("usage"))}
            answer = {**_frame(answer), "object": "chat.completion", **kept}
        choices = [
            self._choice(_index(choice, n)) if n in harmful else choice
            for n, choice in enumerate(answer["choices"])
        ]
        return {**answer, "choices": choices, FIELD: self.verdict(judgement)}

    def _choice(self, index: int) -> dict[str, Any]:
        return {
            "index": index,
            "message": {"role": "assistant", "content": self.text, "refusal": None},
            "logprobs": None,
            "finish_reason": CONTENT_FILTER,
        }

    def error(self, judgement: Judgement) -> dict[str, Any]:
        """OpenAI's error object for a block, with the verdict beside it."""
        what = "prompt" if judgement.stage == "prompt" else "answer"
        return {
            "error": {
                "message": f"the {what} was judged harmful and does not pass",
                "type": "invalid_request_error",
                "param": None,
                "code": CONTENT_FILTER,
            },
            FIELD: self.verdict(judgement),
        }

    def blocked(
        self,
        judgement: Judgement,
        *,
        reply_id: str,
        model: str,
        created: int,
        n_choices: int,
        as_error: bool,
    ) -> Whole:
        """The whole reply to a harmful prompt."""
        headers = verdict_headers(judgement)
        if as_error:
            return Whole(BLOCKED_STATUS, to_json(self.error(judgement)), headers)
        body = self.completion(
            judgement, reply_id=reply_id, model=model, created=created, n_choices=n_choices
        )
        return Whole(200, to_json(body), headers)

    def cut_chunk(
        self, like: Mapping[str, Any], choice: int, judgement: Judgement, *, nothing_sent: bool
    ) -> dict[str, Any]:
        """The last chunk of a choice that is cut; the refusal if nothing went before it.

        like: any chunk of the stream, from which id, model and time are copied.
        """
        delta = {"role": "assistant", "content": self.text} if nothing_sent else {}
        return {
            **_frame(like),
            "object": "chat.completion.chunk",
            "choices": [
                {"index": choice, "delta": delta, "logprobs": None, "finish_reason": CONTENT_FILTER}
            ],
            FIELD: self.verdict(judgement),
        }

    def usage_chunk(self, like: Mapping[str, Any], usage: Any) -> dict[str, Any]:
        """The token usage of a stream, as far as the upstream told it before it was broken off."""
        frame = {**_frame(like), "object": "chat.completion.chunk"}
        return {**frame, "choices": [], "usage": _usage(usage)}

    def with_verdict(self, chunk: Mapping[str, Any], judgement: Judgement) -> dict[str, Any]:
        """The last chunk of a choice that passed."""
        return {**copy.copy(chunk), FIELD: self.verdict(judgement)}


def verdict_headers(*judgements: Judgement, pending: bool = False) -> dict[str, str]:
    """Headers of the worst of several judgements.

    pending: an answer is still being streamed; its verdict follows with the stream.
    """
    degraded = any(judgement.degraded for judgement in judgements)
    found = [
        (judgement, worst[1]) for judgement in judgements if (worst := judgement.worst) is not None
    ]
    if not found:
        return {"X-Postern-Verdict": "pending" if pending else "none"}
    judgement, judged = max(found, key=_badness)
    verdict = judged.verdict
    outcome = "harmful" if verdict.harmful else "pending" if pending else "unharmful"
    headers = {
        "X-Postern-Verdict": outcome,
        "X-Postern-Stage": judgement.stage,
        "X-Postern-Probability": f"{verdict.probability:.6f}",
        "X-Postern-Threshold": f"{verdict.threshold:.6f}",
        "X-Postern-Operating-Point": judgement.operating_point,
        "X-Postern-Decided-By": verdict.decided_by,
    }
    return headers | ({"X-Postern-Degraded": "true"} if degraded else {})


def _badness(item: tuple[Judgement, Judged]) -> tuple[bool, float]:
    return item[1].verdict.harmful, item[1].verdict.probability


def _frame(like: Mapping[str, Any]) -> dict[str, Any]:
    """Id, kind, time and model of an answer whose text does not pass: only names and numbers."""
    frame: dict[str, Any] = {}
    for name, instead in (
        ("id", "chatcmpl-postern"),
        ("object", ""),
        ("created", 0),
        ("model", ""),
    ):
        value = like.get(name, instead)
        fits = is_identifier(name, value) if isinstance(value, str) else _is_count(value)
        frame[name] = value if fits else instead
    return frame


def _usage(told: Any) -> dict[str, int]:
    counts = told if isinstance(told, Mapping) else {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: counts[name] if _is_count(counts.get(name)) else 0 for name in names}


def _index(choice: Mapping[str, Any], position: int) -> int:
    index = choice.get("index", position)
    return index if _is_count(index) else position


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
