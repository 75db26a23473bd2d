# SPDX-License-Identifier: Apache-2.0
"""`train --trainer auto`: nightly, with state and catalogue, and what it says of its choice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgeart_export import AutoTrainer, FeatureSchema, Vector, cli, load_model
from edgeart_export.catalogue import load_prior
from edgeart_export.training import exposure_files, learn, look

SCHEMA = FeatureSchema([Vector("x", 3)])
TITLES = {"t": ["a", "b"], "u": ["c", "d"]}
DAY = 86_400_000
START = 1_741_824_000_000


def exposures(seed: int, first: int, *, linear: bool, count: int = 700) -> pa.Table:
    """Exposures of a day; chances rise with x₀ for one artwork of a title and fall for the other,
    or jump by the sign of x₀·x₁.
    """
    rng = np.random.default_rng(seed)
    pairs = [(t, a) for t, row in TITLES.items() for a in row]
    picked = rng.integers(0, 4, count)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    signal = np.clip(0.2 * x[:, 0], -0.4, 0.4) if linear else 0.4 * np.sign(x[:, 0] * x[:, 1])
    chance = 0.5 + signal * (1 - 2 * (picked % 2))
    when = np.sort(START + first + rng.integers(0, DAY, count))
    return pa.table(
        {
            "title": [pairs[i][0] for i in picked.tolist()],
            "artwork": [pairs[i][1] for i in picked.tolist()],
            "map": [msgpack.packb({"x": row.tobytes()}) for row in x],
            "reward": (rng.random(count) < chance).astype(np.int8),
            "previous": pa.nulls(count, pa.int8()),
            "propensity": np.full(count, 0.5),
            "n": np.full(count, 1 << 30, np.uint32),
            "reason": np.zeros(count, np.uint8),
            "shown": pa.nulls(count, pa.string()),
            "shown_first": pa.array(when, pa.timestamp("ms", tz="UTC")),
            "slot_row": rng.integers(0, 3, count).astype(np.uint32),
            "slot_column": rng.integers(0, 3, count).astype(np.uint32),
        }
    )


def world(tmp_path: Path, *, linear: bool) -> Path:
    (tmp_path / "exposures").mkdir()
    pq.write_table(exposures(1, 0, linear=linear), tmp_path / "exposures" / "1.parquet")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA.to_json()), encoding="utf-8")
    (tmp_path / "artworks.csv").write_text(
        "title,artwork,motif,live\nu,d,people,true\nu,c,dark,true\n"
        "t,b,people,true\nt,a,dark,false\nt,new,dark,true\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """A world whose truth is not linear."""
    return world(tmp_path, linear=False)


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        *("train", str(folder / "exposures"), "-o", str(folder / "model")),
        *("--artworks", str(folder / "artworks.csv"), "--state", str(folder / "state.parquet")),
        *more,
    ]


def begin(folder: Path, *more: str) -> list[str]:
    schema = str(folder / "schema.json")
    return arguments(folder, "--schema", schema, "--trainer", "auto", *more)


def report(capsys: pytest.CaptureFixture[str], given: list[str]) -> dict[str, Any]:
    assert cli.main([*given, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_auto_reports_its_choice_and_goes_on_every_night(
    patches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ("--half-life", "30d", "--slots", "2,2")
    first = report(capsys, begin(patches, *settings))
    assert set(first["auto"]["scores"]) == {
        *("linear", "linear-30", "linear-sparse", "tower", "tower-0.01"),
    }
    best = max(first["auto"]["scores"].values())
    assert first["auto"]["choice"].startswith("tower")
    assert first["auto"]["scores"][first["auto"]["choice"]] > 0.99 * best > 0.2
    assert first["auto"]["predicted"] == first["exposures"]["used"] - 100
    assert first["rank"] is None
    assert first["artwork_features"] == 2
    model = load_model(patches / "model")
    assert model.titles == {"u": ("d", "c"), "t": ("b", "new")}
    assert model.meta["trainer"] == f"AutoTrainer(), {first['auto']['choice']}"
    assert [layer.outputs for layer in model.tower] == first["tower"]

    pq.write_table(exposures(2, DAY, linear=False), patches / "exposures" / "2.parquet")
    after = report(capsys, arguments(patches, "--sequence", "2"))
    assert after["exposures"]["learned before"] == first["exposures"]["used"]
    state = AutoTrainer.load_state(patches / "state.parquet")
    whole = AutoTrainer(
        SCHEMA,
        state.titles,
        artworks=state.artworks,
        half_life=state.half_life,
        slots=(2, 2),
    )
    learn(whole, look(exposure_files([patches / "exposures"])), {})
    assert state.scores == pytest.approx(whole.scores, rel=1e-6)
    assert state.choice == whole.choice == after["auto"]["choice"]
    np.testing.assert_allclose(state.chosen.solve(), whole.chosen.solve(), rtol=1e-6, atol=1e-9)


def test_a_tower_expects_of_new_artworks_what_its_model_says(
    patches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`export --catalogue` gives the row that the trainer gave an artwork without data."""
    report(capsys, begin(patches))
    model, prior = load_model(patches / "model"), load_prior(patches / "model")
    assert model.tower
    assert prior is not None
    trainer = AutoTrainer.load_state(patches / "state.parquet")
    assert trainer.artworks is not None
    mean, variance = prior.rows([("t", "new")], trainer.artworks)
    at = model.artworks.index(("t", "new"))
    np.testing.assert_allclose(model.weights[at], mean[0], rtol=1e-5, atol=1e-7)
    assert model.variance is not None
    np.testing.assert_allclose(
        model.variance[at] / variance[0], model.variance[at, 0] / variance[0, 0], rtol=1e-4
    )
    assert np.abs(mean).max() > 0
    more = ["export", str(patches / "model"), "--bundle", str(patches / "p.edgeart")]
    (patches / "more.csv").write_text(
        "title,artwork,motif\nu,d,people\nu,c,dark\nt,b,people\nt,newer,dark\n", encoding="utf-8"
    )
    assert cli.main([*more, "--catalogue", str(patches / "more.csv")]) == 0
    assert "1 artworks added" in capsys.readouterr().out


def test_auto_tells_people_what_it_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = world(tmp_path, linear=True)
    assert cli.main(begin(folder)) == 0
    said = capsys.readouterr().out
    assert "auto chose linear" in said
    assert "share of rewards told beforehand, on the later half of" in said
    assert ", tower-0.01 0." in said
    assert not load_model(folder / "model").tower


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rank", "2"], "--rank is for --trainer linear"),
        (["--lambda", "3"], "--lambda is for --trainer linear"),
        (["--lambda", "auto"], "--lambda is for --trainer linear"),
    ],
)
def test_what_auto_has_no_use_for_is_refused(
    more: list[str], message: str, patches: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (begin(patches, *more), [*begin(patches), *more]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(given)
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
    report(capsys, begin(patches))
    with pytest.raises(SystemExit):
        cli.main(arguments(patches, *more))
    assert message in capsys.readouterr().err


def test_a_state_knows_its_trainer(patches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = ("--schema", str(patches / "schema.json"))
    linear = report(capsys, arguments(patches, *schema))
    assert linear["auto"] is None
    assert cli.main(arguments(patches, "--trainer", "auto")) == 1
    assert "state.parquet was begun with another --trainer: linear" in capsys.readouterr().err
    (patches / "state.parquet").unlink()
    report(capsys, begin(patches, "--half-life", "9d"))
    assert cli.main(arguments(patches, "--trainer", "linear")) == 1
    assert "state.parquet was begun with another --trainer: auto" in capsys.readouterr().err
    assert cli.main(arguments(patches, "--half-life", "3d")) == 1
    assert "was begun with another --half-life: 9 days" in capsys.readouterr().err
    assert report(capsys, arguments(patches))["auto"] is not None
