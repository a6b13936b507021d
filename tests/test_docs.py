"""Every command and snippet of the site and examples is run; every link and setting exists."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from postern.settings.settings import FIELDS
from postern.shipped import DEFAULT_ARTIFACT

from model_training.cli import training_parser
from tests.documents import Block, Runner, blocks, broken_links, documents, without_make
from tests.server_process import ROOT, ServerProcess

DOCUMENTS = [str(path.relative_to(ROOT)) for path in documents()]


@pytest.fixture(scope="module")
def shipped() -> Iterator[ServerProcess]:
    """The server as `make serve` starts it, with the artifact that ships."""
    patient = {"request_timeout_ms": 120_000}
    with ServerProcess(["-m", "postern", "serve"], patient) as process:
        process.wait_until_ready()
        yield process


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_it_shows_runs(name: str, shipped: ServerProcess, tmp_path: Path) -> None:
    runner = Runner(tmp_path, shipped.url)
    for block in blocks((ROOT / name).read_text()):
        if block.not_run is None:
            runner.run(block)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_its_links_and_settings_exist(name: str) -> None:
    assert broken_links(ROOT / name) == []
    known = {f"POSTERN_{field.upper()}" for field in FIELDS}
    named = set(re.findall(r"\bPOSTERN_[A-Z_]*[A-Z]\b", (ROOT / name).read_text()))
    assert named <= known


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_cannot_run_here_could_run_elsewhere(name: str) -> None:
    """Its shell syntax is right, and our own commands in it take these options."""
    for block in blocks((ROOT / name).read_text()):
        if block.not_run is None or block.language != "sh":
            continue
        subprocess.run(["bash", "-n"], input=block.code, text=True, check=True)
        for line in block.code.replace("\\\n", " ").splitlines():
            _, found, rest = line.partition(" -m model_training ")
            if found:
                given = rest.split(";")[0].replace('"$1"', "split")
                training_parser().parse_args(shlex.split(given))


def test_the_guides_are_found() -> None:
    assert "docs/start/first-verdict.md" in DOCUMENTS
    assert "docs/guides/operating-point.md" in DOCUMENTS
    assert "docs/explanation/limits.md" in DOCUMENTS
    assert "docs/reference/settings.md" in DOCUMENTS


def test_the_operating_points_are_those_of_the_artifact(
    shipped: ServerProcess, tmp_path: Path
) -> None:
    """The table that the guide prints is that of the artifact."""
    runner = Runner(tmp_path, shipped.url)
    command, table = blocks((ROOT / "docs/guides/operating-point.md").read_text())[:2]
    runner.run(command)
    printed = runner.run(table)
    points = shipped.get("/info").json()["operating_points"]
    for name, slices in points.items():
        for slice_name, point in slices.items():
            line = rf"^{slice_name} +{name} +{point['threshold']:.3f} "
            assert re.search(line, printed, re.MULTILINE), (slice_name, name)


def test_the_estimates_are_those_that_are_printed(tmp_path: Path) -> None:
    """The hours and the price of the training guide follow from the recipe and its assumptions."""
    found = blocks((ROOT / "docs/guides/training-harmaug.md").read_text())
    place = next(i for i, block in enumerate(found) if "read = 0.4" in block.code)
    assert Runner(tmp_path, "http://127.0.0.1:9").run(found[place]) == found[place + 1].code


def test_the_replicas_are_those_that_are_printed(tmp_path: Path) -> None:
    """The table of the Kubernetes guide follows from the figure of the performance page."""
    found = blocks((ROOT / "docs/guides/kubernetes.md").read_text())
    place = next(i for i, block in enumerate(found) if "TOKENS_PER_POD" in block.code)
    assert Runner(tmp_path, "http://127.0.0.1:9").run(found[place]) == found[place + 1].code
    measured = " ".join((ROOT / "docs/research/performance.md").read_text().split())
    assert "The engine computes about 10,000 tokens per second" in measured
    assert "TOKENS_PER_POD = 10_000" in found[place].code


def test_the_refusal_is_the_one_that_is_printed(tmp_path: Path) -> None:
    """What the guide to calibrating shows is what the command says of the guide's own sample."""
    found = blocks((ROOT / "docs/guides/calibration.md").read_text())
    place = next(i for i, block in enumerate(found) if "then exit 1" in block.code)
    runner = Runner(tmp_path, "http://127.0.0.1:9")
    runner.run(found[0])
    loud = found[place].code.replace("; then exit 1", " 2>&1; then exit 1")
    assert runner.run(Block("sh", loud)) == found[place + 1].code


def test_the_stages_are_those_that_exist() -> None:
    """The guide's table of stages, in order; `run` follows the last one."""
    (commands,) = (
        one for one in training_parser()._actions if isinstance(one, argparse._SubParsersAction)
    )
    stages = list(commands.choices)
    page = (ROOT / "docs/guides/training.md").read_text()
    table = page.partition("## The stages")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| \*?`([\w-]+)`\*? \|", table, re.MULTILINE)
    assert listed == stages[: stages.index("run")]


def test_the_figures_of_the_student_are_those_of_its_report() -> None:
    page = (ROOT / "docs/research/student.md").read_text()
    report = json.loads((DEFAULT_ARTIFACT / "report.json").read_text())
    for name in ("openai_moderation", "harmbench_eval"):
        figures = report["test"][name]
        found = (figures["at"]["balanced"]["f1"], figures["auprc"])
        shown = [f"{figure:.3f}".removeprefix("0") for figure in found]
        assert f"**{shown[0]} / {shown[1]}**" in page, name
        low, high = (f"{end:.3f}".removeprefix("0") for end in figures["interval_95"]["auprc"])
        assert f"{low} to {high}" in page, name
    of_sets = {
        "OpenAI moderation": report["test"]["openai_moderation"],
        "HarmBench": report["test"]["harmbench_eval"],
        "validation, prompts": report["validation"]["prompt"],
        "validation, pairs": report["validation"]["pair"],
    }
    for name, figures in of_sets.items():
        at = figures["at"]
        rates = [at["balanced"]["recall"]]
        rates += [at[one]["false_positive_rate"] for one in ("strict", "balanced", "permissive")]
        row = " | ".join(f"{rate:.3f}".removeprefix("0") for rate in rates)
        counts = f"{figures['harmful_rows']:,} of {figures['rows']:,}"
        assert f"| {name} | {counts} | {row} |" in page
    kinds = report["behaviour"].values()
    reached = sum(one["right"] >= 0.9 * one["n"] for one in kinds)
    assert f"{reached} of the {len(kinds)} kinds reach .90" in page


# --- the machinery itself -----------------------------------------------------------------------


def test_blocks_are_found_with_their_reasons() -> None:
    text = (
        "a\n```sh\necho 1\n```\n\n<!-- not run: needs an account -->\n```sh\nlogin\n```\n"
        "- item\n\n  ```python\n  if True:\n      print(1)\n  ```\n"
    )
    assert blocks(text) == [
        Block("sh", "echo 1\n"),
        Block("sh", "login\n", "needs an account"),
        Block("python", "if True:\n    print(1)\n"),
    ]


@pytest.mark.parametrize(
    "block",
    [
        Block("sh", "false | cat\n"),
        Block("sh", "echo $unset\n"),
        Block("sh", "make no-such-target\n"),
        Block("python", "raise SystemExit(1)\n"),
        Block("json", "{'a': 1}"),
        Block("yaml", "a: [\n"),
        Block("ruby", "puts 1\n"),
        Block("", "echo 1\n"),
    ],
)
def test_what_fails_is_noticed(block: Block, tmp_path: Path) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - of the parser, or AssertionError
        Runner(tmp_path, "http://127.0.0.1:9").run(block)


def test_a_call_of_make_is_left_out() -> None:
    assert without_make("make serve PORT=1\necho 2\n") == "echo 2\n"


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](page.md) [b](gone.md#x) [c](https://example.org) [d](#here)\n")
    assert broken_links(page) == ["gone.md"]
