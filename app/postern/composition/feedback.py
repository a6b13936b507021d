"""Settings -> what takes corrections of verdicts."""

from __future__ import annotations

import logging

from postern.clock import now
from postern.contract.moderation import Identity
from postern.endpoints.info import FeedbackInfoOut
from postern.feedback.feedback import Feedback
from postern.feedback.file import FeedbackFile
from postern.feedback.recent import RecentLimits
from postern.logs import log
from postern.metrics import Metrics
from postern.settings.settings import Settings


def build(settings: Settings, identity: Identity, metrics: Metrics) -> Feedback | None:
    """None if feedback is off. Nothing is opened yet."""
    asked = settings.feedback
    if asked.file is None:
        return None
    file = FeedbackFile(
        asked.file,
        max_bytes=asked.max_file_bytes,
        max_files=asked.max_files,
        on_delete=lambda name: log("feedback_deleted", level=logging.WARNING, file=name),
    )
    return Feedback(
        file,
        limits=RecentLimits(asked.max_verdicts, asked.max_memory_bytes, asked.keep_s),
        identity=identity,
        timeout_s=settings.limits.request_timeout_ms / 1000.0,
        metrics=metrics,
        clock=now,
    )


def open_for(settings: Settings, feedback: Feedback | None) -> None:
    """Open the file, and say in the log that texts are kept. Raises SettingsInvalid."""
    if feedback is None:
        return
    feedback.open()
    asked = settings.feedback
    log(
        "feedback_on",
        level=logging.WARNING,
        meaning="texts of recent verdicts are kept in memory, and corrected ones in a file",
        file=str(asked.file),
        keep_s=asked.keep_s,
        max_verdicts=asked.max_verdicts,
        max_memory_bytes=asked.max_memory_bytes,
    )


def described(settings: Settings) -> FeedbackInfoOut:
    """Feedback for `/info`, without the path."""
    on = settings.feedback.file is not None
    return FeedbackInfoOut(on=on, keep_s=settings.feedback.keep_s if on else None)
