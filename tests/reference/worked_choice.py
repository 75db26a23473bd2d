# SPDX-License-Identifier: Apache-2.0
"""The worked examples from beliefs to a choice: sections 11.4 to 11.9 of decision.md."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .binary import bits32, round32, tiny
from .cells import WHOLE
from .decide import Context, Limits, context_hash, draw, explore, explorer_of, select
from .explore import TOTAL
from .exponential import B_32, COEFFICIENTS_32, LN2_HIGH_32, LN2_LOW_32, LOG2_E_32, P_32
from .hexed import hex64, hexf32
from .siphash import H, domain
from .thompson import Grid, best_probabilities, grid, term, weights
from .worked_policy import SEED, UNIT, f32, f64, listed, table

ROWS = range(3)


def _beliefs(context: Context) -> tuple[list[float], list[float], Grid]:
    """Gaps, standard deviations and the grid."""
    assert context.variances is not None
    best = max(context.scores)
    gaps = [best - score for score in context.scores]
    sigmas = [1.0 * math.sqrt(variance) for variance in context.variances]
    at = grid(gaps, sigmas)
    assert at is not None
    assert at.blocks == 2
    assert len(at.alive) == 3
    return gaps, sigmas, at


def thompson(context: Context) -> str:
    gaps, sigmas, at = _beliefs(context)
    d = [tiny(round32(gap / at.sigma_max)) for gap in gaps]
    c = [round32(at.sigma_max / r) for r in at.r]
    omega = weights(gaps, at)
    points = []
    for j in range(16):
        x = at.point(j)
        terms = [term(x, *its) for its in zip(d, c, strict=True)]
        below = 1.0
        for its in terms:
            below = tiny(round32(below * its.phi))
        phis = [f"`{hexf32(its.phi)}`" for its in terms]
        omegas = [f"`{hexf32(omega[i][j])}`" for i in ROWS]
        points.append([j, f32(x), *phis, f"`{hexf32(below)}`", *omegas])
    w = [_lanes(each) for each in omega]
    total = (w[0] + w[1]) + w[2]
    p = [each / total for each in w]
    assert p == best_probabilities(gaps, sigmas)
    n = explore(context, context.bundle.titles[0], 0, ROWS)
    beliefs = table(
        ["row", "g", "σ", "−g − 3.5·σ", "−g + 4.5·σ", "r", "d", "c"],
        [
            [i, f64(gaps[i]), f64(sigmas[i]), f"{-gaps[i] - 3.5 * sigmas[i]:.9g}",
             f"{-gaps[i] + 4.5 * sigmas[i]:.9g}", f"{at.r[i]:.9g}", f32(d[i]), f32(c[i])]
            for i in ROWS
        ],
    )  # fmt: skip
    grid_table = table(["j", "x", "Φ₀", "Φ₁", "Φ₂", "F", "ω₀", "ω₁", "ω₂"], points)
    sums = table(["row", "w", "p", "n"], [[i, f32(w[i]), f64(p[i]), n[i]] for i in ROWS])
    width = at.high - at.low
    quotient = width / (8 * min(at.r))
    anchor = context.scores.index(max(context.scores))
    return f"""### 11.4 `thompson`, α = 1, floor 0

{beliefs}

low = {f64(at.low)}, all three are alive, high = {f64(at.high)},
R = {f64(width)}, R / (8·r_min) = {quotient:.9g}, so B = 2, h = {f64(at.h)}.

{grid_table}

{_one_point(at, d, c)}

{sums}

W = {f64(total)}. The anchor is the best score, row {anchor}: it gets what the others leave."""


def _lanes(omega: Sequence[float]) -> float:
    """Sixteen terms in eight lanes, and the tree."""
    a = [round32(omega[i] + omega[i + 8]) for i in range(8)]
    even = round32(round32(a[0] + a[4]) + round32(a[2] + a[6]))
    return round32(even + round32(round32(a[1] + a[5]) + round32(a[3] + a[7])))


def _one_point(at: Grid, d: Sequence[float], c: Sequence[float]) -> str:
    """Steps 5 to 7 for row 0 at point 0."""
    x = at.point(0)
    z = tiny(round32(round32(x + d[0]) * c[0]))
    a = abs(z)
    y = round32(round32(a * a) * 0.5)
    k = math.trunc(round32(round32(y * LOG2_E_32) + 0.5))
    r = round32(round32(round32(k * LN2_HIGH_32) - y) + round32(k * LN2_LOW_32))
    p = COEFFICIENTS_32[6]
    for j in range(5, -1, -1):
        p = round32(round32(p * r) + COEFFICIENTS_32[j])
    e = math.ldexp(p, -k)
    t = round32(1 / round32(1 + round32(P_32 * a)))
    q = round32(B_32[4] * t)
    for b in (B_32[3], B_32[2], B_32[1], B_32[0]):
        q = round32(round32(q + b) * t)
    q = round32(q * e)
    its = term(x, d[0], c[0])
    assert (z, e) == (its.z, its.e)
    assert its.phi == (q if z < 0 else round32(1 - q))
    steps = [("z", f32(z)), ("y", f32(y)), ("k", k), ("r", f32(r)), ("P", f32(p)), ("E", f32(e))]
    steps += [("t", f32(t)), ("Q", f32(q)), ("Φ", f32(its.phi))]
    return f"Row 0 at j = 0, steps 5 to 7: {listed(f'{name} = {its}' for name, its in steps)}."


def others(context: Context) -> str:
    title, gaps = context.bundle.titles[0], _beliefs(context)[0]
    sigmas = [math.sqrt(variance) for variance in context.variances or []]
    bounds = [score + 1.0 * sigma for score, sigma in zip(context.scores, sigmas, strict=True)]
    ucb, gap = (explore(context, title, cell, ROWS) for cell in (1, 2))
    floor = math.floor(0.01 * TOTAL)
    rest = TOTAL - 3 * floor
    lines = []
    for i in ROWS:
        p = 1 / (3 + 10.0 * gaps[i])
        if gaps[i]:
            assert gap[i] == floor + math.trunc(p * rest)
            lines.append([i, f64(gaps[i]), f64(p), f"{p * rest:.12g}", gap[i]])
        else:
            lines.append([i, f64(gaps[i]), "anchor", "", gap[i]])
    assert sum(gap) == TOTAL
    assert ucb == [TOTAL if i == bounds.index(max(bounds)) else 0 for i in ROWS]
    return f"""### 11.5 `squarecb`, γ = 10, floor 0.01 (cell 2)

F = ⌊0.01 · 2³¹⌋ = {floor}, M = 2³¹ − 3·F = {rest}.

{table(["row", "g", "p = 1 / (3 + 10·g)", "p·M", "n"], lines)}

### 11.6 `ucb`, β = 1, floor 0 (cell 1)

s + √v: {listed(f"row {i}: {f64(bound)}" for i, bound in enumerate(bounds))}. n = {ucb}."""


def cells(context: Context) -> str:
    its = context.bundle.cells
    salt = its.salt.decode()
    lines = []
    for unit in (3, 6, 7):
        hashed = H(unit, domain("ea-cell0"), its.salt)
        lines.append([unit, f"`{hex64(hashed)}`", hashed * WHOLE >> 64, its.cell_of(unit)])
    units = [cell.units for cell in its.cells]
    return f"""### 11.7 Cells

D("ea-cell0") = `{hex64(domain("ea-cell0"))}`, salt `{salt}`; the cells' units are {units},
their running sums {units[0]} and {sum(units)}.

{table(["unit", "H", "b", "cell"], lines)}"""


def draws(context: Context) -> str:
    title = context.bundle.titles[0]
    n = explore(context, title, context.cell, ROWS)
    drawn = draw(context, title.hash, 0, TOTAL)
    free = select(context, "title-7")
    running = [sum(n[: i + 1]) for i in ROWS]
    assert free.row == next(i for i in ROWS if running[i] > drawn)
    denied = select(context, "title-7", Limits(denied=bytes([1 << free.row])))
    left = TOTAL - n[free.row]
    again = draw(context, title.hash, 1, left)
    rest = [i for i in ROWS if i != free.row]
    assert denied.row == (rest[0] if n[rest[0]] > again else rest[1])
    assert (denied.n, denied.total) == (n[denied.row], left)
    kind = explorer_of(context.bundle, title, context.cell).kind
    hashes = [H(*context.key, title.hash.to_bytes(8, "little") + bytes([i, 0, 0, 0]))
              for i in (0, 1)]  # fmt: skip
    names, (d0, d1) = title.artworks, context.key
    return f"""### 11.8 Draw, and draw again

Unit {UNIT} is in cell {context.cell}, whose explorer is `{kind}`. Seed {SEED}:
d0 = `{hex64(d0)}`, d1 = `{hex64(d1)}`; T = `{hex64(title.hash)}`.

H(d0, d1, LE64(T) ‖ LE32(0)) = `{hex64(hashes[0])}`; draw(0, 2³¹) = {drawn}. The running sum of n
is {running}: row {free.row}, `{names[free.row]}`, *policy*,
with n = {free.n}, total = 2³¹.

If row {free.row} is denied, S = 2³¹ − {n[free.row]} = {left};
H(d0, d1, LE64(T) ‖ LE32(1)) = `{hex64(hashes[1])}`; draw(1, S) = {again}. The running sum of the
rest, rows {rest[0]} and {rest[1]}, is {n[rest[0]]}, {left}: row {denied.row},
`{names[denied.row]}`, *redrawn*, with n = {denied.n}, total = {denied.total}."""


def hashed(context: Context) -> str:
    bundle = context.bundle
    assert context.variances is not None
    words = [(bits32(context.scores[row]), n) for row, n in
             zip(ROWS, explore(context, bundle.titles[0], 0, ROWS), strict=True)]  # fmt: skip
    words += [(bits32(variance), 0) for variance in context.variances]
    for cell in (1, 2):
        words += [(cell, n) for n in explore(context, bundle.titles[0], cell, ROWS)]
    message = b"".join(a.to_bytes(4, "little") + b.to_bytes(4, "little") for a, b in words)
    its_hash = H(domain("ea-check"), 0, message)
    assert its_hash == context_hash(context)
    parts = [message[at : at + 24].hex() for at in range(0, len(message), 24)]
    return f"""### 11.9 The hash of a test vector

The message is {len(message)} bytes: `{parts[0]}` (scores and n),
`{parts[1]}` (variances), `{parts[2]}`
and `{parts[3]}` (cells 1 and 2).
H(D("ea-check"), 0, message) = `{hex64(its_hash)}`."""
