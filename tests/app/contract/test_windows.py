"""Padding: on the right, under a zero mask, rounded up, and never changing an id."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from postern.contract.windows import pad

from tests.fakes import window_of


@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=12),
    pad_id=st.integers(0, 9),
    multiple=st.sampled_from([1, 8, 16]),
)
@settings(max_examples=100)
def test_padding_keeps_every_window(lengths: list[int], pad_id: int, multiple: int) -> None:
    windows = [window_of(100 + index, length) for index, length in enumerate(lengths)]
    for window in windows:
        window.type_ids[-1] = 1
    ids, mask, types = pad(windows, pad_id=pad_id, multiple_of=multiple)
    assert ids.shape == mask.shape == types.shape
    assert {array.dtype for array in (ids, mask, types)} == {np.dtype(np.int64)}
    assert ids.shape[1] % multiple == 0
    assert 0 <= ids.shape[1] - max(lengths) < multiple
    for row, window in enumerate(windows):
        n = window.length
        np.testing.assert_array_equal(ids[row, :n], window.ids)
        np.testing.assert_array_equal(types[row, :n], window.type_ids)
        np.testing.assert_array_equal(mask[row], [1] * n + [0] * (ids.shape[1] - n))
        assert (ids[row, n:] == pad_id).all()
        assert (types[row, n:] == 0).all()
