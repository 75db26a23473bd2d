# SPDX-License-Identifier: Apache-2.0
"""What a policy knows of a member: declared features, their slots, and their one encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

import edgeart

from .errors import SchemaError
from .format.wire import Body, document

Values = Mapping[str, object] | bytes
"""What is known of a member: field name → value, or the same as one MessagePack map."""

MAX_FEATURES = 256
MAX_SLOTS = 1024
MAX_WORDS = 1023
INTERCEPT = "intercept"


def check_text(text: object, what: str, least: int, most: int) -> str:
    """`text` if it is a string of least to most UTF-8 bytes; else SchemaError that names `what`."""
    if not isinstance(text, str):
        raise SchemaError(f"{what} must be a string, not {text!r}")
    try:
        length = len(text.encode())
    except UnicodeEncodeError as error:
        raise SchemaError(f"{what} {text!r} has no UTF-8 form: {error.reason}") from None
    if not least <= length <= most:
        raise SchemaError(f"{what} {text!r} has {length} bytes; {least} to {most} are allowed")
    return text


def _check_float(value: object, what: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise SchemaError(f"{what} must be a number, not {value!r}")
    number = float(value) + 0.0  # the sum turns -0, which a bundle refuses, into 0
    if not low <= number <= high:
        raise SchemaError(f"{what} must be {low:g} to {high:g}, not {value!r}")
    return number


@dataclass(frozen=True)
class Feature:
    """Base of the four features; `name` is the field it reads (1 to 64 bytes of UTF-8)."""

    name: str
    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not self.kind:
            raise SchemaError("use Number, Category, Weights or Vector, not their base")
        check_text(self.name, "a feature's name", 1, 64)

    @property
    def width(self) -> int:
        """Number of slots."""
        return len(self.slots())

    @property
    def words(self) -> Sequence[str]:
        """The vocabulary, empty for features without."""
        return ()

    def slots(self) -> list[str]:
        """The names of the slots, in order."""
        raise NotImplementedError

    def wire(self) -> list[object]:
        """The list that stands in a bundle (bundle.md §6)."""
        raise NotImplementedError

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)


@dataclass(frozen=True)
class Number(Feature):
    """A number, encoded as (value − mean) / std, clipped to ±clip.

    `mean` |x| ≤ 2⁵⁰, `std` 2⁻⁵⁰ to 2⁵⁰, `clip` 2⁻²⁰ to 2¹⁹ (in units of std). With `indicator`, a
    second slot is 1 where the value is missing; without, a missing value looks like the mean.
    """

    mean: float = 0.0
    std: float = 1.0
    clip: float = 8.0
    indicator: bool = True
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"number feature {self.name!r}:"
        self._set("mean", _check_float(self.mean, f"{what} mean", -(2.0**50), 2.0**50))
        self._set("std", _check_float(self.std, f"{what} std", 2.0**-50, 2.0**50))
        self._set("clip", _check_float(self.clip, f"{what} clip", 2.0**-20, 2.0**19))
        if not isinstance(self.indicator, bool):
            raise SchemaError(f"{what} indicator must be True or False, not {self.indicator!r}")

    def slots(self) -> list[str]:
        """The names of the slots, in order."""
        return [self.name, f"{self.name}:missing"] if self.indicator else [self.name]

    def wire(self) -> list[object]:
        """The list that stands in a bundle (bundle.md §6)."""
        return [self.kind, self.name, self.mean, self.std, self.clip, self.indicator]


@dataclass(frozen=True)
class _Worded(Feature):
    words: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"{self.kind} feature {self.name!r}:"
        if isinstance(self.words, str):
            raise SchemaError(f"{what} the words must be a list of strings, not one string")
        words = tuple(self.words)
        if not 1 <= len(words) <= MAX_WORDS:
            raise SchemaError(f"{what} {len(words)} words; 1 to {MAX_WORDS} are allowed")
        seen: set[str] = set()
        for word in words:
            check_text(word, f"{what} word", 0, 255)
            if word in seen:
                raise SchemaError(f"{what} the word {word!r} stands there more than once")
            seen.add(word)
        self._set("words", words)

    def wire(self) -> list[object]:
        """The list that stands in a bundle (bundle.md §6)."""
        return [self.kind, self.name, len(self.words)]


@dataclass(frozen=True)
class Category(_Worded):
    """One word of a vocabulary (1 to 1,023 distinct words): a slot a word, one for any other."""

    kind: ClassVar[str] = "category"

    def slots(self) -> list[str]:
        """The names of the slots, in order."""
        return [*(f"{self.name}={word}" for word in self.words), f"{self.name}:other"]


@dataclass(frozen=True)
class Weights(_Worded):
    """Words with weights, or a list of words: a slot a word, the absolute values adding up to 1."""

    kind: ClassVar[str] = "weights"

    def slots(self) -> list[str]:
        """The names of the slots, in order."""
        return [f"{self.name}={word}" for word in self.words]


@dataclass(frozen=True)
class Vector(Feature):
    """`length` numbers (1 to 1,023), each clipped to ±clip (2⁻²⁰ to 2¹⁹)."""

    length: int = 0
    clip: float = 1024.0
    kind: ClassVar[str] = "vector"

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"vector feature {self.name!r}:"
        if type(self.length) is not int or not 1 <= self.length <= MAX_WORDS:
            raise SchemaError(f"{what} length must be 1 to {MAX_WORDS}, not {self.length!r}")
        self._set("clip", _check_float(self.clip, f"{what} clip", 2.0**-20, 2.0**19))

    def slots(self) -> list[str]:
        """The names of the slots, in order."""
        return [f"{self.name}[{i}]" for i in range(self.length)]

    def wire(self) -> list[object]:
        """The list that stands in a bundle (bundle.md §6)."""
        return [self.kind, self.name, self.length, self.clip]


KINDS: dict[str, type[Feature]] = {cls.kind: cls for cls in (Number, Category, Weights, Vector)}


def _classes() -> str:
    return ", ".join(cls.__name__ for cls in KINDS.values())


class FeatureSchema:
    """The declared features in slot order; after the last comes the intercept, always 1.

    Encoding is done by the code that devices run, so that training and serving cannot differ.
    Raises SchemaError where bundle.md §6 is broken.
    """

    def __init__(self, features: Iterable[Feature]) -> None:
        self.features: tuple[Feature, ...] = tuple(features)
        for feature in self.features:
            if not isinstance(feature, Feature):
                raise SchemaError(f"{feature!r} is no feature; use {_classes()}")
        if len(self.features) > MAX_FEATURES:
            raise SchemaError(f"{len(self.features)} features; at most {MAX_FEATURES} are allowed")
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            double = next(name for name in names if names.count(name) > 1)
            raise SchemaError(f"two features are called {double!r}; names must be distinct")
        self.width: int = sum(feature.width for feature in self.features) + 1
        if self.width > MAX_SLOTS:
            widest = max(self.features, key=lambda feature: feature.width)
            raise SchemaError(
                f"{self.width} slots, at most {MAX_SLOTS} are allowed; the widest feature is "
                f"{widest.name!r} with {widest.width}: shorten its vocabulary or its length"
            )

    def slots(self) -> list[str]:
        """The names of all slots in order, the intercept last: `width` strings."""
        return [*(slot for feature in self.features for slot in feature.slots()), INTERCEPT]

    def encode(self, values: Values) -> npt.NDArray[np.float32]:
        """The vector of one context: float32 [width]. Raises edgeart.ContextError."""
        return np.array(self._encoder.encode(values), dtype=np.float32)

    def encode_many(self, contexts: Iterable[Values]) -> npt.NDArray[np.float32]:
        """The vectors of many contexts: float32 [n, width]. Raises edgeart.ContextError."""
        encode = self._encoder.encode
        joined = b"".join(bytes(encode(values)) for values in contexts)
        vectors: npt.NDArray[np.float32] = np.frombuffer(joined, dtype=np.float32).copy()
        return vectors.reshape(-1, self.width)

    @cached_property
    def _encoder(self) -> edgeart.Policy:
        return edgeart.Policy.from_bytes(document(Body(self.features, self.width)))

    def to_json(self) -> list[dict[str, object]]:
        """A list that `json` writes and `from_json` reads: one object a feature, with its kind."""
        return [{"kind": feature.kind, **asdict(feature)} for feature in self.features]

    @classmethod
    def from_json(cls, described: object) -> FeatureSchema:
        """The schema that `to_json` described. Raises SchemaError."""
        if not isinstance(described, list):
            raise SchemaError(f"a schema is a list of features, not {type(described).__name__}")
        features = []
        for entry in described:
            fields = dict(entry) if isinstance(entry, Mapping) else {}
            kind = KINDS.get(str(fields.pop("kind", None)))
            if kind is None:
                raise SchemaError(f"{entry!r} describes no feature; its kind must be of {[*KINDS]}")
            try:
                features.append(kind(**fields))
            except TypeError as error:
                raise SchemaError(f"{entry!r} describes no {kind.kind} feature: {error}") from None
        return cls(features)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureSchema) and self.features == other.features

    def __hash__(self) -> int:
        return hash(self.features)

    def __repr__(self) -> str:
        return f"FeatureSchema({list(self.features)!r})"
