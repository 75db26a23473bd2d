# SPDX-License-Identifier: Apache-2.0
"""First half of the demonstration: one homepage decided by a policy made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import edgeart

from ..bundle import write_bundle
from ..model import PolicyModel
from ..model.explorers import SquareCB
from .audience import Audience

MEMBER: dict[str, object] = {
    "country": "GB",
    "taste": {"comedy": 0.6, "romance": 0.3, "documentary": 0.1},
    "device": "tv",
    "hour": 21,
}
SEED = 2026


def handmade(audience: Audience) -> PolicyModel:
    """An editor's policy: an artwork's score is how well its genres meet the member's taste."""
    schema = audience.schema()
    slots = schema.slots()
    weights = np.zeros((sum(map(len, audience.titles.values())), schema.width), dtype=np.float32)
    taste = [i for i, slot in enumerate(slots) if slot.startswith("taste=")]
    weights[:, taste] = 0.3 * np.concatenate([*audience.genres.values()])
    bias = np.full(len(weights), 0.1, dtype=np.float32)
    return PolicyModel(
        name="homepage",
        sequence=1,
        schema=schema,
        titles=audience.titles,
        weights=weights,
        bias=bias,
        explorer=SquareCB(gamma=200.0, floor=0.01),
        meta={"made": "by hand from the artworks' genres"},
    )


def show_homepage(audience: Audience, folder: Path, out: Console) -> edgeart.Policy:
    """Writes the bundle, opens it as a device would, decides a page and explains one title."""
    path = folder / "homepage.edgeart"
    write_bundle(handmade(audience), path)
    policy = edgeart.Policy.open(path)
    out.print(f"\n1. One page, decided on the device\n{policy!r}", highlight=False)
    out.print(f"member: {MEMBER}, seed {SEED}\n", highlight=False)
    context = policy.context(MEMBER, seed=SEED)
    page = policy.select_page(context, list(policy.titles))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("title", "artwork"):
        table.add_column(column)
    for column in ("propensity", "score", "of"):
        table.add_column(column, justify="right")
    table.add_column("reason")
    for decision in page:
        table.add_row(
            decision.title,
            str(decision.artwork),
            f"{decision.propensity:.4f}",
            f"{decision.score:+.3f}",
            str(len(policy.artworks(decision.title))),
            decision.reason,
        )
    out.print(table)
    explain(policy, context, page[0].title, page[0].artwork, out)
    return policy


def explain(
    policy: edgeart.Policy,
    context: edgeart.Context,
    title: str,
    chosen: str | None,
    out: Console,
) -> None:
    """Where the scores of a title's three best artworks come from, feature by feature."""
    ranked = sorted(policy.explain(context, title).artworks, key=lambda a: -a.score)
    shown = ranked[:3] + [a for a in ranked[3:] if a.artwork == chosen]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(f"why? {title}")
    for name in ("propensity", "score", *shown[0].features, "intercept", "bias"):
        table.add_column(name, justify="right")
    for artwork in shown:
        parts = (*artwork.features.values(), artwork.intercept, artwork.bias)
        table.add_row(
            artwork.artwork + (" (shown)" if artwork.artwork == chosen else ""),
            f"{artwork.propensity:.4f}",
            f"{artwork.score:+.3f}",
            *(f"{part:+.3f}" for part in parts),
        )
    out.print()
    out.print(table)
    out.print("score = the features' parts + intercept + bias", highlight=False)
