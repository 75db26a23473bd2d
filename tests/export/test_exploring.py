# SPDX-License-Identifier: Apache-2.0
"""Exploration goes by what is known, keeps its holdbacks and floors, and has its price named."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import (
    Category,
    Cell,
    DataError,
    EpsilonGreedy,
    ExplorerError,
    FeatureSchema,
    Fixed,
    Greedy,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Uniform,
    holdbacks,
)
from edgeart_export.exploring import (
    check_floors,
    known,
    missing_holdbacks,
    price,
    scaled,
    with_holdbacks,
)
from tests.support.models import opened

SCHEMA = FeatureSchema([Category("country", ["US"])])  # slots: US, other, intercept
TITLES = {"two": ["a", "b"], "four": ["a", "b", "c", "d"], "one": ["a"]}


def model(**more: Any) -> PolicyModel:
    """By country: in two b is better in the US by .5; in four the scores are 0, 1, 2, 3 tenths."""
    weights = np.zeros((7, 3), np.float32)
    weights[1, 0] = 0.5
    bias = np.array([0.25, 0, 0, 0.1, 0.2, 0.3, 0.7], np.float32)
    given: dict[str, Any] = {
        "name": "row", "sequence": 1, "schema": SCHEMA, "titles": TITLES, "weights": weights,
        "bias": bias, "explorer": Greedy(),
    }  # fmt: skip
    return PolicyModel(**(given | more))


def policy(made: PolicyModel) -> edgeart.Policy:
    return opened(made, "f32")


def test_squarecbs_gamma_grows_with_the_root_of_exposures_and_shrinks_with_the_deviation() -> None:
    found = scaled(model(explorer=SquareCB(3.0, floor=0.01)), {"two": 400, "four": 9}, 0.5)
    assert found.explorer == SquareCB(6.0, floor=0.01)
    read = policy(found)
    assert [read.title_scale(title) for title in TITLES] == [20, 3, 1]
    # Rewards ten times as large: gaps are too, and so nothing changes.
    large = model(explorer=SquareCB(3.0), weights=10 * model().weights, bias=10 * model().bias)
    tenfold = policy(scaled(large, {"two": 400, "four": 9}, 5.0))
    same = policy(scaled(model(explorer=SquareCB(3.0)), {"two": 400, "four": 9}, 0.5))
    for title in TITLES:
        n = [p.candidates(p.context({"country": "US"}, seed=0), title).n for p in (tenfold, same)]
        assert n[0].tolist() == pytest.approx(n[1].tolist(), rel=1e-5)


def test_softmaxs_temperature_does_the_reverse() -> None:
    found = scaled(model(explorer=Softmax(2.0)), np.array([4, 0, 16]), 0.25)
    assert found.explorer == Softmax(0.5)
    read = policy(found)
    assert [read.title_scale(title) for title in TITLES] == [0.5, 1, 0.25]


@pytest.mark.parametrize(
    ("explorer", "exposures", "deviation", "message"),
    [
        (Greedy(), {}, 1.0, "greedy has no parameter to scale by exposures: it has none"),
        (Thompson(), {}, 1.0, "its variances already say how much is known"),
        (SquareCB(1.0), {}, 0.0, "must be above 0, not 0.0"),
        (SquareCB(1.0), {}, float("nan"), "must be above 0, not nan"),
        (SquareCB(1.0), {"three": 1}, 1.0, "the model has no title 'three'"),
        (SquareCB(1.0), np.array([1, 2]), 1.0, "for each of 3 titles"),
        (SquareCB(1.0), {"two": -1}, 1.0, "one number from 0 on"),
    ],
)
def test_what_cannot_be_scaled_is_refused(
    explorer: Any, exposures: Any, deviation: float, message: str
) -> None:
    made = model(explorer=explorer, variance=np.ones((7, 3), np.float32))
    with pytest.raises(ExplorerError, match=message):
        scaled(made, exposures, deviation)


def written(folder: Path, rows: list[tuple[str, str | None, float, float | None]]) -> Path:
    names = ("title", "shown", "reward", "previous")
    kinds = (pa.string(), pa.string(), pa.float32(), pa.float32())
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    path = folder / f"exposures-{len(list(folder.iterdir()))}.parquet"
    pq.write_table(
        pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema), path
    )
    return path


def test_exposures_are_counted_once_and_corrections_correct(tmp_path: Path) -> None:
    first = written(tmp_path, [("two", None, 0, None)] * 3 + [("four", None, 1, None)])
    second = written(tmp_path, [("two", None, 1, 0.0), ("two", "other", 1, None)])
    found = known([first, second])
    assert found.exposures == {"two": 3, "four": 1}
    assert found.reward_std == pytest.approx(0.5)  # rewards 1, 0, 0, 1


def test_files_that_are_no_exposures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no exposure in the files"):
        known([written(tmp_path, [])])
    (tmp_path / "x").write_bytes(b"no Parquet")
    with pytest.raises(DataError, match=f"{tmp_path / 'x'} holds no exposures"):
        known([tmp_path / "x"])


def test_holdbacks_that_are_missing_come_behind_the_cells_that_are_there() -> None:
    assert [c.name for c in with_holdbacks(model()).cells] == ["fixed", "uniform"]
    bold = Cell("bold", 0.1, EpsilonGreedy(0.5))
    alike = Cell("alike", 0.2, Uniform())
    found = with_holdbacks(model(cells=[bold, alike]))
    assert [c.name for c in found.cells] == ["bold", "alike", "fixed"]
    assert with_holdbacks(found) is found
    assert [c.name for c in with_holdbacks(model(explorer=Uniform())).cells] == ["fixed"]
    assert missing_holdbacks("fixed", ["uniform"]) == []
    assert missing_holdbacks("greedy", []) == ["fixed", "uniform"]


def test_floors_that_cannot_hold_are_refused_with_titles_and_cell() -> None:
    check_floors(model(explorer=Greedy(floor=0.25)))
    with pytest.raises(
        ExplorerError, match=r"greedy: .* 1 title\(s\), 'four': 4 artworks"
    ) as caught:
        check_floors(model(explorer=Greedy(floor=0.26)))
    assert "at most 0.25" in str(caught.value)
    with pytest.raises(ExplorerError, match=r"2 title\(s\), 'two', 'four'"):
        check_floors(model(explorer=SquareCB(1.0, floor=0.6)))
    with pytest.raises(ExplorerError, match="cell 'bold': epsilon_greedy"):
        check_floors(model(cells=[Cell("bold", 0.1, EpsilonGreedy(0.1, floor=0.5))]))
    check_floors(model(explorer=Uniform(floor=1.0)))  # which is what it is anyhow


def test_the_price_is_what_the_best_artwork_would_have_had_more() -> None:
    """Best in the US: .5, .3, .7, elsewhere .25, .3, .7; uniform: .375, .15, .7 and .125, .15, .7.
    The default: .25, 0, .7 everywhere.
    """
    made = model(explorer=EpsilonGreedy(0.5), cells=holdbacks(0.25, 0.5))
    found = price(policy(made), [{"country": "US"}, {"country": "FR"}])
    best = (0.5 + 0.3 + 0.7 + 0.25 + 0.3 + 0.7) / 6
    alike = (0.375 + 0.15 + 0.7 + 0.125 + 0.15 + 0.7) / 6
    default = (0.25 + 0 + 0.7) / 3
    assert (found.contexts, found.titles) == (2, 3)
    assert found.best == pytest.approx(best, rel=1e-6)
    own, fixed, uniform = found.cells
    assert own.given_up == pytest.approx((best - alike) / 2, rel=1e-5)
    assert fixed.given_up == pytest.approx(best - default, rel=1e-5)
    assert uniform.given_up == pytest.approx(best - alike, rel=1e-5)
    assert [c.share for c in found.cells] == [0.25, 0.25, 0.5]
    assert found.total == pytest.approx(
        0.25 * own.given_up + 0.25 * fixed.given_up + 0.5 * uniform.given_up
    )


def test_greedy_costs_nothing_and_cells_without_units_are_left_out() -> None:
    found = price(policy(model(explorer=Greedy(), cells=[Cell("all", 1.0, Fixed())])), [{}])
    assert [c.cell for c in found.cells] == ["all"]
    assert price(policy(model()), [{}]).total == 0


def test_of_many_titles_and_contexts_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeart_export.exploring.PAIRS", 8)
    found = price(policy(model()), [{"country": "US"}] * 100)
    assert found.contexts * found.titles <= 8
    assert found.titles == 3
    empty = dataclasses.replace(model(), titles={}, weights=np.zeros((0, 3)), bias=np.zeros(0))
    assert price(policy(empty), [{}]).total == 0
