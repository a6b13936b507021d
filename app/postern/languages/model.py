"""Loads the identifier from its package: into memory alone, and only the languages that are kept.

The package's own loader writes a temporary file, and a server writes nothing. All its 140 languages
would take twice the memory, and those of few speakers mostly catch English names.
"""

from __future__ import annotations

import functools
import io
import lzma
import math
import shutil
import struct
import zipfile
from array import array
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from py3langid.langid import MODEL_FILE, LanguageIdentifier

_KEPT_CODES: Final = (
    "af am ar ary arz az be bg bn bs ca cs cy da de el en es et eu fa fi fr gl gu ha he hi hr hu hy"
    " id is it ja jv ka kk km kn ko ku ky lo lt lv mk ml mn mr ms my ne nl no pa pl ps pt ro ru si"
    " sk sl so sq sr sv sw ta te th tl tr uk ur uz vi zh"
)
_KEPT: Final = frozenset(_KEPT_CODES.split(" "))
_ROOM_BYTES: Final = 80 << 20
# Of the header of a member in a ZIP archive: its size, and where the lengths of what follows stand.
_HEADER_BYTES: Final = 30
_LENGTHS_AT: Final = 26


@functools.cache
def load_identifier() -> LanguageIdentifier:
    """The identifier, with probabilities. It is never changed, so one serves a whole process."""
    unpacked = io.BytesIO()
    path = resources.files("py3langid").joinpath(MODEL_FILE)
    # Room at once: growing by and by would leave 35 MB of garbage in the heap.
    unpacked.seek(_ROOM_BYTES)
    unpacked.write(b"\0")
    unpacked.seek(0)
    with path.open("rb") as file, lzma.open(file) as packed:
        shutil.copyfileobj(packed, unpacked, 1 << 16)
    unpacked.truncate()
    classes = _member(unpacked, "classes").tolist()
    kept = [index for index, code in enumerate(classes) if code in _KEPT]
    return LanguageIdentifier(
        _member(unpacked, "ptc").take(kept, axis=1),
        _member(unpacked, "pc")[kept],
        [classes[index] for index in kept],
        _array(_member(unpacked, "nextmove")),
        _array(_member(unpacked, "out_feat")),
        norm_probs=True,
        tk_row=_array(_member(unpacked, "nextmove_row")),
    )


def _member(unpacked: io.BytesIO, name: str) -> npt.NDArray[Any]:
    """A view of an array in a file of numpy; not a copy."""
    with zipfile.ZipFile(unpacked) as archive:
        info = archive.getinfo(f"{name}.npy")
    buffer = unpacked.getbuffer()
    lengths = struct.unpack_from("<HH", buffer, info.header_offset + _LENGTHS_AT)
    unpacked.seek(info.header_offset + _HEADER_BYTES + sum(lengths))
    np.lib.format.read_magic(unpacked)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(unpacked)
    found = np.frombuffer(buffer, dtype, math.prod(shape), unpacked.tell())
    return found.reshape(shape, order="F" if is_fortran else "C")


def _array(numbers: npt.NDArray[np.generic]) -> array[int]:
    """The numbers as a plain array, whose items are read more quickly."""
    made: array[int] = array(numbers.dtype.char)
    made.frombytes(np.ascontiguousarray(numbers).data.cast("B"))
    return made
