# SPDX-License-Identifier: Apache-2.0
"""edgeart as a learner, in the one configuration that it has by default."""

from __future__ import annotations

import hashlib
from pathlib import Path

import edgeart_export
from edgeart_export import AutoTrainer
from edgeart_export.simulate.bandit import Bandit
from edgeart_export.simulate.deployed import Deployed

LEARNERS = ("auto", "linear")


def learner(kind: str, bandit: Bandit, seed: int) -> Deployed:
    """`auto`, or `linear`: that without its candidates with a tower.

    The exported i8 bundle decides; the explorer is what the trainer has by default.
    """
    trainer = AutoTrainer(bandit.schema, bandit.titles, seed=seed, towers=kind == "auto")
    return Deployed(bandit, trainer, seed=seed)


def fingerprint() -> str:
    """Of the trainers' sources: what another version of them scored is not reused."""
    folder = Path(edgeart_export.__file__).parent / "trainers"
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
