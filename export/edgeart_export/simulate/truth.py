# SPDX-License-Identifier: Apache-2.0
"""What only the simulated world knows: what members like, and the chance that they take a title."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .catalogue import GENRES, MOTIFS, Catalogue

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEANINGS = 2
HOUR_MS = 3_600_000

# Motif → what it says to each of GENRES, then to the two leanings that no feature describes
# (faces rather than places; bright rather than dark).
_MOTIFS: dict[str, tuple[float, ...]] = {
    "laugh": (1.0, 0.0, -0.4, -0.2, -0.3, 0.3, 0.6, 0.8),
    "couple": (0.1, 1.0, -0.3, 0.2, -0.4, -0.2, 0.8, 0.2),
    "chase": (-0.2, -0.4, 1.0, -0.1, -0.2, -0.2, -0.5, -0.5),
    "portrait": (-0.2, 0.2, 0.1, 0.9, 0.0, -0.4, 1.0, -0.2),
    "landscape": (-0.3, 0.0, -0.1, 0.1, 1.0, 0.1, -1.0, 0.5),
    "child": (0.2, 0.0, -0.5, 0.1, -0.2, 1.0, 0.5, 0.6),
    "night": (-0.4, 0.2, 0.7, 0.2, 0.0, -0.6, -0.3, -1.0),
    "ensemble": (0.5, 0.1, -0.1, 0.3, -0.3, 0.5, 0.4, 0.3),
    "archive": (-0.3, -0.2, 0.0, 0.4, 0.9, -0.2, -0.2, -0.4),
    "lettering": (0.0, -0.1, 0.1, -0.1, 0.1, 0.1, -0.8, 0.0),
}
_DARK = ("chase", "night")
_CLOSE = ("laugh", "couple", "portrait", "child")


@dataclass(frozen=True)
class Strength:
    """How much of a member's response is due to what, on the scale of the logit."""

    taste: float = 2.6  # artworks meeting a member's taste
    leaning: float = 0.3  # artworks meeting what no feature describes
    quality: float = 0.18  # artworks better or worse for everybody (standard deviation)
    moment: float = 0.3  # dark artworks late, faces on a phone
    relevance: float = 1.2  # the title's own genres meeting the taste
    place: float = 0.06  # lost with every row further down

    def without_taste(self) -> Strength:
        """A world in which no artwork of a title is better than another, for anybody."""
        return Strength(0.0, 0.0, 0.0, 0.0, self.relevance, self.place)


@dataclass(frozen=True, eq=False)
class Responses:
    """What followed n views. taken: bool [n]; delay: ms until the play; minutes: of it."""

    taken: npt.NDArray[np.bool_]
    delay: Ints
    minutes: Floats


class Truth:
    """Members' likings and the chances that follow from them; the same for one seed."""

    # Two plays in three begin at once; the others wait, 14 h on average, two days at most.
    _AT_ONCE, _WAIT, _LONGEST = 2 / 3, 14 * HOUR_MS, 48 * HOUR_MS
    _MINUTES, _SPREAD = math.log(40.0), 1.0  # of the log-normal length of a play

    def __init__(
        self, catalogue: Catalogue, members: int, seed: int, strength: Strength | None = None
    ) -> None:
        rng = np.random.default_rng([seed, 2])
        self.strength = Strength() if strength is None else strength
        # Few members like everything: most of a taste is one or two genres.
        self._taste: Floats = rng.dirichlet(np.full(len(GENRES), 0.3), size=members)
        self._leaning: Floats = rng.normal(0, 1, (members, LEANINGS))
        self._titles = [title.genres for title in catalogue.titles]
        self._base: list[float] = []
        self._appeal: list[Floats] = []
        self._moment: list[Floats] = []
        for title in catalogue.titles:
            count = len(title.artworks)
            motifs = [artwork.motif for artwork in title.artworks]
            # A motif is done better in one title than in another, and never quite pure.
            told = np.array([_MOTIFS[motif] for motif in motifs])
            told = told * rng.uniform(0.7, 1.2, (count, 1)) + rng.normal(0, 0.12, told.shape)
            quality = rng.normal(0, 1, (count, 1))
            told -= told.mean(axis=0)
            s = self.strength
            scale = [s.taste] * len(GENRES) + [s.leaning] * LEANINGS + [s.quality]
            self._appeal.append(np.hstack([told, quality]) * scale)
            moments = [[motif in _DARK for motif in motifs], [motif in _CLOSE for motif in motifs]]
            self._moment.append(s.moment * np.array(moments, dtype=np.float64))
            self._base.append(-4.25 + 0.5 * title.popularity + float(rng.normal(0, 0.15)))

    def chances(
        self, title: int, member: Ints, hour: Ints, phone: npt.NDArray[np.bool_], row: Ints
    ) -> Floats:
        """The chance that each member takes a title on seeing each of its artworks: [n, artworks].

        title: index in the catalogue; the columns are all artworks it ever has. member, hour (0 to
        23), phone and row (on the page): [n].
        """
        taste, s = self._taste[member], self.strength
        known = np.hstack([taste, self._leaning[member], np.ones((len(member), 1))])
        moment = np.stack([hour >= 20, phone], axis=1).astype(np.float64)
        relevance = taste @ np.array(self._titles[title]) - 1 / len(GENRES)
        logit = self._base[title] + s.relevance * relevance - s.place * row
        both = known @ self._appeal[title].T + moment @ self._moment[title]
        chances: Floats = 1 / (1 + np.exp(-(logit[:, None] + both)))
        return chances

    def counted(self, window_ms: int, minutes: float) -> float:
        """The share of takes that become a play of at least so many minutes within the window.

        The window is counted from the showing to the play's end, as `Responses.delay` is.
        """
        longest = 1 - math.exp(-self._LONGEST / self._WAIT)
        waited = 1 - math.exp(-min(window_ms, self._LONGEST) / self._WAIT)
        in_time = self._AT_ONCE + (1 - self._AT_ONCE) * waited / longest
        if window_ms < HOUR_MS:
            raise ValueError(f"a window of {window_ms} ms is shorter than a visit may last")
        z = (math.log(minutes) - self._MINUTES) / self._SPREAD
        return in_time * 0.5 * math.erfc(z / math.sqrt(2))

    def respond(self, chance: Floats, rng: np.random.Generator) -> Responses:
        """Draws what follows views whose chances of a take are these: [n]."""
        n = len(chance)
        longest = 1 - math.exp(-self._LONGEST / self._WAIT)
        waited = -self._WAIT * np.log1p(-rng.random(n) * longest)
        at_once = rng.random(n) < self._AT_ONCE
        delay = np.where(at_once, rng.integers(60_000, HOUR_MS, n), waited)
        return Responses(
            taken=rng.random(n) < chance,
            delay=np.maximum(delay, 60_000).astype(np.int64),
            minutes=np.exp(rng.normal(self._MINUTES, self._SPREAD, n)),
        )

    def earlier_plays(self, plays: Sequence[int], rng: np.random.Generator) -> Ints:
        """How many of each member's earlier plays were of which genre: [members, genres].

        One play in six tells nothing of the member's taste: somebody else chose.
        """
        known = (5 / 6) * self._taste + (1 / 6) / len(GENRES)
        counts: Ints = rng.multinomial(np.asarray(plays), known)
        return counts


if set(_MOTIFS) != set(MOTIFS):
    raise AssertionError("every motif of the catalogue needs its appeal here")
