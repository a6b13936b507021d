"""llama.cpp in this process: continued turns, calls side by side, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_training.errors import RecipeInvalid, ServerUnusable
from model_training.recipe.augmentation import LlamaCppConfig, Sampling, made_by
from model_training.run.journal import Journal
from model_training.teachers.backends import open_backend
from model_training.teachers.labellers import asked_of
from model_training.teachers.llm import Call, answer_all, chat_call
from model_training.teachers.llm_gguf import LlamaCppBackend, _read
from tests.tiny_gguf import tiny_gguf

pytest.importorskip("xllamacpp")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> LlamaCppConfig:
    path = tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    return LlamaCppConfig(kind="llama.cpp", model=str(path), slots=3, slot_tokens=256, threads=1)


@pytest.fixture(scope="module")
def backend(config: LlamaCppConfig) -> LlamaCppBackend:
    found = open_backend(config)
    assert isinstance(found, LlamaCppBackend)
    return found


def asking(
    backend: LlamaCppBackend, text: str, *, prefix: str | None = None, temperature: float = 0.0
) -> Call:
    return chat_call(
        backend,
        [{"role": "user", "content": text}],
        model="tiny",
        prefix=prefix,
        sampling=Sampling(temperature=temperature, max_tokens=12),
        seed=7,
    )


def test_calls_side_by_side_are_each_answered_once_and_kept(
    backend: LlamaCppBackend, tmp_path: Path
) -> None:
    calls = [asking(backend, f"text {number}", temperature=1.0) for number in range(8)]
    with Journal(tmp_path / "calls.jsonl") as journal:
        replies = answer_all([*calls, calls[0]], backend, journal, what="test")
        assert replies[0] == replies[-1]
        assert all(reply.finish == "length" and reply.text for reply in replies)
        assert len({reply.text for reply in replies}) > 4
        again = answer_all(calls, _Silent(), journal, what="test")
    assert again == replies[:8]


class _Silent:
    asked = "nobody"

    def answer(self, calls: Any, finished: Any) -> None:
        raise AssertionError("everything was answered before")

    def require_continuation(self, journal: Journal) -> None:
        raise NotImplementedError


def test_a_turn_that_was_begun_is_written_on(backend: LlamaCppBackend) -> None:
    """With the turn begun, the model reads what it has written itself, and goes on alike."""
    alone = _answer(backend, asking(backend, "hello"))
    begun, rest = alone[:5], alone[5:]
    assert begun.strip() == begun, "llama.cpp would trim it"
    went_on = _answer(backend, asking(backend, "hello", prefix=begun))
    assert went_on.startswith(rest)


def _answer(backend: LlamaCppBackend, call: Call) -> str:
    found: list[str] = []
    backend.answer([call], lambda replies: found.extend(one.text for one in replies.values()))
    return found[0]


def test_a_text_longer_than_a_slot_is_refused(backend: LlamaCppBackend, tmp_path: Path) -> None:
    calls = [asking(backend, "long " * 200), asking(backend, "short")]
    with Journal(tmp_path / "calls.jsonl") as journal:
        long, short = answer_all(calls, backend, journal, what="test")
    assert long.refused == 413
    assert short.refused is None


def test_who_is_asked_is_the_file_and_its_hash(
    config: LlamaCppConfig, backend: LlamaCppBackend, tmp_path: Path
) -> None:
    assert backend.asked.startswith("tiny.gguf@")
    assert asked_of(config) == backend.asked
    content = bytearray(Path(config.model).read_bytes())
    content[-1] ^= 1
    (tmp_path / "tiny.gguf").write_bytes(content)
    other = config.model_copy(update={"model": str(tmp_path / "tiny.gguf")})
    assert asked_of(other) != backend.asked
    assert made_by(config) == {
        "kind": "llama.cpp", "model": "tiny.gguf", "slot_tokens": 256,
    }  # fmt: skip


def test_a_file_that_is_missing_or_no_model_is_said_in_one_line(tmp_path: Path) -> None:
    config = LlamaCppConfig(kind="llama.cpp", model=str(tmp_path / "none.gguf"))
    with pytest.raises(RecipeInvalid, match="no such file"):
        LlamaCppBackend(config)
    (tmp_path / "none.gguf").write_bytes(b"GGUF and nothing else")
    with pytest.raises(RecipeInvalid, match="cannot load it"):
        LlamaCppBackend(config)


def test_an_error_of_the_library_ends_the_stage() -> None:
    call = Call(endpoint="completions", asked="x", body={"prompt": "x"})
    with pytest.raises(ServerUnusable, match="error 500"):
        _read({"error": {"code": 500, "type": "server_error", "message": "secret"}}, call)
    with pytest.raises(ServerUnusable, match="another form"):
        _read({"choices": []}, call)
