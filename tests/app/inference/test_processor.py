"""What the system tells of its processor, as files of real ones say it."""

from __future__ import annotations

from pathlib import Path

import pytest
from postern.inference.processor import multiplies_in_tiles, multiplies_int8_exactly


@pytest.mark.parametrize(
    ("flags", "exact", "tiles"),
    [
        ("fpu sse4_2 avx avx2 fma", False, False),  # Broadwell
        ("fpu avx2 avx512f avx512vl avx512bw", False, False),  # Skylake
        ("fpu avx2 avx512f avx512_vnni", True, False),  # Ice Lake, Zen 4
        ("fpu avx2 avx_vnni", True, False),  # Alder Lake
        ("fpu avx512_vnni amx_bf16 amx_tile amx_int8", True, True),  # Sapphire Rapids
        ("fpu avx2 avx512_vnnivnni", False, False),
    ],
)
def test_the_flags_decide(tmp_path: Path, flags: str, exact: bool, tiles: bool) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: X\nflags\t\t: {flags}\nbugs\t\t: none\n")
    assert multiplies_int8_exactly(path) is exact
    assert multiplies_in_tiles(path) is tiles


def test_a_system_that_does_not_tell_is_not_trusted(tmp_path: Path) -> None:
    assert not multiplies_int8_exactly(tmp_path / "none")
    (tmp_path / "arm").write_bytes(b"processor\t: 0\nFeatures\t: fp asimd \xff\n")
    assert not multiplies_int8_exactly(tmp_path / "arm")
    assert not multiplies_in_tiles(tmp_path / "none")
