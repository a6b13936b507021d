"""A GGUF model through llama.cpp, in this process, that answers the calls of `llm.py`.

The package `xllamacpp` (MIT) carries llama.cpp's own server as a library: several sequences share
each forward pass (its slots), and a last turn of the assistant's is written on, not closed.
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

_TOO_LONG = 413  # as `LocalBackend` says


class LlamaCppBackend:
    """Answers `slots` calls side by side.

    Each call draws from its own seed, but which others stand beside it decides how the products of
    a forward pass are rounded: a call made again may be answered in other words. What was answered
    is in the journal.
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
        """llama.cpp always continues a last turn of the assistant's."""

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        """Hands over each reply as it comes. A text longer than a slot is refused.

        Raises ServerUnusable where llama.cpp fails; calls under way are waited for.
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
    """What llama.cpp wrote behind the turn that was begun. Raises ServerUnusable."""
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
        import xllamacpp as library  # compiled; generating alone needs it
    except ImportError as exc:
        raise RecipeInvalid(
            'a model of kind "llama.cpp" needs the package xllamacpp: pip install xllamacpp'
        ) from exc
    params = library.CommonParams()
    params.model.path = config.model
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.slot_tokens
    params.kv_unified = False  # else one long text could take the room of the others
    params.fit_params = False
    params.warmup = False
    params.verbosity = 0
    if config.threads is not None:
        params.cpuparams.n_threads = config.threads
        params.cpuparams_batch.n_threads = config.threads
    try:
        return library.Server(params)
    except Exception as exc:  # of several kinds, by what is wrong with the file
        raise RecipeInvalid(f"{config.model}: llama.cpp cannot load it") from exc
