# SPDX-License-Identifier: Apache-2.0
"""Codes of an earlier bundle are kept while they will do, and never cost more than is bounded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import edgeart
from edgeart_export import ModelError, PolicyModel, bundle_bytes, write_bundle
from edgeart_export.bundle import write
from edgeart_export.bundle.compare import Difference
from edgeart_export.format.document import Document
from edgeart_export.quantize import (
    STABLE,
    clean,
    decode_variances,
    encode_variances,
    quantize_rows,
    relative_error,
    stable_rows,
)

ROWS = hnp.arrays(
    np.float32, (4, 7), elements=st.floats(-8, 8, width=32).filter(lambda x: abs(x) > 2**-40)
)


@given(ROWS, ROWS, st.floats(0, 0.3))
def test_no_weight_is_off_by_more_than_a_127th_of_the_largest(
    old: npt.NDArray[np.float32], drift: npt.NDArray[np.float32], by: float
) -> None:
    new = clean((old + by * drift).astype(np.float32))
    codes, scales = quantize_rows(clean(old))
    kept, kept_scales = stable_rows(new, codes, scales)
    _, fresh = quantize_rows(new)
    largest = np.abs(new).max(axis=1).astype(np.float64)
    step = np.where(fresh > 0, largest / 127, 127 * 2.0**-50)[:, None]
    off = np.abs(kept * kept_scales[:, None].astype(np.float64) - new) / step
    assert (off <= 1.0001).all()
    assert np.abs(kept.astype(int)).max() <= 127
    assert (kept_scales <= largest / 127 / STABLE * 1.0001).all()


@given(ROWS)
def test_weights_that_stay_keep_their_codes(weights: npt.NDArray[np.float32]) -> None:
    codes, scales = quantize_rows(clean(weights))
    again = stable_rows(clean(weights), codes, scales)
    assert np.array_equal(again[0], codes)
    assert np.array_equal(again[1], scales)


def test_a_code_is_kept_up_to_three_quarters_of_a_step() -> None:
    codes, scales = np.array([[100, 10, -10]], np.int8), np.array([1.0], np.float32)
    for drift, wanted in ((0.74, [100, 10, -10]), (0.76, [101, 11, -9])):
        weights = np.array([[100 + drift, 10 + drift, -10 + drift]], np.float32)
        kept, kept_scales = stable_rows(weights, codes, scales)
        assert kept_scales.tolist() == [1]
        assert kept.tolist() == [wanted]


@pytest.mark.parametrize(
    ("largest", "keeps"), [(127.6, False), (127.4, True), (96, True), (95, False)]
)
def test_a_scale_is_kept_while_it_fits_the_row(largest: float, keeps: bool) -> None:  # noqa: FBT001
    codes, scales = np.array([[110, 3]], np.int8), np.array([1.0], np.float32)
    weights = np.array([[largest, 3.0]], np.float32)
    kept, kept_scales = stable_rows(weights, codes, scales)
    fresh = quantize_rows(weights)
    assert (kept_scales[0] == 1) == keeps
    if not keeps:
        assert np.array_equal(kept, fresh[0])
        assert np.array_equal(kept_scales, fresh[1])


def test_new_rows_are_rounded_anew() -> None:
    weights = np.array([[0.3, -0.1]], np.float32)
    kept = stable_rows(weights, np.zeros((1, 2), np.int8), np.zeros(1, np.float32))
    assert all(np.array_equal(*pair) for pair in zip(kept, quantize_rows(weights), strict=True))


def test_variances_keep_codes_and_scale_too() -> None:
    rng = np.random.default_rng(1)
    old = rng.exponential(0.1, (50, 8)).astype(np.float32)
    codes, scale = encode_variances(old)
    new = (old * rng.uniform(0.97, 1.0, old.shape)).astype(np.float32)
    kept, kept_scale = encode_variances(new, (codes, float(scale)))
    assert kept_scale == scale
    assert relative_error(new, decode_variances(kept, kept_scale)) <= 0.75 / 8
    same, anew = ((kept == codes).mean(), (encode_variances(new)[0] == codes).mean())
    assert same > anew
    assert same > 0.9
    # Where the largest has grown beyond the scale, everything starts anew.
    grown, other = encode_variances(new * np.float32(1.5), (codes, float(scale)))
    assert other != scale
    assert relative_error(new * np.float32(1.5), decode_variances(grown, other)) <= 0.75 / 8
    fresh = stable_zero = encode_variances(new, (np.zeros_like(codes), 1e9))
    assert np.array_equal(fresh[0], encode_variances(new)[0])
    assert stable_zero[1] == encode_variances(new)[1]


def drifted(model: PolicyModel, by: float, **more: object) -> PolicyModel:
    rng = np.random.default_rng(8)
    weights = model.weights + rng.normal(0, by, model.weights.shape)
    return dataclasses.replace(
        model,
        sequence=model.sequence + 1,
        weights=weights,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("which", ["model", "rich"])
def test_a_bundle_stays_close_to_the_one_before(request: pytest.FixtureRequest, which: str) -> None:
    model: PolicyModel = request.getfixturevalue(which)
    base = bundle_bytes(model)
    after = drifted(model, 0.0005)
    tables = [Document(b).array("weights") for b in (
        base, bundle_bytes(after), bundle_bytes(after, stable=base))]  # fmt: skip
    old, anew, kept = (np.frombuffer(table, np.int8) for table in tables)
    assert (kept != old).sum() < 0.7 * (anew != old).sum()
    assert edgeart.Policy.from_bytes(bundle_bytes(after, stable=base)).verify() == 4


def test_codes_follow_their_artworks_when_titles_move(model: PolicyModel) -> None:
    base = bundle_bytes(model)
    names = list(model.titles)[::-1]
    rows = [r for name in names for r in model.title_rows()[name]]
    moved = dataclasses.replace(
        model,
        sequence=13,
        titles={"new": ["a"]} | {name: model.titles[name] for name in names},
        weights=np.vstack([model.weights[:1], model.weights[rows]]),
        bias=np.concatenate([model.bias[:1], model.bias[rows]]),
    )
    kept = bundle_bytes(moved, stable=base)
    assert kept == bundle_bytes(moved)  # nothing has drifted: what is kept is what is right


def test_writing_reports_what_was_kept_and_what_it_flips(
    model: PolicyModel, tmp_path: Path
) -> None:
    after = drifted(model, 0.0005)
    base = bundle_bytes(model)
    written = write_bundle(after, tmp_path / "x", stable=base)
    found = written.stability
    assert found is not None
    assert found.used
    assert found.previous == 12
    assert found.fresh < found.kept < 1
    assert (tmp_path / "x").read_bytes() == bundle_bytes(after, stable=base)
    plain = write_bundle(after, tmp_path / "y")
    assert plain.stability is None
    assert written.score_error < 2.5 * plain.score_error
    assert 0 <= found.flips <= 0.02


def test_codes_are_not_kept_where_that_would_flip_too_much(
    model: PolicyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    compare = write.compare_rows

    def flipping(*arguments: object) -> Difference:
        """The second comparison is that of the codes kept."""
        calls.append(1)
        found = compare(*arguments)  # type: ignore[arg-type]
        return found if len(calls) == 1 else dataclasses.replace(found, flips=0.5)

    monkeypatch.setattr(write, "compare_rows", flipping)
    after = drifted(model, 0.0005)
    written = write_bundle(after, tmp_path / "x", stable=bundle_bytes(model))
    assert written.stability is not None
    assert not written.stability.used
    assert written.flips < 0.02
    assert (tmp_path / "x").read_bytes() == bundle_bytes(after)


def test_bundles_of_another_kind_leave_nothing_to_keep(
    model: PolicyModel, rich: PolicyModel
) -> None:
    for other in (bundle_bytes(model, rows="f32"), bundle_bytes(rich)):
        assert bundle_bytes(model, stable=other) == bundle_bytes(model)


def test_what_cannot_be_followed_is_refused(model: PolicyModel) -> None:
    other = bundle_bytes(dataclasses.replace(model, name="hero"))
    with pytest.raises(ModelError, match="is of policy 'hero', the model of 'row'"):
        bundle_bytes(model, stable=other)
    with pytest.raises(ModelError, match="f32 rows have no codes"):
        bundle_bytes(model, rows="f32", stable=bundle_bytes(model))
    with pytest.raises(edgeart.BundleError):
        bundle_bytes(model, stable=b"nothing")
