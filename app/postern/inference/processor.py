"""What the processor can do that decides how an engine must be set."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# Each of them adds products of uint8 and int8 in 32 bits. Older instructions add pairs in 16 bits,
# where they overflow.
_EXACT: Final = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16"})
_WIDE: Final = frozenset({"avx512_vnni"})
_TILES: Final = frozenset({"amx_int8", "amx_bf16"})


def multiplies_int8_exactly(cpuinfo: Path = CPUINFO) -> bool:
    """Whether products of uint8 and int8 cannot overflow here, as far as the system tells.

    False where it does not tell, which costs speed and nothing else.
    """
    return not _EXACT.isdisjoint(_flags(cpuinfo))


def multiplies_in_tiles(cpuinfo: Path = CPUINFO) -> bool:
    """Whether there are tiles (AMX) for int8 and for bfloat16, as far as the system tells."""
    return _flags(cpuinfo) >= _TILES


def multiplies_int8_in_512_bits(cpuinfo: Path = CPUINFO) -> bool:
    """Whether a register of 512 bits holds such products, as far as the system tells.

    Every processor with tiles has these, too.
    """
    return _flags(cpuinfo) >= _WIDE


def multiplies_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether there are products of bfloat16 in hardware, as far as the system tells."""
    return not _BFLOAT16.isdisjoint(_flags(cpuinfo))


def _flags(cpuinfo: Path) -> frozenset[str]:
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
