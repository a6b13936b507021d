"""`python -m model_training` where not all is installed that training needs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from model_training.stages.table import STAGES
from tests.server_process import ROOT

_WITHOUT = """
import runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["model_training", *{arguments!r}]
runpy.run_module("model_training", run_name="__main__", alter_sys=True)
"""


def _unneeded_by_serving() -> set[str]:
    """Names that can be imported here, of packages that `make serve` does not install."""
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements/serve.txt").read_text(), re.M)
    serving = {re.sub(r"[-_.]+", "-", name).lower() for name in ("postern", *pinned)}
    return {
        name
        for name, packages in packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", one).lower() for one in packages} & serving
    }


def _without(names: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    code = _WITHOUT.format(names=sorted(names), arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_what_is_taken_away_is_what_training_needs() -> None:
    assert {"torch", "transformers", "sklearn", "matplotlib", "onnx"} <= _unneeded_by_serving()
    assert not {"numpy", "onnxruntime", "pydantic", "postern"} & _unneeded_by_serving()


@pytest.mark.parametrize(
    "name", ["", *(stage.name for stage in STAGES[:2]), "run", "cascade-report"]
)
def test_help_needs_only_what_serving_installs(name: str) -> None:
    done = _without(_unneeded_by_serving(), *filter(None, [name]), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: python -m model_training" in done.stdout


@pytest.mark.parametrize("stage", ["distil", "export", "evaluate"])
def test_a_stage_says_in_one_line_what_to_install(stage: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "tiny"\nversion = "0.1"\n[distil]\nbase = "tiny"\n')
    places = ("--recipe", str(recipe), "--run", str(tmp_path / "run"))
    done = _without(_unneeded_by_serving(), stage, *places)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert re.match(r"model_training: the package '\w+' is missing", line)
    assert "pip install -r requirements/test.txt" in line


@pytest.mark.parametrize("name", ["pydantic", "numpy", "postern"])
def test_even_help_says_so_where_nothing_is_installed(name: str) -> None:
    done = _without({name}, "--help")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    assert f"the package {name!r} is missing" in done.stderr


def test_a_module_of_our_own_that_is_missing_is_no_missing_package() -> None:
    code = _WITHOUT.format(names=["nothing"], arguments=["--help"]).replace(
        'name.partition(".")[0] in', 'name == "model_training.cli" or name in'
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
