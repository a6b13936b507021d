"""A GGUF model through llama.cpp in this process, which answers the calls of `llm.py`.

The package `xllamacpp` (MIT) contains llama.cpp's own server as a library: several sequences share
each forward pass (its slots), and an assistant's last turn is continued, not closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from model_training.errors import RecipeInvalid, ServerUnusable
from model_training.recipe.augmentation import LlamaCppConfig
from model_training.run.journal import Journal
from model_training.teachers.fingerprint import gguf_asked
from model_training.teachers.llm import Call, Finished, Reply, read_completion, written_after

_TOO_LONG = 413  # like `LocalBackend`


class LlamaCppBackend:
    """Answers `slots` calls at once.

    Each call draws from its own seed, but the other calls of a forward pass affect its rounding, so
    a repeated call may get another answer. The journal keeps the first.
    """

    def __init__(self, config: LlamaCppConfig) -> None:
        if not Path(config.model).is_file():
            raise RecipeInvalid(f"{config.model}: no such file of GGUF weights")
        self._config = config
        self._asked = gguf_asked(config)
        self._server: Any = _server(config)

    @property
    def asked(self) -> str:
        return self._asked

    def require_continuation(self, journal: Journal) -> None:
        """llama.cpp always continues an assistant's last turn."""

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Pass on each reply as it arrives. A text longer than a slot is refused.

        Raises ServerUnusable if llama.cpp fails, after calls under way have ended.
        """
        with ThreadPoolExecutor(self._config.slots) as pool:
            try:
                for done in as_completed([pool.submit(self._one, call) for call in calls]):
                    key, reply = done.result()
                    finished({key: reply})
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _one(self, call: Call) -> tuple[str, Reply]:
        handle = {
            "chat/completions": self._server.handle_chat_completions,
            "completions": self._server.handle_completions,
        }[call.endpoint]
        return call.key, _read(handle(dict(call.body)), call)


def _read(content: Mapping[str, Any], call: Call) -> Reply:
    """The text with which llama.cpp continued the turn. Raises ServerUnusable."""
    error = content.get("error")
    if error is not None:
        if error.get("type") == "exceed_context_size_error":
            return Reply(refused=_TOO_LONG)
        raise ServerUnusable(f"llama.cpp: error {error.get('code')} ({error.get('type')})")
    try:
        reply = read_completion(content)
    except ValueError as exc:
        raise ServerUnusable("llama.cpp: a reply of another form") from exc
    last = (call.body.get("messages") or [{}])[-1]
    begun = last.get("content") if last.get("role") == "assistant" else None
    return reply.model_copy(update={"text": written_after(begun, reply.text)})


def _server(config: LlamaCppConfig) -> Any:
    try:
        import xllamacpp as library  # compiled; only generating needs it
    except ImportError as exc:
        raise RecipeInvalid(
            'a model of kind "llama.cpp" needs the package xllamacpp: pip install xllamacpp'
        ) from exc
    params = library.CommonParams()
    params.model.path = config.model
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.slot_tokens
    params.kv_unified = False  # else one long text could take the space of others
    params.fit_params = False
    params.warmup = False
    params.verbosity = 0
    if config.threads is not None:
        params.cpuparams.n_threads = config.threads
        params.cpuparams_batch.n_threads = config.threads
    try:
        return library.Server(params)
    except Exception as exc:  # several types, depending on the file's fault
        raise RecipeInvalid(f"{config.model}: llama.cpp cannot load it") from exc
