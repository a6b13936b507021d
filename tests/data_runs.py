"""Runs of `python -m model_training` as real processes over a tiny data folder."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.tiny_data import build_tiny_data
from tests.training_process import TrainingProcess, completed

RECIPE = """
name = "tiny"
version = "0.1"

[distil]
base = "tiny"

[generate]
model = {{ kind = "server", base_url = "{url}", model = "writer", concurrency = 4 }}
harmful = 40
benign = 20
exemplars = 3
longest_exemplar = 1000

[filter]
diversity_rows = 0
novelty_rows = 0

[twins]
model = {{ kind = "server", base_url = "{url}", model = "writer", concurrency = 4 }}
benign = 12
harmful = 6

[respond.refuse]
model = {{ kind = "server", base_url = "{url}", model = "writer", concurrency = 4 }}

[respond.comply]
model = {{ kind = "server", base_url = "{url}", model = "writer", concurrency = 4 }}
prefixes = ["Sure, here is how:"]

[label]
rows = ["generated", "unlabelled", "labelled"]
teacher = {{ kind = "server", base_url = "{url}", model = "guard", template = "llama-guard-3" }}
"""


@dataclass
class DataRun:
    """A recipe, a data folder and a run folder below one folder."""

    folder: Path

    @classmethod
    def build(cls, folder: Path, url: str, **changes: str) -> Self:
        """changes: lines of the recipe, by what they begin with."""
        build_tiny_data(folder / "data", rows_per_source=60)
        run = cls(folder)
        run.write_recipe(url, **changes)
        run.check("split")
        return run

    def write_recipe(self, url: str, **changes: str) -> None:
        text = RECIPE.format(url=url)
        for old, new in changes.items():
            assert f"{old} = " in text
            text = "\n".join(
                new if line.startswith(f"{old} = ") else line for line in text.splitlines()
            )
        (self.folder / "recipe.toml").write_text(text)

    def command(self, *arguments: str) -> list[str]:
        places = {"--recipe": "recipe.toml", "--data": "data", "--run": "run"}
        options = [part for name, place in places.items() for part in (name, self._at(place))]
        return [*arguments, *options]

    def start(self, stage: str) -> TrainingProcess:
        return TrainingProcess(*self.command(stage))

    def call(
        self, stage: str, *, largest_file: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """largest_file: bytes; writing more fails as on a full disk."""
        return completed(*self.command(stage), timeout=400, largest_file=largest_file)

    def check(self, stage: str) -> None:
        done = self.call(stage)
        assert done.returncode == 0, done.stderr

    def fails(self, stage: str, **options: Any) -> str:
        """The one line with which a stage ends that cannot do its work."""
        done = self.call(stage, **options)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        # Progress bars end in carriage returns.
        line = done.stderr.replace("\r", "\n").strip().splitlines()[-1]
        assert line.startswith("model_training: "), done.stderr
        return line

    def file(self, stage: str) -> Path:
        return self.folder / "run" / "augment" / f"{stage}.jsonl"

    def rows(self, stage: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file(stage).read_text().split("\n")[1:-1]]

    def header(self, stage: str) -> dict[str, Any]:
        return dict(json.loads(self.file(stage).read_text().split("\n")[0])["header"])

    def report(self, stage: str) -> dict[str, Any]:
        return dict(json.loads(self.file(stage).with_suffix(".json").read_text()))

    def leftovers(self) -> list[str]:
        """Files that only a writer that was stopped leaves."""
        return [path.name for path in (self.folder / "run").rglob(".*") if path.name != ".lock"]

    def _at(self, place: str) -> str:
        return str(self.folder / place)
