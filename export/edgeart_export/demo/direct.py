# SPDX-License-Identifier: Apache-2.0
"""The circle without wires: decisions and responses become exposures in memory, for campaigns."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa

import edgeart

from ..exposures.exposures import COLUMNS
from ..simulate.audience import COLUMNS as PAGE_COLUMNS
from ..simulate.audience import DAY_MS, Audience, Wave
from .reward import MINUTES, SETTLED_MS, START_MS, WINDOW_MS


class Direct:
    """Shows waves by a policy in this process, and gives exposures out when they are settled."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._waiting: list[tuple[int, pa.Table]] = []
        self._count = 0

    def show(self, policy: edgeart.Policy, wave: Wave) -> None:
        """Decides the visits of a wave, and lets the audience respond."""
        titles = self._audience.catalogue.titles
        keys = [title.id for title in titles]
        pages = []
        visits = zip(wave.contexts, wave.member.tolist(), wave.pages, strict=True)
        edges = np.searchsorted(wave.visit, np.arange(len(wave.member) + 1))
        place = wave.row * PAGE_COLUMNS + wave.column
        for visit, (values, member, page) in enumerate(visits):
            context = policy.context(values, seed=_seed(member))
            raw = policy.select_page(context, [keys[t] for t in page]).raw
            seen = place[edges[visit] : edges[visit + 1]]
            pages.append(np.frombuffer(raw, dtype=np.uint32).reshape(-1, 6)[seen])
        records = np.concatenate(pages)  # title, row, n, total, score, reason
        names = [name for key in policy.titles for name in policy.artworks(key)]
        artwork = [names[row] for row in records[:, 1].tolist()]
        title = [keys[t] for t in wave.title.tolist()]
        first = {key: policy.artworks(key)[0] for key in policy.titles}
        default = [first[key] for key in title]
        number = {(t.id, a.name): i for t in titles for i, a in enumerate(t.artworks)}
        seen = np.where(wave.unloaded, default, artwork).tolist()
        followed = self._audience.respond(
            wave, np.array([number[pair] for pair in zip(title, seen, strict=True)])
        )
        played = followed.taken & (followed.delay <= WINDOW_MS) & (followed.minutes >= MINUTES)
        columns: dict[str, object] = {
            "exposure": self._keys(len(title)),
            "unit_epoch": wave.member[wave.visit],
            "policy_sequence": np.full(len(title), policy.sequence),
            "map": [wave.contexts[v] for v in wave.visit.tolist()],
            "title": title,
            "artwork": artwork,
            "n": records[:, 2],
            "propensity": records[:, 2] / records[:, 3].astype(np.float64),
            "reason": records[:, 5],
            "shown": pa.array(default, pa.string(), mask=~wave.unloaded),
            "shown_first": START_MS + wave.time[wave.visit],
            "reward": played.astype(np.float64),
            "previous": pa.nulls(len(title), pa.float64()),
        }
        settled = wave.day * DAY_MS + SETTLED_MS
        self._waiting.append((settled, pa.table({name: columns[name] for name in COLUMNS})))

    def night(self, day: int) -> list[pa.Table]:
        """The exposures that were not given out before and are settled when this day ends."""
        now = day * DAY_MS
        settled = [table for at, table in self._waiting if at <= now]
        self._waiting = [(at, table) for at, table in self._waiting if at > now]
        return settled

    def _keys(self, count: int) -> list[bytes]:
        first, self._count = self._count, self._count + count
        return [i.to_bytes(16, "little") for i in range(first, first + count)]


def _seed(member: int) -> int:
    return int.from_bytes(hashlib.blake2b(b"%d" % member, digest_size=8).digest(), "little")
