# SPDX-License-Identifier: Apache-2.0
"""Nightly training on exposures: each learned once, when settled; the command that does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeart_export import Category, DataError, FeatureSchema, LinearTrainer, cli, load_model
from edgeart_export.catalogue import load_prior
from edgeart_export.training import exposure_files, learn, look

SCHEMA = FeatureSchema([Category("country", ["US", "GB"])])
TITLES = {"t": ["a", "b"], "u": ["c", "d"]}
DAY = 86_400_000
START = 1_741_824_000_000


def exposures(seed: int, first: int, count: int = 200, **changes: Any) -> pa.Table:
    """Exposures of a day, in attribution's columns."""
    rng = np.random.default_rng(seed)
    pairs = [(t, a) for t, row in TITLES.items() for a in row]
    picked = [pairs[i] for i in rng.integers(0, 4, count).tolist()]
    maps = [msgpack.packb({"country": c}) for c in ("US", "GB", "FR")]
    columns: dict[str, Any] = {
        "title": [t for t, _ in picked],
        "artwork": [a for _, a in picked],
        "map": [maps[i] for i in rng.integers(0, 3, count).tolist()],
        "reward": rng.integers(0, 2, count).astype(np.int8),
        "previous": pa.nulls(count, pa.int8()),
        "propensity": np.full(count, 0.5),
        "n": np.full(count, 1 << 30, np.uint32),
        "reason": np.zeros(count, np.uint8),
        "shown": pa.nulls(count, pa.string()),
        "shown_first": pa.array(
            START + first + rng.integers(0, DAY, count), pa.timestamp("ms", tz="UTC")
        ),
        "slot_row": np.zeros(count, np.uint32),
        "slot_column": np.zeros(count, np.uint32),
    }
    return pa.table({**columns, **changes})


def write(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path)
    return path


def trainer() -> LinearTrainer:
    return LinearTrainer(SCHEMA, TITLES, l2=1.0)


def learned(files: list[Path], before: dict[str, int] | None = None) -> tuple[Any, ...]:
    fresh = trainer()
    return (fresh, *learn(fresh, look(files), before or {}))


def test_exposures_are_what_a_trainer_is_given(tmp_path: Path) -> None:
    table = exposures(1, 0)
    fresh, _, counts = learned([write(table, tmp_path / "1.parquet")])
    last = np.flatnonzero(table.column("reward").to_numpy() == 0)
    time = table.column("shown_first").cast(pa.int64()).to_numpy()
    settled = time <= time[last].max()
    assert counts["used"] == settled.sum()
    assert counts["too young"] == (~settled).sum()
    assert fresh.counts.sum() == settled.sum()
    assert fresh.rewards.sum() == table.column("reward").to_numpy()[settled].sum()


def test_a_file_given_again_is_not_learned_again(tmp_path: Path) -> None:
    path = write(exposures(1, 0), tmp_path / "1.parquet")
    once, after, counts = learned([path])
    again, later, more = learned([path], after)
    assert more["used"] == 0
    assert more["learned before"] == counts["used"]
    assert later == after
    assert not again.counts.any()
    assert once.counts.any()


def test_what_was_too_young_is_learned_when_it_is_settled(tmp_path: Path) -> None:
    one = exposures(1, 0)
    # Of the second day only the plays are there on the first night.
    two = exposures(2, DAY)
    played = pa.compute.equal(two.column("reward"), 1)
    nights = [
        write(pa.concat_tables([one, two.filter(played)]), tmp_path / "1.parquet"),
        write(two.filter(pa.compute.invert(played)), tmp_path / "2.parquet"),
    ]
    nightly = trainer()
    after, first = learn(nightly, look(nights[:1]), {})
    assert first["too young"] >= pa.compute.sum(played).as_py()
    after, _ = learn(nightly, look(nights), after)
    whole, _, _ = learned(nights)
    np.testing.assert_allclose(nightly.A, whole.A)
    np.testing.assert_allclose(nightly.b, whole.b)
    assert set(after) == {"1.parquet", "2.parquet"}


def test_a_correction_changes_the_reward_and_counts_nothing_twice(tmp_path: Path) -> None:
    table = exposures(1, 0)
    zero = int(np.flatnonzero(table.column("reward").to_numpy() == 0)[0])
    late = table.slice(zero, 1)
    late = late.set_column(3, "reward", pa.array([1], pa.int8()))
    late = late.set_column(4, "previous", pa.array([0], pa.int8()))
    files = [write(table, tmp_path / "1.parquet"), write(late, tmp_path / "2.parquet")]
    plain, _, _ = learned(files[:1])
    corrected, _, counts = learned(files)
    assert counts["corrections"] == 1
    assert corrected.counts.sum() == plain.counts.sum()
    assert corrected.rewards.sum() == plain.rewards.sum() + 1
    np.testing.assert_array_equal(corrected.A, plain.A)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": np.full(200, 50, np.uint8)},
        {"n": np.zeros(200, np.uint32), "propensity": np.zeros(200)},
        {"shown": pa.array(["else"] * 200)},
    ],
)
def test_what_no_propensity_stands_behind_is_left_out(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    both = pa.concat_tables([exposures(1, 0), exposures(2, 0, **changes)])
    fresh, _, counts = learned([write(both, tmp_path / "1.parquet")])
    assert counts["no propensity behind"] == 200
    assert fresh.counts.sum() == counts["used"] > 0


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no Parquet file of exposures in .*empty"):
        exposure_files([tmp_path / "empty"])
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(DataError, match=r"text\.parquet: no Parquet file"):
        look([tmp_path / "text.parquet"])
    less = write(exposures(1, 0).drop_columns(["reason"]), tmp_path / "less.parquet")
    with pytest.raises(DataError, match=r"less\.parquet has no column reason"):
        look([less])
    (tmp_path / "other").mkdir()
    twins = [write(exposures(1, 0), tmp_path / p) for p in ("a.parquet", "other/a.parquet")]
    with pytest.raises(DataError, match=r"two files are called a\.parquet"):
        look(twins)
    plays = exposures(1, 0, reward=np.ones(200, np.int8))
    with pytest.raises(DataError, match="nothing is settled yet"):
        learned([write(plays, tmp_path / "plays.parquet")])


# The command.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "exposures").mkdir()
    write(exposures(1, 0), tmp_path / "exposures" / "1.parquet")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA.to_json()), encoding="utf-8")
    (tmp_path / "artworks.csv").write_text(
        "title,artwork,motif,bright,live\nu,d,people,0.5,true\nu,c,dark,0.1,true\n"
        "t,b,people,0.2,true\nt,a,dark,0.9,false\nt,new,people,0.4,true\n",
        encoding="utf-8",
    )
    return tmp_path


def run(folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    arguments = [
        *("train", str(folder / "exposures"), "-o", str(folder / "model"), "--json"),
        *("--artworks", str(folder / "artworks.csv"), "--state", str(folder / "state.parquet")),
    ]
    assert cli.main([*arguments, *more]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_train_makes_a_model_of_what_may_be_shown_and_goes_on_from_its_state(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = ("--schema", str(folder / "schema.json"), "--half-life", "30d")
    report = run(folder, capsys, *schema)
    model = load_model(folder / "model")
    assert model.titles == {"u": ("d", "c"), "t": ("b", "new")}
    assert model.explorer.kind == "thompson"
    expected = load_prior(folder / "model")
    assert expected is not None
    assert expected.features.names == ["motif=dark", "motif=people", "bright"]
    assert model.meta["trained_until"] == report["trained_until"]
    assert report["without_data"] == 1
    assert report["artwork_features"] == 3
    assert set(report["lambda"]) == {"country", "intercept"}
    assert report["exposures"]["used"] > 190

    write(exposures(2, DAY), folder / "exposures" / "2.parquet")
    after = run(folder, capsys, "--sequence", "2")
    assert after["exposures"]["learned before"] == report["exposures"]["used"]
    state = LinearTrainer.load_state(folder / "state.parquet")
    whole = LinearTrainer(SCHEMA, state.titles, half_life=state.half_life)
    learn(whole, look(exposure_files([folder / "exposures"])), {})
    np.testing.assert_allclose(state.A, whole.A)
    assert load_model(folder / "model").sequence == 2


def test_train_tells_people_what_it_did(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", str(folder / "exposures"), "--schema", str(folder / "schema.json")]
    assert cli.main([*arguments, "-o", str(folder / "m"), "--rank", "2", "--lambda", "9"]) == 0
    shown = capsys.readouterr().out
    assert "exposures of 1 file(s) until 2025-03-13T" in shown
    assert "4 artworks of 2 titles, 0 without data; 4 slots, 2 after the layer" in shown
    assert "λ = 9; σ² = " in shown
    assert len(load_model(folder / "m").tower) == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--half-life", "3d"], "was begun with another --half-life: 30 days"),
        (["--slots", "3,4"], "was begun with another --slots: None"),
        (["--schema", "{folder}/other.json"], "was begun with another --schema"),
    ],
)
def test_a_state_is_not_mixed_with_other_settings(
    more: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder, capsys, "--schema", str(folder / "schema.json"), "--half-life", "30d")
    (folder / "other.json").write_text("[]", encoding="utf-8")
    arguments = ["train", str(folder / "exposures"), "-o", str(folder / "m")]
    arguments += ["--state", str(folder / "state.parquet")]
    assert cli.main([*arguments, *(text.format(folder=folder) for text in more)]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --schema FILE, or a --state that is there already"),
        (["--half-life", "soon"], "'soon' is not a duration"),
        (["--slots", "3"], "'3' is not two whole numbers"),
        (["--rank", "1"], "whole number from 2 on"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", str(folder / "exposures"), "-o", str(folder / "m"), *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
