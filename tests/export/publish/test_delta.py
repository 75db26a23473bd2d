# SPDX-License-Identifier: Apache-2.0
"""Deltas make the very bytes they promise, and are small where little has changed."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgeart
from benchmarks.deltas import replaced, retrained
from edgeart_export import ModelError, PolicyModel, Thompson, bundle_bytes
from edgeart_export.format.document import Document, resequenced
from edgeart_export.model.tower import Rows
from edgeart_export.publish import delta as delta_module
from edgeart_export.publish.delta import delta
from tests.reference.sync import apply_delta


def made(base: bytes, target: bytes) -> bytes:
    """The delta, proved by the reference."""
    data = delta(Document(base), Document(target))
    assert data is not None
    assert apply_delta(base, data) == target
    return data


def changed(model: PolicyModel, seed: int) -> PolicyModel:
    """The model with titles and artworks gone, come and moved, and some weights others."""
    rng = np.random.default_rng(seed)
    titles = {
        title: [a for a in artworks if rng.random() > 0.2] or list(artworks[:1])
        for title, artworks in model.titles.items()
        if rng.random() > 0.2
    }
    for n in range(int(rng.integers(0, 4))):
        titles[f"new-{n}"] = [f"new-{n}-{a}" for a in range(int(rng.integers(1, 4)))]
    names = list(titles)
    if rng.random() < 0.5:
        rng.shuffle(names)
    titles = {name: titles[name] for name in names}
    where = {key: row for row, key in enumerate(model.artworks)}
    rows = [where.get((t, a), 0) for t, own in titles.items() for a in own]
    weights = model.weights[rows] + rng.normal(0, 0.1, (len(rows), 1)) * (rng.random() < 0.5)
    variance = None if model.variance is None else model.variance[rows] * rng.choice([1, 1.1])
    return dataclasses.replace(
        model,
        sequence=int(rng.choice([13, 300, 70_000, 2**40])),
        titles=titles,
        weights=weights,
        bias=model.bias[rows],
        variance=variance,
        masks={},
        title_scale={},
    )


@pytest.mark.parametrize("rows", ["i8", "f32"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), back=st.booleans())
def test_a_delta_makes_the_very_bytes(
    *, model: PolicyModel, rich: PolicyModel, rows: Rows, seed: int, back: bool
) -> None:
    for one in (model, rich):
        pair = bundle_bytes(one, rows=rows), bundle_bytes(changed(one, seed), rows=rows)
        made(*(pair[::-1] if back else pair))


def test_bundles_of_different_formats_and_rows_have_deltas_too(
    model: PolicyModel, rich: PolicyModel
) -> None:
    plain = dataclasses.replace(
        model, attributes=["mature"], masks={"title-1": {"art-1-0": ["mature"]}}
    )
    bundles = [
        bundle_bytes(model),
        bundle_bytes(model, rows="f32"),
        bundle_bytes(plain),
        bundle_bytes(rich),
    ]
    assert [Document(b).format for b in bundles] == [1, 1, 2, 2]
    for base in bundles:
        for target in bundles:
            data = delta(Document(base), Document(target))
            assert data is None or apply_delta(base, data) == target


def test_equal_bundles_cost_next_to_nothing(model: PolicyModel) -> None:
    data = bundle_bytes(model)
    assert len(made(data, data)) < 120


def test_there_is_none_where_it_would_be_as_long_as_the_bundle(
    model: PolicyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, target = (Document(bundle_bytes(each)) for each in (model, changed(model, 1)))
    spare = len(target.data) - 80
    monkeypatch.setattr(delta_module, "_deflated", lambda *_: bytes(spare - 1))
    made_ = delta(base, target)
    assert made_ is not None
    assert len(made_) == len(target.data) - 1
    monkeypatch.setattr(delta_module, "_deflated", lambda *_: bytes(spare))
    assert delta(base, target) is None


def test_there_is_none_where_a_reader_would_refuse_its_operations(
    model: PolicyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, target = (Document(bundle_bytes(each)) for each in (model, changed(model, 1)))
    monkeypatch.setattr(delta_module, "MAX_OPERATIONS", 3)
    assert delta(base, target) is None


def test_a_shuffled_catalogue_is_sent_whole_rather_than_applied_for_seconds() -> None:
    name, base, target = list(replaced(1000))[2]
    assert name == "the titles in another order"
    assert delta(Document(base), Document(target)) is None


def test_with_5_percent_of_30_000_rows_replaced_it_is_below_6_percent() -> None:
    name, base, target = next(replaced(3000))
    assert name == "5 % of the rows are others"
    assert len(edgeart.Policy.from_bytes(target).titles) == 3000
    data = delta(Document(base), Document(target))
    assert data is not None
    assert len(data) <= 0.06 * len(target)


def test_after_a_small_retraining_with_codes_kept_it_is_below_15_percent() -> None:
    sizes = {}
    for name, base, target in retrained(100, 300):
        if ", 1 % more" in name:
            sizes[name.split(", ")[2]] = len(made(base, target)) / len(target)
    assert sizes["codes kept"] <= 0.15
    assert sizes["codes kept"] < 0.9 * sizes["codes anew"]


@pytest.mark.parametrize("sequence", [1, 127, 128, 255, 256, 65_535, 65_536, 2**32, 2**53 - 1])
def test_another_sequence_leaves_every_decision_as_it_was(
    model: PolicyModel, rich: PolicyModel, sequence: int
) -> None:
    for one in (model, rich, dataclasses.replace(model, sequence=2**40)):
        old = bundle_bytes(one)
        new = resequenced(old, sequence)
        assert new == bundle_bytes(dataclasses.replace(one, sequence=sequence))
        assert resequenced(new, one.sequence) == old
        policy = edgeart.Policy.from_bytes(new)
        assert policy.verify() == 4
        assert policy.sequence == sequence
        assert len(made(old, new)) < 400


@pytest.mark.parametrize("sequence", [0, -1, 2**53])
def test_a_sequence_outside_the_format_is_refused(model: PolicyModel, sequence: int) -> None:
    with pytest.raises(ModelError, match="sequence must be"):
        resequenced(bundle_bytes(model), sequence)


def test_what_is_no_bundle_is_not_taken_apart(model: PolicyModel) -> None:
    data = bytearray(bundle_bytes(model))
    data[200] ^= 1
    with pytest.raises(edgeart.BundleError, match="EA_E_CRC"):
        Document(bytes(data))


def test_a_delta_names_its_base_and_its_result(model: PolicyModel) -> None:
    base, target = bundle_bytes(model), bundle_bytes(dataclasses.replace(model, sequence=13))
    data = made(base, target)
    assert data[16:48] == hashlib.sha256(base).digest()
    assert data[48:80] == hashlib.sha256(target).digest()
    assert int.from_bytes(data[12:16], "little") == len(target)
    with_thompson = dataclasses.replace(
        model, explorer=Thompson(1.0), variance=np.full(model.weights.shape, 0.1, np.float32)
    )
    assert made(base, bundle_bytes(with_thompson))[16:48] == data[16:48]
