# SPDX-License-Identifier: Apache-2.0
"""Second half of the demonstration: learns from a simulated log, and compares with the truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import edgeart

from ..bundle import bundle_bytes, write_bundle
from ..commands.tables import pm
from ..evaluate import evaluate, propensities
from ..evaluate.reward_models import GivenModel, Prediction
from ..log import Log
from ..model import PolicyModel
from ..model.explorers import Explorer, Fixed, Greedy, SquareCB, Uniform
from ..onnx import write_onnx
from ..trainers import LinearTrainer
from .audience import Audience, Members

TRAIN, TEST = 3000, 1000
L2 = 30.0


def blank(audience: Audience, name: str, explorer: Explorer) -> PolicyModel:
    """A policy without any knowledge."""
    schema = audience.schema()
    rows = sum(map(len, audience.titles.values()))
    return PolicyModel(
        name=name,
        sequence=1,
        schema=schema,
        titles=audience.titles,
        weights=np.zeros((rows, schema.width), dtype=np.float32),
        bias=np.zeros(rows, dtype=np.float32),
        explorer=explorer,
    )


def simulate(audience: Audience, policy: edgeart.Policy, members: Members, draw: int) -> Log:
    """Every member sees every title once; the policy decides, chance plays. A member: a cluster."""
    rng = np.random.default_rng([audience.seed, 2, draw])
    titles = [*audience.titles]
    chances = [audience.chances(members, title) for title in titles]
    place = [{a: i for i, a in enumerate(audience.titles[title])} for title in titles]
    artworks: list[str] = []
    propensities_: list[float] = []
    plays: list[float] = []
    for i, values in enumerate(members.contexts):
        page = policy.select_page(policy.context(values, seed=draw * 10**9 + i), titles)
        lots = rng.random(len(titles))
        for t, decision in enumerate(page):
            artwork = str(decision.artwork)  # never None: the policy has every title
            artworks.append(artwork)
            propensities_.append(decision.propensity)
            plays.append(float(lots[t] < chances[t][i, place[t][artwork]]))
    count = len(members.contexts)
    return Log(
        contexts=[values for values in members.contexts for _ in titles],
        title=titles * count,
        artwork=artworks,
        reward=np.array(plays),
        propensity=np.array(propensities_),
        cluster=np.repeat(np.arange(count), len(titles)),
    )


def true_value(audience: Audience, members: Members, targets: Mapping[str, Prediction]) -> float:
    """The exact mean chance of a play for these members under a policy of these propensities."""
    values = []
    for title, target in targets.items():
        # A policy may have the artworks of a title in an order of its own.
        order = [audience.titles[title].index(artwork) for artwork in target.artworks]
        chances = audience.chances(members, title)[:, order]
        values.append((target.values * chances).sum(axis=1))
    return float(np.mean(values))


def unpersonalised(trainer: LinearTrainer, audience: Audience) -> PolicyModel:
    """The artwork of each title that earned most in the log, for everybody."""
    best = trainer.best_fixed()
    titles = {
        title: [best[title], *(artwork for artwork in row if artwork != best[title])]
        for title, row in audience.titles.items()
    }
    return dataclasses.replace(blank(audience, "best-unpersonalised", Fixed()), titles=titles)


def show_study(
    audience: Audience, folder: Path, handmade: edgeart.Policy, out: Console, bars: Progress
) -> None:
    """Simulates, trains, exports and prints estimates beside the truth."""
    uniform = edgeart.Policy.from_bytes(bundle_bytes(blank(audience, "uniform", Uniform())))
    step = bars.add_task("simulating", total=2)
    learning = simulate(audience, uniform, audience.members(TRAIN, 0), 0)
    bars.advance(step)
    members = audience.members(TEST, 1)
    log = simulate(audience, uniform, members, 1)
    bars.advance(step)

    step = bars.add_task("training", total=1)
    trainer = LinearTrainer(audience.schema(), audience.titles, l2=L2).fit(learning)
    learned = trainer.to_model("learned", 2, SquareCB(gamma=500.0, floor=0.005))
    bars.advance(step)
    greedy = dataclasses.replace(learned, name="learned-greedy", explorer=Greedy(floor=0.005))
    written = write_bundle(
        learned, folder / "learned.edgeart", contexts=audience.members(256, 2).contexts
    )
    write_onnx(learned, folder / "learned.onnx")

    policies = [
        uniform,
        edgeart.Policy.from_bytes(bundle_bytes(unpersonalised(trainer, audience))),
        handmade,
        edgeart.Policy.open(folder / "learned.edgeart"),
        edgeart.Policy.from_bytes(bundle_bytes(greedy)),
    ]
    rows = _rows(audience, policies, members, log, GivenModel(learned), bars)
    bars.refresh()
    out.print(
        f"\n2. A policy learned from a log\n{len(learning)} decisions by a uniform policy, "
        f"{int(learning.reward.sum())} plays → λ = {L2:g}, {len(learned.artworks)} artworks, "
        f"{learned.schema.width} slots",
        highlight=False,
    )
    out.print(
        f"{written.path}: {written.size} bytes, {written.vectors} test vectors hold, "
        f"{100 * written.flips:.2f} % greedy flips against f32 rows\n"
        f"{folder / 'learned.onnx'}: {(folder / 'learned.onnx').stat().st_size} bytes\n",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("plays per decision")
    for name in ("SNIPS ± se", "DR ± se", "ESS", "max w", "mean w ± se", "true"):
        table.add_column(name, justify="right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells)
    out.print(table)
    out.print(
        f"\nEstimated from {len(log)} other decisions of the uniform policy, {TEST} members (the "
        f"clusters of the standard errors se). DR's reward model is the learned one, which has not "
        f"seen these members. ESS: effective sample size; w: importance weight, mean 1 expected. "
        f"True: known here because the audience is simulated. All rows come from one log, so that "
        f"they err together. homepage is the policy of part 1, made by hand from the very genres "
        f"that the simulation uses; nobody knows those of real artworks.",
        highlight=False,
    )


def _rows(
    audience: Audience,
    policies: Sequence[edgeart.Policy],
    members: Members,
    log: Log,
    reward_model: GivenModel,
    bars: Progress,
) -> list[list[str]]:
    step = bars.add_task("evaluating", total=len(policies))
    rows = []
    for policy in policies:
        targets = propensities(policy, log)
        e = evaluate(policy, log, reward_model=reward_model, targets=targets)
        rows.append(
            [
                policy.name,
                pm(e.snips.to_json(), 4),
                pm(None if e.dr is None else e.dr.to_json(), 4),
                f"{e.effective_sample_size:.0f}",
                f"{e.largest_weight:.3g}",
                pm(e.mean_weight.to_json(), 3) + ("" if e.mean_weight_holds else " !"),
                f"{true_value(audience, members, targets):.4f}",
            ]
        )
        bars.advance(step)
    return rows
