"""The data stages as real processes: killed and resumed, on damaged files, on a full disk."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_training.recipe.config import read_recipe
from model_training.run.folder import Run
from model_training.stages.labelling import training_rows
from model_training.stages.table import stages_of
from tests.data_runs import DataRun
from tests.llm_stub import LlmStub, Request
from tests.tiny_llama import build_tiny_llama

STAGES = ("generate", "filter", "twins", "respond", "label")


@pytest.fixture(scope="module")
def stub() -> Iterator[LlmStub]:
    with LlmStub() as running:
        yield running


@pytest.fixture(scope="module")
def finished(stub: LlmStub, tmp_path_factory: pytest.TempPathFactory) -> DataRun:
    """A run that nothing disturbed."""
    run = DataRun.build(tmp_path_factory.mktemp("finished"), stub.url)
    for stage in STAGES:
        run.check(stage)
    return run


@pytest.fixture
def half_done(finished: DataRun, stub: LlmStub, tmp_path: Path) -> DataRun:
    """A copy of it to break."""
    stub.forget()
    return DataRun(Path(shutil.copytree(finished.folder, tmp_path / "copy")))


def _undo(run: DataRun, stage: str) -> None:
    """As if the stage had never begun."""
    for path in (run.file(stage), run.file(stage).with_suffix(".json"), _calls(run, stage)):
        path.unlink(missing_ok=True)


def _calls(run: DataRun, stage: str) -> Path:
    return run.folder / "run" / "augment" / "calls" / f"{stage}.jsonl"


def _names(requests: list[Request]) -> Counter[str]:
    return Counter(request.name for request in requests)


def test_every_row_says_how_it_was_made(finished: DataRun) -> None:
    rows = finished.rows("generate")
    assert Counter(row["intent"] for row in rows) == {"harmful": 40, "benign": 20}
    for row in rows:
        assert row["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_tokens": 128}
        assert row["prefix"]
        assert row["model"] == "writer"
    assert len({row["seed"] for row in rows}) == 60
    assert {row["prefix"] for row in rows if row["intent"] == "harmful"} >= {
        "I have an idea for a prompt:"
    }


def test_headers_say_what_a_file_was_made_of(finished: DataRun) -> None:
    for stage in STAGES:
        header = finished.header(stage)
        assert header["stage"] == stage
        assert header["rows"] == len(finished.rows(stage)) > 0
        assert all(len(digest) == 64 for digest in header["inputs"].values())
        assert {"postern", "python", "numpy"} <= set(header["versions"])
        assert "base_url" not in json.dumps(header)
    assert finished.header("respond")["inputs"].keys() == {"filter"}
    assert "test/harmbench_eval.jsonl.gz" in finished.header("filter")["inputs"]


def test_twins_are_asked_for_and_those_that_the_teacher_agrees_about_stay(
    finished: DataRun,
) -> None:
    originals = {row["id"]: row for row in finished.rows("filter")}
    twins = finished.rows("twins")
    report = finished.report("twins")
    assert report["written"]["benign"]["with_prefix"]["calls"] == 12
    assert report["written"]["harmful"]["with_prefix"]["calls"] == 6
    assert len(twins) == report["benign"]["kept"] + report["harmful"]["kept"]
    for twin in twins:
        original = originals[twin["twin_of"]]
        assert {twin["intent"], original["intent"]} == {"harmful", "benign"}
    # The stub writes of weapons, and judges by such words, where a harmful twin is asked for.
    report = finished.report("label")
    assert report["benign_twins"] == {"pairs": 12, "agreed": 0}
    assert report["harmful_twins"] == {"pairs": 6, "agreed": 6}
    named = [row for row in finished.rows("label") if "twin" in row]
    assert Counter(row["twin"] for row in named) == {
        twin["id"]: 2 for twin in twins if twin["intent"] == "harmful"
    }
    assert {(row["source"], row["label"]) for row in named} == {
        ("generated_harmful", 1),
        ("generated_benign", 0),
    }
    prompts = {row["prompt"] for row in finished.rows("label")}
    assert prompts.isdisjoint(twin["text"] for twin in twins if twin["intent"] == "benign")


def test_each_instruction_has_both_answers_and_none(finished: DataRun) -> None:
    rows = finished.rows("respond")
    kept = len(finished.rows("filter"))
    assert Counter(row["stance"] for row in rows) == {None: kept, "refuse": kept, "comply": kept}
    for row in rows:
        assert (row["response"] is None) == (row["stance"] is None)
        if row["stance"] == "comply":
            assert row["response"].startswith("Sure, here is how:")
    assert finished.report("respond")["refuse"]["look_refusing"] == kept


def test_a_part_is_answered_and_answers_begin_in_several_ways(
    half_done: DataRun, finished: DataRun, stub: LlmStub
) -> None:
    beginnings = {"Sure, here is how:", "Yes. "}
    written = {}
    for most in (12, 24):
        line = f"prefixes = {json.dumps(sorted(beginnings))}"
        half_done.write_recipe(stub.url, prefixes=f"{line}\n[respond]\ninstructions = {most}")
        half_done.check("respond")
        rows = half_done.rows("respond")
        assert sum(row["stance"] is None for row in rows) == len(finished.rows("filter"))
        written[most] = [row for row in rows if row["stance"] == "comply"]
        assert len(written[most]) == most
        begun = [
            [one for one in beginnings if row["response"].startswith(one)] for row in written[most]
        ]
        assert all(len(one) == 1 for one in begun)
        assert {one for (one,) in begun} == beginnings
    assert [row for row in written[24] if row in written[12]] == written[12]


def test_soft_labels_are_rows_for_training(finished: DataRun) -> None:
    rows = finished.rows("label")
    assert {round(row["soft_label"], 9) for row in rows} == {0.9, 0.2}
    assert list(rows[0]) == ["source", "prompt", "response", "label", "soft_label"]
    report = finished.report("label")
    assert set(report["sources"]) == {"generated", "unlabelled", "labelled"}
    assert 0.9 < report["sources"]["labelled"]["chat"]["agreement"] <= 1
    config = read_recipe(finished.folder / "recipe.toml")
    run = Run(config, finished.folder / "data", finished.folder / "run", finished.folder, None)
    train = training_rows(run)
    split = run.rows("train")
    assert len(train) > len(split)
    assert [row.label for row in train[: len(split)]] == [row.label for row in split]
    assert all(row.soft_label is not None for row in train)
    assert {row.source for row in train} >= {"generated_harmful", "generated_benign"}


def test_generated_and_unlabelled_rows_share_no_prompt_with_what_is_held_out(
    finished: DataRun,
) -> None:
    held_out = {
        json.loads(line)["prompt"]
        for name in ("validation", "calibration")
        for line in (finished.folder / "run" / "rows" / f"{name}.jsonl").read_text().splitlines()
    }
    assert held_out
    assert held_out.isdisjoint(row["prompt"] for row in finished.rows("label"))


@pytest.mark.parametrize("stage", ["generate", "respond", "label"])
def test_a_killed_stage_goes_on_and_pays_for_no_call_twice(
    half_done: DataRun, finished: DataRun, stub: LlmStub, stage: str
) -> None:
    _undo(half_done, stage)
    stub.behaviour.delay_s = 0.02
    try:
        # Killed twice, each time with more answered than was under way at once.
        for count in (60, 120) if stage == "label" else (10, 25):
            process = half_done.start(stage)
            stub.wait_for(count)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert not half_done.file(stage).exists()
        stub.wait_until_idle()
        kept = {
            json.loads(line)["key"]
            for line in _calls(half_done, stage).read_text().split("\n")[:-1]
        }
        assert len(kept) > 5
    finally:
        stub.behaviour.delay_s = 0.0
    before = len(stub.requests)
    half_done.check(stage)
    assert half_done.file(stage).read_bytes() == finished.file(stage).read_bytes()
    # Paid twice is only what was under way at a kill, at most one call for each worker.
    twice = [name for name, count in _names(stub.answered()).items() if count > 1]
    workers = 16 if stage == "label" else 4
    assert len(twice) <= 2 * workers
    n_calls = len(_calls(half_done, stage).read_text().split("\n")) - 1
    assert len(stub.requests) - before == n_calls - len(kept)
    assert half_done.leftovers() == []


def test_a_killed_filter_starts_again(half_done: DataRun, finished: DataRun) -> None:
    _undo(half_done, "filter")
    process = half_done.start("filter")
    while "filter:" not in process.errors() and process.poll() is None:
        time.sleep(0.001)
    assert "filter:" in process.errors()  # its bar: it is at work
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not half_done.file("filter").exists()
    half_done.check("filter")
    assert half_done.file("filter").read_bytes() == finished.file("filter").read_bytes()


def test_a_finished_stage_makes_no_call(half_done: DataRun, stub: LlmStub) -> None:
    for stage in STAGES:
        before = half_done.file(stage).stat().st_mtime_ns
        half_done.check(stage)
        assert half_done.file(stage).stat().st_mtime_ns == before
    assert stub.requests == []


def test_more_rows_keep_the_calls_that_were_paid_for(half_done: DataRun, stub: LlmStub) -> None:
    half_done.write_recipe(stub.url, harmful="harmful = 45")
    half_done.check("generate")
    assert len(stub.requests) == 5
    assert len(half_done.rows("generate")) == 65
    line = half_done.fails("respond")
    assert "run stage 'filter' again" in line


def test_a_model_in_this_process_writes_and_the_filter_reads(
    half_done: DataRun, stub: LlmStub, tmp_path: Path
) -> None:
    llama = build_tiny_llama(tmp_path / "llama")
    # It has not learnt to stop, so every seventh token ends a text.
    ends = {"eos_token_id": list(range(3, 700, 7))}
    (llama / "generation_config.json").write_text(json.dumps(ends))
    half_done.write_recipe(
        stub.url,
        model=f'model = {{ kind = "local", model = "{llama}", batch_rows = 16 }}',
        exemplars="""exemplars = 0
categories = "families"
harmful_template = "Harmful{category}"
benign_template = "Harmless{category}"
sampling = { temperature = 8, max_tokens = 24 }""",
        # Its noise is of no language, and has few spaces.
        diversity_rows="diversity_rows = 0\nlanguages = []\nfewest_words = 1",
    )
    half_done.check("generate")
    rows = half_done.rows("generate")
    assert Counter(row["intent"] for row in rows) == {"harmful": 40, "benign": 20}
    assert {row["exemplar_source"] for row in rows} == {None}
    assert {row["finish"] for row in rows} <= {"stop", "length"}
    assert len({row["text"] for row in rows}) > 1
    (name,) = {row["model"] for row in rows}
    assert name.startswith("llama@")
    assert str(llama) not in half_done.file("generate").read_text()
    half_done.check("filter")
    assert half_done.report("filter")["harmful"]["read"] == 40
    # Nothing is written again while the weights are the same.
    before = half_done.file("generate").stat().st_mtime_ns
    half_done.check("generate")
    assert half_done.file("generate").stat().st_mtime_ns == before
    with (llama / "model.safetensors").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\x01\x02\x03\x04")
    half_done.check("generate")
    (other,) = {row["model"] for row in half_done.rows("generate")}
    assert other.startswith("llama@")
    assert other != name
    assert stub.requests == []


def test_what_a_prefix_is_worth_is_measured(half_done: DataRun, stub: LlmStub) -> None:
    half_done.write_recipe(stub.url, exemplars="exemplars = 3\nwithout_prefix_share = 0.5")
    half_done.check("generate")
    report = half_done.report("generate")["harmful"]
    assert report["with_prefix"]["success_rate"] == 1.0
    assert report["without_prefix"]["success_rate"] == 0.0  # the stub refuses without it
    assert report["without_prefix"]["complaints"] == {"refusal": report["without_prefix"]["calls"]}
    half_done.check("filter")
    dropped = half_done.report("filter")["harmful"]["dropped"]
    assert dropped["refusal"] == report["without_prefix"]["calls"]


def test_a_server_that_gives_the_prefix_back_changes_nothing(
    half_done: DataRun, finished: DataRun, stub: LlmStub
) -> None:
    stub.behaviour.echoes_prefix = True
    try:
        for stage in ("generate", "respond"):
            _undo(half_done, stage)
            half_done.check(stage)
            assert half_done.rows(stage) == finished.rows(stage)
    finally:
        stub.behaviour.echoes_prefix = False


def test_a_server_that_cannot_continue_is_refused_before_anything_is_paid(
    half_done: DataRun, stub: LlmStub
) -> None:
    _undo(half_done, "generate")
    stub.behaviour.honours_continuation = False
    try:
        line = half_done.fails("generate")
    finally:
        stub.behaviour.honours_continuation = True
    assert "ignores continue_final_message" in line
    assert len(stub.requests) == 3
    assert not half_done.file("generate").exists()


@pytest.mark.parametrize("stage", ["generate", "label"])
def test_a_full_disk_ends_in_one_line_and_loses_nothing(
    half_done: DataRun, finished: DataRun, stub: LlmStub, stage: str
) -> None:
    _undo(half_done, stage)
    line = half_done.fails(stage, largest_file=4096)
    assert "File too large" in line
    assert ".jsonl" in line
    assert not half_done.file(stage).exists()
    assert half_done.leftovers() == []
    kept = _calls(half_done, stage).read_bytes()
    assert 0 < len(kept) <= 4096
    assert kept.endswith(b"\n")
    half_done.check(stage)
    assert half_done.file(stage).read_bytes() == finished.file(stage).read_bytes()


def test_a_full_disk_names_the_file_of_the_split(half_done: DataRun) -> None:
    rows = half_done.folder / "run" / "rows"
    before = {path.name: path.read_bytes() for path in rows.iterdir()}
    assert "rows/train.jsonl" in half_done.fails("split", largest_file=4096)
    assert {path.name: path.read_bytes() for path in rows.iterdir()} == before


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_that_was_cut_at_the_end_of_a_line_is_not_used(
    half_done: DataRun, split: str
) -> None:
    path = half_done.folder / "run" / "rows" / f"{split}.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    _undo(half_done, "generate")
    line = half_done.fails("generate" if split == "train" else "label")
    assert f"{split}.jsonl" in line
    assert "split" in line or "run stage" in line


def test_labels_of_other_settings_are_not_trained_on(half_done: DataRun, stub: LlmStub) -> None:
    half_done.write_recipe(stub.url, rows='rows = ["generated", "labelled"]')
    assert "was labelled with other settings" in half_done.fails("distil")
    half_done.write_recipe(stub.url)
    recipe = half_done.folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[twins]", "[twins]\nleast_gap = 3.5"))
    assert "was labelled with other settings" in half_done.fails("distil")
    assert stub.requests == []


def test_a_disk_that_fills_at_the_end_leaves_no_half_file(
    half_done: DataRun, finished: DataRun, stub: LlmStub
) -> None:
    half_done.file("respond").unlink()
    line = half_done.fails("respond", largest_file=8192)
    assert "respond.jsonl" in line
    assert half_done.leftovers() == []
    assert not half_done.file("respond").exists()
    half_done.check("respond")
    assert stub.requests == []
    assert half_done.file("respond").read_bytes() == finished.file("respond").read_bytes()


def test_two_runs_on_one_folder(half_done: DataRun, stub: LlmStub) -> None:
    _undo(half_done, "generate")
    stub.behaviour.delay_s = 0.2
    process = half_done.start("generate")
    try:
        stub.wait_for(3)
        process.send_signal(signal.SIGSTOP)  # at work for as long as the other takes to start
        assert "another run is using this folder" in half_done.fails("generate")
    finally:
        stub.behaviour.delay_s = 0.0
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert max(_names(stub.answered()).values()) == 1


def _lines(path: Path) -> list[str]:
    return path.read_text().split("\n")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut_line", "ends in the middle of a line"),
        ("cut_rows", "contains 59 rows, but its header says 60"),
        ("no_header", "generate.jsonl:1: is not the header"),
        ("wrong_type", "generate.jsonl:3: intent"),
        ("unknown_field", "generate.jsonl:3: surprise"),
        ("not_json", "generate.jsonl:3: "),
        ("other_stage", "was written by stage 'respond', not 'generate'"),
        ("missing", "run the stage that writes it first"),
        ("empty", "ends in the middle of a line"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(
    half_done: DataRun, damage: str, message: str
) -> None:
    path = half_done.file("generate")
    lines = _lines(path)
    row = json.loads(lines[2])
    match damage:
        case "cut_line":
            path.write_text("\n".join(lines)[:-30])
        case "cut_rows":
            path.write_text("\n".join(lines[:-2]) + "\n")
        case "no_header":
            path.write_text("\n".join(lines[1:]))
        case "wrong_type":
            lines[2] = json.dumps(row | {"intent": "neutral"})
            path.write_text("\n".join(lines))
        case "unknown_field":
            lines[2] = json.dumps(row | {"surprise": 1})
            path.write_text("\n".join(lines))
        case "not_json":
            lines[2] = lines[2][:20]
            path.write_text("\n".join(lines))
        case "other_stage":
            shutil.copy(half_done.file("respond"), path)
        case "missing":
            path.unlink()
        case "empty":
            path.write_text("")
    half_done.file("filter").unlink()
    line = half_done.fails("filter")
    assert message in line
    assert row["text"] not in line
    assert not half_done.file("filter").exists()


def test_a_damaged_journal_is_named(half_done: DataRun) -> None:
    half_done.file("generate").unlink()
    path = _calls(half_done, "generate")
    lines = _lines(path)
    path.write_text("\n".join([lines[0], "{}", *lines[1:]]))
    assert "calls/generate.jsonl:2: is not an entry of a journal" in half_done.fails("generate")


def test_a_stage_without_its_section(half_done: DataRun) -> None:
    recipe = half_done.folder / "recipe.toml"
    recipe.write_text('name = "tiny"\nversion = "0.1"\n[distil]\nbase = "tiny"\n')
    assert "has no section [label]" in half_done.fails("label")
    stages = [stage.name for stage in stages_of(read_recipe(recipe))]
    assert stages == ["split", "distil", "export", "fit-policy", "evaluate", "publish"]


def test_without_test_sets_nothing_is_kept(half_done: DataRun) -> None:
    path = half_done.folder / "data" / "sources.json"
    entries = [entry for entry in json.loads(path.read_text()) if entry["split"] == "train"]
    path.write_text(json.dumps(entries))
    assert "no test set to decontaminate against" in half_done.fails("filter")


def test_a_teacher_of_another_kind_fails_in_one_line(half_done: DataRun, stub: LlmStub) -> None:
    _undo(half_done, "label")
    stub.behaviour.gives_logprobs = False
    try:
        assert "no log-probabilities" in half_done.fails("label")
    finally:
        stub.behaviour.gives_logprobs = True
    assert not half_done.file("label").exists()


def test_rows_of_which_the_teacher_cannot_tell_are_counted_and_left_out(
    half_done: DataRun, stub: LlmStub
) -> None:
    _undo(half_done, "label")
    stub.behaviour.top_logprobs = {"I": 0.9, "safe": 0.1}
    try:
        half_done.check("label")
    finally:
        stub.behaviour.top_logprobs = None
    report = half_done.report("label")
    assert report["cannot_tell"] == report["rows"] > 0
    assert half_done.rows("label") == []
