# SPDX-License-Identifier: Apache-2.0
"""The Arrow schemas of the landing tables: what the collector writes and attribution reads.

A landing folder holds `{table}/date=YYYY-MM-DD/{uuid}.parquet`, by the UTC date of receipt. A batch
that came twice is there twice: readers keep one row of each (stream, sequence). What the columns
mean stands in native/spec/feedback.md §4.
"""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("ms", tz="UTC")

EVENT: tuple[pa.Field, ...] = (
    pa.field("stream", pa.uint64(), nullable=False),
    pa.field("sequence", pa.uint32(), nullable=False),
    # The device's clock; where the device did not know the time, the collector's at receipt.
    pa.field("at", TIME, nullable=False),
    pa.field("received", TIME, nullable=False),
)
"""The columns every table begins with."""


def _table(*fields: tuple[str, pa.DataType] | tuple[str, pa.DataType, None]) -> pa.Schema:
    """A schema; a third element, None, marks a column that may be null."""
    own = [pa.field(field[0], field[1], nullable=len(field) == 3) for field in fields]
    return pa.schema([*EVENT, *own])


CONTEXTS = _table(
    ("policy", pa.string()),
    ("policy_sequence", pa.uint64()),
    ("digest", pa.binary(16)),
    ("map", pa.binary()),
    ("seed", pa.uint64()),
    ("unit_epoch", pa.uint64()),
    ("cell", pa.string(), None),
    ("denied", pa.binary(), None),
    ("subject", pa.string(), None),
    ("required", pa.uint32()),
    ("forbidden", pa.uint32()),
)

IMPRESSIONS = _table(
    ("context", pa.uint32()),
    ("title", pa.string()),
    ("artwork", pa.string(), None),
    ("n", pa.uint32()),
    ("total", pa.uint32()),
    ("reason", pa.uint8()),
    ("slot_row", pa.uint32()),
    ("slot_column", pa.uint32()),
    ("shown", pa.string(), None),
    # What the host restricted the choice to: of a title of the bundle a bitmap over its rows, of
    # another one the artworks' names. Both null: no restriction.
    ("candidates", pa.binary(), None),
    ("host_candidates", pa.list_(pa.field("item", pa.string(), nullable=False)), None),
)

OUTCOMES = _table(
    ("ref_stream", pa.uint64()),
    ("ref_sequence", pa.uint32()),
    ("minutes", pa.float32()),
)

LOSSES = _table(
    ("reason", pa.string()),
    ("count", pa.uint64()),
    ("lost_stream", pa.uint64()),
    ("first", pa.uint32()),
    ("last", pa.uint32()),
)

OTHERS = _table(
    ("kind", pa.uint64()),
    ("body", pa.binary()),
)
"""Events of kinds that came after this collector, their bodies byte for byte as they were sent."""

LANDING: dict[str, pa.Schema] = {
    "contexts": CONTEXTS,
    "losses": LOSSES,
    "others": OTHERS,
    "outcomes": OUTCOMES,
    "impressions": IMPRESSIONS,
}
"""Every landing table, in the order in which a commit makes them visible: contexts before the
impressions that refer to them, so that a reader who sees an impression sees its context."""
