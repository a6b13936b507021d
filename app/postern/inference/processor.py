"""What the processor can do that decides how an engine must be set."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# Each of them adds products of uint8 and int8 in 32 bits. Older instructions add pairs in 16 bits,
# where they overflow.
_EXACT: Final = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_TILES: Final = frozenset({"amx_int8", "amx_bf16"})


def multiplies_int8_exactly(cpuinfo: Path = CPUINFO) -> bool:
    """Whether products of uint8 and int8 cannot overflow here, as far as the system tells.

    False where it does not tell, which costs speed and nothing else.
    """
    return not _EXACT.isdisjoint(_flags(cpuinfo))


def multiplies_in_tiles(cpuinfo: Path = CPUINFO) -> bool:
    """Whether there are tiles (AMX) for int8 and for bfloat16, as far as the system tells."""
    return _flags(cpuinfo) >= _TILES


def _flags(cpuinfo: Path) -> frozenset[str]:
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())
