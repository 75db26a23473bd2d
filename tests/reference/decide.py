# SPDX-License-Identifier: Apache-2.0
"""The reference: from bundle bytes and a context map to an artwork and its propensity.

    bundle   = open_bundle(data)                           bundle.py, arrays.py, features.py, …
    context  = prepare(bundle, context_map, seed=42)       context.py, tower.py, score.py
    decision = select(context, "title-7")                  explore.py, thompson.py and this file
    bundle.titles[decision.title].artworks[decision.row - first]

Each function says which section of `native/spec/decision.md` it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

from .binary import bits32, le32, le64
from .bundle import Bundle, Title, open_bundle
from .context import Report, encode
from .explore import TOTAL, integers
from .features import Explorer
from .score import scores, variances
from .siphash import H, domain, draw_key, title_hash
from .tower import tower

__all__ = [
    "Bundle",
    "Candidates",
    "Context",
    "Decision",
    "Limits",
    "candidates",
    "context_hash",
    "fallback",
    "open_bundle",
    "prepare",
    "select",
    "select_host",
    "select_page",
    "verify",
]

NONE = 2**32 - 1
"""As an index of a title or row: none."""

POLICY, REDRAWN, RECOMPUTED, NO_ARTWORK, UNKNOWN_TITLE, FALLBACK, HOST_UNIFORM = range(0, 70, 10)


@dataclass(frozen=True)
class Context:
    """A context encoded for a bundle, with the scores of all rows."""

    bundle: Bundle
    x: list[float]  # slots
    u: list[float]  # k
    report: Report
    scores: list[float]  # R
    variances: list[float] | None  # R; None for a policy without
    key: tuple[int, int]  # d0, d1
    cell: int  # 0 for the policy's own explorer


@dataclass(frozen=True)
class Limits:
    """What a call allows (§6): two bitmaps over rows and two sets of attributes."""

    denied: bytes = b""
    excluded: bytes = b""
    required: int = 0
    forbidden: int = 0


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Decision:
    """One choice (§7). The propensity is n / total."""

    title: int
    row: int
    n: int
    total: int
    score: float
    reason: int
    cell: int


@dataclass(frozen=True)
class Candidates:
    """A title's candidates with the probability n / total that each has of being shown (§6)."""

    rows: list[int]
    n: list[int]  # 0 for a denied one
    total: int
    scores: list[float]
    denied: list[bool]


def prepare(bundle: Bundle, context_map: bytes, *, seed: int, unit: int = 0) -> Context:
    """Encodes a context map (§3) and scores all rows (§4). Raises Refused."""
    x, report = encode(bundle.features, context_map)
    u = tower(bundle.tower, x)
    key, cell = draw_key(seed, bundle.name), bundle.cells.cell_of(unit)
    return Context(bundle, x, u, report, scores(bundle, u), variances(bundle, u), key, cell)


def explorer_of(bundle: Bundle, title: Title, cell: int) -> Explorer:
    """The explorer of a cell for a title; factors are the policy's own explorer's (§5)."""
    if cell:
        return bundle.cells.cells[cell - 1].explorer
    return changed(bundle.explorer, parameter=bundle.explorer.parameter * title.factor)


def explore(context: Context, title: Title, cell: int, rows: Sequence[int]) -> list[int]:
    """The integers n of these rows of a title (§5)."""
    its_scores = [context.scores[row] for row in rows]
    its_variances = None
    if context.variances is not None:
        its_variances = [context.variances[row] for row in rows]
    return integers(explorer_of(context.bundle, title, cell), its_scores, its_variances)


def is_in(bitmap: bytes, row: int) -> bool:
    """Whether this row is in a bitmap; rows past its end are not."""
    return row // 8 < len(bitmap) and bool(bitmap[row // 8] >> row % 8 & 1)


def is_candidate(bundle: Bundle, row: int, limits: Limits) -> bool:
    """Whether a row is eligible and not excluded (§6)."""
    mask = bundle.masks[row] if bundle.masks else 0
    eligible = mask & limits.required == limits.required and mask & limits.forbidden == 0
    return eligible and not is_in(limits.excluded, row)


def draw(context: Context, hashed: int, attempt: int, total: int) -> int:
    """An integer from 0 to S − 1, where S is total, for the title of this hash (§6)."""
    return H(*context.key, le64(hashed) + le32(attempt)) * total >> 64


def _fall(drawn: int, n: Sequence[int], among: Iterable[int]) -> int:
    """The first of these candidates at which the running sum of n exceeds what was drawn."""
    running = 0
    for index in among:
        running += n[index]
        if running > drawn:
            return index
    raise AssertionError("a draw is below the sum of n")


@dataclass(frozen=True)
class _Odds:
    """What §6 derives before any draw."""

    rows: list[int]  # of the candidates
    first_n: list[int]  # over all candidates, denied or not
    n: list[int]  # as they hold in the end
    total: int
    allowed: list[int]  # indices of candidates that are not denied
    recomputed: bool


def _odds(context: Context, title: Title, limits: Limits) -> _Odds:
    rows = [row for row in title.rows if is_candidate(context.bundle, row, limits)]
    if not rows:
        return _Odds([], [], [], TOTAL, [], recomputed=False)
    n = explore(context, title, context.cell, rows)
    allowed = [index for index, row in enumerate(rows) if not is_in(limits.denied, row)]
    shown = [n[index] if index in allowed else 0 for index in range(len(n))]
    if not allowed:
        return _Odds(rows, n, shown, TOTAL, allowed, recomputed=False)
    if sum(shown) > 0:
        return _Odds(rows, n, shown, sum(shown), allowed, recomputed=False)
    again = explore(context, title, context.cell, [rows[index] for index in allowed])
    for index, value in zip(allowed, again, strict=True):
        shown[index] = value
    return _Odds(rows, n, shown, TOTAL, allowed, recomputed=True)


def candidates(context: Context, title: str, limits: Limits = NO_LIMITS) -> Candidates:
    """The candidates of a title with their integers under these limits. Raises KeyError."""
    entry = context.bundle.titles[context.bundle.find(title)]
    odds = _odds(context, entry, limits)
    return Candidates(
        odds.rows,
        odds.n,
        odds.total,
        [context.scores[row] for row in odds.rows],
        [is_in(limits.denied, row) for row in odds.rows],
    )


def select(context: Context, title: str, limits: Limits = NO_LIMITS) -> Decision:
    """Decides one title (§6, §7)."""
    try:
        index = context.bundle.find(title)
    except KeyError:
        return Decision(NONE, NONE, 0, TOTAL, 0.0, UNKNOWN_TITLE, context.cell)
    entry = context.bundle.titles[index]
    odds = _odds(context, entry, limits)
    if not odds.allowed:
        return Decision(index, NONE, 0, TOTAL, 0.0, NO_ARTWORK, context.cell)
    drawn = draw(context, entry.hash, 0, TOTAL)
    choice, reason = _fall(drawn, odds.first_n, range(len(odds.first_n))), POLICY
    if choice not in odds.allowed:
        drawn = draw(context, entry.hash, 1, odds.total)
        choice = _fall(drawn, odds.n, odds.allowed)
        reason = RECOMPUTED if odds.recomputed else REDRAWN
    row = odds.rows[choice]
    n, score = odds.n[choice], context.scores[row]
    return Decision(index, row, n, odds.total, score, reason, context.cell)


def select_page(
    context: Context, titles: Iterable[str], limits: Limits = NO_LIMITS
) -> list[Decision]:
    """A page is its titles decided one by one."""
    return [select(context, title, limits) for title in titles]


def select_host(context: Context, title: str, count: int) -> Decision:
    """Decides a title that the bundle does not have among count artworks of the host's (§6)."""
    n = integers(Explorer("uniform", 0.0), [0.0] * count)
    choice = _fall(draw(context, title_hash(title), 0, TOTAL), n, range(count))
    return Decision(NONE, choice, n[choice], TOTAL, 0.0, HOST_UNIFORM, context.cell)


def fallback(bundle: Bundle, title: str, limits: Limits = NO_LIMITS) -> Decision:
    """The choice without a usable context (§6)."""
    try:
        index = bundle.find(title)
    except KeyError:
        return Decision(NONE, NONE, 0, TOTAL, 0.0, UNKNOWN_TITLE, 0)
    for row in bundle.titles[index].rows:
        if is_candidate(bundle, row, limits) and not is_in(limits.denied, row):
            return Decision(index, row, 0, TOTAL, 0.0, FALLBACK, 0)
    return Decision(index, NONE, 0, TOTAL, 0.0, NO_ARTWORK, 0)


def context_hash(context: Context) -> int:
    """The hash over the scores, variances and integers of all rows, in every cell (§8)."""
    message = b""
    for title in context.bundle.titles:
        for row, n in zip(title.rows, explore(context, title, 0, title.rows), strict=True):
            message += le32(bits32(context.scores[row])) + le32(n)
        if context.variances is not None:
            for row in title.rows:
                message += le32(bits32(context.variances[row])) + le32(0)
        for cell in range(1, 1 + len(context.bundle.cells.cells)):
            for n in explore(context, title, cell, title.rows):
                message += le32(cell) + le32(n)
    return H(domain("ea-check"), 0, message)


def verify(bundle: Bundle) -> bool:
    """Whether every test vector of the bundle holds (bundle.md §7). Raises Refused."""
    return all(
        context_hash(prepare(bundle, context_map, seed=0)) == expected
        for context_map, expected in bundle.vectors
    )
