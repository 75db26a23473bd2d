# SPDX-License-Identifier: Apache-2.0
"""Reads explorers and the list of features (bundle.md §5, §6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed

from . import limits
from .arrays import BundleReader
from .refused import Refused


@dataclass(frozen=True)
class Explorer:
    """How scores become probabilities; parameter is 0 for the kinds without one."""

    kind: str
    floor: float
    parameter: float = 0.0


@dataclass(frozen=True)
class Feature:
    """One declared input. The fields after width are 0, False or empty where a kind has none."""

    kind: str
    name: bytes
    width: int
    vocabulary: int = 0  # number of words
    words: tuple[bytes, ...] = ()
    length: int = 0
    centre: float = 0.0
    scale: float = 0.0
    clip: float = 0.0
    indicator: bool = False

    def with_words(self, words: Sequence[bytes]) -> Feature:
        """The same feature with its vocabulary, which comes later in the bundle."""
        return changed(self, words=tuple(words))


EXPLORERS: dict[str, tuple[float, float] | None] = {
    "fixed": None,
    "uniform": None,
    "greedy": None,
    "epsilon_greedy": (0.0, 1.0),
    "softmax": (2.0**-20, 2.0**20),
    "squarecb": (0.0, 2.0**40),
    "thompson": (2.0**-20, 2.0**20),
    "ucb": (2.0**-20, 2.0**20),
}
"""Each kind's range of its parameter, if it has one."""

UNCERTAIN = ("thompson", "ucb")
"""The kinds that need variances; format 1 has neither."""

SCALED = ("softmax", "squarecb", "thompson", "ucb")
"""The kinds whose parameter a title may have a factor of."""

FEATURE_FIELDS = {"number": 6, "category": 3, "weights": 3, "vector": 4}
"""Each kind's number of list elements."""


def read_explorer(body: BundleReader, version: int) -> Explorer:
    """`[kind, floor, parameter…]`; the length of the list is judged once the kind is known."""
    entry = body.read("list")
    known = [kind for kind in EXPLORERS if version > 1 or kind not in UNCERTAIN]
    kind = body.kind(entry, known)
    allowed = EXPLORERS[kind]
    if entry.count != (2 if allowed is None else 3):
        raise Refused("EA_E_TYPE", entry.at)
    floor = body.float64(0.0, 1.0)
    return Explorer(kind, floor, 0.0 if allowed is None else body.float64(*allowed))


def read_features(body: BundleReader) -> tuple[Feature, ...]:
    """The list of features, each without its words."""
    entries = body.read("list")
    if entries.count > limits.FEATURES:
        raise Refused("EA_E_LIMIT", entries.at)
    features: list[Feature] = []
    slots = 1  # the intercept
    for _ in range(entries.count):
        at = body.at
        features.append(_read_feature(body, {feature.name for feature in features}))
        slots += features[-1].width
        if slots > limits.SLOTS:
            raise Refused("EA_E_LIMIT", at)
    return tuple(features)


def _read_feature(body: BundleReader, taken: set[bytes]) -> Feature:
    entry = body.read("list")
    kind = body.kind(entry, FEATURE_FIELDS)
    if entry.count != FEATURE_FIELDS[kind]:
        raise Refused("EA_E_TYPE", entry.at)
    value = body.string(1, limits.FEATURE_NAME)
    name = value.bytes
    if name in taken:
        raise Refused("EA_E_ORDER", value.at)
    if kind == "number":
        centre = body.float64(-(2.0**50), 2.0**50)
        scale = body.float64(2.0**-50, 2.0**50)
        clip = body.float64(2.0**-20, 2.0**19)
        indicator = body.read("bool").payload is True
        return Feature(
            kind, name, 2 if indicator else 1,
            centre=centre, scale=scale, clip=clip, indicator=indicator,
        )  # fmt: skip
    length = body.unsigned(1, limits.WORDS, "EA_E_LIMIT")
    if kind == "vector":
        return Feature(kind, name, length, length=length, clip=body.float64(2.0**-20, 2.0**19))
    width = length + 1 if kind == "category" else length
    return Feature(kind, name, width, vocabulary=length)
