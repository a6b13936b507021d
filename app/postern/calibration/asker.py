"""The interface through which calibration asks a teacher, without knowing which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from postern.contract.certificate import AskedTeacher
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats


class Asker(Protocol):
    """A teacher that answers for a sample."""

    def __call__(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful probability in [0, 1]; NaN if it gave none."""
        ...

    @property
    def certified(self) -> AskedTeacher:
        """Who was asked, and the outcomes so far."""
        ...
