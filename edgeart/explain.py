# SPDX-License-Identifier: Apache-2.0
"""Takes a score apart: what each feature of a context adds to each artwork of a title."""

# The modules of this package share its private names; a policy's are spread over several files.
# ruff: noqa: SLF001

from __future__ import annotations

from math import fsum

from edgeart.types import ExplainedArtwork, Explanation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.context import Context, Denied
    from edgeart.describe import Described


def explain(policy: Described, context: Context, title: str, denied: Denied | None) -> Explanation:
    """For a linear policy: score = bias + intercept + Σ over features of Σ over slots u·w.

    u and w are what the kernel multiplies: for i8 rows both as quantised.
    """
    candidates = policy.candidates(context, title, denied=denied)
    u = policy._acting_vector(context)
    features = policy.features
    explained = []
    for i, artwork in enumerate(candidates.artworks):
        weights, bias = policy._row_weights(candidates.rows[i])
        parts = [a * w for a, w in zip(u, weights, strict=True)]
        explained.append(
            ExplainedArtwork(
                artwork=artwork,
                row=candidates.rows[i],
                score=candidates.scores[i],
                propensity=candidates.n[i] / candidates.total,
                denied=bool(candidates.denied[i]),
                bias=bias,
                intercept=parts[-1],
                features={f.name: fsum(parts[f.first : f.first + f.width]) for f in features},
            )
        )
    return Explanation(title, tuple(explained))
