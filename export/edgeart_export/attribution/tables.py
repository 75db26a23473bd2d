# SPDX-License-Identifier: Apache-2.0
"""What attribution reads and writes: exposures, plays, the state's tables, and which files exist.

The landing tables themselves are described in `arrow_schemas`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..arrow_schemas import LANDING, TIME
from ..errors import DataError

EXPOSURES = pa.schema(
    [
        # First half of a SHA-256 over the key: unit_epoch to map, then title, artwork and shown.
        pa.field("exposure", pa.binary(16), nullable=False),
        pa.field("unit_epoch", pa.uint64(), nullable=False),
        pa.field("policy", pa.string(), nullable=False),
        pa.field("policy_sequence", pa.uint64(), nullable=False),
        pa.field("digest", pa.binary(16), nullable=False),
        pa.field("seed", pa.uint64(), nullable=False),
        pa.field("map", pa.binary(), nullable=False),
        pa.field("subject", pa.string()),
        pa.field("cell", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("artwork", pa.string()),
        pa.field("shown", pa.string()),  # what the application showed instead of the decision
        pa.field("n", pa.uint32(), nullable=False),
        pa.field("total", pa.uint32(), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),  # n / total
        pa.field("reason", pa.uint8(), nullable=False),
        pa.field("slot_row", pa.uint32(), nullable=False),  # of the first impression, as n to here
        pa.field("slot_column", pa.uint32(), nullable=False),
        pa.field("shown_first", TIME, nullable=False),
        pa.field("shown_last", TIME, nullable=False),
        pa.field("shown_count", pa.uint32(), nullable=False),
        pa.field("minutes", pa.float32(), nullable=False),  # the largest that counts, 0 if none
        pa.field("reward", pa.float32(), nullable=False),
        pa.field("previous", pa.float32()),  # the reward given before, in a correction
        # What limited the first choice, in rows and attributes of the bundle with this digest.
        pa.field("denied", pa.binary()),
        pa.field("required", pa.uint32(), nullable=False),
        pa.field("forbidden", pa.uint32(), nullable=False),
        pa.field("candidates", pa.binary()),
    ]
)
"""One row per decision that was seen; a correction is a second row of the same exposure."""

EMITTED = pa.schema(
    [
        pa.field("exposure", pa.binary(16), nullable=False),
        pa.field("reward", pa.float32(), nullable=False),
    ]
)
"""State: what was given out. The largest reward of an exposure is the one that stands."""

CREDITED = pa.schema([pa.field("play", pa.binary(16), nullable=False)])
"""State: plays found by subject that made a reward of 1, as hashes."""

FAILURES = pa.schema(
    [
        pa.field("stream", pa.uint64(), nullable=False),
        pa.field("sequence", pa.uint32(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("context", pa.uint32(), nullable=False),
        pa.field("digest", pa.binary(16)),  # of the bundle that decided, if the context is known
        pa.field("title", pa.string(), nullable=False),
        # What was logged, and what comes out; null where nothing does.
        pa.field("artwork", pa.string()),
        pa.field("n", pa.uint32(), nullable=False),
        pa.field("total", pa.uint32(), nullable=False),
        pa.field("reason", pa.uint8(), nullable=False),
        pa.field("repeated_artwork", pa.string()),
        pa.field("repeated_n", pa.uint32()),
        pa.field("repeated_total", pa.uint32()),
        pa.field("repeated_reason", pa.uint8()),
    ]
)
"""What an audit writes: impressions that do not repeat; a copy of an event may be there as well."""

AUDITED = b"edgeart audited"
"""Key in that table's metadata: which files of impressions were looked at, a list as JSON."""

PLAYS = pa.schema(
    [
        pa.field("ref", pa.string()),
        pa.field("subject", pa.string()),
        pa.field("title", pa.string()),
        pa.field("started", TIME),
        pa.field("minutes", pa.float64()),
        pa.field("autoplay", pa.bool_()),
    ]
)
"""The external play log; see `check_plays`."""


def landed(landing: Path) -> dict[str, list[Path]]:
    """The files of each landing table that attribution reads; a table without files has none.

    Contexts are looked for last. The collector makes them visible before their impressions, so
    every impression found has its context among them, whatever lands meanwhile.
    Raises DataError where the folder holds no landing table at all.
    """
    if not any((landing / name).is_dir() for name in LANDING):
        raise DataError(
            f"{landing} is no landing folder: none of {', '.join(sorted(LANDING))} is in it; "
            f"give the folder that `edgeart-export collect --landing` writes"
        )
    order = ("impressions", "outcomes", "losses", "contexts")
    return {name: table_files(landing, name) for name in order}


def table_files(landing: Path, name: str) -> list[Path]:
    """The files of one landing table."""
    # A name that begins with a dot is a file that is still being written.
    found = (landing / name).glob("date=*/*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))


def audited(path: Path, landing: Path, impressions: Sequence[Path]) -> list[Path]:
    """Those files of impressions that an audit looked at. Raises DataError for what is no audit."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        names = frozenset(json.loads(metadata[AUDITED]))
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not what `edgeart-export audit --out` writes: {error!r}"
        ) from None
    return [each for each in impressions if each.relative_to(landing).as_posix() in names]


def check_plays(paths: Iterable[Path]) -> None:
    """Looks at the columns of play logs before any work is done. Raises DataError, naming the file.

    A file needs `started` (timestamp; one without a zone is UTC), `minutes` (number), and `ref`
    or both `subject` and `title` (strings); `autoplay` (bool) may be there. Of these but the first
    two a column may also be of nothing but nulls. Others are ignored.
    """
    for path in paths:
        try:
            schema = pq.read_schema(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(f"play log {path} cannot be read as Parquet: {error}") from None
        present = set(schema.names)
        missing = {"started", "minutes"} - present
        if missing:
            raise DataError(f"play log {path} has no column {min(missing)!r}")
        if "ref" not in present and not {"subject", "title"} <= present:
            raise DataError(
                f"play log {path} says of whom in no column: it needs 'ref', or 'subject' and "
                f"'title'; it has {', '.join(sorted(present))}"
            )
        for name, fits, wanted in (
            ("started", pa.types.is_timestamp, "a timestamp"),
            ("minutes", _is_number, "a number"),
            ("autoplay", _is_bool, "a bool"),
            *((text, _is_text, "a string") for text in ("ref", "subject", "title")),
        ):
            if name in present and not fits(schema.field(name).type):
                raise DataError(
                    f"play log {path}: column {name!r} must be {wanted}, not "
                    f"{schema.field(name).type}"
                )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    # Writers give a column of nothing but nulls a type of its own.
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(text or pa.types.is_null(kind))


def _is_bool(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind) or pa.types.is_null(kind))


def with_templates(files: dict[str, Sequence[Path]], folder: Path) -> dict[str, Sequence[Path]]:
    """Puts an empty file with all columns in front of each list, so that no list is empty."""
    schemas = {
        **LANDING,
        "plays": PLAYS,
        "failures": FAILURES,
        "emitted": EMITTED,
        "credited": CREDITED,
    }
    complete: dict[str, Sequence[Path]] = {}
    for name, paths in files.items():
        template = folder / f"{name}.parquet"
        pq.write_table(schemas[name].empty_table(), template)
        complete[name] = [template, *paths]
    return complete
