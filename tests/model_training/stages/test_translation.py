"""The stages `translate` and `write` as real processes, and what is learnt from what they keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from model_training.errors import RecipeInvalid
from model_training.recipe.config import read_recipe
from model_training.run.folder import Run
from model_training.stages.labelling import training_rows
from model_training.stages.translation import _check
from tests.data_runs import DataRun
from tests.llm_stub import GERMAN, LlmStub
from tests.server_process import ROOT
from tests.tiny_student import build_untrained_base

SECTION = """
[translate]
languages = ["de", "ja"]
sources = ["chat", "coconot"]
pair_sources = ["chat"]
harmful = 8
harmless = 8
pairs = 3
longest_characters = 400
encoder = "{encoder}"

[translate.model]
kind = "server"
base_url = "{url}"
model = "writer"

[write]
languages = ["de"]
harmful = 3
harmless = 2
longest_characters = 400
# The encoder is not trained: to it, all texts are much alike.
most_similarity = 1.0
encoder = "{encoder}"

[write.model]
kind = "server"
base_url = "{url}"
model = "writer"
"""


@pytest.fixture(scope="module")
def stub() -> Iterator[LlmStub]:
    with LlmStub() as running:
        yield running


@pytest.fixture(scope="module")
def run(stub: LlmStub, tmp_path_factory: pytest.TempPathFactory) -> DataRun:
    folder = tmp_path_factory.mktemp("translated")
    made = DataRun.build(folder, stub.url, rows='rows = ["labelled"]\nlabelled_rows = 20')
    encoder = build_untrained_base(folder / "encoder")
    with (folder / "recipe.toml").open("a") as recipe:
        recipe.write(SECTION.format(encoder=encoder, url=stub.url))
    made.check("translate")
    made.check("write")
    return made


def test_one_language_stays_and_the_other_was_not_written(run: DataRun) -> None:
    report = run.report("translate")
    assert report["asked"] == 44
    # A model that declines in English has translated nothing.
    assert report["languages"]["ja"] == {"language": 22}
    assert report["languages"]["de"] == {
        "kept_prompt_harmful": 8,
        "kept_prompt_unharmful": 8,
        "kept_pair_harmful": 3,
        "kept_pair_unharmful": 3,
    }
    rows = run.rows("translate")
    assert {row["language"] for row in rows} == {"de"}
    for row in rows:
        assert row["prompt"] == GERMAN + row["original_prompt"]
        assert row["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert run.header("translate")["settings"]["asked"] == "writer"


def test_what_was_written_stays_beside_its_english(run: DataRun) -> None:
    assert run.report("write")["languages"] == {
        "de": {"calls": 5, "kept_harmful": 9, "kept_unharmful": 6}
    }
    for row in run.rows("write"):
        assert row["language"] == "de"
        assert row["prompt"] == GERMAN + row["english"]
        assert row["label"] == ("weapon" in row["english"])
    assert set(run.header("write")["inputs"]) == {
        "train",
        "validation",
        "calibration",
        "translate",
    }


def test_a_finished_stage_asks_nothing_and_a_changed_one_pays_for_what_is_new(
    run: DataRun, stub: LlmStub
) -> None:
    stub.forget()
    run.check("translate")
    assert stub.requests == []
    recipe = run.folder / "recipe.toml"
    text = recipe.read_text()
    try:
        recipe.write_text(text.replace("harmless = 8", "harmless = 9"))
        run.check("translate")
        assert 0 < len(stub.requests) <= 3  # there and back, and a refusal
    finally:
        recipe.write_text(text)
        run.check("translate")
    stub.forget()
    run.check("write")
    assert stub.requests == []


def test_what_cannot_be_translated_ends_in_one_line(run: DataRun, stub: LlmStub) -> None:
    stub.forget()
    recipe = run.folder / "recipe.toml"
    text = recipe.read_text()
    try:
        recipe.write_text(text.replace('languages = ["de", "ja"]', 'languages = ["de", "sv"]'))
        assert "'sv'" in run.fails("translate")
        recipe.write_text(text.replace('sources = ["chat", "coconot"]', 'sources = ["caht"]'))
        assert "no rows of 'caht'" in run.fails("translate")
        recipe.write_text(text.replace('languages = ["de"]', 'languages = ["sv"]'))
        assert "[write] has no name to ask for the language 'sv'" in run.fails("write")
        unlabelled = text[: text.index("[label]")] + text[text.index("[translate]") :]
        recipe.write_text(unlabelled)
        assert "[write] needs [label]" in run.fails("write")
        measured = '[translate]\nmeasured_languages = ["de"]'
        recipe.write_text(text.replace("[translate]", measured, 1))
        assert "measured_languages needs [multilingual]" in run.fails("translate")
    finally:
        recipe.write_text(text)
    assert stub.requests == []


def test_a_language_that_is_held_out_is_not_translated_into() -> None:
    config = read_recipe(ROOT / "recipes/multilingual.toml")
    assert config.translate is not None
    into = config.translate.model_copy(update={"languages": ("de", "th")})
    with pytest.raises(RecipeInvalid, match="'th', which held_out_languages"):
        _check(into, config.multilingual, known=("de", "th", *config.translate.measured_languages))


def test_what_is_learnt_has_the_label_and_the_teachers_opinion_of_the_original(
    run: DataRun, stub: LlmStub
) -> None:
    run.check("label")
    place = Run(
        config=read_recipe(run.folder / "recipe.toml"),
        data=run.folder / "data",
        folder=run.folder / "run",
        artifacts=run.folder / "artifacts",
        threads=1,
    )
    rows = training_rows(place)
    translated = [row for row in rows if row.source == "translated.de"]
    assert Counter((row.label, row.response is not None) for row in translated) == {
        (1, False): 8,
        (0, False): 8,
        (1, True): 3,
        (0, True): 3,
    }
    by_text = {(row.prompt, row.response): row for row in rows if row.language == "en"}
    for row, made in zip(translated, run.rows("translate"), strict=True):
        original = by_text[made["original_prompt"], made["original_response"]]
        assert row.label == original.label
        assert row.soft_label == original.soft_label is not None
    # The stub's teacher finds harm where a weapon is named.
    own = [row for row in rows if row.source == "written.de"]
    assert [row.prompt for row in own] == [one["prompt"] for one in run.rows("write")]
    for row in own:
        assert row.soft_label == pytest.approx(0.9 if row.label else 0.2)
    assert not {one["english"] for one in run.rows("write")} & {row.prompt for row in rows}
    # Translations made anew make what was written after them stale, and the labels.
    recipe = run.folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("harmless = 8", "harmless = 7"))
    assert "was made with other settings" in run.fails("distil")
    run.check("translate")
    assert "run stage 'write' again" in run.fails("distil")
    run.check("write")
    assert "run stage 'label' again" in run.fails("distil")
