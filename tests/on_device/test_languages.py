"""The identifier of languages in the package says what the server's says, to the last number."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import struct

import numpy as np
import numpy.typing as npt
import pytest
from postern.languages.model import load_identifier

from scripts.on_device import languages
from scripts.on_device.__main__ import FOLDER
from scripts.on_device.readings import ROUNDING, WatchedReader, exact_shares
from scripts.on_device.words import WORDS


def _content() -> bytes:
    return gzip.decompress((FOLDER / languages.FILE).read_bytes())


def test_the_file_holds_the_whole_automaton_and_table() -> None:
    """Read as the module says that it is written. Every state is compared, with all its moves."""
    model, content = load_identifier(), _content()
    (size,) = struct.unpack_from("<I", content)
    head, at = json.loads(content[4 : 4 + size]), 4 + size

    def take(count: int) -> npt.NDArray[np.uint8]:
        nonlocal at
        at += count
        return np.frombuffer(content, np.uint8, count, at - count)

    def numbers(count: int) -> npt.NDArray[np.uint16]:
        low, high = take(count), take(count)
        return np.stack([low, high], axis=1).view("<u2").ravel()

    states, features = head["states"], head["features"]
    counts, labels = take(states), take(states - 1)
    own = np.unpackbits(take((states + 7) // 8))[:states]
    values = np.split(numbers(sum(head["sizes"])), np.cumsum(head["sizes"])[:-1])
    masks = take(len(head["codes"]) * ((features + 7) // 8)).reshape(len(head["codes"]), -1)
    told = np.unpackbits(masks, axis=1)[:, :features].astype(bool)
    ranks = np.zeros(told.shape, np.uint16)
    ranks[told] = numbers(int(told.sum()))
    assert at == len(content)

    assert head["codes"] == model.nb_classes
    assert head["prior"] == model.nb_pc.tolist()
    table = np.array([column[rank] for column, rank in zip(values, ranks, strict=True)]).T
    # The moves of the automaton, from the trie and the suffixes that follow from it.
    theirs = np.array(model.tk_nextmove).reshape(-1, 256)[np.array(model.tk_row)]
    output = np.array(model.tk_output)
    moves = np.zeros((states, 256), np.uint32)
    suffix, feature, same = np.zeros(states, int), np.full(states, -1), np.zeros(states, int)
    child, seen = 1, 0
    for state in range(states):
        moves[state] = moves[suffix[state]] if state else 0
        feature[state] = feature[suffix[state]] if state else -1
        if own[state]:
            feature[state], seen = seen, seen + 1
            assert (
                table[feature[state]] == model.nb_ptc.view(np.uint16)[output[same[state]]]
            ).all()
        for _ in range(counts[state]):
            byte = labels[child - 1]
            suffix[child] = moves[state, byte] if state else 0
            moves[state, byte] = child
            same[child] = theirs[same[state], byte]
            child += 1
    assert (child, seen) == (states, features)
    assert len(set(same.tolist())) == states
    assert (same[moves] == theirs[same]).all()
    number = np.full(states, -1)
    number[output[same[own == 1]]] = feature[own == 1]
    assert (np.where(output[same] < 0, -1, number[output[same]]) == feature).all()


def test_a_file_that_says_the_same_stays_as_it_is() -> None:
    """Compressors differ in their bytes, and the package holds the hash of these."""
    other = gzip.compress(languages.unpacked(), 1, mtime=0)
    assert languages.packed(other) == other
    for spoilt in (None, b"", other[:-9], gzip.compress(b"x")):
        assert gzip.decompress(languages.packed(spoilt)) == languages.unpacked()


def test_it_is_small() -> None:
    assert (FOLDER / languages.FILE).stat().st_size < 4 << 20


def test_the_licence_of_the_data_comes_with_it() -> None:
    assert importlib.metadata.metadata("py3langid")["License-Expression"] == "BSD-3-Clause"
    text = (FOLDER / languages.LICENCE_FILE).read_text("utf-8")
    assert "BSD 3-Clause License" in text
    assert "Marco Lui" in text


@pytest.mark.parametrize("name", WORDS)
def test_the_formula_is_the_one_of_py3langid(name: str) -> None:
    """It rounds to 32 bits. A probability counts as near a bound from twice this difference on."""
    text = " ".join(WORDS[name])[:400]
    exact = exact_shares(text)
    for code, share in load_identifier().rank(text):
        assert share == pytest.approx(exact[code], rel=ROUNDING / 2, abs=1e-6)


def test_what_rounding_may_decide_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = WatchedReader(["en"])
    text = " ".join(WORDS["de"])
    assert reader.answer((text,)) == ["de", False]
    share = exact_shares(text)["en"]
    for factor, clear in ((1.0005, False), (0.9995, False), (1.002, True), (0.998, True)):
        monkeypatch.setattr("postern.languages.reader._LEAST_PROBABILITY", share * factor)
        assert (reader.answer((text,)) is not None) is clear
