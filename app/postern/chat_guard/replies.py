"""What a client of the proxy gets from us: verdict objects, headers, refusals. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

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
        """The verdict object: the exchange that decided, and where it stood."""
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
        self, judgement: Judgement, *, reply_id: str, model: str, created: int
    ) -> dict[str, Any]:
        """A whole completion that refuses, for a prompt that no model was asked."""
        return {
            "id": f"chatcmpl-{reply_id}",
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [self._choice({"index": 0})],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            FIELD: self.verdict(judgement),
        }

    def redacted(self, answer: Mapping[str, Any], judgement: Judgement) -> dict[str, Any]:
        """An answer of the upstream without its harmful choices; all else as it came."""
        harmful = {place for place, one in judgement.judged if one.verdict.harmful}
        choices = [
            self._choice(choice) if index in harmful else choice
            for index, choice in enumerate(answer["choices"])
        ]
        return {**answer, "choices": choices, FIELD: self.verdict(judgement)}

    def _choice(self, choice: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "index": choice.get("index", 0),
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
        self, judgement: Judgement, *, reply_id: str, model: str, created: int, as_error: bool
    ) -> Whole:
        """The whole reply to a harmful prompt."""
        headers = verdict_headers(judgement)
        if as_error:
            return Whole(BLOCKED_STATUS, to_json(self.error(judgement)), headers)
        body = self.completion(judgement, reply_id=reply_id, model=model, created=created)
        return Whole(200, to_json(body), headers)

    def cut_chunk(
        self, like: Mapping[str, Any], choice: int, judgement: Judgement, *, nothing_sent: bool
    ) -> dict[str, Any]:
        """The last chunk of a choice that is cut; the refusal where nothing went before it.

        like: any chunk of the stream, whose id, model and time it takes.
        """
        delta = {"role": "assistant", "content": self.text} if nothing_sent else {}
        return {
            "id": like.get("id"),
            "object": "chat.completion.chunk",
            "created": like.get("created"),
            "model": like.get("model"),
            "choices": [
                {"index": choice, "delta": delta, "logprobs": None, "finish_reason": CONTENT_FILTER}
            ],
            FIELD: self.verdict(judgement),
        }

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
