# SPDX-License-Identifier: Apache-2.0
"""What is solved from the sums: rows of weights, how certain they are, and the noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sums import Floats, Ints, Part, Sums

OWN = 30.0
"""λ of what is an artwork's own while effects of places are estimated."""

POOLED = 100.0
"""The noise of a title counts so many exposures of the noise of all: it is shrunk to it."""


@dataclass(frozen=True, eq=False)
class Heads:
    """Solved heads of R artworks of T titles, k slots.

    weights: w, [R, k]. precision: the diagonal of A + Λ, [R, k]. l2: λ of every slot, [k]. noise:
    σ² of all, and title_noise: of each title, [T]. title: of every row, [R]. All but it float64.
    """

    weights: Floats
    precision: Floats
    l2: Floats
    noise: float
    title_noise: Floats
    title: Ints

    @property
    def variance(self) -> Floats:
        """σ² of each row's title over the diagonal of its precision: [R, k]."""
        return self.variances(None)

    def variances(self, most: float | None) -> Floats:
        """The same, with no λ larger than `most` in the precision: [R, k]."""
        less = 0.0 if most is None else np.maximum(self.l2 - most, 0)
        return self.title_noise[self.title][:, None] / (self.precision - less)


def title_of_rows(titles: Mapping[str, Sequence[str]]) -> Ints:
    """The number of the title of every row: int64 [R]."""
    counts = [len(artworks) for artworks in titles.values()]
    return np.repeat(np.arange(len(counts)), counts)


class Corrected:
    """The sums of artworks after the effects of slots have been taken out of the rewards.

    γ: what a place on the page adds to the reward. It is estimated within titles, so that the
    ranker's order of titles is not mistaken for an effect of their places: each title's own
    regression on the context is partialled out (Frisch and Waugh 1933), and before it what is an
    artwork's own, as a random effect of λ = OWN. With H = (A + λI)⁻¹ and M = λHA of each artwork,

        left = Σₐ Z − CᵀHC − Σₜ Xᵀ(Mₜ + I)⁻¹X,  right = Σₐ zy − CᵀHb − Σₜ Xᵀ(Mₜ + I)⁻¹cₜ

    where Z = Σω·z·zᵀ, C = Σω·x·zᵀ, and Mₜ, X, cₜ are the sums over a title of M, λHC, λHb.
    Rewards are then corrected to those of an average place: y − γ·(z − z̄). The last slot must be
    the intercept, which is 1.
    """

    def __init__(self, sums: Sums, title: Ints) -> None:
        self._sums = sums
        self.effects: Floats = np.zeros(sums.extras)
        self._mean: Floats = np.zeros(sums.extras)
        if sums.extras:
            self._estimate(title)

    def _estimate(self, title: Ints) -> None:
        sums, q, k = self._sums, self._sums.extras, self._sums.width
        titles = int(title.max(initial=-1)) + 1
        left, right = np.eye(q), np.zeros(q)
        information, beside = np.zeros((titles, k, k)), np.zeros((titles, k, q + 1))
        count, placed = 0.0, np.zeros(q)
        for some, part in sums.parts():
            both = np.concatenate([part.xz, part.xy[..., None]], axis=2)
            inverse = np.linalg.inv(part.xx + OWN * np.eye(k))
            solved = inverse @ both
            across = part.xz.transpose(0, 2, 1) @ solved
            left += (part.zz - across[..., :q]).sum(axis=0)
            right += (part.zy - across[..., q]).sum(axis=0)
            np.add.at(information, title[some], OWN * (inverse @ part.xx))
            np.add.at(beside, title[some], OWN * solved)
            count += float(part.xx[:, -1, -1].sum())
            placed += part.xz[:, -1].sum(axis=0)
        across = beside[..., :q].transpose(0, 2, 1)
        taken = (across @ np.linalg.solve(information + np.eye(k), beside)).sum(axis=0)
        self._mean = placed / count if count > 0 else placed
        self.effects = np.linalg.solve(left - taken[:, :q], right - taken[:, q]).astype(np.float64)

    def parts(self, rows: Ints | None = None) -> Iterator[tuple[Ints, Floats, Floats, Floats]]:
        """Artworks in parts: indices [c], A [c, k, k], b [c, k] and Σω·y² [c]."""
        for some, part in self._sums.parts(rows):
            yield some, part.xx, *self._rewards(part)

    def _rewards(self, part: Part) -> tuple[Floats, Floats]:
        if not self._sums.extras:
            return part.xy, part.yy
        g, m = self.effects, float(self._mean @ self.effects)
        # With e = γ·z − γ·z̄: Σω·x·e, Σω·y·e and Σω·e², where the last slot of x is 1.
        shift = part.xz @ g - m * part.xx[..., -1]
        reward = part.zy @ g - m * part.xy[..., -1]
        count, placed = part.xx[:, -1, -1], part.xz[:, -1] @ g
        square = np.einsum("i,cij,j->c", g, part.zz, g) - 2 * m * placed + m * m * count
        return part.xy - shift, np.maximum(part.yy - 2 * reward + square, 0)


def solve(corrected: Corrected, counts: Floats, title: Ints, l2: Floats, mean: Floats) -> Heads:
    """Ridge about a prior mean: w = m + (A + Λ)⁻¹(b − A·m), for all artworks.

    counts: Σω, [R]; title: [R]; l2: diagonal of Λ, [k]; mean: m, [R, k] or [1, k].
    """
    rows, k = len(title), len(l2)
    weights, precision = np.empty((rows, k)), np.empty((rows, k))
    residual, used = np.zeros(rows), np.zeros(rows)
    means = np.broadcast_to(mean, (rows, k))
    diagonal = np.arange(k)
    for some, a, b, yy in corrected.parts():
        m = means[some]
        regular = a.copy()
        regular[:, diagonal, diagonal] += l2
        precision[some] = regular[:, diagonal, diagonal]
        inverse = np.linalg.inv(regular)
        left = b - np.einsum("cij,cj->ci", a, m)
        w = m + np.einsum("cij,cj->ci", inverse, left)
        weights[some] = w
        fitted = np.einsum("ci,cij,cj->c", w, a, w)
        residual[some] = yy - 2 * np.einsum("ci,ci->c", w, b) + fitted
        # tr(A(A + Λ)⁻¹) = k − Σ λ·((A + Λ)⁻¹)ⱼⱼ
        used[some] = k - inverse[:, diagonal, diagonal] @ l2
    noise, by_title = noises(np.maximum(residual, 0), used, counts, title)
    return Heads(weights, precision, l2, noise, by_title, title)


def noises(residual: Floats, used: Floats, counts: Floats, title: Ints) -> tuple[float, Floats]:
    """σ² of all and of each title, from residual sums of squares and degrees of freedom used.

    σ² = Σ residual / (Σω − Σ used), at least 1 below the line (Hastie, Tibshirani, Friedman 2009,
    *The Elements of Statistical Learning*, §§3.4.1 and 7.6). A title's is shrunk to it by POOLED
    exposures. Where rewards never differed, one exposure with variance 1 is imagined.
    """
    titles = int(title.max(initial=-1)) + 1
    freedom = counts - used
    total = float(residual.sum())
    if not total > 1e-12:
        pooled = 1.0 / (1.0 + float(counts.sum()))
    else:
        pooled = total / max(float(freedom.sum()), 1.0)
    own = np.bincount(title, residual, titles)
    left = np.maximum(np.bincount(title, freedom, titles), 0)
    by_title: npt.NDArray[np.float64] = (own + POOLED * pooled) / (left + POOLED)
    return pooled, by_title
