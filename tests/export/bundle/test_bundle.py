# SPDX-License-Identifier: Apache-2.0
"""What the writer writes is what the specification, the oracle and the native code read."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import msgpack
import numpy as np
import pytest

import edgeart
from edgeart_export import (
    EpsilonGreedy,
    Explorer,
    FeatureSchema,
    Fixed,
    Greedy,
    ModelError,
    Number,
    PolicyModel,
    Softmax,
    SquareCB,
    Uniform,
    Vector,
    Weights,
    bundle_bytes,
    write_bundle,
)
from edgeart_export.bundle import compare_rows
from edgeart_export.examples import sample
from edgeart_export.format import wire
from edgeart_export.model.tower import Rows
from tests.reference import decide
from tests.reference.bundle import open_bundle
from tests.support.models import opened

ROWS: tuple[Rows, ...] = ("i8", "f32")


@pytest.mark.parametrize("rows", ROWS)
def test_the_oracle_reads_back_every_field(model: PolicyModel, rows: Rows) -> None:
    read = open_bundle(bundle_bytes(model, rows=rows))
    assert (read.name, read.sequence, dict(read.meta)) == ("row", 12, {"trained": "by hand"})
    assert (read.explorer.kind, read.explorer.floor, read.explorer.parameter) == (
        "squarecb",
        0.01,
        10.0,
    )
    assert {title.id: title.artworks for title in read.titles} == model.titles
    assert [feature.kind for feature in read.features] == [f.kind for f in model.schema.features]
    assert [[w.decode() for w in f.words] for f in read.features] == [
        list(feature.words) for feature in model.schema.features
    ]
    assert read.k == model.schema.width
    weights = np.array(read.weights)[:, : read.k]
    if rows == "i8":
        weights = weights * np.array(read.scales)[:, None]
        error = np.abs(weights - model.weights).max(axis=1)
        assert (error <= np.array(read.scales) * 0.501).all()
    else:
        assert np.array_equal(weights, model.weights)
    assert np.array_equal(read.bias, model.bias)


@pytest.mark.parametrize("rows", ROWS)
def test_test_vectors_hold_for_the_oracle_and_the_native_code(
    model: PolicyModel, rows: Rows
) -> None:
    data = bundle_bytes(model, rows=rows)
    read = open_bundle(data)
    assert read.vectors[0][0] == msgpack.packb({})
    assert len(read.vectors) == 4
    assert decide.verify(read)
    assert edgeart.Policy.from_bytes(data).verify() == 4


@pytest.mark.parametrize(
    "explorer",
    [Fixed(), Uniform(), Greedy(floor=1.0), EpsilonGreedy(0.1), Softmax(0.05), SquareCB(5.0)],
    ids=lambda explorer: explorer.kind,
)
def test_every_explorer_is_written_and_verified(model: PolicyModel, explorer: Explorer) -> None:
    data = bundle_bytes(dataclasses.replace(model, explorer=explorer))
    assert edgeart.Policy.from_bytes(data).explorer.kind == explorer.kind
    assert decide.verify(open_bundle(data))


def test_bytes_are_reproducible_and_do_not_depend_on_the_order_of_meta(model: PolicyModel) -> None:
    one = dataclasses.replace(model, meta={"a": "1", "b": "2"})
    two = dataclasses.replace(model, meta={"b": "2", "a": "1"})
    assert bundle_bytes(one) == bundle_bytes(one) == bundle_bytes(two)
    assert bundle_bytes(one) != bundle_bytes(model)


def test_vectors_of_the_caller_are_written_as_given(model: PolicyModel) -> None:
    packed = msgpack.packb({"hour": 3})
    read = open_bundle(bundle_bytes(model, vectors=[{"country": "US"}, packed]))
    assert [context for context, _ in read.vectors] == [msgpack.packb({"country": "US"}), packed]
    assert open_bundle(bundle_bytes(model, vectors=[])).vectors == ()


def test_vectors_that_cannot_be_are_refused(model: PolicyModel) -> None:
    with pytest.raises(ModelError, match="65 test vectors; at most 64"):
        bundle_bytes(model, vectors=[{}] * 65)
    with pytest.raises(ModelError, match=r"has 70.* bytes; 65536 are allowed"):
        bundle_bytes(model, vectors=[{"x": "y" * 70_000}])
    with pytest.raises(ModelError, match="no MessagePack form"):
        bundle_bytes(model, vectors=[{"x": object()}])
    with pytest.raises(edgeart.ContextError):
        bundle_bytes(model, vectors=[{"country": 7}])
    with pytest.raises(ModelError, match="rows must be 'i8' or 'f32', not 'i4'"):
        bundle_bytes(model, rows="i4")  # type: ignore[arg-type]


def test_a_model_without_titles_encodes_and_decides_nothing(schema: FeatureSchema) -> None:
    empty = np.zeros((0, schema.width), np.float32)
    model = PolicyModel("encoder", 1, schema, {}, empty, empty[:, 0], Fixed())
    for rows in ROWS:
        policy = opened(model, rows)
        assert len(policy.titles) == 0
        assert policy.slots == schema.width


def test_a_schema_without_features_has_the_intercept_alone() -> None:
    model = PolicyModel(
        "p", 1, FeatureSchema([]), {"t": ["a", "b"]}, [[1.0], [2.0]], [0, 0], Fixed()
    )
    policy = opened(model)
    assert policy.select(policy.context(seed=1), "t").artwork == "a"


def test_writing_reports_what_i8_rows_cost(model: PolicyModel, tmp_path: Path) -> None:
    path = tmp_path / "policy.edgeart"
    contexts = sample(model.schema, 100, seed=9)
    written = write_bundle(model, path, rows="i8", contexts=contexts)
    assert (written.size, written.contexts) == (path.stat().st_size, 100)
    assert (written.titles, written.artworks) == (12, len(model.artworks))
    assert 0 < written.score_error < 0.1
    exact = write_bundle(model, path, rows="f32", contexts=contexts)
    assert (exact.flips, exact.score_error) == (0, 0)


def test_flips_are_counted_as_greedy_choices_that_differ(model: PolicyModel) -> None:
    contexts = sample(model.schema, 60, seed=2)
    policies = [
        edgeart.Policy.from_bytes(
            bundle_bytes(dataclasses.replace(model, explorer=Greedy()), rows=rows)
        )
        for rows in ROWS
    ]
    chosen = [
        [d.artwork for c in contexts for d in p.select_page(p.context(c, seed=0), [*p.titles])]
        for p in policies
    ]
    differ = np.mean([a != b for a, b in zip(*chosen, strict=True)])
    assert compare_rows(model, policies[0], contexts).flips == pytest.approx(differ)


def test_an_interrupted_writer_leaves_the_old_bundle(
    model: PolicyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.edgeart"
    write_bundle(model, path)
    before = path.read_bytes()

    def failing(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="no space left"):
        write_bundle(dataclasses.replace(model, sequence=13), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["policy.edgeart"]


def test_a_written_bundle_has_the_permissions_of_any_new_file(
    model: PolicyModel, tmp_path: Path
) -> None:
    path, plain = tmp_path / "policy.edgeart", tmp_path / "plain"
    plain.write_bytes(b"")
    write_bundle(model, path)
    assert path.stat().st_mode == plain.stat().st_mode


def test_titles_whose_hashes_collide_are_refused_by_name(
    model: PolicyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edgeart, "title_hash", lambda _: 7)
    with pytest.raises(ModelError, match=r"'title-0' and 'title-1' have the same hash.*rename one"):
        bundle_bytes(model)


def test_a_bundle_longer_than_a_reader_takes_is_refused(
    model: PolicyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_BYTES", 3000)
    with pytest.raises(ModelError, match="would pass 3000 bytes at 'scales'; use fewer"):
        bundle_bytes(model)


def test_default_vectors_of_huge_vocabularies_stay_within_a_context() -> None:
    """Each word has 255 bytes; naming all of them would take four contexts."""
    words = [f"{i:04}".rjust(255, "w") for i in range(1000)]
    schema = FeatureSchema([Weights("w", words), Number("n"), Vector("v", 10)])
    row = np.ones((1, schema.width), np.float32)
    model = PolicyModel("p", 1, schema, {"t": ["a"]}, row, row[:, 0], Fixed())
    read = open_bundle(bundle_bytes(model))
    assert len(read.vectors) == 4
    assert decide.verify(read)
