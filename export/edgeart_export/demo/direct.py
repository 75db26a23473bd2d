# SPDX-License-Identifier: Apache-2.0
"""The circle without wires: decisions and responses become exposures in memory, for campaigns."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import edgeart

from ..simulate.audience import DAY_MS, Audience, Wave
from ..simulate.truth import Ints
from .exposures import COLUMNS
from .reward import MINUTES, SETTLED_MS, WINDOW_MS

Records = npt.NDArray[np.uint32]


class Direct:
    """Shows waves by a policy in this process; what devices, wires and attribution would do.

    An exposure is given out as it would be by attribution: when window and lateness have passed.
    """

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._waiting: list[tuple[int, pa.Table]] = []
        self._count = 0

    def show(self, policy: edgeart.Policy, wave: Wave) -> None:
        """Decides the visits of a wave, and lets the audience respond."""
        titles = self._audience.catalogue.titles
        keys = [title.id for title in titles]
        records = np.concatenate(
            [
                np.frombuffer(
                    policy.select_page(
                        policy.context(values, seed=_seed(member)), [keys[t] for t in page]
                    ).raw,
                    dtype=np.uint32,
                ).reshape(-1, 6)[_seen(wave, visit)]
                for visit, (values, member, page) in enumerate(
                    zip(wave.contexts, wave.member.tolist(), wave.pages, strict=True)
                )
            ]
        )
        names = [name for key in policy.titles for name in policy.artworks(key)]
        place = {
            (title.id, artwork.name): i
            for title in titles
            for i, artwork in enumerate(title.artworks)
        }
        artwork = [names[row] for row in records[:, 1].tolist()]
        title = [keys[t] for t in wave.title.tolist()]
        index = np.array([place[pair] for pair in zip(title, artwork, strict=True)], dtype=np.int64)
        defaults = np.array([place[key, policy.artworks(key)[0]] for key in keys])
        seen = np.where(wave.unloaded, defaults[wave.title], index)
        self._land(policy, wave, title, artwork, records, seen)

    def _land(
        self,
        policy: edgeart.Policy,
        wave: Wave,
        title: list[str],
        artwork: list[str],
        records: Records,
        seen: Ints,
    ) -> None:
        responses = self._audience.respond(wave, seen)
        played = responses.taken & (responses.delay <= WINDOW_MS) & (responses.minutes >= MINUTES)
        first, count = self._count, len(title)
        self._count += count
        columns: dict[str, object] = {
            "exposure": [(first + i).to_bytes(16, "little") for i in range(count)],
            "unit_epoch": wave.member[wave.visit],
            "policy_sequence": np.full(count, policy.sequence),
            "map": [wave.contexts[v] for v in wave.visit.tolist()],
            "title": title,
            "artwork": artwork,
            "n": records[:, 2],
            "propensity": records[:, 2] / records[:, 3].astype(np.float64),
            "reason": records[:, 5],
            "shown_instead": wave.unloaded,
            "reward": played.astype(np.float64),
            "previous": pa.nulls(count, pa.float64()),
        }
        settled = wave.day * DAY_MS + SETTLED_MS
        self._waiting.append((settled, pa.table({name: columns[name] for name in COLUMNS})))

    def exposures(self, now_ms: int) -> list[pa.Table]:
        """What has settled since this was asked last, `now_ms` being since the first day began."""
        settled = [table for at, table in self._waiting if at <= now_ms]
        self._waiting = [(at, table) for at, table in self._waiting if at > now_ms]
        return settled


def _seen(wave: Wave, visit: int) -> Ints:
    """Places on the page of the views of one visit."""
    first, last = np.searchsorted(wave.visit, [visit, visit + 1])
    places: Ints = wave.row[first:last] * 4 + wave.column[first:last]
    return places


def _seed(member: int) -> int:
    return int.from_bytes(hashlib.blake2b(b"%d" % member, digest_size=8).digest(), "little")
