"""Measures what the beginning of the assistant's turn is worth, for one or several models.

HarmAug (Lee et al. 2024, section 3) begins the answer with an affirmative prefix, so that an
aligned model writes the harmful instruction instead of refusing. Each model answers the calls that
`generate` would make, with and without prefix, and with and without exemplars. The report contains
figures alone; what was written stays in the journal.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from postern.contract.artifact import Artifact, read_artifact
from postern.contract.probability import harmful_probability

from model_training.augmentation.generate import Kind, instructions_of, kinds_of, known_kinds, plan
from model_training.data.rows import (
    Row,
    prompt_hash,
    read_pool,
    read_sources,
    write_atomically,
)
from model_training.data.sources import choose_sources, styles_of
from model_training.errors import RecipeInvalid
from model_training.measures.served import open_artifact
from model_training.recipe.augmentation import (
    FilterConfig,
    GenerateConfig,
    LlamaCppConfig,
    LocalConfig,
    Model,
)
from model_training.run.candidate import write_json
from model_training.run.folder import Run
from model_training.run.journal import Journal
from model_training.studies.prefix_arguments import NAME
from model_training.studies.prefix_figures import Judge, figures, markdown
from model_training.teachers.backends import open_backend
from model_training.teachers.llm import Backend, Call, Finished, Reply, answer_all

_POINT: Final = "balanced"
_CELLS: Final = tuple((prefix, shown) for prefix in (False, True) for shown in (False, True))
_COMPARED_FROM: Final = 0.25
"""Share of the calls that must give an instruction for a cell to take part in the comparison of
diversity: all are sampled down to the smallest."""


@dataclass
class Spent:
    """What the timed calls of a cell cost. Resumed measurements add to it."""

    calls: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    """Of all threads of this process."""
    read_tokens: int = 0
    written_tokens: int = 0


class _Timed:
    """A backend that adds what its calls cost to a journal, whenever some are finished."""

    def __init__(self, backend: Backend, journal: Journal, key: str) -> None:
        self._backend = backend
        self._journal = journal
        self._key = key
        self.spent = Spent(**journal.get(key)) if key in journal else Spent()

    @property
    def asked(self) -> str:
        return self._backend.asked

    def require_continuation(self, journal: Journal) -> None:
        self._backend.require_continuation(journal)

    def answer(self, calls: Sequence[Call], finished: Finished) -> None:
        begun = [time.perf_counter(), time.process_time()]

        def timed(replies: Mapping[str, Reply]) -> None:
            ended = [time.perf_counter(), time.process_time()]
            self.spent.calls += len(replies)
            self.spent.seconds += ended[0] - begun[0]
            self.spent.processor_seconds += ended[1] - begun[1]
            self.spent.read_tokens += sum(one.prompt_tokens or 0 for one in replies.values())
            self.spent.written_tokens += sum(one.written_tokens or 0 for one in replies.values())
            begun[:] = ended
            finished(replies)
            self._journal.append({self._key: asdict(self.spent)})

        self._backend.answer(calls, timed)


def measure(
    kinds: Sequence[Kind], config: GenerateConfig, backend: Backend, journal: Journal, judge: Judge
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """Figures of each cell, and the instructions in it, with as many calls as `config.harmful`.

    The cells of a model share kinds and exemplars: call i of one is call i of the others but for
    prefix, exemplars and seed.
    """
    cells, texts = [], []
    for prefix, shown in _CELLS:
        changes = {
            "without_prefix_share": 0.0 if prefix else 1.0,
            "exemplars": config.exemplars if shown else 0,
        }
        planned = plan(kinds, config.model_copy(update=changes), backend)
        key = _key([backend.asked, [one.call.key for one in planned]])
        timed = _Timed(backend, journal, key)
        if prefix:
            backend.require_continuation(journal)
        replies = answer_all([one.call for one in planned], timed, journal, what=NAME)
        rows = instructions_of(planned, replies, config, backend)
        found = {"prefix": prefix, "exemplars": changes["exemplars"]}
        cells.append(found | figures(rows, judge) | {"spent": asdict(timed.spent)})
        texts.append([row.text for row in rows if row.complaint is None])
    return cells, texts


def judge_of(artifact: Artifact, *, threads: int | None) -> Judge:
    """The teacher as it is served, at its operating point `balanced`, on prompts."""
    policy = artifact.manifest.policy
    served = open_artifact(artifact, threads=threads)

    def judge(texts: Collection[str]) -> dict[str, bool]:
        # The label is a required field of a row, and nothing here reads it.
        rows = [Row(source=NAME, prompt=text, response=None, label=1) for text in sorted(texts)]
        if not rows:
            return {}
        scored = served.score(rows, what="teacher")
        probabilities = harmful_probability(scored.margins, policy.calibration["prompt"])
        flagged = probabilities >= policy.operating_points[_POINT]["prompt"].threshold
        return {
            row.prompt: bool(one) for row, one in zip(scored.rows, flagged.tolist(), strict=True)
        }

    return judge


def prefix_worth(run: Run, arguments: argparse.Namespace) -> None:
    """Write `prefix_worth.json` and `.md` into the run folder, and print the table.

    Raises RecipeInvalid without [generate], DataInvalid without a split, and as backends do.
    """
    config = run.config.generate
    if config is None:
        raise RecipeInvalid(f"the recipe {run.config.name} has no section [generate]")
    config = config.model_copy(update={"harmful": arguments.calls, "benign": 0, "draws": 1})
    teacher = read_artifact(arguments.teacher)
    judge = judge_of(teacher, threads=run.threads)
    kinds = _kinds(run, config)
    models: dict[str, list[dict[str, Any]]] = {}
    texts: dict[tuple[str, int], list[str]] = {}
    folder = run.folder / "prefix_worth"
    with Journal(folder / "calls.jsonl") as journal:
        for name in arguments.models:
            model = _model(name, arguments)
            mine = config.model_copy(update={"model": model})
            backend = open_backend(model)
            cells, written = measure(kinds, mine, backend, journal, judge)
            models[backend.asked] = cells
            texts |= {(backend.asked, place): some for place, some in enumerate(written)}
            del backend  # one model in memory at a time
    _add_diversity(models, texts, run.config.filter or FilterConfig(), arguments.encoder)
    found = {
        "recipe": f"{run.config.name} {run.config.version}",
        "kinds": len(kinds),
        "teacher": f"{teacher.manifest.name} {teacher.manifest.version}, {_POINT}",
        "sampling": config.sampling.model_dump(),
        "models": models,
    }
    write_json(folder / "report.json", found)
    write_atomically(folder / "report.md", markdown(found).encode())
    print(markdown(found), end="")


def _kinds(run: Run, config: GenerateConfig) -> list[Kind]:
    sources = choose_sources(read_sources(run.data), run.config.data)
    return kinds_of(
        [row for source in sources for row in read_pool(run.data, source)],
        train=frozenset(prompt_hash(row.prompt) for row in run.rows("train")),
        config=config,
        styles=styles_of(sources),
        known=known_kinds(run.data, config),
    )


def _model(name: str, arguments: argparse.Namespace) -> Model:
    if name.endswith(".gguf"):
        return LlamaCppConfig(kind="llama.cpp", model=name, threads=arguments.threads)
    return LocalConfig(
        kind="local", model=name, batch_rows=arguments.batch_rows, dtype=arguments.dtype
    )


def _add_diversity(
    models: Mapping[str, Sequence[dict[str, Any]]],
    texts: Mapping[tuple[str, int], Sequence[str]],
    config: FilterConfig,
    encoder: str | None,
) -> None:
    from model_training.augmentation.diversity import diversity_report  # torch

    groups: dict[str, Sequence[str]] = {}
    for (name, place), some in texts.items():
        if len(some) >= _COMPARED_FROM * models[name][place]["calls"]:
            groups[f"{name} {place}"] = some
    report = diversity_report(groups, base=encoder, config=config) if encoder else {}
    for name, cells in models.items():
        for place, cell in enumerate(cells):
            one = report.get(f"{name} {place}")
            cell["diversity"] = one and {"rows": report["rows_of_each"], **one}


def _key(content: Any) -> str:
    return hashlib.sha256(json.dumps([NAME, content]).encode()).hexdigest()
