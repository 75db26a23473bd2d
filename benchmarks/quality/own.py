# SPDX-License-Identifier: Apache-2.0
"""Somebody's own classification data as a set: a CSV file, the class in its last column."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeart_export.simulate.bandit import Bandit
from edgeart_export.simulate.supervised import supervised


def own(path: str, seed: int, n: int | None) -> Bandit:
    """The file's rows as a bandit (`simulate.supervised`), under its name without endings.

    Commas separate columns; `.gz` is unpacked. Lines that begin with @ (KEEL's headers), blank ones
    and a first line of names are passed over. A column of numbers is a feature; one that has
    anything else becomes a feature of 0 and 1 for each of its values. Raises ValueError that names
    file and line, DataError where n rows were asked for and there are fewer.
    """
    features, labels = read(Path(path))
    return supervised(Path(path).name.split(".")[0], features, labels, seed=seed, n=n)


def read(path: Path) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Features, float64 [rows, d], and classes. Raises ValueError, OSError."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    rows: list[list[str]] = []
    for line, row in enumerate(csv.reader(io.StringIO(text), skipinitialspace=True), start=1):
        if not row or row[0].startswith("@"):
            continue
        if rows and len(row) != len(rows[0]):
            raise ValueError(f"{path}, line {line}: {len(row)} columns, {len(rows[0])} before")
        rows.append([value.strip() for value in row])
    if len(rows) < 2 or len(rows[0]) < 2:
        raise ValueError(f"{path}: rows of at least one feature and the class are needed")
    if _is_header(rows):
        del rows[0]
    *columns, labels = (list(column) for column in zip(*rows, strict=True))
    return np.concatenate([_features(column) for column in columns], axis=1), labels


def _is_header(rows: list[list[str]]) -> bool:
    """Whether some column has numbers everywhere but in the first line."""
    return any(
        not _is_number(first) and all(map(_is_number, rest))
        for first, *rest in zip(*rows, strict=True)
    )


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _features(column: list[str]) -> npt.NDArray[np.float64]:
    if all(map(_is_number, column)):
        return np.array(column, dtype=np.float64)[:, None]
    values = sorted(set(column))
    indicators: npt.NDArray[np.float64] = (np.array(column)[:, None] == values).astype(np.float64)
    return indicators
