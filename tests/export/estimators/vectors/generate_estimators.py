# SPDX-License-Identifier: Apache-2.0
"""Writes estimators.json: what the Open Bandit Pipeline makes of small random logs.

Nothing of edgeart takes part. In an environment of its own:

    pip install --no-deps obp==0.4.1
    pip install numpy==2.4.6 scikit-learn==1.9.1 pandas tqdm pyyaml
    python tests/export/estimators/vectors/generate_estimators.py

Only obp's modules `ope.estimators` and `ope.regression_model` are imported. They name torch, which
nothing that is called here uses: an empty module stands in for it.

A log has a context x [n, 3] (binary32 numbers), an artwork, a reward, the logging propensities of
all artworks and those of the target, and predictions q̂ [n, artworks]. `estimates` are the values
of obp's estimators of the same name. In `fitted` the predictions are obp's own, by a cross-fitted
ridge regression per artwork on (x, 1): `fold` says in which fold a row was predicted, and `mrdr`
whether the fit was weighted by π(1 − e)/e² (fitting_method="mrdr") or not at all ("normal").
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

FOLDS, ALPHA = 3, 2.0
CLIP = 2.5


def stand_in(name: str, **members: object) -> None:
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module


class Nothing:
    """A type nothing is an instance of."""


stand_in("torch", Tensor=Nothing)
# The package's own __init__ would import everything; a bare one finds the two modules.
obp = importlib.import_module("obp")
stand_in("obp.ope", __path__=[str(Path(str(obp.__file__)).parent / "ope")])
ope = importlib.import_module("obp.ope.estimators")
regression = importlib.import_module("obp.ope.regression_model")
sklearn = importlib.import_module("sklearn.base")
linear_model = importlib.import_module("sklearn.linear_model")
model_selection = importlib.import_module("sklearn.model_selection")


class RidgePerArtwork(sklearn.BaseEstimator):  # type: ignore[misc,name-defined]
    """Ridge regression on (x, 1) times the one-hot artwork: a separate one for each artwork."""

    def _features(self, given: Any) -> Any:
        x, artwork = given[:, :3], given[:, 3:]
        own = np.column_stack([x, np.ones(len(x))])
        return np.einsum("na,nd->nad", artwork, own).reshape(len(x), -1)

    def fit(self, given: Any, reward: Any, sample_weight: Any = None) -> RidgePerArtwork:
        self.ridge_ = linear_model.Ridge(alpha=ALPHA, fit_intercept=False, solver="cholesky")
        self.ridge_.fit(self._features(given), reward, sample_weight=sample_weight)
        return self

    def predict(self, given: Any) -> Any:
        return self.ridge_.predict(self._features(given))


def shares(rng: np.random.Generator, n: int, k: int, power: float) -> Any:
    raw = rng.random((n, k)) ** power + 0.02
    return raw / raw.sum(axis=1, keepdims=True)


def case(name: str, seed: int, *, n: int, k: int, binary: bool, deterministic: bool) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.integers(-8, 9, size=(n, 3)) / 8.0
    logging = shares(rng, n, k, 2.0)
    artwork = np.array([rng.choice(k, p=row) for row in logging])
    target = shares(rng, n, k, 3.0)
    if deterministic:
        target = np.eye(k)[target.argmax(axis=1)]
    signal = 0.2 + 0.1 * artwork / k + 0.15 * x[:, 0]
    reward = (rng.random(n) < signal).astype(float) if binary else signal + rng.normal(0, 0.3, n)
    q = rng.random((n, k))
    pscore = logging[np.arange(n), artwork]
    given = {
        "reward": reward,
        "action": artwork,
        "pscore": pscore,
        "action_dist": target[:, :, None],
        "estimated_rewards_by_reg_model": q[:, :, None],
    }
    clipped = np.minimum(target[np.arange(n), artwork] / pscore, CLIP)
    estimators = {
        "replay": ope.ReplayMethod(),
        "ips": ope.InverseProbabilityWeighting(),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting(),
        "dm": ope.DirectMethod(),
        "dr": ope.DoublyRobust(),
        "sndr": ope.SelfNormalizedDoublyRobust(),
    }
    values = {key: float(e.estimate_policy_value(**given)) for key, e in estimators.items()}
    # obp 0.4.1 has no clipping: its IPW on a target whose weights are clipped already.
    bounded = target.copy()
    bounded[np.arange(n), artwork] = clipped * pscore
    # (The public method refuses shares that do not add up to 1.)
    rounds = ope.InverseProbabilityWeighting()._estimate_round_rewards(
        reward=reward, action=artwork, pscore=pscore, action_dist=bounded[:, :, None]
    )
    values["clipped"] = float(rounds.mean())
    fitted = []
    fold = np.zeros(n, dtype=int)
    splits = model_selection.KFold(n_splits=FOLDS, shuffle=True, random_state=seed).split(x)
    for number, (_, rows) in enumerate(splits):
        fold[rows] = number
    for method in ("normal", "mrdr"):
        model = regression.RegressionModel(
            n_actions=k, base_model=RidgePerArtwork(), fitting_method=method
        )
        predicted = model.fit_predict(
            context=x,
            action=artwork,
            reward=reward,
            pscore=pscore,
            action_dist=target[:, :, None],
            n_folds=FOLDS,
            random_state=seed,
        )
        again = {**given, "estimated_rewards_by_reg_model": predicted}
        fitted.append(
            {
                "mrdr": method == "mrdr",
                "predicted": predicted[:, :, 0].tolist(),
                **{
                    key: float(estimators[key].estimate_policy_value(**again))
                    for key in ("dm", "dr", "sndr")
                },
            }
        )
    return {
        "name": name,
        "context": x.tolist(),
        "artwork": artwork.tolist(),
        "reward": reward.tolist(),
        "propensity": pscore.tolist(),
        "target": target.tolist(),
        "q": q.tolist(),
        "clip": CLIP,
        "estimates": values,
        "alpha": ALPHA,
        "fold": fold.tolist(),
        "fitted": fitted,
    }


def main() -> None:
    cases = [
        case("binary rewards", 1, n=60, k=4, binary=True, deterministic=False),
        case("real rewards", 2, n=60, k=3, binary=False, deterministic=False),
        case("deterministic target", 3, n=80, k=4, binary=True, deterministic=True),
    ]
    path = Path(__file__).with_name("estimators.json")
    versions = {name: importlib.import_module(name).__version__ for name in ("obp", "sklearn")}
    document = {"made_by": {**versions, "numpy": np.__version__}, "cases": cases}
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(cases)} logs")


if __name__ == "__main__":
    main()
