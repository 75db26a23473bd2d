# SPDX-License-Identifier: Apache-2.0
"""A model that could not become a bundle is refused when it is made, with what is wrong where."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgeart_export import (
    Cell,
    FeatureSchema,
    Fixed,
    Layer,
    ModelError,
    Number,
    PolicyModel,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
    holdbacks,
)


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
        ({"variance": np.ones((2, 2))}, r"variance has shape \(2, 2\)"),
        ({"explorer": Thompson()}, "thompson needs to know how uncertain .* `variance`"),
        ({"cells": [Cell("c", 0.5, Ucb())]}, "cell 'c': ucb needs to know how uncertain"),
        ({"tower": Layer(np.ones((2, 3)), np.zeros(3))}, "tower must be a sequence of Layer"),
        (
            {"tower": [Layer(np.ones((3, 2)), [0, 0])]},
            "has 3 inputs where the schema has 2 slots",
        ),
        (
            {"tower": [Layer(np.ones((2, 4)), np.zeros(4)), Layer(np.ones((3, 2)), [0, 0])]},
            "layer 1 has 3 inputs where layer 0 has 4 outputs",
        ),
        ({"tower": [Layer(np.eye(2), [0, 0])] * 9}, "the tower has 9 layers; at most 8"),
        (
            {"tower": [Layer(np.ones((2, 4)), np.zeros(4))]},
            r"weights has shape \(3, 2\); \[artworks, outputs of the tower\] is \(3, 4\)",
        ),
        (
            {"tower": [Layer(np.eye(2), [0, 0])], "weights": with_weight(np.nan)},
            r"not nan: title 'u', artwork 'a', u\[0\]",
        ),
        ({"title_scale": {"v": 2.0}}, "title_scale: there is no title 'v'"),
        ({"title_scale": {"u": 0.0}}, r"title_scale must be above 2\*\*-50, not 0.0: title 'u'"),
        ({"title_scale": {"u": np.inf}}, "title_scale must be finite .* title 'u'"),
        ({"title_scale": [1.0]}, r"title_scale has shape \(1,\); \[titles\] is \(2,\)"),
        ({"attributes": "mature"}, "attributes must be a list of names"),
        ({"attributes": [""]}, "an attribute's name '' has 0 bytes; 1 to 64"),
        ({"attributes": ["x", "x"]}, "two attributes are called 'x'"),
        ({"attributes": [f"{i}" for i in range(33)]}, "33 attributes; at most 32"),
        ({"masks": {"t": {"a": ["mature"]}}}, "'mature' is none of the attributes; add it"),
        ({"masks": {"v": {}}}, "masks: there is no title 'v'"),
        ({"masks": {"t": {"c": []}}}, "artwork 'c': the title has no such artwork"),
        ({"masks": {"t": ["a"]}}, "title 't' must map artwork to names"),
        ({"masks": {"t": {"a": "mature"}}}, "give a list of attributes, not the string 'mature'"),
        ({"masks": [0, 0]}, r"integers \[artworks\] \(3,\), not int64 \(2,\)"),
        ({"masks": [0, 2, 0], "attributes": ["x"]}, "'t', artwork 'b' has bits without a name"),
        ({"masks": [0, 0, -1], "attributes": ["x"]}, "'u', artwork 'a' has bits without a name"),
        ({"cells": Cell("c", 0.5, Fixed())}, "cells must be a sequence of Cell"),
        ({"cells": ["fixed"]}, "cells must be Cell objects, not 'fixed'"),
        ({"cells": [Cell("c", 0.1, Fixed())] * 2}, "two cells are called 'c'"),
        (
            {"cells": [Cell(f"c{i}", 0.01, Fixed()) for i in range(17)]},
            "17 cells; at most 16",
        ),
        (
            {"cells": [Cell("a", 0.6, Fixed()), Cell("b", 0.5, Uniform())]},
            r"cell 'b': with its share of 0.5 the cells take 1.1 of the units",
        ),
        ({"salt": "s" * 65}, "salt .* has 65 bytes; 0 to 64"),
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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Layer(np.ones((2, 2)), [0, 0], "gelu"), "one of identity, relu, tanh, not 'gelu'"),
        (lambda: Layer(np.ones((2, 2)), [0, 0], rows="i4"), "rows must be 'i8', 'f32' or None"),
        (lambda: Layer(np.ones(2), [0]), r"a layer's weights have shape \(2,\)"),
        (lambda: Layer(np.ones((0, 2)), [0, 0]), r"have shape \(0, 2\); .* each 1 to 1024"),
        (lambda: Layer(np.ones((2, 1025)), np.zeros(1025)), r"have shape \(2, 1025\)"),
        (lambda: Layer(np.ones((2, 3)), [0, 0]), r"bias has shape \(2,\); \[outputs\] is \(3,\)"),
        (lambda: Layer([[1, np.nan]], [0, 0]), "not nan: input 0, output 1; rescale it"),
        (lambda: Layer([[1, 1]], [0, 2.0**20]), "not 1048576.0: output 1"),
        (lambda: Cell("", 0.5, Fixed()), "cell name '' must be 1 to 64"),
        (lambda: Cell("c", 0, Fixed()), r"cell 'c': share must be 2\*\*-31 to 1, not 0"),
        (lambda: Cell("c", 1.5, Fixed()), "cell 'c': share must be"),
        (
            lambda: Cell("c", share=True, explorer=Fixed()),
            "'c': share must be a number, not True",
        ),
        (lambda: Cell("c", 0.5, "fixed"), "cell 'c': explorer must be one such as"),
        (lambda: holdbacks(uniform=-0.1), "cell 'uniform': share must be"),
    ],
)
def test_a_bad_layer_or_cell_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_holdbacks_are_a_fixed_and_a_uniform_cell() -> None:
    assert holdbacks() == (Cell("fixed", 0.02, Fixed()), Cell("uniform", 0.03, Uniform()))
    assert holdbacks(fixed=0) == (Cell("uniform", 0.03, Uniform()),)


def test_cells_may_share_out_all_units() -> None:
    cells = [Cell(f"c{i}", 1 / 3, Fixed()) for i in range(3)]
    assert make(cells=cells).cells == tuple(cells)


def test_names_become_factors_and_sets() -> None:
    model = make(
        explorer=SquareCB(2.0),
        title_scale={"u": 2.5},
        attributes=["x", "y"],
        masks={"t": {"b": ["y", "x", "y"]}, "u": {"a": ("y",)}},
    )
    assert model.factors.tolist() == [1, 2.5]
    assert model.sets.tolist() == [0, 3, 2]
    again = dataclasses.replace(model, sequence=2)
    assert again.factors.tolist() == [1, 2.5]
    assert again.sets.tolist() == [0, 3, 2]
    assert make(attributes=["x"]).sets.tolist() == [0, 0, 0]
    assert make().sets.tolist() == make().factors.tolist() == []
