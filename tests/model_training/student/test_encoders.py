"""Any encoder: trained, exported behind the gate, served; and finished classifiers taken over."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.artifact import read_artifact
from postern.contract.exchange import Exchange
from postern.contract.text import segments
from postern.inference.tokenizer import Tokenizer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from model_training.__main__ import main
from model_training.errors import RecipeInvalid
from model_training.recipe.config import DistilConfig, WindowConfig
from model_training.run.candidate import EXPORT, read_json
from model_training.student.encoders import check_fits, load_base, read_tokenizer_json
from model_training.student.graph import load_student
from tests.conftest import PATIENT
from tests.server_process import ROOT, ServerProcess
from tests.tiny_data import build_tiny_data
from tests.tiny_encoders import BASES, PAD_ID

_RECIPE = """
name = "miniature"
version = "0.1.0"

[data]
validation_share = 0.2
calibration_share = 0.3

[distil]
base = "{base}"
window_tokens = 64
overlap_tokens = 8
shortest_window_tokens = 32
n_draws = {n_draws}
batch_tokens = 1024
gradient_accumulation = 2
warmup_steps = 20
learning_rate = 3e-3
evaluations = 2
evaluation_rows = 100
precision = "{precision}"

[export]
calibration_rows = 64
quantization = "auto"

[behaviour]
cases = 10
"""
HARMFUL = "please tell me how to make a bomb"
HARMLESS = "please tell me how to bake a cake"


def run_main(folder: Path, *arguments: str) -> str:
    """Runs a command of model_training here; returns what it printed to stderr on failure."""
    errors = io.StringIO()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small only wait for each other on several cores
    try:
        with contextlib.redirect_stderr(errors):
            code = main(
                [
                    *arguments,
                    *("--data", str(folder / "data")),
                    *("--artifacts", str(folder / "artifacts")),
                    *("--threads", "1"),
                ]
            )
    finally:
        torch.set_num_threads(threads)
    return errors.getvalue() if code else ""


@functools.cache
def trained(family: str, precision: str = "fp32", n_draws: int = 9000) -> Path:
    """A folder with base, data, run and artifacts of a whole recipe."""
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{family}-"))
    build_tiny_data(folder / "data")
    base = BASES[family](folder / "base")
    (folder / "recipe.toml").write_text(
        _RECIPE.format(base=base, precision=precision, n_draws=n_draws)
    )
    problem = run_main(
        folder, "run", "--recipe", str(folder / "recipe.toml"), "--run", str(folder / "run")
    )
    assert not problem, problem[-2000:]
    return folder


def verdicts(artifact: Path) -> dict[str, Any]:
    """What the real server says: a harmful and a harmless prompt, a pair, and a long text."""
    long = f"{HARMLESS} " * 40 + HARMFUL + f" {HARMLESS}" * 40
    inputs = [
        {"prompt": HARMFUL},
        {"prompt": HARMLESS},
        {"prompt": HARMLESS, "response": "sure first build a weapon with poison"},
        {"prompt": HARMLESS, "response": "sure first mix some water and flour"},
        {"prompt": long},
    ]
    with ServerProcess(["-m", "postern", "serve"], PATIENT | {"artifact": artifact}) as server:
        server.wait_until_ready()
        # The rows are separated without error, so the fitted thresholds lie at the edge of a gap.
        reply = server.classify({"inputs": inputs, "threshold": 0.5})
    assert reply.status_code == 200, reply.text
    results = reply.json()["results"]
    assert results[4]["windows"] > 5
    return {"harmful": [found["harmful"] for found in results], "results": results}


@pytest.mark.slow
@pytest.mark.parametrize("family", BASES)
def test_train_export_parity_and_serve(family: str) -> None:
    folder = trained(family)
    artifact = folder / "artifacts" / "miniature" / "0.1.0"
    manifest = read_artifact(artifact).manifest
    exported = read_json(folder / "run" / "candidate" / EXPORT)

    assert manifest.pad_id == PAD_ID.get(family, manifest.pad_id)
    assert manifest.pad_id == exported["pad_id"]
    if family == "modernbert":
        assert manifest.pad_id > 100, "its padding is the last token"
    assert exported["quantization"] == "static", exported["refused"]
    assert exported["quantized_layers"] >= 8
    assert exported["parity"]["verdict_agreement"] >= 0.99
    assert verdicts(artifact)["harmful"] == [True, False, True, False, True]


@pytest.mark.parametrize("family", BASES)
def test_windows_hold_what_the_familys_own_tokenizer_makes(family: str, tmp_path: Path) -> None:
    base = BASES[family](tmp_path / "base")
    reference = AutoTokenizer.from_pretrained(base)
    ours = Tokenizer(read_tokenizer_json(str(base)), window_tokens=64, overlap_tokens=8)
    for prompt, response in ((HARMFUL, None), (HARMLESS, HARMFUL), ("a kitchen, 2 knives!", "no")):
        window = ours.encode(segments(Exchange(prompt, response))).windows[0]
        expected = reference(prompt, response) if response else reference(prompt)
        assert window.ids.tolist() == expected["input_ids"]
        if "token_type_ids" in expected:
            assert window.type_ids.tolist() == expected["token_type_ids"]


_SEPARATORS = st.sampled_from(["", " ", "a", "[", "bomb"])


@pytest.mark.parametrize("family", BASES)
def test_what_a_user_types_is_never_a_special_token(
    family: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = BASES[family](tmp_path_factory.mktemp("base"))
    reference = AutoTokenizer.from_pretrained(base)
    ours = Tokenizer(read_tokenizer_json(str(base)), window_tokens=128, overlap_tokens=0)
    names = [name for name in reference.all_special_tokens if name != reference.unk_token]
    ids = reference.convert_tokens_to_ids(names)
    assert isinstance(ids, list)
    special = set(ids)
    plain = ours.encode(("bomb",)).windows[0].ids[1:-1].tolist()

    @given(st.lists(st.tuples(st.sampled_from(names), _SEPARATORS), max_size=6))
    def check(typed: list[tuple[str, str]]) -> None:
        text = "bomb" + "".join(name + separator for name, separator in typed)
        inner = ours.encode((text,)).windows[0].ids[1:-1].tolist()
        assert not special & set(inner)
        assert set(plain) & set(inner), "the rest is read"

    check()


@pytest.mark.slow
def test_trained_in_bfloat16_a_deberta_is_served_as_in_float32() -> None:
    # bfloat16 is slow where the processor has no such products: fewer draws.
    folder = trained("deberta-v3", "bf16", 6500)
    student = load_student(folder / "run" / "student")
    tokenizer = Tokenizer(
        (folder / "run" / "student" / "tokenizer.json").read_bytes(),
        window_tokens=64,
        overlap_tokens=8,
    )
    margins = []
    for text in (HARMFUL, HARMLESS, f"{HARMLESS} {HARMLESS} {HARMLESS}"):
        ids = torch.from_numpy(tokenizer.encode((text,)).windows[0].ids)[None]
        # A second row with padding: its fully masked places are where half precision gave NaN.
        padded = torch.nn.functional.pad(ids, (0, 8))
        mask = torch.nn.functional.pad(torch.ones_like(ids), (0, 8))
        with torch.no_grad():
            exact = student.model(input_ids=padded, attention_mask=mask).logits
            with torch.autocast("cpu", dtype=torch.bfloat16):
                rough = student.model(input_ids=padded, attention_mask=mask).logits.float()
        assert torch.isfinite(rough).all()
        margins.append([float(one[0, 1] - one[0, 0]) for one in (exact, rough)])
    for exact_margin, rough_margin in margins:
        assert rough_margin == pytest.approx(exact_margin, abs=0.3)
    artifact = folder / "artifacts" / "miniature" / "0.1.0"
    assert verdicts(artifact)["harmful"] == [True, False, True, False, True]


def as_released(folder: Path, target: Path, *, half: bool = False) -> Path:
    """The trained student in the format of HarmAug-Guard: no names of labels, spm.model."""
    target.mkdir()
    config = json.loads((folder / "run" / "student" / "config.json").read_text())
    for key in ("id2label", "label2id", "problem_type"):
        config.pop(key, None)
    weights = load_file(folder / "run" / "student" / "model.safetensors")
    if half:
        weights = {name: value.half() for name, value in weights.items()}
        config["dtype"] = "float16"
    (target / "config.json").write_text(json.dumps(config))
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    for name in ("spm.model", "tokenizer_config.json"):
        shutil.copyfile(folder / "base" / name, target / name)
    return target


def import_it(folder: Path, source: Path, version: str, *more: str, index: int = 1) -> str:
    return run_main(
        folder,
        "import-classifier",
        *("--from", str(source), "--harmful-index", str(index)),
        *("--name", "guard", "--version", version, "--window-tokens", "64"),
        *("--run", str(folder / f"import-{version}"), *more),
    )


@pytest.mark.slow
def test_a_released_guard_is_taken_over_in_one_command(tmp_path: Path) -> None:
    folder = trained("deberta-v3")
    source = as_released(folder, tmp_path / "guard", half=True)
    problem = import_it(folder, source, "1.0.0", "--licence", "Apache-2.0")
    assert not problem, problem[-2000:]

    artifact = folder / "artifacts" / "guard" / "1.0.0"
    manifest = read_artifact(artifact).manifest
    assert manifest.licence == "Apache-2.0"
    assert manifest.run_config["imported"] == {"harmful_index": 1, "licence": "Apache-2.0"}
    assert manifest.run_config["distil"]["base"] == "guard", "no path of this machine"
    card = (artifact / "MODEL_CARD.md").read_text()
    assert "taken over" in card
    assert "AdamW" not in card
    assert str(tmp_path) not in card

    found = verdicts(artifact)
    assert found["harmful"] == [True, False, True, False, True]
    # Its own authors' way to ask it, uncalibrated and in float32.
    model = AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(source)
    pairs = [(HARMLESS, "sure first build a weapon with poison"), (HARMLESS, "some flour")]
    for pair, harmful in zip(pairs, (True, False), strict=True):
        with torch.no_grad():
            logits = model(**tokenizer(*pair, return_tensors="pt")).logits
        assert (torch.softmax(logits, dim=1)[0, 1].item() > 0.5) is harmful


@pytest.mark.slow
def test_the_command_of_the_guide_imports(tmp_path: Path) -> None:
    text = (ROOT / "docs/guides/training.md").read_text().replace("\\\n", " ")
    (line,) = [line for line in text.splitlines() if "import-classifier --from" in line]
    command = shlex.split(line)
    assert command[:3] == [".venv/bin/python", "-m", "model_training"]
    folder = trained("deberta-v3")
    source = as_released(folder, tmp_path / "guard")
    arguments = [str(source) if one == "hbseong/HarmAug-Guard" else one for one in command[3:]]
    assert not run_main(folder, *arguments, "--run", str(tmp_path / "run"))
    manifest = read_artifact(folder / "artifacts" / "harmaug-guard" / "1.0.0").manifest
    assert (manifest.window_tokens, manifest.licence) == (1024, "Apache-2.0")


@pytest.mark.slow
def test_a_wrong_harmful_index_is_refused(tmp_path: Path) -> None:
    folder = trained("deberta-v3")
    source = as_released(folder, tmp_path / "guard")
    problem = import_it(folder, source, "2.0.0", index=0)
    assert "is `harmful_index` right?" in problem.splitlines()[-1]
    assert not (folder / "artifacts" / "guard" / "2.0.0").exists()
    assert "none of index 2" in import_it(folder, source, "3.0.0", index=2).splitlines()[-1]


@pytest.mark.slow
def test_a_head_of_one_output_is_a_logit_against_zero(tmp_path: Path) -> None:
    folder = trained("deberta-v3")
    source = as_released(folder, tmp_path / "guard")
    weights = load_file(source / "model.safetensors")
    margin = {
        name: weights[name][1:] - weights[name][:1] for name in weights if "classifier" in name
    }
    save_file(
        {name: value.contiguous() for name, value in {**weights, **margin}.items()},
        source / "model.safetensors",
        metadata={"format": "pt"},
    )
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "id2label": {"0": "LABEL_0"}}))
    assert not import_it(folder, source, "4.0.0", "--quantization", "none", index=0)
    ours, theirs = (load_student(folder / run / "student").model for run in ("import-4.0.0", "run"))
    ids = torch.arange(4, 24)[None]
    with torch.no_grad():
        a, b = (model(input_ids=ids).logits[0].numpy() for model in (ours, theirs))
    np.testing.assert_allclose(a[1] - a[0], b[1] - b[0], atol=1e-4)


def test_windows_beyond_the_encoders_positions_are_refused(tmp_path: Path) -> None:
    base = str(BASES["roberta"](tmp_path / "base"))
    model = load_base(DistilConfig(base=base, window_tokens=64, overlap_tokens=8))
    content = read_tokenizer_json(base)
    check_fits(model, content, WindowConfig(window_tokens=64, overlap_tokens=8))
    with pytest.raises(RecipeInvalid, match="windows of 64 tokens, not 65"):
        check_fits(model, content, WindowConfig(window_tokens=65, overlap_tokens=8))


def test_a_tokenizer_of_another_encoder_is_refused(tmp_path: Path) -> None:
    small = BASES["bert"](tmp_path / "small")
    model = load_base(DistilConfig(base=str(small)))
    content = read_tokenizer_json(str(BASES["roberta"](tmp_path / "roberta")))
    with pytest.raises(RecipeInvalid, match="the tokenizer has a token"):
        check_fits(model, content, WindowConfig(window_tokens=64, overlap_tokens=8))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda base: (base / "config.json").write_text("{}"), "cannot be loaded"),
        (lambda base: (base / "config.json").unlink(), "cannot be loaded"),
        (
            lambda base: (base / "config.json").write_text('{"auto_map": {"AutoModel": "x.Y"}}'),
            "auto_map",
        ),
    ],
)
def test_a_folder_that_is_no_base_is_refused(
    spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    base = BASES["bert"](tmp_path / "base")
    spoil(base)
    with pytest.raises(RecipeInvalid, match=message):
        load_base(DistilConfig(base=str(base)))
