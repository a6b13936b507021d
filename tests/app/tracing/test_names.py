"""The table of names has every API, and the words of OpenTelemetry's own package."""

from __future__ import annotations

from typing import get_args

from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import (
    GEN_AI_OPERATION_NAME,
    GEN_AI_PROVIDER_NAME,
    GenAiOperationNameValues,
    GenAiProviderNameValues,
)
from postern.chat_guard.shape import Api
from postern.tracing.names import ANTHROPIC, AZURE_OPENAI, OPENAI, OPERATIONS, Attribute


def test_every_guarded_api_has_an_operation_of_the_convention() -> None:
    assert OPERATIONS.keys() == set(get_args(Api))
    known = {one.value for one in GenAiOperationNameValues}
    assert known.issuperset(OPERATIONS.values())
    assert Attribute.OPERATION.value == GEN_AI_OPERATION_NAME


def test_providers_have_names_of_the_convention() -> None:
    known = {one.value for one in GenAiProviderNameValues}
    assert known >= {OPENAI, AZURE_OPENAI, ANTHROPIC}
    assert Attribute.PROVIDER.value == GEN_AI_PROVIDER_NAME
