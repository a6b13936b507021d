"""The server's identifier of languages -> `on_device/data/languages.bin`, which TypeScript reads.

py3langid walks over the bytes of a text with an automaton of 40 MB and adds up a dense table of
16 MB. The automaton is that of Aho and Corasick, so its trie says all of it. In four fifths of the
table, a cell holds the least value of its column. The file has the trie and the other cells. Gzip
packs it, because browsers unpack that. In the order of the file, little-endian:

- the length of a header, uint32, and the header as JSON: `states`, `features`, `codes` and `prior`
  of each column, and `sizes`, the number of distinct values in each column;
- for each state, breadth first and by byte, its number of children (uint8); for each state but the
  root, the byte that leads to it (uint8); for each state, whether it ends a feature (one bit, the
  highest first). Features are numbered in this order;
- the distinct values of each column, the least one first: the low bytes of these float16, and then
  the high ones;
- for each column, whether each feature has another value than the least (one bit, whole bytes);
- for these, column after column, the number of the value among the column's: low bytes, then high.
"""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import json
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from postern.languages.model import load_identifier

FILE: Final = "data/languages.bin"
LICENCE_FILE: Final = "data/LICENSE.py3langid"
_BYTES: Final = 256

Ints = npt.NDArray[np.int64]


def licence() -> str:
    """Of py3langid and its data; whoever passes on the data must pass this on."""
    text = importlib.metadata.distribution("py3langid").read_text("licenses/LICENSE")
    if not text:
        raise ValueError("py3langid comes without its licence")
    return text.rstrip() + "\n"


def packed(before: bytes | None) -> bytes:
    """The file. `before`, if it says the same: compressors of one format differ in their bytes."""
    content = unpacked()
    if before is not None:
        try:
            if gzip.decompress(before) == content:
                return before
        except (OSError, EOFError):
            pass
    return gzip.compress(content, 9, mtime=0)


@functools.cache  # seconds of work, and nothing else decides it
def unpacked() -> bytes:
    """The content before it is packed. Raises ValueError where the automaton is no such trie."""
    identifier = load_identifier()
    moves = np.array(identifier.tk_nextmove).reshape(-1, _BYTES)
    rows = np.array(identifier.tk_row)
    counts, labels, features = _trie(moves, rows, np.array(identifier.tk_output))
    values, sizes, ranks = _ranked(identifier.nb_ptc[features[features >= 0]].view(np.uint16))
    told = ranks.T[ranks.T > 0]
    header = {
        "states": len(counts),
        "features": len(ranks),
        "codes": identifier.nb_classes,
        "prior": identifier.nb_pc.tolist(),
        "sizes": sizes,
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    parts: list[npt.NDArray[Any]] = [
        counts.astype(np.uint8),
        labels.astype(np.uint8),
        np.packbits(features >= 0),
        *_planes(values),
        np.packbits(ranks.T > 0, axis=1),
        *_planes(told),
    ]
    return b"".join((struct.pack("<I", len(head)), head, *(part.tobytes() for part in parts)))


def _planes(numbers: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.uint8], ...]:
    return (numbers & 0xFF).astype(np.uint8), (numbers >> 8).astype(np.uint8)


def _trie(moves: npt.NDArray[Any], rows: npt.NDArray[Any], out: npt.NDArray[Any]) -> Any:
    """Children of each state, the byte that leads to each, and the feature that it adds or -1.

    moves: (rows, 256) next states; rows: of each state; out: feature of each state, or -1.
    Raises ValueError unless every state does what the longest of its suffixes in the trie does,
    except where it has a child or a feature of its own.
    """
    total = len(rows)
    suffix = np.full(total, -1)
    suffix[0] = 0
    counts, labels, features = np.zeros(total, int), np.zeros(total, int), np.full(total, -1)
    found, at = [0], 0
    while at < len(found):
        state = found[at]
        row = moves[rows[state]]
        base = moves[rows[suffix[state]]] if state else np.zeros(_BYTES, int)
        inherited = out[suffix[state]] if state else -1
        if out[state] != inherited:
            features[at] = out[state]
        for byte in np.flatnonzero(row != base):
            child = int(row[byte])
            if suffix[child] >= 0:
                raise ValueError("two ways lead to a state, so this is no trie")
            suffix[child] = base[byte]
            counts[at] += 1
            labels[len(found)] = byte
            found.append(child)
        at += 1
    if at != total or counts.max() >= _BYTES or (features >= 0).sum() != len(set(out.tolist())) - 1:
        raise ValueError("a state cannot be reached, or a feature has not exactly one state")
    return counts, labels[1:], features


def _ranked(
    table: npt.NDArray[np.uint16],
) -> tuple[npt.NDArray[np.uint16], list[int], npt.NDArray[np.uint16]]:
    """Distinct values of all columns, their number in each, and the place of each value there.

    table: (features, columns), float16 as bits, all negative: more bits are a lesser value.
    """
    ranks = np.empty_like(table)
    columns = []
    for column in range(table.shape[1]):
        values, places = np.unique(table[:, column], return_inverse=True)
        columns.append(values[::-1])
        ranks[:, column] = len(values) - 1 - places
    return np.concatenate(columns), [len(one) for one in columns], ranks
