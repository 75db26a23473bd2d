# SPDX-License-Identifier: Apache-2.0
"""Heads on a tower for other titles than they were begun with, by features of artworks."""

from __future__ import annotations

import numpy as np
import pytest

from edgeart_export import DataError, NeuralLinearTrainer, bundle_bytes
from edgeart_export.catalogue import prior_of
from tests.export.trainers.conformance import SCHEMA, TITLES, rows
from tests.export.trainers.test_neural import FEATURES, GIVEN, RNG


def test_a_trainer_that_knows_more_has_learned_as_much() -> None:
    trainer = NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN, artworks=FEATURES).fit(rows(200))
    new = {"seven": ["laugh", "extra"], "ten": ["first"]}
    wider = trainer.extended(new, {("seven", "extra"): ["people", "bright"]})
    old = wider.heads.rows_of(TITLES)
    np.testing.assert_array_equal(wider.heads.A[old], trainer.heads.A)
    assert wider.heads.counts.sum() == trainer.heads.counts.sum()
    assert [*wider.titles] == ["seven", "eight", "nine", "ten"]
    np.testing.assert_allclose(wider.solve()[old], trainer.solve(), rtol=1e-6, atol=1e-9)
    extra = wider.heads.rows_of({"seven": ["extra"]})
    assert wider.heads.counts[extra] == 0
    assert np.abs(wider.solve()[extra]).max() > 0  # what its features make one expect
    model = trainer.to_model("p", 1, titles={"seven": ["night", "couple"]})
    at = trainer.heads.rows_of({"seven": ["night", "couple"]})
    size = trainer.sizes
    np.testing.assert_allclose(model.weights, trainer.solve()[at] * size, rtol=1e-6)
    bundle_bytes(trainer.to_model("p", 1, titles=new))
    wider.merge(wider.extended({}))
    assert wider.heads.counts.sum() == 2 * trainer.heads.counts.sum()


def test_what_is_new_has_the_mean_of_its_titles_rows_of_a_network() -> None:
    trainer = NeuralLinearTrainer(SCHEMA, TITLES, tower=GIVEN)
    prior = RNG.normal(size=trainer.prior.shape)
    trainer._set(trainer.tower, prior)
    wider = trainer.extended({"eight": ["siege"], "ten": ["first"]})
    siege, first = wider.heads.rows_of({"eight": ["siege"], "ten": ["first"]}).tolist()
    np.testing.assert_allclose(wider.prior[siege], prior[3:5].mean(axis=0))
    np.testing.assert_allclose(wider.prior[first], prior.mean(axis=0))
    np.testing.assert_array_equal(wider.prior[wider.heads.rows_of(TITLES)], prior)
    with pytest.raises(DataError, match="a ridge about a network's output layer"):
        prior_of(trainer)
