# SPDX-License-Identifier: Apache-2.0
"""Whether a policy has proved itself in use, from counts: rules, and no I/O."""

from __future__ import annotations

from typing import NamedTuple

LEAST_PAGES = 20
LEAST_SECONDS = 60.0
CALM_SECONDS = 10.0  # after which a process that has shown a page was not crashed by the policy
_LEAST_FAILED = 3  # one odd page proves nothing
_WORST_RATE = 0.05  # of pages that failed


class Tally(NamedTuple):
    """Pages of a Selector under one policy."""

    pages: int
    failed: int  # of them: pages that its policy or its context could not serve


def verdict(before: Tally, trial: Tally, seconds: float) -> bool | None:
    """True: it is good; False: it is not; None: go on.

    before: of the policy that ran before. What fails under both is the application's own affair,
    and no policy's fault. trial, seconds: of all processes that ran it, together.
    """
    usual = before.failed / before.pages if before.pages else 0.0
    if trial.failed >= _LEAST_FAILED and trial.failed > (usual + _WORST_RATE) * trial.pages:
        return False
    return True if trial.pages >= LEAST_PAGES and seconds >= LEAST_SECONDS else None
