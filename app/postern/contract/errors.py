"""Every error that Postern raises on purpose; `proxy_errors` has more of the first two kinds.

    PosternError
    ├── InvalidExchange        the input cannot be judged
    │   ├── EmptyPrompt
    │   ├── NothingToJudge
    │   ├── UnreadableContent
    │   └── UnjudgedReference
    ├── RequestRefused         the request itself is wrong; no exchange was read
    │   ├── MalformedRequest
    │   ├── UrlTooLong
    │   ├── HeadersTooLarge
    │   ├── ForeignHost
    │   ├── ForeignOrigin
    │   ├── MalformedBody
    │   ├── BodyMismatch
    │   ├── BodyTooLarge
    │   ├── BodyTooSlow
    │   ├── UnsupportedMediaType
    │   ├── UnsupportedContent
    │   ├── InvalidHeader
    │   ├── OptionFixed
    │   ├── UnknownBlocklist
    │   └── Unauthorized
    ├── ExchangeTooLong        the input exceeds a hard limit; nothing is cut silently
    ├── UnknownOperatingPoint
    ├── Overloaded             refused at the door; carries retry_after_s
    │   ├── TooManyConnections
    │   ├── TooManyWrongKeys
    │   ├── RateExceeded
    │   ├── TextWorkFull
    │   ├── QueueFull
    │   └── DeadlineUnreachable
    ├── DeadlineExceeded       accepted, but time ran out while waiting
    ├── NotReady               starting, draining or stuck
    ├── InferenceFailed        the model failed for this exchange, not for its batch-mates
    ├── UpstreamFailed         the model behind the guarded proxy gave nothing that may pass
    │   ├── UpstreamMissing
    │   ├── UpstreamUnreachable
    │   ├── UpstreamInvalid
    │   │   └── UpstreamTold
    │   └── UpstreamTimeout
    ├── FeedbackRefused        a verdict was not corrected
    │   ├── FeedbackOff
    │   ├── VerdictUnknown
    │   ├── VerdictAmbiguous
    │   ├── FeedbackContradicts
    │   └── FeedbackUnwritable
    ├── ArtifactInvalid        refuses to start
    ├── SettingsInvalid        refuses to start
    │   └── PoliciesInvalid    refuses to start, or to replace the policies in force
    └── CalibrationImpossible  `postern calibrate` cannot do what was asked
        ├── LabelledDataInvalid
        ├── TooFewRows
        └── EmptyInput

Messages never contain user text. Only `http/errors.py` knows status codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PosternError(Exception):
    """The server failed; its log says why."""

    index: int | None = None
    """Index of the exchange that caused the error, if the request has several and it is known."""


class InvalidExchange(PosternError):
    """The exchange cannot be judged as it stands."""


class EmptyPrompt(InvalidExchange):
    """The prompt contains nothing to read, before or after normalization. It never passes."""

    def __init__(self) -> None:
        super().__init__("the prompt is empty: it has no visible characters")


class NothingToJudge(InvalidExchange):
    """The conversation has neither a user turn nor an assistant turn."""

    def __init__(self) -> None:
        super().__init__("the conversation has no user or assistant turn to judge")


class UnreadableContent(InvalidExchange):
    """The conversation contains or asks for images, audio or files, which cannot be judged."""

    def __init__(self) -> None:
        super().__init__("images, audio and files cannot be judged and are refused here")


class UnjudgedReference(InvalidExchange):
    """The conversation goes on from something that the upstream keeps and nobody judged here."""

    def __init__(self, field: str) -> None:
        super().__init__(
            f"{field} names something that did not pass here, so nobody judged it (see "
            "on_unknown_id); send the conversation itself"
        )
        self.field = field


class RequestRefused(PosternError):
    """The request is wrong as HTTP or JSON. No exchange was read."""


class MalformedRequest(RequestRefused):
    """The bytes are not an HTTP/1.0 or HTTP/1.1 request."""

    def __init__(self, reason: str = "this is not a valid HTTP/1.1 request") -> None:
        super().__init__(reason)


class UrlTooLong(RequestRefused):
    """The URL has more bytes than the server accepts."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the URL has more than {limit} bytes")


class HeadersTooLarge(RequestRefused):
    """Headers, trailers or chunk extensions are too many or too large."""


class ForeignHost(RequestRefused):
    """The header Host names another server."""

    def __init__(self) -> None:
        super().__init__("the header Host names another server (see allowed_hosts)")


class ForeignOrigin(RequestRefused):
    """The request comes from a web page of another origin."""

    def __init__(self) -> None:
        super().__init__("web pages of other origins may not call this server (see cors_origins)")


class MalformedBody(RequestRefused):
    """The body is not JSON in UTF-8."""

    def __init__(self) -> None:
        super().__init__("the body is not valid JSON in UTF-8")


class BodyMismatch(RequestRefused):
    """The body is JSON, but not of the documented shape.

    problems: field and message, without any value.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        first = ": ".join(part for part in problems[0] if part)
        super().__init__(f"the body does not match: {first}")
        self.problems = problems


class BodyTooLarge(RequestRefused):
    """The body has more bytes than the server accepts."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body has more than {limit} bytes")


class BodyTooSlow(RequestRefused):
    """The client did not send its body in time."""

    def __init__(self) -> None:
        super().__init__("the body did not arrive in time")


class UnsupportedMediaType(RequestRefused):
    """Content-Type is not JSON, or a Content-Encoding is set."""

    def __init__(self, reason: str, *, is_encoded: bool = False) -> None:
        super().__init__(reason)
        self.is_encoded = is_encoded


class UnsupportedContent(RequestRefused):
    """The request contains something that no student can judge, such as an image.

    This is never a pass.
    """


class InvalidHeader(RequestRefused):
    """A request header has an invalid value."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"the header {name} must be {expected}")


class Unauthorized(RequestRefused):
    """The API key is missing or wrong."""

    def __init__(self) -> None:
        super().__init__("a valid API key is required (Authorization: Bearer, or X-API-Key)")


class ExchangeTooLong(PosternError):
    """The input exceeds a hard limit in characters, tokens, windows or items."""

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(f"the input has more than {limit} {what}")
        self.what = what
        self.limit = limit


class UnknownOperatingPoint(PosternError):
    """The request names an operating point that the artifact does not define."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown operating point; this artifact defines: {', '.join(known)}")
        self.known = known


class Overloaded(PosternError):
    """The server refused work because it is overloaded. retry_after_s: seconds, > 0."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyConnections(Overloaded):
    """More connections are open than the server keeps."""

    def __init__(self) -> None:
        super().__init__("too many connections are open", retry_after_s=1.0)


class TooManyWrongKeys(Overloaded):
    """Too many wrong API keys came from this address."""

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__(
            "too many wrong API keys came from this address", retry_after_s=retry_after_s
        )


class TextWorkFull(Overloaded):
    """Too much long text waits to be read."""

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__("too much long text waits to be read", retry_after_s=retry_after_s)


class QueueFull(Overloaded):
    """The bounded queue has no room for this work."""

    def __init__(self, *, waiting_tokens: int, retry_after_s: float) -> None:
        super().__init__(
            f"the queue is full ({waiting_tokens} tokens wait)", retry_after_s=retry_after_s
        )
        self.waiting_tokens = waiting_tokens


class DeadlineUnreachable(Overloaded):
    """The work is predicted to finish after the caller's deadline."""

    def __init__(self, *, predicted_s: float, retry_after_s: float) -> None:
        super().__init__(
            f"the work would take about {predicted_s:.3f} s, longer than its deadline allows",
            retry_after_s=retry_after_s,
        )
        self.predicted_s = predicted_s


class DeadlineExceeded(PosternError):
    """The deadline passed while accepted work waited."""

    def __init__(self) -> None:
        super().__init__("the deadline passed before a verdict was reached")


class NotReady(PosternError):
    """The server is starting or draining, or its worker makes no progress."""


class InferenceFailed(PosternError):
    """The model raised an exception or gave non-finite numbers for this exchange."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"inference failed for this input: {reason}")


class UpstreamFailed(PosternError):
    """The model behind the guarded proxy gave nothing that may pass."""


class UpstreamMissing(UpstreamFailed):
    """No model is configured behind the guarded proxy."""

    def __init__(self) -> None:
        super().__init__("no upstream is configured on this server (upstream_url)")


class UpstreamUnreachable(UpstreamFailed):
    """The upstream cannot be reached, or it broke off the connection."""

    def __init__(self) -> None:
        super().__init__("the upstream cannot be reached or broke off the connection")


class UpstreamInvalid(UpstreamFailed):
    """The upstream's answer is not in the shape of its API."""


class UpstreamTold(UpstreamInvalid):
    """The upstream reported an error in its stream."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        """error: the upstream's own error object. It is not part of the message."""
        super().__init__("the upstream reported an error in its stream")
        self.error = error


class UpstreamTimeout(UpstreamFailed):
    """The upstream did not answer, or was silent, for longer than it may."""

    def __init__(self) -> None:
        super().__init__("the upstream did not answer in time")


class FeedbackRefused(PosternError):
    """A verdict was not corrected."""


class FeedbackOff(FeedbackRefused):
    """Feedback is switched off."""

    def __init__(self) -> None:
        super().__init__(
            "feedback is off and no text is kept; to switch it on, name a file with "
            "POSTERN_FEEDBACK_FILE (--feedback-file)"
        )


class VerdictUnknown(FeedbackRefused):
    """No verdict with this id is kept for this caller."""

    def __init__(self) -> None:
        super().__init__(
            "no verdict with this id is kept for this API key: it is another's, too old, or was "
            "never given"
        )


class VerdictAmbiguous(FeedbackRefused):
    """Index and slice fit `found` of `count` results, not one; or the id was `reused`."""

    def __init__(self, count: int, found: int, *, reused: bool = False) -> None:
        few = f"{found} of {count} results of this request fit; name one by index"
        super().__init__("several requests had this id; give each its own" if reused else few)


class FeedbackContradicts(FeedbackRefused):
    """The verdict has already been corrected to the other label."""

    def __init__(self) -> None:
        super().__init__("the other label was already recorded for this verdict")


class FeedbackUnwritable(FeedbackRefused):
    """The file of feedback cannot be written. The verdict is kept, so trying again can succeed."""

    def __init__(self, reason: str) -> None:
        """reason: what the system says, without the path."""
        super().__init__(f"the feedback was not recorded: {reason}")


class ArtifactInvalid(PosternError):
    """The artifact is missing or damaged, has another schema, or fails its warm-up."""


class SettingsInvalid(PosternError):
    """A setting has an invalid value."""


class CalibrationImpossible(PosternError):
    """A policy cannot be fitted or certified as requested."""


class LabelledDataInvalid(CalibrationImpossible):
    """A file of labelled exchanges does not follow the documented schema."""


class TooFewRows(CalibrationImpossible):
    """There are too few labelled exchanges for the requested guarantee."""


class EmptyInput(CalibrationImpossible):
    """A figure needs rows, or rows of a class, that the input does not have."""
