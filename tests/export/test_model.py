# SPDX-License-Identifier: Apache-2.0
"""A model that could not become a bundle is refused when it is made, with what is wrong where."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgeart_export import FeatureSchema, ModelError, Number, PolicyModel, Uniform


def make(**changes: Any) -> PolicyModel:
    fields: dict[str, Any] = {
        "name": "row",
        "sequence": 1,
        "schema": FeatureSchema([Number("hour", indicator=False)]),
        "titles": {"t": ["a", "b"], "u": ["a"]},
        "weights": np.ones((3, 2), np.float32),
        "bias": np.zeros(3, np.float32),
        "explorer": Uniform(),
    }
    return PolicyModel(**{**fields, **changes})


def with_weight(value: float, row: int = 2, slot: int = 0) -> np.ndarray[Any, Any]:
    weights = np.ones((3, 2))
    weights[row, slot] = value
    return weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "policy name '' must be 1 to 64"),
        ({"name": "-row"}, "policy name '-row' must be"),
        ({"name": "row\n"}, "policy name 'row.n' must be"),
        ({"name": "r" * 65}, "must be 1 to 64 of"),
        ({"sequence": 0}, r"sequence must be an int from 1 to 2\*\*53 - 1, not 0"),
        ({"sequence": 2**53}, "sequence must be an int"),
        ({"sequence": True}, "sequence must be an int"),
        ({"schema": [Number("hour")]}, "schema must be a FeatureSchema, not list"),
        ({"explorer": "greedy"}, "explorer must be one such as .*'greedy'"),
        ({"tower": ["dense"]}, "tower layer 0 must be a Layer, not .dense"),
        ({"titles": ["t"]}, "titles must map title to artworks, not list"),
        ({"titles": {"": ["a", "b", "c"]}}, "title id '' has 0 bytes; 1 to 255"),
        ({"titles": {"é" * 128: ["a"]}}, "has 256 bytes; 1 to 255"),
        ({"titles": {7: ["a"]}}, "title id must be a string, not 7"),
        ({"titles": {"t": "abc"}}, "title 't': artworks must be a list of ids"),
        ({"titles": {"t": []}}, "title 't' has 0 artworks; 1 to 256"),
        ({"titles": {"t": map(str, range(257))}}, "title 't' has 257 artworks; 1 to 256"),
        ({"titles": {"t": ["a", ""]}}, "title 't': artwork id '' has 0 bytes"),
        ({"titles": {"t": ["a", "b", "a"]}}, "title 't' has the artwork 'a' more than once"),
        ({"meta": {f"k{i}": "" for i in range(33)}}, "meta has 33 entries; at most 32"),
        ({"meta": {"k": "v" * 1025}}, "meta 'k' .* has 1025 bytes; 0 to 1024"),
        ({"meta": {"k": 3}}, "meta 'k' must be a string, not 3"),
        ({"meta": "none"}, "meta must map texts to texts"),
        ({"weights": np.ones((2, 2))}, r"weights has shape \(2, 2\); .* is \(3, 2\)"),
        ({"weights": np.ones((3, 3))}, r"weights has shape \(3, 3\); \[artworks, schema.width\]"),
        ({"bias": np.ones((3, 1))}, r"bias has shape \(3, 1\); \[artworks\] is \(3,\)"),
        ({"weights": [["x", "y"]] * 3}, "weights: real numbers are needed, not <U1"),
        ({"weights": [[1, 2], [3]]}, "weights must be an array of shape"),
        ({"weights": np.ones((3, 2), bool)}, "real numbers are needed, not bool"),
        ({"weights": np.ones((3, 2), complex)}, "real numbers are needed, not complex"),
        ({"weights": with_weight(np.nan)}, "not nan: title 'u', artwork 'a', slot 'hour'"),
        ({"weights": with_weight(-np.inf, 1, 1)}, "title 't', artwork 'b', slot 'intercept'"),
        ({"weights": with_weight(2.0**20)}, r"below 2\*\*20 in magnitude, not 1048576.0"),
        ({"weights": with_weight(1e300)}, "not inf: title 'u'"),
        ({"bias": [0, np.nan, np.nan]}, r"bias must be finite .* artwork 'b' \(and 1 more\)"),
        ({"variance": -np.ones((3, 2))}, "variance must not be negative: title 't', artwork 'a'"),
    ],
    ids=lambda x: x if isinstance(x, str) else next(iter(x)),
)
def test_a_bad_model_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make(**changes)


def test_numbers_are_cleaned_copied_and_made_constant() -> None:
    weights = with_weight(1e-30)
    weights[0, 0] = -0.0
    model = make(weights=weights, bias=[1, 2, 3])
    weights[:] = 9
    assert model.weights.tolist() == [[0, 1], [1, 1], [0, 1]]
    assert not np.signbit(model.weights).any()
    assert model.bias.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0, 0] = 1


def test_the_largest_and_smallest_clean_numbers_are_kept() -> None:
    largest = float(np.nextafter(np.float32(2.0**20), np.float32(0)))
    assert make(weights=with_weight(largest)).weights[2, 0] == largest
    assert make(weights=with_weight(-(2.0**-50))).weights[2, 0] == -(2.0**-50)


def test_rows_follow_the_order_of_the_titles() -> None:
    model = make()
    assert model.artworks == [("t", "a"), ("t", "b"), ("u", "a")]
    assert model.title_rows() == {"t": range(2), "u": range(2, 3)}


def test_a_changed_model_is_checked_again() -> None:
    assert dataclasses.replace(make(), sequence=2).sequence == 2
    with pytest.raises(ModelError, match="sequence"):
        dataclasses.replace(make(), sequence=-2)
