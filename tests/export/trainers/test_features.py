# SPDX-License-Identifier: Apache-2.0
"""Features of artworks: tags and numbers from mappings and tables become the same vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edgeart_export import DataError
from edgeart_export.trainers.features import ArtworkFeatures

A, B, C = ("t", "a"), ("t", "b"), ("u", "c")


def test_tags_become_ones_and_numbers_their_distance_from_the_mean() -> None:
    found = ArtworkFeatures({A: ["dark", "people"], B: "dark", C: {"bright": 3.0}})
    assert found.names == ["dark", "people", "bright"]
    np.testing.assert_array_equal(found.matrix([A, B, C]), [[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    numbers = ArtworkFeatures({A: [1.0, 5.0], B: [3.0, 5.0]})
    assert numbers.names == ["[0]", "[1]"]
    np.testing.assert_array_equal(numbers.matrix([A, B]), [[-1, 0], [1, 0]])


def test_a_table_says_the_same_as_a_mapping() -> None:
    table = pa.table(
        {
            "title": ["t", "t", "u"],
            "artwork": ["a", "b", "c"],
            "motif": ["laugh", "night", None],
            "tags": [["x", "y"], [], ["y"]],
            "bright": [1.0, None, 3.0],
            "embedding": [[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]],
        }
    )
    found = ArtworkFeatures(table)
    assert found.names == [
        *("motif=laugh", "motif=night", "tags=x", "tags=y"),
        *("bright", "embedding[0]", "embedding[1]"),
    ]
    spread = np.sqrt(1.5)  # of 0, 2 and 4 it is √(8/3), and 2 / √(8/3) = √1.5
    expected = [
        [1, 0, 1, 1, -1, -spread, 0],
        [0, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, spread, 0],
    ]
    np.testing.assert_allclose(found.matrix([A, B, C]), expected, atol=1e-12)


def test_who_is_not_described_is_like_the_mean_of_those_who_are() -> None:
    found = ArtworkFeatures({A: "dark", B: "bright"})
    np.testing.assert_array_equal(found.matrix([C]), [[0.5, 0.5]])
    assert ArtworkFeatures({}).matrix([C]).shape == (1, 0)


def test_more_artworks_are_described_in_the_same_columns() -> None:
    found = ArtworkFeatures({A: {"bright": 1.0}, B: {"bright": 3.0}})
    more = found.more({C: {"bright": 5.0, "new": 1.0}})
    assert more.names == ["bright"]
    np.testing.assert_array_equal(more.matrix([A, C]), [[-1], [3]])
    assert C not in found.rows
    again = found.more(more)
    assert again == more
    with pytest.raises(DataError, match="other columns"):
        found.more(ArtworkFeatures({A: "dark"}))


def test_columns_come_back_from_json() -> None:
    found = ArtworkFeatures({A: ["dark"], B: {"bright": 3.0}, C: {"bright": 1.0}})
    back = ArtworkFeatures.from_json(found.to_json(), found.rows)
    assert back == found
    assert back != found.more({("v", "d"): "dark"})
    np.testing.assert_array_equal(back.matrix([("x", "x")]), found.matrix([("x", "x")]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "a mapping of .title, artwork. or an Arrow table, not int"),
        ({"t": "dark"}, r"the keys are \(title, artwork\), not 't'"),
        ({A: object()}, "tags or numbers are needed, not object"),
        ({A: ["dark", 1.0]}, "tags or numbers are needed, not list"),
        ({A: {"bright": float("nan")}}, "a number must be finite, not nan"),
        (pa.table({"title": ["t"]}), "the table has no column artwork"),
        (
            pa.table({"title": ["t", "t"], "artwork": ["a", "a"]}),
            r"\('t', 'a'\) is described more than once",
        ),
    ],
)
def test_what_describes_no_artwork_is_refused(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ArtworkFeatures(given)
