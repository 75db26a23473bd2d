# SPDX-License-Identifier: Apache-2.0
"""New artworks begin where features put them, the withdrawn go, what stays is as it was."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgeart
from edgeart_export import (
    ArtworkPrior,
    Category,
    DataError,
    FeatureSchema,
    LinearTrainer,
    Log,
    ModelError,
    PolicyModel,
    SquareCB,
    Thompson,
    bundle_bytes,
    catalogued,
    load_prior,
    prior_of,
    save_model,
)
from edgeart_export.catalogue import load_prior as load
from edgeart_export.catalogue import read_catalogue
from edgeart_export.cli import main
from edgeart_export.trainers.features import ArtworkFeatures
from tests.export.test_training import SCHEMA as TRAINED_SCHEMA
from tests.export.test_training import exposures
from tests.support.models import opened

SCHEMA = FeatureSchema([Category("country", ["US"])])  # slots: US, other, intercept
# Columns: kind=couple, kind=duel, year; years 2010 and 2020 are −1 and 1.
FEATURES = ArtworkFeatures(
    pa.table(
        {"title": ["t", "t"], "artwork": ["a", "b"], "kind": ["couple", "duel"],
         "year": [2010, 2020]}
    )
)  # fmt: skip
PRIOR = ArtworkPrior(
    features=ArtworkFeatures.from_json(FEATURES.to_json(), {}),
    map=np.array([[4.0, 0, 0], [0, 2.0, 0], [0, 0, 0.5]]),
    centre=np.array([0.5, 0.5, 0.0]),
    shared=np.array([0.0, 0.0, 8.0]),
    variance=np.array([1.0, 2.0, 3.0]),
    title_variance=np.array([10.0, 20.0, 30.0]),
    titles={"t": np.array([0.0, 0.0, 16.0])},
)


def model(**more: Any) -> PolicyModel:
    given: dict[str, Any] = {
        "name": "row",
        "sequence": 1,
        "schema": SCHEMA,
        "titles": {"t": ["a", "b"], "gone": ["x"], "u": ["y", "z"]},
        "weights": np.arange(15.0).reshape(5, 3),
        "bias": np.arange(5.0) / 8,
        "variance": np.arange(15.0).reshape(5, 3) / 16,
        "explorer": Thompson(),
    }
    return PolicyModel(**(given | more))


def catalogue(*rows: tuple[str, str, str | None, float | None], **more: Any) -> pa.Table:
    names = ("title", "artwork", "kind", "year")
    kinds = (pa.string(), pa.string(), pa.string(), pa.float64())
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema)
    for name, column in more.items():
        table = table.append_column(name, pa.array(column, pa.list_(pa.string())))
    return table


WHOLE = catalogue(
    ("new", "n", "duel", 2020),
    ("u", "z", None, None),
    ("t", "c", "couple", 2010),
    ("t", "b", "duel", 2020),
    ("t", "d", None, 2030),
    ("t", "e", "heist", None),
)


def test_rows_of_new_artworks_are_their_titles_mean_moved_by_their_features() -> None:
    made, _ = catalogued(model(), PRIOR, WHOLE)
    assert made.titles == {"new": ("n",), "u": ("z",), "t": ("c", "b", "d", "e")}
    assert list(made.titles) == ["new", "u", "t"]
    weights = {pair: made.weights[i].tolist() for i, pair in enumerate(made.artworks)}
    # What stays.
    assert weights["t", "b"] == [3, 4, 5]
    assert weights["u", "z"] == [12, 13, 14]
    # t's mean (0, 0, 16), and the map of (couple, duel, year) less (.5, .5, 0).
    assert weights["t", "c"] == [4 * 0.5, 2 * -0.5, 16 + 0.5 * -1]
    assert weights["t", "d"] == [4 * -0.5, 2 * -0.5, 16 + 0.5 * 3]
    # Nothing is known of a heist: the mean of the features that were learned from, (.5, .5, 0).
    assert weights["t", "e"] == [0, 0, 16]
    # A title that nobody has seen has the mean of titles.
    assert weights["new", "n"] == [4 * -0.5, 2 * 0.5, 8 + 0.5]
    assert made.bias.tolist() == [0, 4 / 8, 0, 1 / 8, 0, 0]


def test_variances_are_those_of_artworks_and_for_a_new_title_its_own_besides() -> None:
    made, _ = catalogued(model(), PRIOR, WHOLE)
    assert made.variance is not None
    variances = {pair: made.variance[i].tolist() for i, pair in enumerate(made.artworks)}
    assert variances["t", "b"] == [3 / 16, 4 / 16, 5 / 16]
    assert variances["t", "c"] == variances["t", "e"] == [1, 2, 3]
    assert variances["new", "n"] == [11, 22, 33]
    without, _ = catalogued(model(variance=None, explorer=SquareCB(1.0)), PRIOR, WHOLE)
    assert without.variance is None


def test_what_came_went_and_is_unknown_is_said() -> None:
    _, changes = catalogued(model(), PRIOR, WHOLE)
    assert changes.added == (("new", "n"), ("t", "c"), ("t", "d"), ("t", "e"))
    assert changes.removed == (("t", "a"), ("gone", "x"), ("u", "y"))
    assert changes.added_titles == ("new",)
    assert changes.removed_titles == ("gone",)
    assert changes.undescribed == (("t", "e"),)


def test_a_catalogue_of_what_is_there_changes_nothing() -> None:
    rows = [(title, artwork, None, None) for title, artwork in model().artworks]
    made, changes = catalogued(model(), PRIOR, catalogue(*rows))
    assert bundle_bytes(made) == bundle_bytes(model())
    assert (changes.added, changes.removed, changes.undescribed) == ((), (), ())


def test_factors_stay_and_a_new_title_has_one() -> None:
    scaled = model(title_scale={"t": 4.0, "u": 2.0, "gone": 8.0}, explorer=SquareCB(1.0))
    made, _ = catalogued(scaled, PRIOR, WHOLE)
    policy = opened(made)
    assert {title: policy.title_scale(title) for title in policy.titles} == {
        "t": 4,
        "u": 2,
        "new": 1,
    }


def test_attributes_come_from_the_catalogue_for_old_and_new_alike() -> None:
    rated = model(attributes=["mature", "de"], masks={"t": {"b": ["mature"]}, "u": {"z": ["de"]}})
    names = [["mature"], ["de"], [], ["mature", "de"], [], []]
    made, _ = catalogued(rated, PRIOR, WHOLE.append_column(
        "attributes", pa.array(names, pa.list_(pa.string()))))  # fmt: skip
    policy = opened(made)
    assert policy.artwork_attributes("new", "n") == ("mature",)
    assert policy.artwork_attributes("t", "b") == ("mature", "de")
    assert policy.artwork_attributes("t", "c") == ()
    with pytest.raises(DataError, match="has no column 'attributes', but the model tells"):
        catalogued(rated, PRIOR, WHOLE)
    for wrong in (["adult"], None):
        column = pa.array([wrong, *names[1:]], pa.list_(pa.string()))
        with pytest.raises(DataError, match=r"attributes of \('new', 'n'\) are"):
            catalogued(rated, PRIOR, WHOLE.append_column("attributes", column))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (WHOLE.drop_columns(["artwork"]), "has no column artwork"),
        (WHOLE.slice(0, 0), "is empty: every title would be withdrawn"),
        (catalogue(("t", "a", None, None), ("t", "a", None, None)), "described more than once"),
        (pa.table({"title": ["t"], "artwork": [3]}), "title and artwork are texts"),
    ],
)
def test_an_unusable_catalogue_is_refused(table: pa.Table, message: str) -> None:
    with pytest.raises(DataError, match=message):
        catalogued(model(), PRIOR, table)


def test_the_prior_of_another_model_is_refused() -> None:
    other = FeatureSchema([Category("country", ["US", "GB"])])
    wide = model(schema=other, weights=np.zeros((5, 4)), variance=np.zeros((5, 4)))
    with pytest.raises(ModelError, match="the prior is of 3 slots, the model of 4"):
        catalogued(wide, PRIOR, WHOLE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"map": np.zeros((3, 2))}, r"map has shape \(3, 2\); \(3, 3\) is needed"),
        ({"variance": np.array([1.0, -1, 1])}, "variance must not be negative"),
        ({"titles": {"t": np.zeros(2)}}, "mean of title 't' is not of 3 slots"),
    ],
)
def test_a_prior_that_does_not_fit_itself_is_refused(changes: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        dataclasses.replace(PRIOR, **changes)


def test_a_prior_is_saved_with_its_model_and_does_not_outlive_it(tmp_path: Path) -> None:
    save_model(model(), tmp_path, prior=PRIOR)
    read = load_prior(tmp_path)
    assert read is not None
    for one, other in zip(catalogued(model(), PRIOR, WHOLE), catalogued(model(), read, WHOLE),
                          strict=True):  # fmt: skip
        if isinstance(one, PolicyModel) and isinstance(other, PolicyModel):
            assert bundle_bytes(one) == bundle_bytes(other)
        else:
            assert one == other
    (tmp_path / "prior.npz").write_bytes(b"no arrays")
    with pytest.raises(ModelError, match=r"prior.json or prior.npz cannot be read"):
        load(tmp_path)
    save_model(model(), tmp_path)
    assert load_prior(tmp_path) is None


def trained(**settings: Any) -> tuple[LinearTrainer, ArtworkFeatures]:
    """One who saw that couples are liked in the US, duels elsewhere, in ten titles of four."""
    rng = np.random.default_rng(4)
    titles = {f"title-{t}": [f"art-{a}" for a in range(4)] for t in range(10)}
    kinds = {
        (title, artwork): ("couple", "duel")[(t + a) % 2]
        for t, title in enumerate(titles)
        for a, artwork in enumerate(titles[title])
    }
    features = ArtworkFeatures(kinds)
    size = 6000
    pairs = [list(kinds)[i] for i in rng.integers(0, len(kinds), size)]
    countries = rng.choice(["US", "FR"], size)
    liked = [(kinds[p] == "couple") == (c == "US") for p, c in zip(pairs, countries, strict=True)]
    log = Log(
        title=[title for title, _ in pairs],
        artwork=[artwork for _, artwork in pairs],
        reward=(rng.random(size) < np.where(liked, 0.8, 0.2)).astype(float),
        propensity=np.full(size, 0.25),
        contexts=[{"country": c} for c in countries],
        cluster=np.arange(size),
    )
    return LinearTrainer(SCHEMA, titles, **settings).fit(log), features


def test_a_catalogue_gives_the_rows_that_the_trainer_itself_would_give() -> None:
    _, features = trained()
    trainer, _ = trained(artworks=features)
    new = {("title-3", "later"): "couple", ("title-3", "last"): "duel"}
    titles = {t: [*a, *(x for y, x in new if y == t)] for t, a in trainer.titles.items()}
    expected = trainer.extended(titles, new).to_model("row", 1)
    every = {**dict.fromkeys(trainer.to_model("row", 1).artworks), **new}
    table = pa.table(
        {"title": [t for t, _ in every], "artwork": [a for _, a in every],
         "tag": pa.array([[kind] if kind else None for kind in every.values()],
                         pa.list_(pa.string()))}
    )  # fmt: skip
    # Tags of a mapping have no column's name before them; a list in a table has.
    columns = json.loads(json.dumps(prior_of(trainer).features.to_json()).replace('"couple"',
        '"tag=couple"').replace('"duel"', '"tag=duel"'))  # fmt: skip
    prior = dataclasses.replace(prior_of(trainer), features=ArtworkFeatures.from_json(columns, {}))
    made, changes = catalogued(trainer.to_model("row", 1), prior, table)
    assert made.titles == expected.titles
    assert changes.added == tuple(new)
    assert not changes.undescribed
    assert np.allclose(made.weights, expected.weights, atol=2e-3)
    rows = [i for i, pair in enumerate(made.artworks) if pair in new]
    assert made.variance is not None
    assert expected.variance is not None
    assert np.allclose(made.variance[rows], expected.variance[rows], rtol=0.1)
    policy = opened(made)
    for country, best in (("US", "later"), ("FR", "last")):
        scores = policy.candidates(policy.context({"country": country}, seed=0), "title-3")
        of = dict(zip(scores.artworks, scores.scores, strict=True))
        assert of[best] == max(of["later"], of["last"])
        assert of[best] > 0.6


def test_a_plain_ridge_expects_nothing_of_new_artworks() -> None:
    trainer, _ = trained(l2=5.0)
    prior = prior_of(trainer)
    mean, variance = prior.rows([("title-1", "new")])
    assert mean.tolist() == [[0, 0, 0]]
    assert variance[0] == pytest.approx(np.full(3, trainer.noise() / 5.0))


def test_a_file_of_artworks_is_read_as_training_reads_it(tmp_path: Path) -> None:
    (tmp_path / "artworks.csv").write_text(
        "title,artwork,kind,live\nt,1,couple,true\nt,2,duel,false\nt,3,duel,true\n", "utf-8"
    )
    found = read_catalogue(tmp_path / "artworks.csv")
    assert found.column_names == ["title", "artwork", "kind"]
    assert found.column("artwork").to_pylist() == ["1", "3"]
    (tmp_path / "odd.csv").write_text("title,artwork,live\nt,a,perhaps\n", "utf-8")
    with pytest.raises(DataError, match="column live must be true or false"):
        read_catalogue(tmp_path / "odd.csv")


def test_the_command_exports_a_catalogue_and_says_what_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(model(), tmp_path / "model", prior=PRIOR)
    pq.write_table(WHOLE, tmp_path / "catalogue.parquet")
    arguments = [
        "export", str(tmp_path / "model"), "--bundle", str(tmp_path / "x"),
        "--catalogue", str(tmp_path / "catalogue.parquet"),
    ]  # fmt: skip
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert (
        "catalogue: 4 artworks added, 1 titles among them as a whole; 3 withdrawn, 1 titles" in out
    )
    assert "nothing is known of 1 of those added: t/e; they begin with their title's mean" in out
    assert edgeart.Policy.open(tmp_path / "x").artworks("t") == ("c", "b", "d", "e")
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["catalogue"]
    assert found["added_titles"] == ["new"]
    assert found["undescribed"] == [["t", "e"]]
    save_model(model(), tmp_path / "model")
    assert main(arguments) == 1
    assert "says nothing of new artworks: prior.json is missing" in capsys.readouterr().err
    (tmp_path / "catalogue.parquet").write_bytes(b"x")
    save_model(model(), tmp_path / "model", prior=PRIOR)
    assert main(arguments) == 1
    assert "cannot be read as Parquet" in capsys.readouterr().err


def test_what_training_on_exposures_saves_serves_a_catalogue_of_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(TRAINED_SCHEMA.to_json()), encoding="utf-8")
    pq.write_table(exposures(1, 0), tmp_path / "exposures.parquet")
    head, rows = "title,artwork,kind,live\n", "t,a,couple,{}\nt,b,duel,true\nu,c,couple,true\n"
    (tmp_path / "now.csv").write_text(head + rows.format("true") + "u,d,duel,true\n", "utf-8")
    later = head + rows.format("false") + "u,d,duel,true\nu,e,couple,true\nv,f,heist,true\n"
    (tmp_path / "later.csv").write_text(later, "utf-8")
    model = tmp_path / "model"
    train = ["train", str(tmp_path / "exposures.parquet"), "--schema", str(schema)]
    assert main([*train, "--artworks", str(tmp_path / "now.csv"), "-o", str(model)]) == 0
    export = ["export", str(model), "--bundle", str(tmp_path / "x"), "--json"]
    capsys.readouterr()
    assert main([*export, "--catalogue", str(tmp_path / "later.csv")]) == 0
    found = json.loads(capsys.readouterr().out)["catalogue"]
    assert (found["added"], found["removed"]) == (2, 1)
    assert found["added_titles"] == ["v"]
    assert found["undescribed"] == [["v", "f"]]
    policy = edgeart.Policy.open(tmp_path / "x")
    assert {title: policy.artworks(title) for title in policy.titles} == {
        "t": ("b",),
        "u": ("c", "d", "e"),
        "v": ("f",),
    }
