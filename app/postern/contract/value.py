"""`value` deferral: what asking the teacher is expected to gain.

The student's graph has a further output: linear functions of the state that feeds its classifier,
which say how likely the teacher is to put a wrong verdict right, and how likely to spoil a right
one; each for verdicts of unharmful and of harmful. Here they meet what the graph cannot know: the
slice, and how far the threshold is. No I/O.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from postern.contract.probability import log_odds, sigmoids

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Finite = Annotated[float, Field(allow_inf_nan=False)]

VALUE_OUTPUT: Final = "value"
"""The name of the output in the graph, (n, 4) float32."""
VALUE_COLUMNS: Final = 4
"""Repair where the student says unharmful, repair where harmful, harm where unharmful, where
harmful."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chance(_Frozen):
    """Log-odds of one event: output + bias + slope * distance.

    Each pair: below the threshold, and from the threshold on. The distance is that between
    probability and threshold, in nats of log-odds.
    """

    bias: tuple[Finite, Finite]
    slope: tuple[Finite, Finite]


class ValueHead(_Frozen):
    """Of one slice. With outputs of 0 it is a band around the threshold."""

    repair: Chance
    """The student is wrong, and student and teacher together are right."""
    harm: Chance
    """The student is right, and both together are wrong."""
    threshold: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
    """The teacher is asked from this gain on."""

    def gains(
        self, outputs: npt.NDArray[np.floating], probabilities: Floats, thresholds: Floats
    ) -> Floats:
        """(n,) in [-1, 1]: right verdicts that asking is expected to gain, for each exchange.

        outputs: (n, 4), of the graph; probabilities, thresholds: (n,) in [0, 1].
        """
        side, distance = sides_and_distances(probabilities, thresholds)
        place = np.arange(len(side))

        def chance(event: Chance, first: int) -> Floats:
            own = np.asarray(outputs, dtype=np.float64)[place, first + side]
            odds = own + np.array(event.bias)[side] + np.array(event.slope)[side] * distance
            return sigmoids(odds)

        return chance(self.repair, 0) - chance(self.harm, 2)

    def wants_teacher(self, gain: float) -> bool:
        """Whether an exchange with this gain is put to the teacher."""
        return gain >= self.threshold


def sides_and_distances(probabilities: Floats, thresholds: Floats) -> tuple[Ints, Floats]:
    """(n,) 1 from the threshold on, else 0; and (n,) how far it is, >= 0, in nats of log-odds."""
    side = np.asarray(probabilities >= thresholds, dtype=np.int64)
    return side, np.abs(log_odds(probabilities) - log_odds(thresholds))
