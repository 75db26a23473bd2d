# SPDX-License-Identifier: Apache-2.0
"""What every trainer promises: a test class that inherits `TrainerConformance` checks all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import edgeart
from edgeart_export import (
    Category,
    DataError,
    FeatureSchema,
    Number,
    PolicyModel,
    Weights,
    bundle_bytes,
)

SCHEMA = FeatureSchema(
    [
        Category("country", ["US", "GB"]),
        Weights("taste", ["comedy", "romance", "drama"]),
        Number("hour", mean=12.0, std=6.0, indicator=False),
    ]
)
TITLES = {"seven": ["couple", "laugh", "night"], "eight": ["duel", "crowd"], "nine": ["alone"]}
DAY = timedelta(days=1)
START = 1_741_824_000_000  # milliseconds since 1970

Table = dict[str, Any]
Bad = Callable[[Table], None]


def rows(
    count: int,
    seed: int = 5,
    *,
    titles: Mapping[str, Sequence[str]] = TITLES,
    but: tuple[str, str] = ("eight", "crowd"),
) -> Table:
    """A batch of `count` exposures; none is of the artwork `but`."""
    rng = np.random.default_rng(seed)
    pairs = [(t, a) for t, artworks in titles.items() for a in artworks if (t, a) != but]
    picked = [pairs[i] for i in rng.integers(0, len(pairs), count).tolist()]
    contexts = [
        {
            "country": ["US", "GB", "FR"][int(rng.integers(3))],
            "taste": {"comedy": float(rng.random()), "drama": float(rng.random())},
            "hour": float(rng.integers(24)),
        }
        for _ in range(count)
    ]
    liking = np.array([c["taste"]["comedy"] for c in contexts]) * [  # type: ignore[index]
        artwork == "laugh" for _, artwork in picked
    ]
    return {
        "title": [title for title, _ in picked],
        "artwork": [artwork for _, artwork in picked],
        "context": contexts,
        "reward": (rng.random(count) < 0.2 + 0.6 * liking).astype(np.float64),
        "weight": rng.integers(1, 4, count).astype(np.float64),
        "propensity": np.full(count, 0.25),
        "time": START + rng.integers(0, 20 * 86_400_000, count),
        "slot_row": rng.integers(0, 6, count),
        "slot_column": rng.integers(0, 6, count),
    }


def part(batch: Table, which: slice | npt.NDArray[np.intp]) -> Table:
    """Some rows of a batch, in this order."""
    numbers = np.arange(len(batch["title"]))[which]
    return {
        name: column[numbers]
        if isinstance(column, np.ndarray)
        else [column[i] for i in numbers.tolist()]
        for name, column in batch.items()
    }


def _set(name: str, value: float) -> Bad:
    def change(batch: Table) -> None:
        batch[name][3] = value

    return change


def _null(batch: Table) -> None:
    batch["propensity"] = [None if i == 3 else 0.25 for i in range(len(batch["propensity"]))]


REFUSED: dict[str, tuple[Bad, str]] = {
    "NaN reward": (_set("reward", np.nan), "row 3: reward must be"),
    "infinite reward": (_set("reward", np.inf), "row 3: reward must be"),
    "NaN weight": (_set("weight", np.nan), "row 3: weight must be"),
    "infinite weight": (_set("weight", np.inf), "row 3: weight must be"),
    "negative weight": (_set("weight", -1.0), "row 3: weight must be"),
    "NaN propensity": (_set("propensity", np.nan), "row 3: propensity must be"),
    "infinite propensity": (_set("propensity", np.inf), "row 3: propensity must be"),
    "propensity 0": (_set("propensity", 0.0), "row 3: propensity must be"),
    "missing propensity": (_null, "row 3: propensity must be"),
}


class TrainerConformance:
    """Inherit it, say how the trainer is made, and which of the promises it gives.

    trainer: a new one for SCHEMA and TITLES, untrained; settings are keyword arguments, of which
    `half_life` is asked for where `decays`. ready: one on which partial_fit can begin; override it
    where something has to be learned or given first (a tower), the same each time. rtol, atol: how
    close two trainers must be that learned the same; `numbers` is what is compared, and of these
    `sums` where order or number of rows may tell in others. titles: with ("eight", "crowd"), which
    is never shown. times: batches are so many times as large.
    """

    titles: Mapping[str, Sequence[str]] = TITLES
    times = 1

    decays = True
    saves = True
    fit_is_partial_fit = True
    """Whether fit(all) and ready().partial_fit(all) give the same."""
    rtol, atol = 1e-9, 1e-12

    def trainer(self, **settings: Any) -> Any:
        raise NotImplementedError

    def ready(self, **settings: Any) -> Any:
        return self.trainer(**settings)

    def load(self, path: Path) -> Any:
        return type(self.trainer()).load_state(path)

    def model(self, trainer: Any) -> PolicyModel:
        model = trainer.to_model("p", 1)
        assert isinstance(model, PolicyModel)
        return model

    def numbers(self, trainer: Any) -> dict[str, npt.NDArray[Any]]:
        """All that was learned; with a wider rtol where only float32 can be had."""
        model = self.model(trainer)
        found = {"weights": model.weights, "bias": model.bias}
        return found if model.variance is None else {**found, "variance": model.variance}

    def sums(self, trainer: Any) -> dict[str, npt.NDArray[Any]]:
        """What is added up, so that order and number of rows do not matter: all of it."""
        return self.numbers(trainer)

    def rows(self, count: int, seed: int = 5) -> Table:
        """A batch of `count` times `times` exposures."""
        return rows(count * self.times, seed, titles=self.titles)

    def cut(self, batch: Table, first: int, last: int) -> Table:
        """The rows from `first` times `times` on, before `last` times `times`."""
        return part(batch, slice(first * self.times, last * self.times))

    def same(self, one: Any, other: Any) -> None:
        self._equal(self.numbers(one), self.numbers(other))

    def add_up(self, one: Any, other: Any) -> None:
        """Their sums are the same."""
        self._equal(self.sums(one), self.sums(other))

    def _equal(
        self, left: Mapping[str, npt.NDArray[Any]], right: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        assert left.keys() == right.keys()
        for name, array in left.items():
            np.testing.assert_allclose(
                array, right[name], rtol=self.rtol, atol=self.atol, err_msg=name
            )

    def differ(self, one: Any, other: Any) -> None:
        with pytest.raises(AssertionError):
            self.same(one, other)

    # Parts and their order.

    @pytest.mark.parametrize("cuts", [(1,), (40,), (10, 11, 70), (0, 80)])
    def test_any_split_of_partial_fit_learns_the_same(self, cuts: tuple[int, ...]) -> None:
        batch = self.rows(80)
        whole, parts = self.ready().partial_fit(batch), self.ready()
        for first, last in zip((0, *cuts), (*cuts, 80), strict=True):
            assert parts.partial_fit(self.cut(batch, first, last)) is parts
        self.same(whole, parts)

    def test_fit_is_partial_fit_of_an_untrained_trainer(self) -> None:
        if not self.fit_is_partial_fit:
            pytest.skip("this trainer's fit learns more than its partial_fit")
        self.same(self.trainer().fit(self.rows(80)), self.ready().partial_fit(self.rows(80)))

    def test_fit_forgets_and_partial_fit_does_not(self) -> None:
        once = self.trainer().fit(self.rows(80))
        self.same(once, self.trainer().fit(self.rows(40, seed=9)).fit(self.rows(80)))
        self.differ(once, self.trainer().fit(self.rows(80)).partial_fit(self.rows(40, seed=9)))

    def test_the_order_of_rows_does_not_matter(self) -> None:
        batch = self.rows(80)
        order = np.random.default_rng(2).permutation(80 * self.times)
        self.same(self.ready().partial_fit(batch), self.ready().partial_fit(part(batch, order)))

    def test_merging_parts_learns_the_same_in_any_order(self) -> None:
        batch = self.rows(90)
        pieces = [self.cut(batch, i, i + 30) for i in (0, 30, 60)]
        whole = self.ready().partial_fit(batch)

        def learned(which: int) -> Any:
            return self.ready().partial_fit(pieces[which])

        left = learned(0).merge(learned(1)).merge(learned(2))
        right = learned(0).merge(learned(1).merge(learned(2)))
        turned = learned(2).merge(learned(0)).merge(learned(1))
        for merged in (left, right, turned):
            self.add_up(whole, merged)
            self.same(left, merged)

    def test_merging_what_learned_nothing_changes_nothing(self) -> None:
        whole = self.ready().partial_fit(self.rows(40))
        self.same(whole, self.ready().partial_fit(self.rows(40)).merge(self.ready()))
        self.same(whole, self.ready().merge(self.ready().partial_fit(self.rows(40))))

    def test_merging_leaves_the_other_as_it_was(self) -> None:
        other = self.ready().partial_fit(self.rows(40))
        self.ready().partial_fit(self.rows(30, seed=7)).merge(other)
        self.same(other, self.ready().partial_fit(self.rows(40)))

    # Weights and time.

    def test_a_row_of_weight_two_is_the_row_twice(self) -> None:
        batch = self.rows(40)
        count = len(batch["title"])
        batch["weight"] = np.full(count, 2.0)
        twice = part({**batch, "weight": np.ones(count)}, np.repeat(np.arange(count), 2))
        self.add_up(self.ready().partial_fit(batch), self.ready().partial_fit(twice))

    def test_a_row_of_weight_nothing_is_absent(self) -> None:
        batch = self.rows(60)
        nothing = np.random.default_rng(3).random(len(batch["title"])) < 0.6
        batch["weight"][nothing] = 0.0
        batch["reward"][nothing] = 7.0
        fewer = part(batch, np.flatnonzero(~nothing))
        self.same(self.ready().partial_fit(batch), self.ready().partial_fit(fewer))

    def test_without_weights_every_row_weighs_one(self) -> None:
        batch = self.rows(40)
        batch["weight"] = np.ones(len(batch["title"]))
        bare = {name: column for name, column in batch.items() if name != "weight"}
        self.same(self.ready().partial_fit(batch), self.ready().partial_fit(bare))

    def test_what_is_older_by_a_half_life_weighs_half(self) -> None:
        if not self.decays:
            pytest.skip("this trainer does not forget")
        batch = self.rows(80)
        ages = (batch["time"].max() - batch["time"]) / 86_400_000
        weighted = {**batch, "weight": batch["weight"] * 0.5 ** (ages / 3)}
        self.add_up(
            self.ready(half_life=3 * DAY).partial_fit(batch), self.ready().partial_fit(weighted)
        )

    @pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    def test_forgetting_goes_by_the_time_of_events_not_of_their_arrival(
        self, order: list[int]
    ) -> None:
        if not self.decays:
            pytest.skip("this trainer does not forget")
        batch = self.rows(90)
        by_time = np.argsort(batch["time"])
        pieces = [self.cut(part(batch, by_time), i, i + 30) for i in (0, 30, 60)]
        whole = self.ready(half_life=DAY / 2).partial_fit(batch)
        fitted, merged = self.ready(half_life=DAY / 2), self.ready(half_life=DAY / 2)
        for i in order:
            fitted.partial_fit(pieces[i])
            merged.merge(self.ready(half_life=DAY / 2).partial_fit(pieces[i]))
        self.add_up(whole, fitted)
        self.add_up(whole, merged)

    def test_who_forgets_must_be_told_the_time(self) -> None:
        if not self.decays:
            pytest.skip("this trainer does not forget")
        batch = self.rows(10)
        del batch["time"]
        with pytest.raises(DataError, match="no column time"):
            self.ready(half_life=DAY).partial_fit(batch)

    # Little or nothing to learn from.

    def test_an_empty_batch_changes_nothing(self) -> None:
        trainer = self.ready().partial_fit(self.rows(40)).partial_fit(self.rows(0))
        self.same(trainer, self.ready().partial_fit(self.rows(40)))

    @pytest.mark.parametrize("count", [0, 1])
    def test_hardly_anything_still_makes_a_policy(self, count: int) -> None:
        few = part(self.rows(1), slice(0, count))
        self.decides(self.model(self.ready().partial_fit(few)))

    def test_an_artwork_without_data_is_as_uncertain_as_any(self) -> None:
        model = self.model(self.ready().partial_fit(self.rows(200)))
        at = model.artworks.index(("eight", "crowd"))
        others = [i for i, (title, _) in enumerate(model.artworks) if title == "eight" and i != at]
        if model.variance is not None:
            assert (model.variance[at] >= model.variance[others]).all()
            assert (model.variance[at] > model.variance[others]).any()
        self.decides(model)

    def decides(self, model: PolicyModel) -> None:
        """The bundle opens, and gives every artwork of a title a finite share."""
        for rows_ in ("i8", "f32"):
            policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows=rows_))
            context = policy.context({"country": "US", "hour": 3}, seed=1)
            for title, artworks in self.titles.items():
                shares = policy.propensities(context, title)
                assert sorted(shares) == sorted(artworks)
                assert sum(shares.values()) == pytest.approx(1)

    # What cannot be used.

    @pytest.mark.parametrize("what", REFUSED)
    def test_unusable_numbers_are_refused_by_their_row(self, what: str) -> None:
        change, message = REFUSED[what]
        trainer, batch = self.ready().partial_fit(self.rows(40)), self.rows(10, seed=6)
        change(batch)
        with pytest.raises(DataError, match=message):
            trainer.partial_fit(batch)
        self.same(trainer, self.ready().partial_fit(self.rows(40)))

    def test_an_unknown_artwork_is_named_with_its_row(self) -> None:
        batch = self.rows(10)
        batch["title"][4], batch["artwork"][4] = "seven", "stranger"
        trainer = self.ready().partial_fit(self.rows(40))
        with pytest.raises(DataError, match=r"row 4: title 'seven' with artwork 'stranger'"):
            trainer.partial_fit(batch)
        self.same(trainer, self.ready().partial_fit(self.rows(40)))

    def test_a_missing_column_is_named(self) -> None:
        batch = self.rows(10)
        del batch["reward"]
        with pytest.raises(DataError, match="no column reward"):
            self.ready().partial_fit(batch)

    # Memory between nights.

    def test_a_state_comes_back_equal_and_learns_on(self, tmp_path: Path) -> None:
        if not self.saves:
            pytest.skip("this trainer keeps no state")
        trainer = self.ready().partial_fit(self.rows(40))
        trainer.save_state(tmp_path / "state.parquet")
        back = self.load(tmp_path / "state.parquet")
        for name, array in self.numbers(trainer).items():
            np.testing.assert_array_equal(array, self.numbers(back)[name], err_msg=name)
        self.same(
            trainer.partial_fit(self.rows(40, seed=8)), back.partial_fit(self.rows(40, seed=8))
        )
        assert [file.name for file in tmp_path.iterdir()] == ["state.parquet"]

    def test_a_forgetting_state_forgets_on(self, tmp_path: Path) -> None:
        if not (self.saves and self.decays):
            pytest.skip("this trainer keeps no state or does not forget")
        batch = self.rows(80)
        by_time = np.argsort(batch["time"])
        half = len(by_time) // 2
        trainer = self.ready(half_life=DAY).partial_fit(part(batch, by_time[:half]))
        trainer.save_state(tmp_path / "state.parquet")
        back = self.load(tmp_path / "state.parquet").partial_fit(part(batch, by_time[half:]))
        self.same(self.ready(half_life=DAY).partial_fit(batch), back)
