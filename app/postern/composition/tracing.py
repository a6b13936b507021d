"""Settings -> what collects traces, if anything does."""

from __future__ import annotations

from postern import __version__
from postern.contract.errors import SettingsInvalid
from postern.contract.moderation import Identity
from postern.settings.settings import Settings
from postern.tracing.names import RUN_GUARDRAIL, Attribute, Step
from postern.tracing.spans import Tracer


def build(settings: Settings, identity: Identity) -> Tracer | None:
    """None if traces are off: then nothing of the library is imported. Raises SettingsInvalid."""
    if not settings.server.traces:
        return None
    try:
        from postern.tracing.otlp import OtlpTracer
    except ImportError:
        raise SettingsInvalid(
            "traces needs OpenTelemetry's SDK: install Postern with its extra `traces`"
        ) from None
    guardrail = {
        Attribute.OPERATION: RUN_GUARDRAIL,
        Attribute.GUARDRAIL_NAME: identity.name,
        Attribute.GUARDRAIL_VERSION: identity.version,
    }
    try:
        return OtlpTracer(version=__version__, about={Step.GUARDRAIL: guardrail})
    except ValueError:
        # The library's message may repeat the value, which may be a secret.
        raise SettingsInvalid("traces: a variable OTEL_... has an invalid value") from None
