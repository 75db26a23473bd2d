# SPDX-License-Identifier: Apache-2.0
"""Schemas refuse what bundle.md §6 does, name every slot, and encode by the devices' own code."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgpack
import numpy as np
import pytest

import edgeart
from edgeart_export import Category, FeatureSchema, Number, SchemaError, Vector, Weights
from edgeart_export.examples import extreme, sample, typical
from edgeart_export.schema import Feature


def test_slots_are_named_in_order_and_the_intercept_is_last() -> None:
    schema = FeatureSchema(
        [
            Category("country", ["US", "GB"]),
            Weights("taste", ["comedy"]),
            Number("hour", mean=12, std=6),
            Number("age", indicator=False),
            Vector("e", 2),
        ]
    )
    assert schema.slots() == [
        "country=US",
        "country=GB",
        "country:other",
        "taste=comedy",
        "hour",
        "hour:missing",
        "age",
        "e[0]",
        "e[1]",
        "intercept",
    ]
    assert schema.width == 10


def test_encoding_fills_the_slots_that_are_named() -> None:
    schema = FeatureSchema(
        [Category("c", ["a", "b"]), Weights("w", ["x", "y"]), Number("n", mean=1, std=2)]
    )
    filled = dict(
        zip(schema.slots(), schema.encode({"c": "b", "w": {"x": 3, "y": 1}, "n": 2}), strict=True)
    )
    assert filled == {
        "c=a": 0,
        "c=b": 1,
        "c:other": 0,
        "w=x": 0.75,
        "w=y": 0.25,
        "n": 0.5,
        "n:missing": 0,
        "intercept": 1,
    }


def test_encoding_many_equals_encoding_each(schema: FeatureSchema) -> None:
    contexts = sample(schema, 50, seed=1)
    many = schema.encode_many(contexts)
    assert many.dtype == np.float32
    assert many.shape == (50, schema.width)
    assert np.array_equal(many, [schema.encode(context) for context in contexts])
    assert schema.encode_many([]).shape == (0, schema.width)


def test_a_packed_map_encodes_as_its_mapping(schema: FeatureSchema) -> None:
    context = typical(schema)
    assert np.array_equal(schema.encode(msgpack.packb(context)), schema.encode(context))


def test_what_devices_refuse_is_refused_in_training(schema: FeatureSchema) -> None:
    with pytest.raises(edgeart.ContextError):
        schema.encode({"country": 7})


def test_examples_encode_and_are_the_same_every_time(schema: FeatureSchema) -> None:
    for context in (typical(schema), extreme(schema), extreme(schema, -1)):
        assert np.isfinite(schema.encode(context)).all()
    assert sample(schema, 20, seed=5) == sample(schema, 20, seed=5)
    assert sample(schema, 20, seed=5) != sample(schema, 20, seed=6)


def test_json_form_is_read_back(schema: FeatureSchema) -> None:
    assert FeatureSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"kind": "number"}, "a schema is a list of features, not dict"),
        ([{"kind": "colour", "name": "x"}], "describes no feature; its kind must be of"),
        ([7], "7 describes no feature"),
        ([{"kind": "vector", "name": "x", "size": 3}], "describes no vector feature: .*size"),
    ],
)
def test_json_of_something_else_is_refused(described: object, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        FeatureSchema.from_json(described)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Number(""), r"a feature's name '' has 0 bytes; 1 to 64"),
        (lambda: Number("é" * 33), "has 66 bytes; 1 to 64"),
        (lambda: Number("\ud800"), "has no UTF-8 form"),
        (lambda: Number(3), "a feature's name must be a string, not 3"),
        (lambda: Number("n", mean=2.0**51), "number feature 'n': mean must be"),
        (lambda: Number("n", std=0), "number feature 'n': std must be .* not 0"),
        (lambda: Number("n", std=float("nan")), "number feature 'n': std must be .* not nan"),
        (lambda: Number("n", clip=2.0**20), "number feature 'n': clip must be"),
        (lambda: Number("n", mean="0"), "number feature 'n': mean must be a number, not '0'"),
        (lambda: Number("n", indicator=1), "number feature 'n': indicator must be True or False"),
        (lambda: Category("c", []), "category feature 'c': 0 words; 1 to 1023"),
        (lambda: Category("c", "abc"), "category feature 'c': the words must be a list"),
        (lambda: Category("c", ["a", "b", "a"]), "category feature 'c': the word 'a' .* more than"),
        (lambda: Weights("w", ["x" * 256]), "weights feature 'w': word .* has 256 bytes"),
        (lambda: Weights("w", [b"x"]), "weights feature 'w': word must be a string"),
        (lambda: Weights("w", map(str, range(1024))), "weights feature 'w': 1024 words; 1 to 1023"),
        (lambda: Vector("v", 0), "vector feature 'v': length must be 1 to 1023, not 0"),
        (lambda: Vector("v", 2.0), "vector feature 'v': length must be 1 to 1023, not 2.0"),
        (lambda: Vector("v", 3, clip=0), "vector feature 'v': clip must be"),
        (lambda: Feature("f"), "use Number, Category, Weights or Vector"),
        (lambda: FeatureSchema(["n"]), "'n' is no feature; use Number, Category"),
        (lambda: FeatureSchema([Number("n"), Vector("n", 1)]), "two features are called 'n'"),
        (lambda: FeatureSchema([Vector("v", 1000), Vector("w", 24)]), "1025 slots, at most 1024"),
        (lambda: FeatureSchema(map(Number, map(str, range(257)))), "257 features; at most 256"),
    ],
)
def test_what_a_bundle_cannot_hold_is_refused_by_name(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        make()
