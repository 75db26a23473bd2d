# SPDX-License-Identifier: Apache-2.0
"""OnnxPolicy decides with a graph's scores exactly as the native policy decides with its own."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edgeart
from edgeart_export import (
    Category,
    Cell,
    EpsilonGreedy,
    Explorer,
    FeatureSchema,
    Fixed,
    Greedy,
    Layer,
    Number,
    PolicyModel,
    Softmax,
    SquareCB,
    Thompson,
    Ucb,
    Uniform,
    Weights,
    bundle_bytes,
    holdbacks,
    onnx_model,
    write_onnx,
)
from edgeart_export.examples import sample

pytest.importorskip("onnxruntime", reason="onnxruntime is needed to run the graph")
from edgeart.onnx import OnnxPolicy

SCHEMA = FeatureSchema(
    [
        Category("country", ["US", "GB"]),
        Weights("taste", ["comedy", "romance", "drama", "crime"]),
        Number("hour", mean=12, std=4, clip=2),
    ]
)
# Words in twos and fours, and hours in halves of a std: every slot is a multiple of 1/4, so that
# sums with weights in 64ths are exact in whatever order, and both scorers give equal bits.
CONTEXTS: Sequence[dict[str, object]] = [
    {},
    {"country": "US", "taste": ["comedy", "romance"], "hour": 14},
    {"country": "GB", "taste": ["drama", "crime", "drama", "comedy"], "hour": 10},
    {"country": "FR", "taste": ["crime"], "hour": 99},
]
TITLES = {f"t{t}": [f"a{a}" for a in range(1 + t % 7)] for t in range(30)}
EXPLORERS = [
    Fixed(floor=0.02),
    Uniform(),
    Greedy(floor=0.02),
    EpsilonGreedy(0.3),
    Softmax(0.25, floor=0.01),
    SquareCB(8.0, floor=0.01),
    Thompson(1.5, floor=0.01),
    Ucb(2.0, floor=0.03),
]


def exact(explorer: Explorer, **more: Any) -> PolicyModel:
    """A model whose scores are exact in binary32 for CONTEXTS."""
    rng = np.random.default_rng(12)
    count = sum(map(len, TITLES.values()))
    return PolicyModel(
        "row",
        7,
        SCHEMA,
        TITLES,
        rng.integers(-32, 33, (count, SCHEMA.width)) / 64,
        rng.integers(-8, 9, count) / 64,
        explorer,
        variance=np.exp2(rng.integers(-12, -2, (count, SCHEMA.width))) * 1.875,
        attributes=["mature", "de"],
        masks=rng.integers(0, 4, count).astype(np.uint32),
        **more,
    )


def both(model: PolicyModel) -> tuple[edgeart.Policy, OnnxPolicy]:
    policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows="f32"))
    return policy, OnnxPolicy(policy, onnx_model(model).SerializeToString())


def facts(decision: edgeart.Decision) -> tuple[object, ...]:
    return (
        decision.title,
        decision.artwork,
        decision.n,
        decision.total,
        decision.score,
        decision.reason,
        decision.cell,
        decision.policy,
        decision.sequence,
    )


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda e: e.kind)
def test_equal_scores_give_equal_decisions_and_propensities(explorer: Explorer) -> None:
    model = exact(
        explorer,
        title_scale={f"t{t}": 2.0**t for t in range(-3, 4) if t >= 0},
        cells=(*holdbacks(0.2, 0.2), Cell("bold", 0.2, Thompson(3.0))),
    )
    policy, graph = both(model)
    limits = [
        None,
        policy.limits(forbidden=["mature"]),
        policy.limits(required=["de"], denied={"t6": ["a0", "a1"], "t5": ["a2"]}),
        policy.limits(denied={title: artworks[:-1] for title, artworks in TITLES.items()}),
        policy.limits(denied=TITLES, candidates={"t6": ["a3", "a5"]}),
        policy.limits(candidates={"t6": ["a1"], "t5": []}),
    ]
    titles = [*TITLES, "unknown", "t3"]
    units = [policy.unit_of_cell(cell) for cell in (None, "fixed", "uniform", "bold")]
    reasons, cells = set(), set()
    for values in CONTEXTS:
        for seed in range(6):
            native = policy.context(values, seed=seed, unit=units[seed % 4])
            scored = graph.context(values, seed=seed, unit=units[seed % 4])
            assert list(scored.scores) == list(policy.scores(native))
            for limit in limits:
                page = policy.select_page(native, titles, limits=limit)
                other = graph.select_page(scored, titles, limits=limit)
                assert [*map(facts, page)] == [*map(facts, other)]
                reasons |= {decision.reason for decision in page}
                cells |= {decision.cell for decision in page}
                for title in ("t5", "t6"):
                    alone = graph.select(scored, title, limits=limit)
                    assert facts(alone) == facts(policy.select(native, title, limits=limit))
                    wanted = policy.candidates(native, title, limits=limit)
                    got = graph.candidates(scored, title, limits=limit)
                    assert [list(x) if i < 5 else x for i, x in enumerate(got)] == [
                        list(x) if i < 5 else x for i, x in enumerate(wanted)
                    ]
                    shares = graph.propensities(scored, title, limits=limit)
                    assert shares == policy.propensities(native, title, limits=limit)
    assert {"policy", "redrawn", "none", "unknown_title"} <= reasons
    assert cells == {None, "fixed", "uniform", "bold"}


def test_all_probability_on_denied_artworks_is_recomputed() -> None:
    policy, graph = both(exact(Greedy()))
    context, scored = (p.context(CONTEXTS[1], seed=3) for p in (policy, graph))
    best = policy.select(context, "t6").artwork
    limits = policy.limits(denied={"t6": [best]})
    assert facts(graph.select(scored, "t6", limits=limits)) == facts(
        policy.select(context, "t6", limits=limits)
    )
    assert graph.select(scored, "t6", limits=limits).reason == "recomputed"
    shares = graph.propensities(scored, "t6", limits=limits)
    assert shares == policy.propensities(context, "t6", limits=limits)


def test_a_tower_in_the_graph_gives_the_policys_probabilities(tmp_path: Path) -> None:
    """Real numbers: the scores agree to 1e-5, so the probabilities almost."""
    rng = np.random.default_rng(3)
    tower = [
        Layer(rng.normal(0, 0.5, (SCHEMA.width, 30)), rng.normal(0, 0.1, 30), "tanh"),
        Layer(rng.normal(0, 0.3, (30, 12)), rng.normal(0, 0.1, 12)),
    ]
    count = sum(map(len, TITLES.values()))
    model = PolicyModel(
        "row",
        7,
        SCHEMA,
        TITLES,
        rng.normal(0, 0.2, (count, 12)),
        rng.normal(0, 0.2, count),
        Thompson(floor=0.01),
        variance=0.09 / (1 + rng.exponential(300, (count, 12))),
        tower=tower,
    )
    policy = edgeart.Policy.from_bytes(bundle_bytes(model, rows="f32"))
    graph = OnnxPolicy(policy, write_onnx(model, tmp_path / "row.onnx"))
    different = 0
    for values in sample(SCHEMA, 50, seed=2):
        native, scored = (p.context(values, seed=1) for p in (policy, graph))
        np.testing.assert_allclose(scored.scores, policy.scores(native), rtol=0, atol=1e-5)
        wanted = policy.propensities(native, "t6")
        got = graph.propensities(scored, "t6")
        assert sum(got.values()) == 1
        for artwork, share in wanted.items():
            assert got[artwork] == pytest.approx(share, abs=1e-3)
        different += got != wanted
    assert different > 0, "so equal that the graph may never have run"


def test_a_factor_may_leave_the_parameters_range() -> None:
    model = exact(Softmax(2.0**20), title_scale={"t6": 4.0})
    policy, graph = both(model)
    context, scored = (p.context(CONTEXTS[1], seed=3) for p in (policy, graph))
    assert facts(graph.select(scored, "t6")) == facts(policy.select(context, "t6"))
    assert graph.propensities(scored, "t6") == policy.propensities(context, "t6")


@pytest.fixture(scope="module")
def pair() -> tuple[edgeart.Policy, PolicyModel]:
    model = exact(Greedy())
    return edgeart.Policy.from_bytes(bundle_bytes(model, rows="f32")), model


def changed(model: PolicyModel, **changes: Any) -> bytes:
    return onnx_model(dataclasses.replace(model, **changes)).SerializeToString()


def test_a_graph_for_other_artworks_is_refused(pair: tuple[edgeart.Policy, PolicyModel]) -> None:
    policy, model = pair
    renamed = {t: [*artworks[:-1], "other"] for t, artworks in TITLES.items()}
    with pytest.raises(edgeart.GraphError, match="title 't0' differs; write both from one model"):
        OnnxPolicy(policy, changed(model, titles=renamed, masks=None))
    turned = dict(reversed(TITLES.items()))
    with pytest.raises(edgeart.GraphError, match="the order or number of titles differs"):
        OnnxPolicy(policy, changed(model, titles=turned, masks=None))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([Category("country", ["GB", "US"])], "feature 'country' is .*'GB', 'US'"),
        ([Category("land", ["US", "GB"])], "feature 'country' is"),
        ([*SCHEMA.features[:2], Number("hour", mean=13, std=4, clip=2)], "feature 'hour' is"),
    ],
)
def test_a_graph_for_another_encoding_is_refused(
    pair: tuple[edgeart.Policy, PolicyModel], features: Sequence[Any], message: str
) -> None:
    policy, model = pair
    schema = FeatureSchema([*features, *SCHEMA.features[len(features) :]])
    with pytest.raises(edgeart.GraphError, match=message):
        OnnxPolicy(policy, changed(model, schema=schema))


def test_a_graph_of_another_shape_is_refused(pair: tuple[edgeart.Policy, PolicyModel]) -> None:
    policy, model = pair
    fewer = FeatureSchema(SCHEMA.features[:2])
    narrow = changed(
        model,
        schema=fewer,
        weights=model.weights[:, : fewer.width],
        variance=None,
    )
    with pytest.raises(edgeart.GraphError, match=r"context of the graph is .* \[batch, 10\]"):
        OnnxPolicy(policy, narrow)
    proto = onnx_model(model)
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = "logits"
    with pytest.raises(edgeart.GraphError, match=r"outputs \['logits'\]; input context"):
        OnnxPolicy(policy, proto.SerializeToString())


def test_a_graph_without_the_variances_that_a_cell_needs_is_refused() -> None:
    model = exact(Greedy(), cells=[Cell("c", 0.1, Ucb())])
    policy = edgeart.Policy.from_bytes(bundle_bytes(model))
    plain = onnx_model(dataclasses.replace(model, cells=())).SerializeToString()
    with pytest.raises(edgeart.GraphError, match=r"explores by ucb and needs .* output variances"):
        OnnxPolicy(policy, plain)


def test_a_graph_of_somebody_elses_needs_no_metadata(
    pair: tuple[edgeart.Policy, PolicyModel],
) -> None:
    policy, model = pair
    proto = onnx_model(model)
    del proto.metadata_props[:]
    scored = OnnxPolicy(policy, proto.SerializeToString()).context(CONTEXTS[1], seed=1)
    assert list(scored.scores) == list(policy.scores(policy.context(CONTEXTS[1], seed=1)))


def test_a_number_that_no_explorer_takes_is_named(
    pair: tuple[edgeart.Policy, PolicyModel],
) -> None:
    policy, model = pair
    proto = onnx_model(model)
    bias = next(x for x in proto.graph.initializer if x.name == "bias")
    values = onnx.numpy_helper.to_array(bias).copy()
    values[3] = np.nan
    bias.CopyFrom(onnx.numpy_helper.from_array(values, "bias"))
    graph = OnnxPolicy(policy, proto.SerializeToString())
    title, artwork = model.artworks[3]
    assert title == "t2"
    with pytest.raises(edgeart.GraphError, match=rf"nan among its scores for artwork '{artwork}'"):
        graph.context({}, seed=1)


def test_what_is_no_graph_is_refused(
    pair: tuple[edgeart.Policy, PolicyModel], tmp_path: Path
) -> None:
    with pytest.raises(edgeart.GraphError, match="onnxruntime cannot load the graph"):
        OnnxPolicy(pair[0], b"not a graph")
    with pytest.raises(FileNotFoundError):
        OnnxPolicy(pair[0], tmp_path / "absent.onnx")


def test_contexts_of_others_are_refused(pair: tuple[edgeart.Policy, PolicyModel]) -> None:
    policy, model = pair
    one, two = (OnnxPolicy(policy, onnx_model(model).SerializeToString()) for _ in range(2))
    with pytest.raises(TypeError, match=r"made by OnnxPolicy\.context"):
        one.select(policy.context(seed=1), "t1")  # type: ignore[arg-type]
    with pytest.raises(edgeart.ForeignContextError, match="another OnnxPolicy"):
        one.select(two.context(seed=1), "t1")
    with pytest.raises(edgeart.UnknownTitleError):
        one.select(one.context(seed=1), "unknown")


@pytest.mark.parametrize("module", ["onnxruntime", "numpy"])
def test_without_the_extra_its_name_is_told(
    pair: tuple[edgeart.Policy, PolicyModel], module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx_model(pair[1]).SerializeToString()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'edgeart\[onnx\]'") as caught:
        OnnxPolicy(pair[0], graph)
    assert caught.value.name == module
