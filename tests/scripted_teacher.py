"""A teacher on a real socket that says what it is told, or fails as it is told."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Any

from tests.scripted_upstream import Step, whole


def verdict(shares: Mapping[str, float]) -> dict[str, Any]:
    """A completion whose first token had these alternatives; the likeliest was written."""
    token = max(shares, key=shares.__getitem__)
    top = {word: math.log(share) for word, share in shares.items()}
    logprobs = {"tokens": [token], "top_logprobs": [top]}
    return {"choices": [{"text": token, "finish_reason": "length", "logprobs": logprobs}]}


def says(harmful: float) -> list[Step]:
    """A Llama Guard that is so sure that the text is harmful."""
    return whole(verdict({"unsafe": harmful, "safe": 1.0 - harmful}))


# A link-local address, where clouds keep the credentials of a machine.
METADATA = "http://169.254.169.254/latest/meta-data/"
_HEAD = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
_NO_LOGPROBS = {"choices": [{"text": "unsafe", "finish_reason": "length", "logprobs": None}]}

FAULTS: dict[str, tuple[list[Step], str]] = {
    "hangs": ([threading.Event()], "timeout"),
    "hangs after its headers": ([_HEAD, threading.Event()], "timeout"),
    "drips": ([_HEAD, *(b"{", 1.0) * 60], "timeout"),
    "500": (whole({"error": "x"}, status=500), "failed"),
    "503": (whole(b"<html>", status=503), "failed"),
    "429": (whole({"error": "slow down"}, status=429, Retry_After="1"), "throttled"),
    "401": (whole({"error": "who"}, status=401), "invalid"),
    "400": (whole({"error": "too long for me"}, status=400), "refused"),
    "bad JSON": (whole(b'{"choices": [{"text": "unsa'), "invalid"),
    "no JSON": (whole(b"\xff\xfe<html>unsafe</html>"), "invalid"),
    "another form": (whole({"choices": [{"message": {"content": 7}}]}), "invalid"),
    "numbers that are none": (whole(json.dumps(_NO_LOGPROBS).replace("null", "NaN")), "invalid"),
    "no choices": (whole({"choices": []}), "invalid"),
    "no log-probabilities": (whole(_NO_LOGPROBS), "invalid"),
    "wrong tokens": (whole(verdict({"Sure": 0.9, ",": 0.1})), "cannot_tell"),
    "a verdict it hardly meant": (whole(verdict({"the": 0.7, "unsafe": 0.3})), "cannot_tell"),
    "a redirect": (whole({}, status=307, Location=METADATA), "invalid"),
    "dies before it answers": ([b""], "unreachable"),
    "dies in its headers": ([b"HTTP/1.1 200 X\r\nContent-Le", b""], "unreachable"),
    "dies mid-answer": ([_HEAD, b'{"choices": [', b""], "unreachable"),
    "too much": (whole(b" " * (2 << 20)), "invalid"),
    "compressed": (whole(verdict({"safe": 1.0 - 1e-9}), Content_Encoding="br"), "invalid"),
}
