# SPDX-License-Identifier: Apache-2.0
"""What format 1 cannot say is written as format 2, and read back as it was meant."""

from __future__ import annotations

import dataclasses
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import edgeart
from edgeart._native import ffi, lib
from edgeart_export import (
    Category,
    Cell,
    EpsilonGreedy,
    FeatureSchema,
    GivenModel,
    Greedy,
    Layer,
    Log,
    Number,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Vector,
    Weights,
    bundle_bytes,
    holdbacks,
    write_bundle,
)
from edgeart_export.examples import sample
from edgeart_export.model.tower import Rows
from edgeart_export.quantize import decode_variances, encode_variances, quantize_layer
from tests.reference import decide
from tests.reference.bundle import open_bundle
from tests.support.models import opened


def info(policy: edgeart.Policy) -> Any:
    described = ffi.new("ea_info *", (ffi.sizeof("ea_info"),))
    assert lib.ea_policy_info(policy._handle, described) == lib.EA_OK
    return described


def floats(call: Any, count: int, *arguments: Any) -> npt.NDArray[np.float32]:
    """The floats that a native function writes for its last two arguments."""
    memory = ffi.new("float[]", count)
    assert call(*arguments, memory, count) == lib.EA_OK
    return np.frombuffer(ffi.buffer(memory), np.float32).copy()


@pytest.mark.parametrize(
    ("rows", "digest"),
    [
        ("i8", "523fbaadc3316e43939819fca3513b63365e6890726a48f140939e9e2b0bfc0d"),
        ("f32", "5be5dc9994aa781cd4354e89c9d6ce6795ddabe6927e9407a7c17e10736a9d3b"),
    ],
)
def test_a_model_of_format_1_gives_the_bytes_that_the_first_writer_gave(
    rows: Rows, digest: str
) -> None:
    """Digests of the writer that knew format 1 alone; variances stayed with the model there. Of i8
    only the scales have changed since, which are now those of the least squared error.
    """
    schema = FeatureSchema(
        [
            Category("country", ["US", "GB"]),
            Weights("taste", ["comedy", "romance"]),
            Number("hour", mean=12, std=6),
            Vector("embedding", 3),
        ]
    )
    steps = np.arange(10 * schema.width).reshape(10, -1)
    model = PolicyModel(
        name="row",
        sequence=12,
        schema=schema,
        titles={f"title-{t}": [f"art-{a}" for a in range(1 + t)] for t in range(4)},
        weights=(steps % 17 - 8) / 64,
        bias=(np.arange(10) % 3) / 8,
        variance=np.ones((10, schema.width)),
        explorer=SquareCB(gamma=10.0, floor=0.01),
        meta={"made": "by hand"},
    )
    assert sha256(bundle_bytes(model, rows=rows)).hexdigest() == digest


@pytest.mark.parametrize(
    ("changes", "format_"),
    [
        ({}, 1),
        ({"salt": "unused"}, 1),
        ({"title_scale": {"title-1": 2.0}, "explorer": Greedy()}, 1),
        ({"title_scale": {"title-1": 2.0}, "explorer": EpsilonGreedy(0.1)}, 1),
        ({"title_scale": {"title-1": 2.0}, "explorer": Softmax(0.1)}, 2),
        ({"attributes": ["mature"]}, 2),
        ({"cells": holdbacks()}, 2),
        ({"explorer": Thompson()}, 2),
        ({"explorer": Ucb()}, 2),
        ({"cells": [Cell("c", 0.5, Ucb())]}, 2),
        ({"tower": [Layer(np.eye(26), np.zeros(26))]}, 2),
    ],
    ids=str,
)
def test_the_lowest_format_that_can_say_it_is_written(
    model: PolicyModel, changes: dict[str, Any], format_: int
) -> None:
    uncertain = dataclasses.replace(model, variance=np.ones(model.weights.shape))
    policy = opened(dataclasses.replace(uncertain, **changes))
    assert policy.format == format_
    assert policy.verify() == 4


@pytest.mark.parametrize("rows", ["i8", "f32"])
def test_test_vectors_hold_for_the_oracle_and_the_native_code(
    rich: PolicyModel, rows: Rows
) -> None:
    data = bundle_bytes(rich, rows=rows)
    read = open_bundle(data)
    assert len(read.vectors) == 4
    assert decide.verify(read)
    assert edgeart.Policy.from_bytes(data).verify() == 4


@pytest.mark.parametrize("rows", ["i8", "f32"])
def test_the_native_code_reads_back_every_field(rich: PolicyModel, rows: Rows) -> None:
    policy = opened(rich, rows)
    found = info(policy)
    assert (found.format, found.k, found.layers, found.cells) == (2, 20, 3, 3)
    assert (found.variance, found.attributes, found.scaled) == (lib.EA_VARIANCE_E5M3, 2, 1)
    assert (found.floor, found.parameter) == (0.01, 0.5)
    assert policy._text(found.salt) == "2027"
    text, share = ffi.new("ea_text *"), ffi.new("double *")
    names = []
    for bit in range(2):
        assert lib.ea_policy_attribute(policy._handle, bit, text) == lib.EA_OK
        names.append(policy._text(text))
    assert names == ["mature", "de"]
    for number, cell in enumerate(rich.cells, start=1):
        explorer = ffi.new("ea_explorer *", (ffi.sizeof("ea_explorer"),))
        assert lib.ea_policy_cell(policy._handle, number, explorer, text, share) == lib.EA_OK
        assert (policy._text(text), share[0]) == (cell.name, cell.share)
        assert explorer.floor == cell.explorer.floor
    layer = ffi.new("ea_layer *", (ffi.sizeof("ea_layer"),))
    seen = []
    for number in range(3):
        assert lib.ea_policy_layer(policy._handle, number, layer) == lib.EA_OK
        seen.append((layer.activation, layer.inputs, layer.outputs, layer.rows))
    own = lib.EA_ROWS_I8 if rows == "i8" else lib.EA_ROWS_F32
    assert seen == [
        (lib.EA_ACTIVATION_RELU, 26, 40, own),
        (lib.EA_ACTIVATION_TANH, 40, 24, lib.EA_ROWS_F32),
        (lib.EA_ACTIVATION_IDENTITY, 24, 20, own),
    ]
    scale = ffi.new("double *")
    factors = []
    for title in range(12):
        assert lib.ea_title_scale(policy._handle, title, scale) == lib.EA_OK
        factors.append(scale[0])
    assert factors == [2.0 if title == 3 else 1.0 for title in range(12)]


def test_masks_and_variances_are_those_of_the_model(rich: PolicyModel) -> None:
    policy, mask = opened(rich), ffi.new("uint32_t *")
    sets = {}
    for row, artwork in enumerate(rich.artworks):
        assert lib.ea_artwork_mask(policy._handle, row, mask) == lib.EA_OK
        if mask[0]:
            sets[artwork] = mask[0]
    assert sets == {("title-6", "art-6-1"): 0b11, ("title-6", "art-6-2"): 0b10}
    assert rich.variance is not None
    stored = decode_variances(*encode_variances(rich.variance))
    for row in range(len(rich.artworks)):
        native = floats(lib.ea_row_variances, rich.k, policy._handle, row)
        assert np.array_equal(native, stored[row])
        assert np.abs(native / rich.variance[row] - 1).max() <= 1 / 16


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
@pytest.mark.parametrize("rows", ["i8", "f32"])
def test_the_tower_turns_contexts_into_u(schema: FeatureSchema, activation: Any, rows: Any) -> None:
    """Against numpy in binary64, from the weights as they are stored."""
    rng = np.random.default_rng(8)
    layer = Layer(
        rng.normal(0, 0.5, (schema.width, 12)), rng.normal(0, 0.5, 12), activation, rows=rows
    )
    model = PolicyModel(
        "p", 1, schema, {"t": ["a"]}, np.ones((1, 12)), [0], Greedy(), tower=[layer]
    )
    policy = opened(model, "f32")
    weights = layer.weights.astype(np.float64)
    if rows == "i8":
        codes, scales = quantize_layer(layer.weights)
        weights = codes * scales.astype(np.float64)
    function = {
        "identity": lambda y: y,
        "relu": lambda y: np.maximum(y, 0),
        "tanh": np.tanh,
    }[activation]
    for values in sample(schema, 50, seed=5):
        context = policy.context(values, seed=0)
        u = floats(lib.ea_context_u, 12, policy._handle, context._handle)
        wanted = function(np.asarray(schema.encode(values)) @ weights + layer.bias)
        np.testing.assert_allclose(u, wanted, rtol=1e-5, atol=1e-6)


def test_a_reward_model_with_a_tower_predicts_what_the_native_code_scores(
    rich: PolicyModel,
) -> None:
    contexts = sample(rich.schema, 20, seed=4)
    log = Log(contexts, ["title-6"] * 20, ["art-6-0"] * 20, np.zeros(20), np.ones(20))
    predicted = GivenModel(rich).predict(log)["title-6"].values
    plain = dataclasses.replace(
        rich, tower=[dataclasses.replace(layer, rows="f32") for layer in rich.tower]
    )
    policy = opened(plain, "f32")
    rows = rich.title_rows()["title-6"]
    native = [np.array(policy.scores(policy.context(c, seed=0)))[rows] for c in contexts]
    np.testing.assert_allclose(predicted, native, rtol=0, atol=1e-5)


def test_titles_factor_acts_on_the_policys_own_explorer(model: PolicyModel) -> None:
    scaled = dataclasses.replace(model, title_scale={"title-5": 3.0})
    direct = dataclasses.replace(model, explorer=SquareCB(gamma=30.0, floor=0.01))
    policies = [opened(m) for m in (scaled, direct, model)]
    shown = [p.propensities(p.context({"hour": 9}, seed=0), "title-5") for p in policies]
    assert shown[0] == shown[1]
    assert shown[0] != shown[2]


def test_units_fall_into_the_cells_in_their_shares(rich: PolicyModel) -> None:
    policy = opened(rich)
    cells = np.array([lib.ea_policy_cell_of(policy._handle, unit) for unit in range(20_000)])
    counts = np.bincount(cells, minlength=4) / len(cells)
    # Four standard deviations of a share of 0.85.
    np.testing.assert_allclose(counts, [0.85, 0.02, 0.03, 0.1], atol=4 * 0.0026)


def test_writing_reports_format_layers_and_variances(rich: PolicyModel, tmp_path: Path) -> None:
    written = write_bundle(rich, tmp_path / "policy.edgeart", contexts=sample(rich.schema, 20, 1))
    assert written.format == 2
    assert [(x.inputs, x.outputs, x.activation, x.rows) for x in written.layers] == [
        (26, 40, "relu", "i8"),
        (40, 24, "tanh", "f32"),
        (24, 20, "identity", "i8"),
    ]
    assert [x.weight_error <= 0.51 / 112 for x in written.layers] == [True] * 3
    assert written.layers[0].weight_error > 0 == written.layers[1].weight_error
    assert written.variance_error is not None
    assert 0 < written.variance_error <= 1 / 16
    assert 0 < written.score_error < 0.1
    exact = write_bundle(rich, tmp_path / "exact.edgeart", rows="f32", contexts=[{}])
    assert exact.score_error == 0


def test_a_layer_may_be_i8_beside_f32_rows(rich: PolicyModel) -> None:
    first, *others = rich.tower
    mixed = dataclasses.replace(rich, tower=[dataclasses.replace(first, rows="i8"), *others])
    layer = ffi.new("ea_layer *", (ffi.sizeof("ea_layer"),))
    policy = opened(mixed, "f32")
    assert lib.ea_policy_layer(policy._handle, 0, layer) == lib.EA_OK
    assert layer.rows == lib.EA_ROWS_I8
    assert policy.verify() == 4


def test_all_of_format_2_at_its_largest_is_written_and_verified() -> None:
    schema = FeatureSchema([Vector("v", 1022)])
    square = Layer(np.eye(1023, 1024), np.zeros(1024), "tanh")
    again = Layer(np.eye(1024), np.zeros(1024))
    model = PolicyModel(
        "p",
        1,
        schema,
        {"t": [f"a{i}" for i in range(256)]},
        np.ones((256, 1024)),
        np.zeros(256),
        Thompson(2.0**20, floor=1.0),
        variance=np.full((256, 1024), np.nextafter(np.float32(2.0**20), np.float32(0))),
        tower=[square, *[again] * 7],
        title_scale=[np.float32(2.0**19)],
        attributes=[f"{i}".rjust(64, "x") for i in range(32)],
        masks=np.full(256, 2**32 - 1, np.uint32),
        cells=[Cell(f"c{i}", 1 / 16, Ucb(2.0**20)) for i in range(16)],
        salt="s" * 64,
    )
    assert opened(model).verify() == 4


def test_the_least_numbers_are_written_and_verified(model: PolicyModel) -> None:
    least = np.full(model.weights.shape, 2.0**-50)
    small = dataclasses.replace(model, variance=least, explorer=Thompson(2.0**-20))
    assert opened(small).verify() == 4
    none = dataclasses.replace(small, variance=0 * least)
    assert opened(none).verify() == 4
