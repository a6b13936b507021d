"""Windows that a tokenizer could give, for property tests of what runs them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from postern.contract.windows import Window


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Any ids of the vocabulary between the frame's, as a prompt or a pair."""
    inner = draw(st.lists(st.integers(4, 150), max_size=61))
    split = draw(st.none() | st.integers(0, len(inner)))
    if split is None:
        ids, types = [2, *inner, 3], [0] * (len(inner) + 2)
    else:
        ids = [2, *inner[:split], 3, *inner[split:], 3]
        types = [0] * (split + 2) + [1] * (len(inner) - split + 1)
    return Window(np.array(ids[:64], dtype=np.int64), np.array(types[:64], dtype=np.int64))
