# SPDX-License-Identifier: Apache-2.0
"""What policies would have earned on a log, and whether the log is enough to say so."""

from __future__ import annotations

from .evaluation import Evaluation, evaluate, logged_value, propensities

__all__ = ["Evaluation", "evaluate", "logged_value", "propensities"]
