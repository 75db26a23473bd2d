# SPDX-License-Identifier: Apache-2.0
"""What policies are worth, estimated from a day's exposures: SNIPS and SNDR, clustered by unit."""

from __future__ import annotations

from collections.abc import Mapping

import edgeart

from ..estimators import Rows
from ..evaluate import shares as evaluate_shares
from ..evaluate.reward_models import GivenModel
from ..log import Log
from ..model import PolicyModel


class Shares(evaluate_shares.Shares):
    """π(a|x) of one policy as devices compute it, kept for every context and title asked for."""

    def __init__(self, policy: edgeart.Policy) -> None:
        super().__init__(policy, keep=True)


def judge(policies: Mapping[str, Shares], log: Log, model: PolicyModel) -> dict[str, Rows]:
    """What the estimates of each policy need of a log whose rewards the model has not seen."""
    return evaluate_shares.judge(policies, log, GivenModel(model).predict(log))
