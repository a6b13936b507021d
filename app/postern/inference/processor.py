"""What the processor can do that decides how an engine must be set."""

from __future__ import annotations

from pathlib import Path
from typing import Final

CPUINFO: Final = Path("/proc/cpuinfo")
# Each of them adds products of uint8 and int8 in 32 bits. Older instructions add pairs in 16 bits,
# where they overflow.
_EXACT: Final = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def multiplies_int8_exactly(cpuinfo: Path = CPUINFO) -> bool:
    """Whether products of uint8 and int8 cannot overflow here, as far as the system tells.

    False where it does not tell, which costs speed and nothing else.
    """
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _EXACT.isdisjoint(flags.split())
