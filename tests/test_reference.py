"""The reference pages say what the code says, and they say it of everything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from postern.contract import errors, policy_errors
from postern.settings.settings import FIELDS
from postern.shipped import DEFAULT_STUDENT

from scripts.reference import __main__ as reference
from scripts.reference.__main__ import FOLDER, differing, main, pages
from scripts.reference.sources import problems
from scripts.reference.words import type_of

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_that_of_the_code(name: str) -> None:
    written = (FOLDER / name).read_text("utf-8")
    assert written == PAGES[name], "run `python -m scripts.reference`"


def test_a_page_that_differs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "reference"))
    (copy / "errors.md").write_text("nothing fails")
    (copy / "metrics.md").unlink()
    assert sorted(differing(copy)) == ["errors.md", "metrics.md"]
    monkeypatch.setattr(reference, "differing", lambda: ["errors.md"])
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "run `python -m scripts.reference`: errors.md\n"
    monkeypatch.setattr(reference, "differing", list)
    assert main(["--check"]) == 0


def test_every_setting_stands_in_one_row() -> None:
    for name in FIELDS:
        assert PAGES["settings.md"].count(f"| `POSTERN_{name.upper()}` |") == 1, name


def test_every_error_that_a_client_can_see_has_a_row() -> None:
    for kind, problem in errors_and_problems():
        row = f"`{kind}`" if kind in _COMMANDS else f"`{problem}`"
        assert row in PAGES["errors.md"], kind


def test_the_default_artifact_is_named_and_not_placed() -> None:
    assert f"| `{DEFAULT_STUDENT}`, which is included |" in PAGES["settings.md"]
    assert str(FOLDER.parents[1]) not in "".join(PAGES.values())


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | None, "integer"),
        (tuple[float, ...], "list of numbers"),
        (tuple[float, float], "[number, number]"),
        (dict[str, bool], "map from text to true or false"),
    ],
)
def test_types_are_said_in_words(annotation: object, words: str) -> None:
    assert type_of(annotation) == words


_COMMANDS = {
    kind.__name__
    for kind in (
        errors.ArtifactInvalid,
        errors.SettingsInvalid,
        policy_errors.PoliciesInvalid,
        errors.CalibrationImpossible,
        errors.LabelledDataInvalid,
        errors.TooFewRows,
        errors.EmptyInput,
    )
}


def errors_and_problems() -> list[tuple[str, str]]:
    """(class name, slug) of every kind of error."""
    return [(kind.__name__, problem.slug) for kind, problem in problems().items()]
