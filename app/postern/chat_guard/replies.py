"""The proxy's own replies to a client: verdict objects, headers, refusals. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from postern.chat_guard.decided import badness
from postern.chat_guard.judge import Judgement
from postern.contract.audit import WOULD_BLOCK
from postern.contract.moderation import Judged, list_fields

JSON: Final = "application/json"
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
FIELD: Final = "postern"
"""Name of the verdict object in an answer or a piece of one."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply in one piece."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Refusals:
    """What a block says in any API. judged_by: the artifact that judges."""

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
            "language": worst.reading.language,
            "language_supported": judgement.unsupported_language is None,
            **({} if worst.block_reason is None else {"block_reason": worst.block_reason}),
            **list_fields(worst),
            **_categories(worst),
        }

    def why(self, judgement: Judgement) -> str:
        """What was blocked, in words for an error."""
        what = "prompt" if judgement.stage == "prompt" else "answer"
        worst = judgement.worst
        if worst is not None and worst[1].block_reason == "unsupported_language":
            return f"the {what} is in a language that is not judged here and does not pass"
        if worst is not None and worst[1].list_match is not None:
            reason = worst[1].list_match.reason
            why = f"the {what} matches a list and does not pass"
            return why if reason is None else f"{why}: {reason}"
        return f"the {what} was judged harmful and does not pass"


def verdict_headers(*judgements: Judgement, pending: bool = False) -> dict[str, str]:
    """Headers of the worst of several judgements.

    pending: an answer is still being streamed; its verdict follows with the stream.
    """
    degraded = any(judgement.degraded for judgement in judgements)
    found = [(one, worst) for one in judgements if (worst := one.worst) is not None]
    if not found:
        return {"X-Postern-Verdict": "pending" if pending else "none"}
    judgement, (_, judged) = max(found, key=lambda item: badness(*item[1]))
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
    unsupported = [one for each in judgements if (one := each.unsupported_language) is not None]
    headers |= {"X-Postern-Unsupported-Language": unsupported[0]} if unsupported else {}
    would = dict.fromkeys(one.stage for one in judgements if one.would_block)
    headers |= {WOULD_BLOCK: ", ".join(would)} if would else {}
    return headers | ({"X-Postern-Degraded": "true"} if degraded else {})


def unjudged(what: str) -> dict[str, str]:
    """The header that says what passed without being judged. "": nothing did."""
    return {"X-Postern-Unjudged": what} if what else {}


def _categories(judged: Judged) -> dict[str, list[str]]:
    """Names of those that apply. They are the artifact's words, not the text's."""
    if judged.categories is None:
        return {}
    return {"categories": [one.name for one in judged.categories if one.applies]}


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value of the upstream is a whole number, and so no text."""
    return isinstance(value, int) and not isinstance(value, bool)
