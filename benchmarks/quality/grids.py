# SPDX-License-Identifier: Apache-2.0
"""The settings among which the competitors are tuned."""

from __future__ import annotations

from itertools import product
from typing import Any, TypeAlias

Config: TypeAlias = dict[str, Any]

_CROSSED = (("-q", "ca"), ("-q", "ca", "--interactions", "cca"))
_BOUNDED = ("--cb_min_cost", "-1", "--cb_max_cost", "0")
_EXPLORERS = (
    ("--epsilon", "0.05"),
    ("--epsilon", "0.05", "--cb_type", "dr"),
    ("--squarecb", "--gamma_scale", "10"),
    ("--squarecb", "--gamma_scale", "100"),
    ("--squarecb", "--gamma_scale", "1000"),
    ("--softmax", "--lambda", "20"),
    ("--bag", "5", "--greedify", "--epsilon", "0"),
    ("--cover", "4", "--nounif", "--epsilon", "0.02"),
    ("--regcbopt", "--mellowness", "0.01", *_BOUNDED),
    ("--regcbopt", "--mellowness", "0.001", *_BOUNDED),
)
_RATES = (("-l", "0.1"), ("-l", "2"), ("--coin",))
_REPLAYS = (1, 4)


def vowpal_grid() -> list[Config]:
    """Crossed with the context or also with its products, every explorer, replayed or not."""
    return [
        {"options": [*crossed, *explorer], "replays": replays}
        for crossed, explorer, replays in product(_CROSSED, _EXPLORERS, _REPLAYS)
    ]


def vowpal_rates(config: Config) -> list[Config]:
    """The same with other learning rates and another optimiser."""
    return [{**config, "options": [*config["options"], *rate]} for rate in _RATES]


def mabwiser_grid() -> list[Config]:
    """Ridge with every exploration and regularisation, and neighbours."""
    penalties = (0.1, 1.0, 10.0, 100.0)
    return [
        *(
            {"policy": "LinUCB", "alpha": alpha, "l2_lambda": l2}
            for alpha, l2 in product((0.01, 0.03, 0.1, 0.3, 1.0), penalties)
        ),
        *(
            {"policy": "LinTS", "alpha": alpha, "l2_lambda": l2}
            for alpha, l2 in product((0.03, 0.1, 0.3), penalties)
        ),
        *(
            {"policy": "LinGreedy", "epsilon": epsilon, "l2_lambda": l2}
            for epsilon, l2 in product((0.01, 0.05), penalties)
        ),
        *({"policy": "EpsilonGreedy", "epsilon": 0.05, "neighbours": k} for k in (5, 20)),
    ]


def mabwiser_rates(config: Config) -> list[Config]:
    """The same between the steps of the grid."""
    if "l2_lambda" not in config:
        return []
    return [{**config, "l2_lambda": config["l2_lambda"] * factor} for factor in (0.3, 3.0)]
