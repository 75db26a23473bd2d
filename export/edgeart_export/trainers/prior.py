# SPDX-License-Identifier: Apache-2.0
"""What artworks have in common: how uncertain a row is before its data, and about which mean.

The model, with x the context, a an artwork of title t and f its features:

    reward = x·w + noise of variance σ²,   w = θₜ + W·f + δ
    δ ~ N(0, σ²Λ⁻¹),   θₜ ~ N(θ₀, σ²Λₜ⁻¹),   W ~ N(0, σ²Λ_W⁻¹) in every column

Λ, Λₜ and Λ_W are diagonal, with one λ = σ²/τ² for each feature of the context and one for the
intercept, pooled over artworks, titles and columns. They are found by empirical Bayes: MacKay's
fixed point 1/λ = Σμ²/σ² / Σ(1 − λS), with μ and σ²S the posterior means and variances of the
coefficients that share λ (MacKay 1992, *Bayesian interpolation*, §4.4; Tipping 2001, *Sparse
Bayesian learning and the relevance vector machine*, eq. 16), and one imagined coefficient of the
usual size (INITIAL) on either side of the fraction.

W is fitted on title-centred rewards: each title's own regression on the context is partialled out
as if it were a fixed effect (Frisch and Waugh 1933), because a ranker shows popular titles more,
and what their artworks have in common would otherwise be taken for taste. Artworks count by the
information M = Λ(A + Λ)⁻¹A that is left when their own δ is integrated out (Lindley and Smith 1972,
*Bayes estimates for the linear model*): one that was shown a million times is still one artwork.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .heads import Corrected
from .sums import Floats, Ints

ROUNDS = 16
"""Steps of the fixed point; always as many, so that equal sums give equal results."""

INITIAL = {"artwork": 100.0, "title": 10.0, "features": 30.0}
"""λ before there is any evidence: an imagined coefficient in each group has this size."""

SMALLEST, LARGEST = 1e-3, 1e7
CENTRED = 1.0
"""Ridge of the titles' own regressions when they are partialled out."""

FREE = 1e-2
"""λ of θ₀: next to none; but where a category's slots add up to the intercept it decides."""

COEFFICIENTS = 2048
"""Bound of the coefficients of W; more features than fit are turned to their main directions."""

_WORK = 1 << 27
"""Artworks × slots³ of which λ is found; where there are more, titles are taken evenly of all."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Means and λ before an artwork's own data.

    l2: λ of every slot for what is an artwork's own, [k]; title_l2, feature_l2: for titles, for W.
    shared: θ₀, [k]. title_mean: θₜ, [T, k]. map: W, [k, d], for features as they were given, less
    their mean `centre` [d]. mean: of every artwork, [R, k]. noise: σ². All float64.
    """

    l2: Floats
    title_l2: Floats
    feature_l2: Floats
    shared: Floats
    title_mean: Floats
    map: Floats
    centre: Floats
    mean: Floats
    noise: float

    def row(self, features: Floats) -> Floats:
        """The prior mean of artworks of titles without data, W·f + θ₀: [n, k]; features [n, d]."""
        rows: Floats = self.shared + (features - self.centre) @ self.map.T
        return rows


def find(
    corrected: Corrected,
    counts: Floats,
    title: Ints,
    features: Floats,
    group: Ints,
    fixed: float | None = None,
) -> Prior:
    """The prior of all artworks.

    counts: Σω of artworks, [R]; title: [R], sorted; features: [R, d], d may be 0; group: which
    slots share a λ, [k]; fixed: λ of all slots for artworks, where it is not to be found.
    """
    k, titles = len(group), int(title.max(initial=-1)) + 1
    seen = counts > 0
    centre = features[seen].mean(axis=0) if seen.any() else features.mean(axis=0)
    turn = _directions(features - centre, max(1, COEFFICIENTS // k))
    turned = (features - centre) @ turn
    state = _State(k, turned.shape[1], group, fixed)
    cost = k * k * (1 + turned.shape[1] / 8)
    sample = _sample(title, counts, cost * k)
    if len(sample):
        blocks = _Blocks(corrected, sample, counts, title, turned)
        for _ in range(ROUNDS):
            state.step(blocks)
    w, shared = state.w, state.shared
    if len(sample) < int(seen.sum()):
        parts = (_Blocks(corrected, some, counts, title, turned) for some in _parts(title, cost))
        w, shared = state.pooled(parts)
    mean = shared + turned @ w.T
    title_mean = np.tile(shared, (titles, 1))
    for some in _parts(title, cost):
        own = _Blocks(corrected, some, counts, title, turned)
        level = state.levels(own, w, shared)
        title_mean[own.titles] = level
        mean[some] += level[own.local] - shared
    return Prior(
        l2=state.artwork,
        title_l2=state.title,
        feature_l2=state.feature,
        shared=shared,
        title_mean=title_mean,
        map=w @ turn.T,
        centre=centre,
        mean=mean,
        noise=state.noise,
    )


def _directions(features: Floats, most: int) -> Floats:
    """Columns to turn features by: the identity, or their main directions where they are many."""
    d = features.shape[1]
    if d <= most:
        return np.eye(d)
    found: Floats = np.linalg.eigh(features.T @ features)[1][:, ::-1][:, :most]
    return found


def _sample(title: Ints, counts: Floats, cost: float) -> Ints:
    """Artworks that λ is found on: those of titles with data, or of some of them evenly taken."""
    titles = np.unique(title[counts > 0])
    artworks = int(np.isin(title, titles).sum())
    share = max(_WORK / cost, 24) / max(artworks, 1)
    if share < 1:
        picked = np.unique((np.arange(max(1, int(len(titles) * share))) / share).astype(np.int64))
        titles = titles[picked[picked < len(titles)]]
    return np.flatnonzero(np.isin(title, titles))


def _parts(title: Ints, cost: float) -> Iterator[Ints]:
    """All artworks, whole titles at a time, in parts that fit into memory."""
    most = max(1, int((1 << 22) / cost))
    edges = np.flatnonzero(np.diff(title, prepend=-1))  # where each title begins
    first = 0
    while first < len(title):
        fits = edges[(edges > first) & (edges <= first + most)]
        if len(title) - first <= most:
            last = len(title)
        elif len(fits):
            last = int(fits[-1])
        else:
            later = edges[edges > first]
            last = int(later[0]) if len(later) else len(title)
        yield np.arange(first, last)
        first = last


class _Blocks:
    """The sums of some artworks, whole titles, in one piece. titles: their numbers; local: of every
    artwork, which of them is its title.
    """

    def __init__(
        self, corrected: Corrected, rows: Ints, counts: Floats, title: Ints, features: Floats
    ) -> None:
        parts = list(corrected.parts(rows))
        self.a = np.concatenate([a for _, a, _, _ in parts])
        self.b = np.concatenate([b for _, _, b, _ in parts])
        self.yy = np.concatenate([yy for _, _, _, yy in parts])
        self.titles, self.local = np.unique(title[rows], return_inverse=True)
        self.starts = np.flatnonzero(np.diff(self.local, prepend=-1))
        self.features = features[rows]
        self.count = float(counts[rows].sum())

    def by_title(self, values: Floats) -> Floats:
        """Sums over the artworks of each title."""
        summed: Floats = np.add.reduceat(values, self.starts, axis=0)
        return summed


class _Posterior:
    """What artworks leave for titles and features when their δ is integrated out."""

    def __init__(self, blocks: _Blocks, l2: Floats) -> None:
        regular = blocks.a.copy()
        np.einsum("cii->ci", regular)[:] += l2
        self.inverse: Floats = np.linalg.inv(regular)
        m = l2[:, None] * (self.inverse @ blocks.a)
        self.m: Floats = (m + m.transpose(0, 2, 1)) / 2
        self.c: Floats = l2 * _times(self.inverse, blocks.b)
        self.m_title = blocks.by_title(self.m)
        self.c_title = blocks.by_title(self.c)
        # Of every title Σ M·(f ⊗ I) over its artworks: [m, k, dk].
        d, k = blocks.features.shape[1], len(l2)
        self.cross: Floats = np.empty((len(blocks.titles), k, d * k))
        edges = np.append(blocks.starts, len(blocks.local)).tolist()
        for t, (first, last) in enumerate(pairwise(edges) if d else ()):
            own = blocks.features[first:last].T @ self.m[first:last].reshape(-1, k * k)
            self.cross[t] = own.reshape(d, k, k).transpose(1, 0, 2).reshape(k, -1)


class _State:
    """λ of all groups, σ², W and θ₀, and the steps between them."""

    def __init__(self, k: int, d: int, group: Ints, fixed: float | None) -> None:
        self.k, self.d, self.group = k, d, group
        self.fixed = fixed is not None
        self.artwork = np.full(k, INITIAL["artwork"] if fixed is None else fixed)
        self.title = np.full(k, INITIAL["title"])
        self.feature = np.full(k, INITIAL["features"])
        self.w: Floats = np.zeros((k, d))
        self.shared: Floats = np.zeros(k)
        self.noise = 1.0

    # Given λ.

    def pooled(self, several: Iterator[_Blocks]) -> tuple[Floats, Floats]:
        """W and θ₀ of artworks that come in parts."""
        normal, right = self._no_equations()
        kept = []
        for blocks in several:
            posterior = _Posterior(blocks, self.artwork)
            own = self._equations(blocks, posterior)
            normal, right = normal + own[0], right + own[1]
            kept.append(self._shared_equations(posterior))
        w = np.linalg.solve(normal, right).reshape(self.d, self.k).T
        left = sum((one for one, _, _ in kept), FREE * np.eye(self.k))
        total = sum((one for _, one, _ in kept), np.zeros(self.k))
        total = total - sum((one @ w.T.ravel() for _, _, one in kept), np.zeros(self.k))
        return w.astype(np.float64), np.linalg.solve(left, total).astype(np.float64)

    def levels(self, blocks: _Blocks, w: Floats, shared: Floats) -> Floats:
        """θₜ of the blocks' titles: [m, k]."""
        return self._levels(blocks, _Posterior(blocks, self.artwork), w, shared)[0]

    def _levels(
        self, blocks: _Blocks, posterior: _Posterior, w: Floats, shared: Floats
    ) -> tuple[Floats, Floats]:
        """θₜ and their posterior covariances over σ²: [m, k], [m, k, k]."""
        regular = posterior.m_title.copy()
        np.einsum("tii->ti", regular)[:] += self.title
        inverse = np.linalg.inv(regular)
        of_features = _times(posterior.m, blocks.features @ w.T)
        left = posterior.c_title - blocks.by_title(of_features)
        left -= posterior.m_title @ shared
        return shared + _times(inverse, left), inverse

    def _no_equations(self) -> tuple[Floats, Floats]:
        return np.diag(np.tile(self.feature, self.d)), np.zeros(self.d * self.k)

    def _equations(self, blocks: _Blocks, posterior: _Posterior) -> tuple[Floats, Floats]:
        """What the blocks add to the normal equations of W, feature by feature: [dk, dk], [dk].

        Titles are partialled out with the ridge CENTRED alone: θₜ explains all it can.
        """
        d, k, f = self.d, self.k, blocks.features
        if not d:
            return np.zeros((0, 0)), np.zeros(0)
        c = len(f)
        both = (f[:, :, None] * f[:, None, :]).reshape(c, -1)
        normal = (both.T @ posterior.m.reshape(c, -1)).reshape(d, d, k, k)
        normal = normal.transpose(0, 2, 1, 3).reshape(d * k, d * k)
        right = (f.T @ posterior.c).ravel()
        solved = np.linalg.solve(posterior.m_title + CENTRED * np.eye(k), posterior.cross)
        flat = solved.reshape(-1, d * k)
        normal -= posterior.cross.reshape(-1, d * k).T @ flat
        right -= flat.T @ posterior.c_title.ravel()
        return normal, right

    def _shared_equations(self, posterior: _Posterior) -> tuple[Floats, Floats, Floats]:
        """Of θ₀: left [k, k], right [k], and what of the right is W's, [k, dk]."""
        regular = posterior.m_title.copy()
        np.einsum("tii->ti", regular)[:] += self.title
        weight = self.title[:, None] * np.linalg.inv(regular)  # Λₜ(Mₜ + Λₜ)⁻¹
        left = (weight @ posterior.m_title).sum(axis=0)
        right = _times(weight, posterior.c_title).sum(axis=0)
        beside = weight.transpose(1, 0, 2).reshape(self.k, -1)
        return left, right, beside @ posterior.cross.reshape(beside.shape[1], -1)

    # Towards λ.

    def step(self, blocks: _Blocks) -> None:
        """One round of the fixed point."""
        posterior = _Posterior(blocks, self.artwork)
        w_used = 0.0
        if self.d:
            normal, right = self._no_equations()
            own = self._equations(blocks, posterior)
            inverse = np.linalg.inv(normal + own[0])
            flat = inverse @ (right + own[1])
            self.w = flat.reshape(self.d, self.k).T
            known = 1 - np.tile(self.feature, self.d) * np.diagonal(inverse)
            w_used = float(known.sum())
            self.feature = self._found(
                "features", (self.w**2).sum(axis=1), known.reshape(self.d, self.k).sum(axis=0)
            )
        left, right, own_w = self._shared_equations(posterior)
        right = right - own_w @ self.w.T.ravel()
        self.shared = np.linalg.solve(left + FREE * np.eye(self.k), right).astype(np.float64)
        level, title_cov = self._levels(blocks, posterior, self.w, self.shared)
        mean = level[blocks.local] + blocks.features @ self.w.T
        # What is an artwork's own, δ = H(b − A·mean), and its variance over σ², of which the
        # uncertainty of the title is a part: S = H + HA·Vₜ·AH.
        gap = blocks.b - _times(blocks.a, mean)
        own_mean = _times(posterior.inverse, gap)
        carried = np.eye(self.k) - posterior.inverse * self.artwork
        spread = ((carried @ title_cov[blocks.local]) * carried).sum(axis=2)
        own_var = np.einsum("cii->ci", posterior.inverse) + spread
        own_known = 1 - self.artwork * own_var
        title_known = 1 - self.title * np.einsum("tii->ti", title_cov)
        weights = mean + own_mean
        residual = blocks.yy + (weights * (_times(blocks.a, weights) - 2 * blocks.b)).sum(axis=1)
        used = float(own_known.sum() + title_known.sum()) + w_used
        total = max(float(residual.sum()), 0.0)
        if not total > 1e-12:
            self.noise = 1.0 / (1.0 + blocks.count)
        else:
            self.noise = total / max(blocks.count - used, 0.1 * blocks.count, 1.0)
        if not self.fixed:
            self.artwork = self._found("artwork", (own_mean**2).sum(axis=0), own_known.sum(axis=0))
        self.title = self._found(
            "title", ((level - self.shared) ** 2).sum(axis=0), title_known.sum(axis=0)
        )

    def _found(self, what: str, squares: Floats, known: Floats) -> Floats:
        """λ of every slot, from sums over coefficients of μ² and of 1 − λS.

        Each step goes half as far again on the scale of log λ, because MacKay's come ever closer
        from one side: 16 of these are where 40 of those are.
        """
        old = {"artwork": self.artwork, "title": self.title, "features": self.feature}[what]
        groups = int(self.group.max()) + 1
        size = np.bincount(self.group, squares, groups) / self.noise
        share = np.maximum(np.bincount(self.group, known, groups), 0)
        ratio = ((share + 1) / (size + 1 / INITIAL[what]))[self.group] / old
        clipped: Floats = np.clip(old * np.clip(ratio**1.5, 1 / 8, 8), SMALLEST, LARGEST)
        return clipped


def _times(matrices: Floats, vectors: Floats) -> Floats:
    """Each matrix times its vector: [c, i, j], [c, j] → [c, i]."""
    products: Floats = (matrices @ vectors[..., None])[..., 0]
    return products


def groups_of(widths: list[int]) -> Ints:
    """Which slots share a λ: those of one feature; the last is the intercept."""
    return np.repeat(np.arange(len(widths)), widths)
