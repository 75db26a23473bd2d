# SPDX-License-Identifier: Apache-2.0
"""Turns what devices sent into exposures with rewards: each once, each corrected at most once.

The rules are those of docs/attribution.md; an engine applies them, `attribution.state` remembers
what was given out. A run reads all of the landing folder, and gives out what is new since the last:
exposures whose reward is settled, and corrections of a 0 that a late play made a 1.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ..engines import Attributed, Engine, Job
from ..engines.duckdb import DuckDBEngine
from ..errors import AttributionError, DataError
from ..reward import QualityPlay, milliseconds
from .state import PARTS, State, open_state, write
from .tables import CREDITED, EMITTED, EXPOSURES, audited, check_plays, landed, with_templates

SCHEMAS = {"exposures": EXPOSURES, "emitted": EMITTED, "credited": CREDITED}


@dataclass(frozen=True)
class Report:
    """What a run did. file: the exposures it published, None where there was nothing to give out.

    counts: by name, in the words of docs/attribution.md. losses: events devices lost, by reason.
    """

    file: Path | None
    run: int
    now: datetime
    counts: dict[str, int]
    losses: dict[str, int]
    seconds: float
    files: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            **asdict(self),
            "file": None if self.file is None else str(self.file),
            "now": self.now.isoformat(),
        }


def attribute(  # noqa: PLR0913 - keywords, each with a default that most runs keep
    landing: Path,
    state: Path,
    out: Path,
    *,
    reward: QualityPlay | None = None,
    lateness: timedelta = timedelta(hours=48),
    plays: Sequence[Path] = (),
    audit: Path | None = None,
    now: datetime | None = None,
    engine: Engine | None = None,
) -> Report:
    """Attributes everything landed so far; publishes one Parquet file (`EXPOSURES`) in `out`.

    lateness: how long after the window plays may still arrive; until window and lateness have
    passed since the first showing there is no 0, the exposure is held back. plays: Parquet files
    of the external play log. audit: what `audit` wrote of this landing folder; what does not repeat
    is left out, what it has not seen is left for later. now: with a zone; the clock's by default.
    engine: DuckDB by default. Raises DataError for inputs and AttributionError for the state or the
    engine; then, as after a crash, the state is what it was.
    """
    began = time.monotonic()
    reward = reward or QualityPlay()
    now = now or datetime.now(timezone.utc)
    if now.tzinfo is None:
        raise DataError(f"now must have a time zone, {now.isoformat()} has none")
    if lateness < timedelta(0):
        raise DataError(f"lateness must not be negative, it is {lateness}")
    check_plays(plays)
    mature = now - reward.window - lateness
    with (
        open_state(state, reward.to_json()) as opened,
        tempfile.TemporaryDirectory(prefix="attribution-") as folder,
    ):
        refuse_foreign(out, opened)
        files: dict[str, Sequence[Path]] = {**landed(landing), "plays": list(plays)}
        files["failures"] = []
        if audit is not None:
            files["failures"] = [audit]
            files["impressions"] = audited(audit, landing, files["impressions"])
        files.update({part: opened.files(part) for part in PARTS})
        job = Job(
            files=with_templates(files, Path(folder)),
            window_ms=milliseconds(reward.window),
            minutes=reward.minutes,
            mature_until=milliseconds(mature - datetime(1970, 1, 1, tzinfo=timezone.utc)),
            compact=opened.compact,
        )
        with (engine or DuckDBEngine()).attribute(job) as result:
            file = _commit(opened, result, out, compact=job.compact)
            return Report(
                file=file,
                run=opened.manifest.run,
                now=now,
                counts=dict(result.counts),
                losses=dict(result.losses),
                seconds=time.monotonic() - began,
                files={name: len(paths) for name, paths in files.items()},
            )


def _commit(state: State, result: Attributed, out: Path, *, compact: bool) -> Path | None:
    """Writes the results down, if there are any, and makes them the state."""
    if not result.counts["emitted"] + result.counts["corrected"]:
        return None
    for name, schema in SCHEMAS.items():
        write(state.path(name), schema, result.rows(name))
    return state.commit(out, compact=compact)


def refuse_foreign(out: Path, state: State) -> None:
    """One folder of exposures belongs to one state: two would give the same exposures twice."""
    foreign = [
        path
        for path in out.glob("exposures-*.parquet")
        if not path.name.startswith(f"exposures-{state.manifest.id}-")
    ]
    if foreign:
        raise AttributionError(
            f"{out} holds exposures of another state ({min(foreign).name}); give that state, or "
            f"an --out of its own to this one"
        )
