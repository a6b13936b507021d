"""What the system tells of its processor, as files of real ones say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern.inference.processor import (
    multiplies_bfloat16,
    multiplies_in_tiles,
    multiplies_int8_exactly,
    multiplies_int8_in_512_bits,
)


@pytest.mark.parametrize(
    ("flags", "exact", "wide", "bfloat16", "tiles"),
    [
        ("fpu sse4_2 avx avx2 fma", False, False, False, False),  # Broadwell
        ("fpu avx2 avx512f avx512vl avx512bw", False, False, False, False),  # Skylake
        ("fpu avx2 avx512f avx512_vnni", True, True, False, False),  # Ice Lake
        ("fpu avx512_bf16 avx512_vnni", True, True, True, False),  # Zen 4
        ("fpu avx2 avx_vnni", True, False, False, False),  # Alder Lake
        ("fpu avx512_vnni amx_bf16 amx_tile amx_int8", True, True, True, True),  # Sapphire Rapids
        ("fpu avx2 avx512_vnnivnni", False, False, False, False),
    ],
)
def test_the_flags_decide(
    tmp_path: Path, flags: str, exact: bool, wide: bool, bfloat16: bool, tiles: bool
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: X\nflags\t\t: {flags}\nbugs\t\t: none\n")
    assert multiplies_int8_exactly(path) is exact
    assert multiplies_int8_in_512_bits(path) is wide
    assert multiplies_bfloat16(path) is bfloat16
    assert multiplies_in_tiles(path) is tiles


def test_a_system_that_does_not_tell_is_not_trusted(tmp_path: Path) -> None:
    assert not multiplies_int8_exactly(tmp_path / "none")
    (tmp_path / "arm").write_bytes(b"processor\t: 0\nFeatures\t: fp asimd \xff\n")
    assert not multiplies_int8_exactly(tmp_path / "arm")
    for told in (multiplies_int8_in_512_bits, multiplies_bfloat16, multiplies_in_tiles):
        assert not told(tmp_path / "none")
