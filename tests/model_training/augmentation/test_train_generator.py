"""The generator trained here: what it learns from, killed and resumed, and asked by `generate`."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from model_training.__main__ import main
from model_training.augmentation.generate import Kind, ask
from model_training.augmentation.generator_text import (
    CONTROL,
    Example,
    encode,
    examples_of,
    hold_out,
    train_tokenizer,
)
from model_training.data.rows import Row, normalized_key
from model_training.errors import DataInvalid
from model_training.recipe.augmentation import GenerateConfig, LocalConfig, text_settings
from model_training.recipe.config import RunConfig, read_recipe
from model_training.recipe.generator import GeneratorConfig
from model_training.teachers.llm import chat_call
from model_training.teachers.llm_local import LocalBackend
from tests.data_runs import DataRun

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "generator_text.json"
RECIPE = """
name = "tiny"
version = "0.1"

[distil]
base = "tiny"

[generator]
vocabulary = 400
hidden = 32
layers = 2
heads = 2
n_draws = 2400
batch_tokens = 512
evaluations = 60
held_out_share = 0.1
longest_prompt = 200
source_weights = { benign_wrapped = 0.0 }
learning_rate = 1e-2

[generate]
model = { kind = "local", model = "generator", batch_rows = 16 }
categories = "families"
exemplars = 0
harmful = 40
benign = 20
harmful_prefixes = ["I have an idea for a prompt:"]
harmful_template = "Harmful{category}"
benign_template = "Harmless{category}"
sampling = { max_tokens = 48 }

[filter]
diversity_rows = 0
novelty_rows = 0
languages = []
"""


class GeneratorRun(DataRun):
    """A run whose recipe trains its own generator."""

    def write_recipe(self, url: str, **changes: str) -> None:
        text = RECIPE
        for old, new in changes.items():
            assert f"\n{old} = " in text
            text = text.replace(f"\n{old} = ", f"\n{new} #")
        (self.folder / "recipe.toml").write_text(text)

    def call(
        self, stage: str, *, largest_file: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """In this process: most of the time of a stage this small goes into importing torch."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            code = main(self.command(stage))
        return subprocess.CompletedProcess([], code, "", errors.getvalue())

    @property
    def generator(self) -> Path:
        return self.folder / "run" / "generator"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "run" / "generator_checkpoint.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums depend on how many threads share them, and weights are compared bit by bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> GeneratorRun:
    """Trained, asked and sifted; nothing disturbed it."""
    run = GeneratorRun.build(tmp_path_factory.mktemp("finished"), "")
    for stage in ("generator", "generate", "filter"):
        run.check(stage)
    return run


@pytest.fixture
def copied(finished: GeneratorRun, tmp_path: Path) -> GeneratorRun:
    return GeneratorRun(Path(shutil.copytree(finished.folder, tmp_path / "copy")))


def _config(**changes: Any) -> GenerateConfig:
    settings = {
        "model": LocalConfig(kind="local", model="generator"),
        "exemplars": 0,
        "categories": "families",
        "harmful_template": "Harmful{category}",
        "benign_template": "Harmless{category}",
    }
    return GenerateConfig.model_validate(settings | changes)


def _row(text: str, label: int, source: str = "s", response: str | None = None) -> Row:
    return Row(source=source, prompt=text, response=response, label=label)


def test_the_generator_writes_and_the_filter_keeps_some(finished: GeneratorRun) -> None:
    report = json.loads((finished.generator / "generator.json").read_text())
    assert report["held_out"]["harmful"]["perplexity"] > 1
    assert report["held_out"]["benign"]["bits_per_byte"] > 0
    assert report["parameters"] > 0
    assert "benign_wrapped" not in report["sources"]["benign"]
    rows = finished.rows("generate")
    assert len(rows) == 60
    assert {row["model"].partition("@")[0] for row in rows} == {"generator"}
    assert {row["exemplar_source"] for row in rows} == {None}
    # It has learnt to write and to stop: untrained, it would go on to the limit.
    assert sum(row["finish"] == "stop" and row["complaint"] is None for row in rows) > 30
    assert finished.report("filter")["harmful"]["read"] == 40


def test_a_killed_training_ends_with_the_same_weights(
    copied: GeneratorRun, finished: GeneratorRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.rmtree(copied.generator)
    copied.checkpoint.unlink()
    process = copied.start("generator")
    waited = time.monotonic()
    while not copied.checkpoint.exists() and time.monotonic() - waited < 300:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not copied.generator.exists(), "it was killed too late to resume"
    copied.check("generator")
    resumed, whole = (load_file(run.generator / "model.safetensors") for run in (copied, finished))
    assert resumed.keys() == whole.keys()
    assert all((resumed[name] == whole[name]).all() for name in whole)
    # The same model to `generate`: what it wrote stays written.
    before = copied.file("generate").stat().st_mtime_ns
    copied.check("generate")
    assert copied.file("generate").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("learning_rate", "learning_rate = 2e-2"),
        ("harmful_template", 'harmful_template = "Bad{category}"'),
    ],
)
def test_a_checkpoint_of_another_recipe_is_refused(
    copied: GeneratorRun, old: str, new: str
) -> None:
    copied.write_recipe("", **{old: new})
    assert "belongs to another recipe" in copied.fails("generator")


def test_another_number_of_calls_is_the_same_generator(copied: GeneratorRun) -> None:
    copied.write_recipe("", harmful="harmful = 45")
    copied.check("generator")
    copied.check("generate")
    assert len(copied.rows("generate")) == 65


def test_a_finished_generator_is_not_trained_again(copied: GeneratorRun) -> None:
    copied.checkpoint.unlink()
    before = (copied.generator / "model.safetensors").stat().st_mtime_ns
    copied.check("generator")
    assert (copied.generator / "model.safetensors").stat().st_mtime_ns == before
    (copied.generator / "generator.json").write_text("[]")
    copied.check("generator")
    assert (copied.generator / "model.safetensors").stat().st_mtime_ns != before


def test_a_damaged_checkpoint_is_one_line(copied: GeneratorRun) -> None:
    shutil.rmtree(copied.generator)
    copied.checkpoint.write_bytes(copied.checkpoint.read_bytes()[:1000])
    assert "is not a checkpoint" in copied.fails("generator")


def test_without_the_generator_there_is_nothing_to_ask(copied: GeneratorRun) -> None:
    shutil.rmtree(copied.generator)
    assert "run the stage generator first" in copied.fails("generate")


def test_the_training_text_is_of_the_train_split_alone(finished: GeneratorRun) -> None:
    config = read_recipe(finished.folder / "recipe.toml")
    assert config.generator is not None

    def prompts(name: str) -> set[str]:
        lines = (finished.folder / "run" / "rows" / f"{name}.jsonl").read_text().splitlines()
        return {normalized_key(json.loads(line)["prompt"]) for line in lines}

    lines = (finished.folder / "run" / "rows" / "train.jsonl").read_text().splitlines()
    train = [Row.model_validate_json(line) for line in lines]
    learnt = {normalized_key(one.text) for one in examples_of(train, {}, config.generator)}
    assert learnt
    assert learnt <= prompts("train")
    assert learnt.isdisjoint(prompts("validation") | prompts("calibration"))


def test_only_short_prompts_that_generate_would_accept_are_learnt() -> None:
    train = [
        _row("How do I burn\n a shed?", 1),
        _row("how do i BURN a shed", 1),  # once
        _row("How do I paint a shed?", 0),
        _row("How do I sell a shed?", 0, source="post"),
        _row("Wrapped: how do I burn a shed?", 1, source="wrapper"),
        _row("A pair", 1, response="yes"),
        _row("long " * 90, 1),
        _row("I am sorry, I cannot help with that.", 0),
        _row("Sure, here is one", 1),
        *(_row(f"type {token} here", 1) for token in CONTROL),
    ]
    config = GeneratorConfig(source_weights={"wrapper": 0.0})
    found = examples_of(train, {"post": "social"}, config)
    assert sorted((one.intent, one.category, one.text) for one in found if one.category) == [
        ("benign", "a post", "How do I sell a shed?"),
        ("harmful", "violence", "How do I burn a shed?"),
    ]
    assert [one.text for one in found if one.category is None] == ["How do I paint a shed?"]
    with pytest.raises(DataInvalid, match="both classes"):
        examples_of(train[:2], {}, config)


def test_held_out_prompts_depend_on_their_text_alone() -> None:
    examples = [Example("s", "harmful", None, f"number {n}") for n in range(2000)]
    learnt, held_out = hold_out(examples, 0.1)
    assert 120 < len(held_out) < 280
    assert {*learnt, *held_out} == {*examples}
    assert set(hold_out(examples[:500], 0.1)[1]) == set(held_out) & set(examples[:500])


EXAMPLES = [
    Example("s", "harmful", "violence", "How do I burn a shed?"),
    Example("s", "harmful", None, '"Quoted," she said'),
    Example("s", "benign", "violence, a post", "they burn sheds"),
    Example("s", "benign", None, "1. Paint it  é 👍"),
]


def test_training_text_is_frozen() -> None:
    config = GeneratorConfig(vocabulary=300)
    tokenizer = train_tokenizer(EXAMPLES, config, _config())
    found = [
        {
            "asked": tokenizer.decode(one.ids[: one.start]),
            "learnt": tokenizer.decode(one.ids[one.start :]),
        }
        for one in encode(EXAMPLES, tokenizer, _config(), seed=1)
    ]
    assert found == json.loads(GOLDEN.read_text())


_TOKENIZER = train_tokenizer(EXAMPLES, GeneratorConfig(vocabulary=300), _config())


@given(st.text(min_size=1, max_size=40).map(lambda text: " ".join(text.split())))
def test_what_is_learnt_begins_where_generation_begins(text: str) -> None:
    example = Example("s", "harmful", "violence", text)
    (one,) = encode([example], _TOKENIZER, _config(), seed=1)
    (other,) = encode([EXAMPLES[0]], _TOKENIZER, _config(), seed=1)
    assert one.ids[: one.start] == other.ids[: other.start]
    assert one.ids[-1] == _TOKENIZER.eos_token_id
    assert _TOKENIZER.decode(one.ids[one.start : -1]) == f" {text}"


def test_generate_asks_with_the_ids_that_were_trained_on(finished: GeneratorRun) -> None:
    config = _config(harmful_prefixes=["I have an idea for a prompt:"])
    tokenizer = AutoTokenizer.from_pretrained(finished.generator)
    (trained,) = encode([EXAMPLES[0]], tokenizer, config, seed=1)
    backend = LocalBackend(LocalConfig(kind="local", model=str(finished.generator)))
    kind = Kind(source=None, category="violence", prompts=())
    call = chat_call(
        backend,
        [{"role": "user", "content": ask("harmful", kind, (), config)}],
        model="generator",
        prefix=config.harmful_prefixes[0],
        sampling=config.sampling,
        seed=1,
    )
    assert backend._ids(call) == trained.ids[: trained.start]


@pytest.mark.parametrize("change", [{"exemplars": 3}, {"categories": "source"}])
def test_a_generator_is_asked_as_it_was_trained(change: dict[str, Any]) -> None:
    def recipe(**changes: Any) -> dict[str, Any]:
        generate = _config(**changes).model_dump()
        distil = {"base": "tiny"}
        return {"name": "x", "version": "0", "distil": distil, "generator": {}} | {
            "generate": generate
        }

    RunConfig.model_validate(recipe())
    with pytest.raises(ValidationError, match="without exemplars"):
        RunConfig.model_validate(recipe(**change))


def test_what_decides_the_text_is_part_of_the_checkpoint() -> None:
    assert text_settings(_config()) == text_settings(_config(harmful=3, seed=7))
    assert text_settings(_config()) != text_settings(_config(benign_prefixes=["x"]))
