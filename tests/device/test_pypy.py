# SPDX-License-Identifier: Apache-2.0
"""What takes the place of an exception from C on PyPy."""

from __future__ import annotations

import pytest

from edgeart.policy import Policy
from edgeart.pypy import raising
from tests.support.bundles import FULL, bundle


def test_a_record_without_a_total_is_a_lookup_error_and_others_are_passed_on() -> None:
    policy = Policy.from_bytes(bundle())
    context = policy.context(FULL, seed=1)
    some = policy.select(context, "title-3")._record
    none = policy._ffi.new("ea_decision *")
    assert raising(lambda *_: some)(1, 2) is some
    with pytest.raises(LookupError):
        raising(lambda *_: none)(1, 2)


def test_c_raises_here_what_python_then_says_better() -> None:
    policy = Policy.from_bytes(bundle())
    context = policy.context(FULL, seed=1)
    for find in (policy._lib.edgeart_select, policy._lib.edgeart_select_within):
        limits = () if find == policy._lib.edgeart_select else (policy._ffi.NULL,)
        with pytest.raises(LookupError):
            find(policy._handle, context._handle, b"nobody", 6, *limits)
