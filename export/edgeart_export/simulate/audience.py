# SPDX-License-Identifier: Apache-2.0
"""Who comes when, what their homepage looks like and how far they look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import msgpack
import numpy as np
import numpy.typing as npt

from .catalogue import GENRES, Catalogue
from .truth import HOUR_MS, Floats, Ints, Responses, Strength, Truth

COUNTRIES = ("US", "GB", "BR", "DE")
DEVICES = ("tv", "phone", "tablet")
COLUMNS = 4
DAY_MS = 24 * HOUR_MS
_WAVES = (((7, 17), 0.4), ((17, 24), 0.8))
"""The two parts of a day: its hours, and how likely a member who comes that day comes in it."""


@dataclass(frozen=True, eq=False)
class Wave:
    """The visits of a part of a day, in order of time, and the views in them.

    Of v visits: member, time (milliseconds since the first day began), hour, device (index of
    DEVICES), each [v]; contexts: the field map of each as MessagePack. pages: per visit the title
    indices in the order of the page. Of n views, sorted by visit: visit, title, row, column,
    showings (how often it was shown in the visit) and unloaded (its picture did not load), each
    [n].
    """

    day: int
    member: Ints
    time: Ints
    hour: Ints
    device: Ints
    contexts: list[bytes]
    pages: list[list[int]]
    visit: Ints
    title: Ints
    row: Ints
    column: Ints
    showings: Ints
    unloaded: npt.NDArray[np.bool_]

    @cached_property
    def by_title(self) -> dict[int, npt.NDArray[np.intp]]:
        """Title index → its views."""
        return {t: np.flatnonzero(self.title == t) for t in np.unique(self.title).tolist()}


class Audience:
    """A service's members over the days. One object is one history: it remembers what was taken.

    members: how many there are; `visit_share` of them come on a day. strength: what responses
    depend on, see `truth.Strength`.
    """

    def __init__(
        self,
        seed: int,
        *,
        members: int = 30_000,
        visit_share: float = 0.13,
        strength: Strength | None = None,
    ) -> None:
        self.seed, self.members = seed, members
        self.catalogue = Catalogue(seed)
        self.truth = Truth(self.catalogue, members, seed, strength)
        rng = np.random.default_rng([seed, 3])
        plays = np.where(rng.random(members) < 1 / 8, 0, rng.integers(6, 60, members))
        self._known = self.truth.earlier_plays(plays.tolist(), rng)
        self._country = rng.choice(len(COUNTRIES), size=members, p=(0.4, 0.25, 0.2, 0.15))
        self._favourite = rng.choice(len(DEVICES), size=members, p=(0.55, 0.3, 0.15))
        self._habit = rng.beta(2.0, 2 / visit_share - 2, members)
        self._taken = np.zeros((members, len(self.catalogue.titles)), dtype=bool)
        self._maps = [self._map(i) for i in range(members)]

    def day(self, day: int) -> Iterator[Wave]:
        """The waves of a day (from 1 on), each to be answered with `respond` before the next."""
        rng = np.random.default_rng([self.seed, 4, day])
        comes = rng.random(self.members) < self._habit
        for hours, share in _WAVES:
            members = np.flatnonzero(comes & (rng.random(self.members) < share))
            yield self._wave(day, members, hours, rng)

    def respond(self, wave: Wave, artwork: Ints) -> Responses:
        """What follows when these artworks are shown: [n] indices, as in Title.artworks.

        A title that was taken is on none of the member's later pages.
        """
        rng = np.random.default_rng([self.seed, 5, wave.day, int(wave.hour.min(initial=0))])
        chance = np.zeros(len(wave.visit))
        for title, views in wave.by_title.items():
            every = self.chances(wave, title)
            chance[views] = every[np.arange(len(views)), artwork[views]]
        responses = self.truth.respond(chance, rng)
        taken = responses.taken
        self._taken[wave.member[wave.visit[taken]], wave.title[taken]] = True
        return responses

    def chances(self, wave: Wave, title: int) -> Floats:
        """The true chances of a take in the views of one title: [views, artworks]."""
        views = wave.by_title[title]
        visit = wave.visit[views]
        return self.truth.chances(
            title, wave.member[visit], wave.hour[visit], wave.device[visit] == 1, wave.row[views]
        )

    def _map(self, member: int) -> dict[str, object]:
        taste = {g: n for g, n in zip(GENRES, self._known[member].tolist(), strict=True) if n}
        fields: dict[str, object] = {"country": COUNTRIES[self._country[member]]}
        return {**fields, "taste": taste} if taste else fields

    def _wave(
        self, day: int, members: Ints, hours: tuple[int, int], rng: np.random.Generator
    ) -> Wave:
        count, titles = len(members), self.catalogue.titles
        first, last = (hour * HOUR_MS for hour in hours)
        time = np.sort(rng.integers(first, last, count))
        member = rng.permutation(members)
        hour = time // HOUR_MS
        stays = rng.random(count) < 0.8
        device = np.where(stays, self._favourite[member], rng.integers(0, len(DEVICES), count))
        order = self._ranking(member, rng)
        left = len(titles) - self._taken[member].sum(axis=1)
        place = np.arange(len(titles))
        row, column = place // COLUMNS, place % COLUMNS
        looked = rng.geometric(0.38, (count, 1)) >= row + 1
        seen = looked & (rng.random(order.shape) < 1 - 0.1 * column) & (place < left[:, None])
        visit, at = np.nonzero(seen)
        return Wave(
            day=day,
            member=member,
            time=(day - 1) * DAY_MS + time,
            hour=hour,
            device=device,
            contexts=[
                msgpack.packb({**self._maps[m], "device": DEVICES[d], "hour": h})
                for m, d, h in zip(member.tolist(), device.tolist(), hour.tolist(), strict=True)
            ],
            pages=[row[:n] for row, n in zip(order.tolist(), left.tolist(), strict=True)],
            visit=visit,
            title=order[visit, at],
            row=row[at],
            column=column[at],
            showings=1 + rng.poisson(0.25, len(visit)),
            unloaded=rng.random(len(visit)) < 0.01,
        )

    def _ranking(self, member: Ints, rng: np.random.Generator) -> Ints:
        """Title indices in the order of each member's page; taken ones last: [members, titles]."""
        popularity = np.array([title.popularity for title in self.catalogue.titles])
        genres = np.array([title.genres for title in self.catalogue.titles])
        known = self._known[member]
        relevance = (known / np.maximum(known.sum(axis=1, keepdims=True), 1)) @ genres.T
        score = popularity + 1.5 * relevance + rng.normal(0, 0.15, relevance.shape)
        order: Ints = np.argsort(-np.where(self._taken[member], -np.inf, score), axis=1)
        return order
