# SPDX-License-Identifier: Apache-2.0
"""From a context map to the vector x, one binary32 for each slot (decision.md §3)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import limits
from .binary import round32, tiny
from .features import Feature
from .msgpack import Reader, Value
from .refused import Refused

NUMBERS = ("uint", "int", "float32", "float64")


@dataclass
class Report:
    """What an encoding met."""

    missing: int = 0  # features without a usable value
    other: int = 0  # words outside their vocabulary
    clipped: int = 0  # numbers pulled back
    ignored: int = 0  # undeclared fields


Slots = Sequence[float] | None
"""The slots of one feature; None where the feature is missing."""


def encode(features: Sequence[Feature], data: bytes) -> tuple[list[float], Report]:
    """The vector of a context map and the report. Raises Refused."""
    # The specification does not order this limit among the others; it comes first, as the total
    # size of a bundle does.
    if len(data) > limits.CONTEXT_BYTES:
        raise Refused("EA_E_LIMIT", limits.CONTEXT_BYTES)
    reader = Reader(data)
    entries = reader.read("map")
    if entries.count > limits.CONTEXT_ENTRIES:
        raise Refused("EA_E_LIMIT", entries.at)
    report = Report()
    declared = {feature.name: feature for feature in features}
    found: dict[bytes, Slots] = {}
    for _ in range(entries.count):
        key = reader.read("str")
        feature = declared.get(key.bytes)
        if feature is None:
            reader.skip()
            report.ignored += 1
        elif key.bytes in found:
            raise Refused("EA_E_DUPLICATE", key.at)
        else:
            found[key.bytes] = _value(feature, reader, report)
    if reader.at != reader.end:
        raise Refused("EA_E_TRAILING", reader.at)

    x: list[float] = []
    for feature in features:
        slots = found.get(feature.name)
        if slots is None:
            report.missing += 1
            slots = _missing(feature)
        x.extend(slots)
    return [*x, 1.0], report


def _missing(feature: Feature) -> Sequence[float]:
    slots = [0.0] * feature.width
    if feature.indicator:
        slots[1] = 1.0
    return slots


def _value(feature: Feature, reader: Reader, report: Report) -> Slots:
    """Reads the value of a declared feature."""
    if reader.peek() == "nil":
        reader.read("nil")
        return None
    forms: dict[str, Callable[[Feature, Reader, Report], Slots]] = {
        "number": _number,
        "category": _category,
        "weights": _weights,
        "vector": _vector,
    }
    return forms[feature.kind](feature, reader, report)


def _binary64(value: Value) -> float:
    """Any number as binary64; Python rounds a large integer to nearest even."""
    return float(value.number)


def _clip(z: float, limit: float, report: Report) -> float:
    if z > limit or z < -limit:
        report.clipped += 1
        return limit if z > limit else -limit
    return z


def _number(feature: Feature, reader: Reader, report: Report) -> Slots:
    v = _binary64(reader.read(*NUMBERS))
    if math.isnan(v):
        return None
    z = _clip((v - feature.centre) / feature.scale, feature.clip, report)
    return [tiny(round32(z)), 0.0][: feature.width]


def _category(feature: Feature, reader: Reader, report: Report) -> Slots:
    word = reader.read("str").bytes
    slots = [0.0] * feature.width
    if word in feature.words:
        slots[feature.words.index(word)] = 1.0
    else:
        slots[-1] = 1.0
        report.other += 1
    return slots


def _weights(feature: Feature, reader: Reader, report: Report) -> Slots:
    entries = reader.read("map", "list")
    if entries.count > limits.WEIGHTS_ENTRIES:
        raise Refused("EA_E_LIMIT", entries.at)
    w = [0.0] * feature.width
    given: set[bytes] = set()
    for _ in range(entries.count):
        key = reader.read("str")
        known = key.bytes in feature.words
        if not known:
            report.other += 1
        if entries.kind == "list":
            if known:
                w[feature.words.index(key.bytes)] += 1.0
            continue
        if known and key.bytes in given:
            raise Refused("EA_E_DUPLICATE", key.at)
        given.add(key.bytes)
        value = reader.read("nil", *NUMBERS)
        if known and value.kind != "nil" and not math.isnan(value.number):
            weight = _clip(_binary64(value), limits.WEIGHT, report)
            w[feature.words.index(key.bytes)] = tiny(round32(weight))
    t = 0.0
    for weight in w:
        t += abs(weight)
    return [tiny(round32(weight / t)) for weight in w] if t > 0 else w


def _vector(feature: Feature, reader: Reader, report: Report) -> Slots:
    entries = reader.read("list", "bin")
    if entries.kind == "bin":
        if len(entries.bytes) != 4 * feature.length:
            raise Refused("EA_E_TYPE", entries.at)
        elements = list(struct.unpack(f"<{feature.length}f", entries.bytes))
    else:
        if entries.count != feature.length:
            raise Refused("EA_E_TYPE", entries.at)
        elements = [_binary64(reader.read(*NUMBERS)) for _ in range(entries.count)]
    if any(map(math.isnan, elements)):
        return None
    return [tiny(round32(_clip(z, feature.clip, report))) for z in elements]
