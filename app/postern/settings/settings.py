"""Every setting of the server: one frozen object, the sole reader of the environment.

Each field is `POSTERN_<NAME>` in the environment and `--<name>` on the command line; a flag wins.
What decides a verdict (thresholds, bands) is no setting: it ships with the artifact.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from postern.contract.errors import SettingsInvalid
from postern.settings.teacher import TeacherSettings

DEFAULT_ARTIFACT = Path(__file__).resolve().parents[3] / "artifacts/postern-minilm/1.4.0"

_FEWEST_BATCH_TOKENS = 64


class Settings(TeacherSettings, BaseSettings):
    """Sizes in tokens, characters or bytes; durations in the unit that the name ends with."""

    model_config = SettingsConfigDict(env_prefix="POSTERN_", frozen=True, extra="forbid")

    artifact: Path = Field(
        DEFAULT_ARTIFACT, description="Folder of the published student: artifacts/<name>/<version>."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Accepted API keys, separated by commas. None set: no key is asked for."
    )
    api_keys_file: Path | None = Field(
        None,
        description="File with one accepted API key per line; lines that start with # are not.",
    )
    device: Literal["cpu", "cuda"] = Field(
        "cpu", description="Where the student runs; cuda needs onnxruntime-gpu and a card."
    )
    workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Batches that run side by side; 0 is one for each core, or one on a card.",
    )
    intra_op_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="Threads inside one batch; 0 takes every core once, for a batch alone as for "
        "several side by side.",
    )
    max_batch_tokens: int = Field(
        0,
        ge=0,
        description="Padded tokens of one batch at most, 64 or more (one window always fits); 0 is "
        "512 on processors, 16384 on a card.",
    )
    max_queue_tokens: int = Field(
        131072, ge=1024, description="Tokens that may wait; beyond them requests get 429."
    )
    cache_entries: int = Field(
        0, ge=0, description="Scores kept for exchanges that come again; 0 keeps none."
    )
    max_body_bytes: int = Field(1 << 20, ge=1024, description="Largest request body.")
    max_items: int = Field(128, ge=1, description="Exchanges that one request may hold.")
    max_exchange_chars: int = Field(
        100_000, ge=100, description="Characters of one exchange, prompt and response together."
    )
    max_exchange_tokens: int = Field(
        16384, ge=16, description="Tokens of one exchange, prompt and response together."
    )
    request_timeout_ms: int = Field(
        10_000, ge=1, description="Deadline of a request, and the most that a caller may ask for."
    )
    body_timeout_ms: int = Field(
        10_000, ge=1, description="Time that a client may take to send its body."
    )
    header_timeout_ms: int = Field(
        10_000, ge=1, description="Time that a client may take to send the headers of a request."
    )
    max_connections: int = Field(
        2048, ge=1, description="Open connections; further ones are answered 503."
    )
    keep_alive_s: int = Field(15, ge=1, description="Idle time after which a connection is closed.")
    drain_delay_ms: int = Field(
        0,
        ge=0,
        description="Time after SIGTERM in which requests are still taken while /readyz says 503.",
    )
    grace_period_ms: int = Field(
        20_000, ge=1, description="Time after SIGTERM to finish what was accepted."
    )
    stall_timeout_ms: int = Field(
        30_000, ge=100, description="A batch that runs longer makes /healthz answer 503."
    )
    upstream_url: str | None = Field(
        None,
        description="Base URL of the OpenAI-compatible API behind the guarded proxy, up to /v1.",
    )
    upstream_api_key: SecretStr | None = Field(
        None, description="API key that the guarded proxy sends to the upstream."
    )
    upstream_ca_file: Path | None = Field(
        None, description="Certificates to trust for https upstreams instead of the public ones."
    )
    upstream_connect_timeout_ms: int = Field(
        5000, ge=1, description="Time that connecting to the upstream may take."
    )
    upstream_idle_timeout_ms: int = Field(
        120_000, ge=1, description="Longest silence of an upstream that streams."
    )
    upstream_total_timeout_ms: int = Field(
        600_000, ge=1, description="Time that a whole answer of the upstream may take."
    )
    upstream_max_response_bytes: int = Field(
        4 << 20, ge=1024, description="Largest answer of the upstream; of a stream, held at once."
    )
    upstream_parallel: bool = Field(
        False, description="Ask the upstream while the prompt is still being judged."
    )
    judge_instructions: bool = Field(
        False,
        description="Judge system and developer messages and tool definitions of chats, too.",
    )
    on_media: Literal["refuse", "pass"] = Field(
        "refuse", description="Images, audio and files in chats: refuse, or pass unjudged."
    )
    on_block: Literal["completion", "error"] = Field(
        "completion", description="A blocked chat gets a refusal as its completion, or an error."
    )
    refusal_text: str = Field(
        "Sorry, I cannot help with that.", description="What a blocked chat is answered."
    )
    guard_operating_point: str | None = Field(
        None, description="Operating point for chats; the artifact's default where none is named."
    )
    stream_score_at: Literal["sentence", "tokens"] = Field(
        "sentence", description="A streamed answer is scored at sentence ends, or by tokens alone."
    )
    stream_score_tokens: int = Field(
        64, ge=1, description="A streamed answer is scored after so many new tokens at the latest."
    )
    stream_tail_chars: int = Field(
        4000, ge=200, description="Of a long streamed answer, the part scored before its end."
    )
    # Concern: the guarded proxy (upstream, chats).
    stream_doubt_tokens: int = Field(
        96,
        ge=0,
        description="New tokens that must stay harmful before a streamed answer is cut in its "
        "middle; they are held meanwhile.",
    )
    chat_max_exchanges: int = Field(
        1024,
        ge=1,
        description="Turns of one chat that may be judged at once; those judged before "
        "do not count.",
    )
    chat_max_chars: int = Field(
        400_000,
        ge=1000,
        description="Characters of one chat, or of one answer with all its "
        "choices, that may be judged at once.",
    )
    chat_cache_entries: int = Field(
        16_384,
        ge=0,
        description="Unharmful verdicts on turns of chats that are kept, so that a chat that goes "
        "on is not judged anew; 0 keeps none.",
    )
    page: bool = Field(True, description="Serve the web page at /. It holds no data, so no key.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity of the JSON log lines on standard error."
    )

    @field_validator("teacher_artifacts", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(folder.strip() for folder in value.split(",") if folder.strip())
        return value

    @field_validator("max_batch_tokens")
    @classmethod
    def _holds_some_text(cls, value: int) -> int:
        if 0 < value < _FEWEST_BATCH_TOKENS:
            raise ValueError(f"must be 0, or {_FEWEST_BATCH_TOKENS} at least")
        return value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(key.strip() for key in value.split(",") if key.strip())
        return value

    @field_validator("teacher_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return value if value is None else _checked_url(value)

    @field_validator("upstream_url")
    @classmethod
    def _url_with_query(cls, value: str | None) -> str | None:
        # Azure names the version of its API in the query of every URL.
        return value if value is None else _checked_url(value, query=True)

    @field_validator("upstream_api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value is not None else None
        if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
            raise ValueError("must be printable ASCII without spaces around it")
        return value or None

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.max_exchange_tokens > self.max_queue_tokens:
            raise ValueError("max_queue_tokens must be at least max_exchange_tokens")
        self.check_teacher()
        return self

    def accepted_keys(self) -> tuple[str, ...]:
        """All API keys, of the environment and of the file. Raises SettingsInvalid."""
        keys = [key.get_secret_value() for key in self.api_keys]
        if self.api_keys_file is not None:
            try:
                lines = self.api_keys_file.read_text("utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as exc:
                raise SettingsInvalid("api_keys_file cannot be read") from exc
            found = [line.strip() for line in lines]
            found = [line for line in found if line and not line.startswith("#")]
            if not found:
                # An empty file would otherwise open the server to everyone.
                raise SettingsInvalid("api_keys_file holds no key")
            keys += found
        return tuple(keys)


def _checked_url(value: str, *, query: bool = False) -> str:
    """An upstream's base URL without a slash at its end. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username is not None or parts.fragment or (parts.query and not query):
        raise ValueError(f"must hold no user{'' if query else ', query'} or fragment")
    if parts.port == 0 or not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError("must be a URL")
    path, mark, rest = value.partition("?")
    return path.rstrip("/") + mark + rest


def read_settings(**overrides: Any) -> Settings:
    """Settings from overrides, then the environment, then defaults.

    Raises SettingsInvalid naming the setting; the value is not repeated, it may be a secret.
    """
    try:
        return Settings(**overrides)
    except ValidationError as exc:
        problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
        name = "_".join(str(part) for part in problem["loc"][:1])
        shown = f"POSTERN_{name.upper()}: " if name else ""
        raise SettingsInvalid(f"{shown}{problem['msg']}") from exc
