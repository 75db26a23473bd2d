# SPDX-License-Identifier: Apache-2.0
"""Takes scores apart: what each feature adds to each candidate of a title, and to the lead."""

# The modules of this package share its private names; a policy's are spread over several files.
# ruff: noqa: SLF001

from __future__ import annotations

from math import fsum

from edgeart.fields import join, split
from edgeart.types import ExplainedArtwork, Explanation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeart.context import Context
    from edgeart.describe import Described
    from edgeart.limits import Limits
    from edgeart.types import Candidates

    Part = tuple[float, float, list[float]]  # bias, intercept, and what each feature adds


def explain(policy: Described, context: Context, title: str, limits: Limits | None) -> Explanation:
    """Which features spoke for which candidate; `ExplainedArtwork` says how that is computed."""
    candidates = policy.candidates(context, title, limits=limits)
    decision = policy.select(context, title, limits=limits)
    if policy.tower:
        parts = _by_replacing(policy, context, candidates, title, limits)
    else:
        parts = _by_slots(policy, context, candidates)
    names = [feature.name for feature in policy.features]
    explained = tuple(
        ExplainedArtwork(
            artwork=candidates.artworks[i],
            row=candidates.rows[i],
            score=candidates.scores[i],
            propensity=candidates.n[i] / candidates.total,
            denied=bool(candidates.denied[i]),
            bias=bias,
            intercept=intercept,
            features=dict(zip(names, added, strict=True)),
        )
        for i, (bias, intercept, added) in enumerate(parts)
    )
    chosen = next((a for a in explained if a.artwork == decision.artwork), None)
    others = [a for a in explained if a is not chosen and not a.denied] if chosen else []
    runner_up = max(others, key=lambda a: a.score, default=None)  # the first of equals
    lead = {}
    if chosen is not None and runner_up is not None:
        lead = {name: chosen.features[name] - runner_up.features[name] for name in names}
    other = None if runner_up is None else runner_up.artwork
    return Explanation(title, explained, decision, other, lead)


def _by_slots(policy: Described, context: Context, candidates: Candidates) -> list[Part]:
    """Without a tower: score = bias + intercept + Σ over features of Σ over slots u·w.

    u and w are what the kernel multiplies: for i8 rows both as quantised.
    """
    u, features = policy._acting_vector(context), policy.features
    found: list[Part] = []
    for row in candidates.rows:
        weights, bias = policy._row_weights(row)
        parts = [a * w for a, w in zip(u, weights, strict=True)]
        added = [fsum(parts[f.first : f.first + f.width]) for f in features]
        found.append((bias, parts[-1], added))
    return found


def _by_replacing(
    policy: Described, context: Context, candidates: Candidates, title: str, limits: Limits | None
) -> list[Part]:
    """With a tower: *missing* is replaced by the value, feature by feature, in both directions."""
    given = split(context._packed)
    fields = [given.get(feature.name.encode()) for feature in policy.features]

    def scores(present: Sequence[tuple[bytes, bytes] | None]) -> Sequence[float]:
        packed = join(field for field in present if field is not None)
        some = context.policy.context(packed, seed=context.seed, unit=context.unit)
        return policy.candidates(some, title, limits=limits).scores

    first = [scores(fields[:i]) for i in range(len(fields))]
    last = [scores(fields[i:]) for i in range(1, len(fields) + 1)]
    full = candidates.scores
    first.append(full)
    last.insert(0, full)
    found: list[Part] = []
    for place, row in enumerate(candidates.rows):
        _, bias = policy._row_weights(row)
        added = []
        for i in range(len(fields)):
            forward = first[i + 1][place] - first[i][place]
            backward = last[i][place] - last[i + 1][place]
            added.append((forward + backward) / 2)
        found.append((bias, last[-1][place] - bias, added))
    return found
