"""The upstream behind the guarded proxy, and how the proxy treats chats."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from postern.settings.section import PREFIX, Section, checked_url_with_query, header_secret


class UpstreamSettings(Section):
    """The upstream of the guarded proxy."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}UPSTREAM_")

    url: str | None = Field(
        None,
        description="Base URL of the API behind the guarded proxy, up to /v1: OpenAI's or "
        "Anthropic's.",
    )
    api_key: SecretStr | None = Field(
        None, description="API key that the guarded proxy sends to the upstream."
    )
    api_key_file: Path | None = Field(
        None,
        description="File whose only line is that key, in place of `POSTERN_UPSTREAM_API_KEY`.",
    )
    ca_file: Path | None = Field(
        None, description="Certificates to trust for https upstreams instead of the public ones."
    )
    connect_timeout_ms: int = Field(
        5000, ge=1, description="Longest time to connect to the upstream."
    )
    idle_timeout_ms: int = Field(
        120_000, ge=1, description="Longest silence of a streaming upstream."
    )
    total_timeout_ms: int = Field(
        600_000, ge=1, description="Longest time for a whole answer of the upstream."
    )
    max_response_bytes: int = Field(
        4 << 20,
        ge=1024,
        description="Largest answer of the upstream; for a stream, the largest part that is held "
        "back.",
    )
    parallel: bool = Field(
        False, description="Ask the upstream while the prompt is still being judged."
    )

    _url = field_validator("url")(checked_url_with_query)
    _fits_a_header = field_validator("api_key")(header_secret)

    @model_validator(mode="after")
    def _one_key(self) -> UpstreamSettings:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("upstream_api_key and upstream_api_key_file are two keys; set one")
        return self

    @property
    def has_key(self) -> bool:
        """Whether the upstream gets a key of the server's own."""
        return self.api_key is not None or self.api_key_file is not None


class GuardSettings(Section):
    """What the guarded proxy judges, and the reply to a blocked chat."""

    judge_instructions: bool = Field(
        False,
        description="Also judge system messages, developer messages and tool definitions of chats.",
    )
    on_media: Literal["refuse", "pass"] = Field(
        "refuse",
        description="What to do with images, audio and files in chats: refuse them, or pass them "
        "unjudged.",
    )
    embeddings: Literal["judge", "pass"] = Field(
        "judge",
        description="What to do with the input of embeddings: judge it, and refuse what is no "
        "text; or pass it unjudged.",
    )
    on_block: Literal["completion", "error"] = Field(
        "completion",
        description="Reply to a blocked chat: a refusal as its completion, or an error.",
    )
    refusal_text: str = Field(
        "Sorry, I cannot help with that.", description="Text of that refusal."
    )
    guard_operating_point: str | None = Field(
        None, description="Operating point for chats. Unset: the artifact's default."
    )
    stream_score_at: Literal["sentence", "tokens"] = Field(
        "sentence", description="Score a streamed answer at sentence ends, or by tokens alone."
    )
    stream_score_tokens: int = Field(
        64, ge=1, description="Score a streamed answer after this many new tokens at the latest."
    )
    stream_tail_chars: int = Field(
        4000,
        ge=200,
        description="Characters at the end of a streamed answer so far that are scored at once.",
    )
    stream_doubt_tokens: int = Field(
        96,
        ge=0,
        description="New tokens that must stay harmful before a streamed answer is cut in its "
        "middle. They are held meanwhile.",
    )
    chat_max_exchanges: int = Field(
        1024,
        ge=1,
        description="Most turns of one chat that may be judged at once. Turns that were judged "
        "before do not count.",
    )
    chat_max_chars: int = Field(
        400_000,
        ge=1000,
        description="Most characters of one chat, or of one answer with all its choices, that may "
        "be judged at once.",
    )
    chat_cache_entries: int = Field(
        16_384,
        ge=0,
        description="Unharmful verdicts on turns of chats that are kept, so that a chat that goes "
        "on is not judged anew. 0 keeps none.",
    )
    chat_passed_ids: int = Field(
        65_536,
        ge=0,
        description="Ids of responses that passed here and are kept, so that a chat may go on from "
        "them. 0 keeps none.",
    )
    on_unknown_id: Literal["refuse", "fetch", "pass"] = Field(
        "refuse",
        description="What to do with a chat that goes on from a response that did not pass here, "
        "or from a conversation of the upstream: refuse it; fetch the response and all before it "
        "from the upstream and judge them (a conversation is refused); or pass it with what nobody "
        "judged.",
    )
