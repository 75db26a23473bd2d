# SPDX-License-Identifier: Apache-2.0
"""The reference: from bundle bytes and a context map to an artwork and its propensity.

    bundle   = open_bundle(data)                          bundle.py, arrays.py, features.py
    context  = prepare(bundle, context_map, seed=42)      context.py, score.py
    decision = select(context, "title-7")                 explore.py and this file
    bundle.titles[decision.title].artworks[decision.row - first]

Each function says which section of `native/spec/decision.md` it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .binary import bits32, le32, le64
from .bundle import Bundle, Title, open_bundle
from .context import Report, encode
from .explore import TOTAL, integers
from .score import scores
from .siphash import H, domain, draw_key

__all__ = [
    "Bundle",
    "Candidates",
    "Context",
    "Decision",
    "candidates",
    "context_hash",
    "open_bundle",
    "prepare",
    "select",
    "select_page",
    "verify",
]

NONE = 2**32 - 1
"""As an index of a title or row: none."""

POLICY, REDRAWN, RECOMPUTED, NO_ARTWORK, UNKNOWN_TITLE = 0, 10, 20, 30, 40


@dataclass(frozen=True)
class Context:
    """A context encoded for a bundle, with the scores of all rows."""

    bundle: Bundle
    x: list[float]  # slots
    report: Report
    scores: list[float]  # R
    key: tuple[int, int]  # d0, d1


@dataclass(frozen=True)
class Decision:
    """One choice (§7). The propensity is n / total."""

    title: int
    row: int
    n: int
    total: int
    score: float
    reason: int


@dataclass(frozen=True)
class Candidates:
    """A title's rows with the probability n / total that each has of being shown (§6)."""

    rows: list[int]
    n: list[int]  # 0 for a denied one
    total: int
    scores: list[float]
    denied: list[bool]


def prepare(bundle: Bundle, context_map: bytes, *, seed: int) -> Context:
    """Encodes a context map (§3) and scores all rows (§4). Raises Refused."""
    x, report = encode(bundle.features, context_map)
    return Context(bundle, x, report, scores(bundle, x), draw_key(seed, bundle.name))


def is_denied(denied: bytes, row: int) -> bool:
    """Whether the bitmap denies this row; rows past its end are not denied."""
    return row // 8 < len(denied) and bool(denied[row // 8] >> row % 8 & 1)


def draw(context: Context, title: Title, attempt: int, total: int) -> int:
    """An integer from 0 to S − 1, where S is total (§6)."""
    return H(*context.key, le64(title.hash) + le32(attempt)) * total >> 64


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

    first_n: list[int]  # over all candidates, denied or not
    n: list[int]  # as they hold in the end
    total: int
    allowed: list[int]  # candidates that are not denied
    recomputed: bool


def _odds(context: Context, title: Title, denied: bytes) -> _Odds:
    rows = range(title.first, title.first + len(title.artworks))
    its_scores = [context.scores[row] for row in rows]
    n = integers(context.bundle.explorer, its_scores)
    allowed = [index for index, row in enumerate(rows) if not is_denied(denied, row)]
    shown = [n[index] if index in allowed else 0 for index in range(len(n))]
    if not allowed:
        return _Odds(n, shown, TOTAL, allowed, recomputed=False)
    if sum(shown) > 0:
        return _Odds(n, shown, sum(shown), allowed, recomputed=False)
    again = integers(context.bundle.explorer, [its_scores[index] for index in allowed])
    for index, value in zip(allowed, again, strict=True):
        shown[index] = value
    return _Odds(n, shown, TOTAL, allowed, recomputed=True)


def candidates(context: Context, title: str, denied: bytes = b"") -> Candidates:
    """All candidates of a title with their integers under these denials. Raises KeyError."""
    entry = context.bundle.titles[context.bundle.find(title)]
    odds = _odds(context, entry, denied)
    rows = list(range(entry.first, entry.first + len(entry.artworks)))
    return Candidates(
        rows,
        odds.n,
        odds.total,
        [context.scores[row] for row in rows],
        [is_denied(denied, row) for row in rows],
    )


def select(context: Context, title: str, denied: bytes = b"") -> Decision:
    """Decides one title (§6, §7)."""
    try:
        index = context.bundle.find(title)
    except KeyError:
        return Decision(NONE, NONE, 0, TOTAL, 0.0, UNKNOWN_TITLE)
    entry = context.bundle.titles[index]
    odds = _odds(context, entry, denied)
    if not odds.allowed:
        return Decision(index, NONE, 0, TOTAL, 0.0, NO_ARTWORK)
    drawn = draw(context, entry, 0, TOTAL)
    choice, reason = _fall(drawn, odds.first_n, range(len(odds.first_n))), POLICY
    if choice not in odds.allowed:
        drawn = draw(context, entry, 1, odds.total)
        choice = _fall(drawn, odds.n, odds.allowed)
        reason = RECOMPUTED if odds.recomputed else REDRAWN
    row = entry.first + choice
    return Decision(index, row, odds.n[choice], odds.total, context.scores[row], reason)


def select_page(context: Context, titles: Iterable[str], denied: bytes = b"") -> list[Decision]:
    """A page is its titles decided one by one."""
    return [select(context, title, denied) for title in titles]


def context_hash(context: Context) -> int:
    """The hash over the scores and integers of all rows (§8)."""
    message = b""
    for title in context.bundle.titles:
        its = context.scores[title.first : title.first + len(title.artworks)]
        for score, n in zip(its, integers(context.bundle.explorer, its), strict=True):
            message += le32(bits32(score)) + le32(n)
    return H(domain("ea-check"), 0, message)


def verify(bundle: Bundle) -> bool:
    """Whether every test vector of the bundle holds (bundle.md §7). Raises Refused."""
    return all(
        context_hash(prepare(bundle, context_map, seed=0)) == expected
        for context_map, expected in bundle.vectors
    )
