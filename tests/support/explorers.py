# SPDX-License-Identifier: Apache-2.0
"""Every explorer with any parameters that bundle.md §5 allows, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from edgeart_export import (
    EpsilonGreedy,
    Explorer,
    Fixed,
    Greedy,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
)

_FLOORS = st.floats(0, 1)
_SCALES = st.floats(2**-20, 2**20)

EXPLORERS: st.SearchStrategy[Explorer] = st.one_of(
    st.builds(Fixed, floor=_FLOORS),
    st.builds(Uniform, floor=_FLOORS),
    st.builds(Greedy, floor=_FLOORS),
    st.builds(EpsilonGreedy, st.floats(0, 1), floor=_FLOORS),
    st.builds(Softmax, _SCALES, floor=_FLOORS),
    st.builds(SquareCB, st.floats(0, 2**40), floor=_FLOORS),
    st.builds(Thompson, _SCALES, floor=_FLOORS),
    st.builds(Ucb, _SCALES, floor=_FLOORS),
)
