"""`value` deferral: the expected gain of asking the teacher.

The student's graph has a further output: linear functions of the state that feeds its classifier.
They estimate how likely the teacher is to correct a wrong verdict and how likely it is to spoil a
right one, separately for unharmful and harmful verdicts. This module combines them with what the
graph cannot know: the slice and the distance from the threshold. No I/O.
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
"""Name of the output in the graph, (n, 4) float32."""
VALUE_COLUMNS: Final = 4
"""Repair if the student says unharmful, repair if harmful; harm if unharmful, harm if harmful."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chance(_Frozen):
    """Log-odds of one event: output + bias + slope * distance.

    Each pair holds the value below the threshold and the value from the threshold on. The distance
    is that between probability and threshold, in nats of log-odds.
    """

    bias: tuple[Finite, Finite]
    slope: tuple[Finite, Finite]


class ValueHead(_Frozen):
    """The value head of one slice. With outputs of 0 it is a band around the threshold."""

    repair: Chance
    """The student is wrong, but student and teacher together are right."""
    harm: Chance
    """The student is right, but student and teacher together are wrong."""
    threshold: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
    """Gain from which the teacher is asked."""

    def gains(
        self, outputs: npt.NDArray[np.floating], probabilities: Floats, thresholds: Floats
    ) -> Floats:
        """(n,) in [-1, 1]: expected gain of asking about each exchange, in right verdicts.

        outputs: (n, 4), from the graph; probabilities, thresholds: (n,) in [0, 1].
        """
        side, distance = sides_and_distances(probabilities, thresholds)
        place = np.arange(len(side))

        def chance(event: Chance, first: int) -> Floats:
            own = np.asarray(outputs, dtype=np.float64)[place, first + side]
            odds = own + np.array(event.bias)[side] + np.array(event.slope)[side] * distance
            return sigmoids(odds)

        return chance(self.repair, 0) - chance(self.harm, 2)

    def wants_teacher(self, gain: float) -> bool:
        """Tell whether an exchange with this gain goes to the teacher."""
        return gain >= self.threshold


def sides_and_distances(probabilities: Floats, thresholds: Floats) -> tuple[Ints, Floats]:
    """(n,) 1 from the threshold on, else 0; and (n,) distance from it, >= 0, in nats of
    log-odds."""
    side = np.asarray(probabilities >= thresholds, dtype=np.int64)
    return side, np.abs(log_odds(probabilities) - log_odds(thresholds))
