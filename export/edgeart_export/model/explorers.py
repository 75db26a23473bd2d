# SPDX-License-Identifier: Apache-2.0
"""The explorers a bundle can name (bundle.md §5), checked where they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import ClassVar

from ..errors import ExplorerError


@dataclass(frozen=True)
class Explorer:
    """How scores become probabilities.

    `floor` (0 to 1) is the least probability of a candidate. A title with K artworks cannot give
    every one of them more than 1/K, so what holds there is min(floor, 1/K): see `floor_for`.
    Raises ExplorerError where a parameter is outside its range.
    """

    floor: float = field(default=0.0, kw_only=True)
    kind: ClassVar[str] = ""
    ranges: ClassVar[dict[str, tuple[float, float]]] = {}
    uncertain: ClassVar[bool] = False  # it needs variances
    scaled: ClassVar[bool] = False  # a title's factor acts on its parameter

    def __post_init__(self) -> None:
        if not self.kind:
            raise ExplorerError(f"{type(self).__name__} is a base; use one of {_names()}")
        for name in (f.name for f in fields(self)):
            low, high = (0.0, 1.0) if name == "floor" else self.ranges[name]
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ExplorerError(f"{self.kind}: {name} must be a number, not {value!r}")
            if not low <= value <= high:
                raise ExplorerError(
                    f"{self.kind}: {name} must be {low:g} to {high:g}, not {value!r}"
                )
            # The sum turns -0, which a bundle refuses, into 0.
            object.__setattr__(self, name, float(value) + 0.0)

    @property
    def parameters(self) -> dict[str, float]:
        """The kind's own parameters, by name, without the floor."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "floor"}

    def wire(self) -> list[object]:
        """The list that stands in a bundle: kind, floor, parameters."""
        return [self.kind, self.floor, *self.parameters.values()]

    def floor_for(self, candidates: int) -> float:
        """The floor that holds for a title of so many candidates: min(floor, 1/candidates)."""
        return min(self.floor, 1.0 / candidates)

    def to_json(self) -> dict[str, float | str]:
        """kind, floor and parameters, as `json` writes them."""
        return {"kind": self.kind, "floor": self.floor, **self.parameters}

    @classmethod
    def from_json(cls, described: object) -> Explorer:
        """The explorer that `to_json` described. Raises ExplorerError."""
        fields_ = dict(described) if isinstance(described, Mapping) else {}
        kind = KINDS.get(str(fields_.pop("kind", None)))
        if kind is None:
            raise ExplorerError(
                f"{described!r} describes no explorer; its kind must be one of {_names()}"
            )
        try:
            return kind(**fields_)
        except TypeError as error:
            raise ExplorerError(f"{described!r} describes no {kind.kind}: {error}") from None

    def __str__(self) -> str:
        given = {**self.parameters, "floor": self.floor}
        return self.kind + ":" + ",".join(f"{name}={value:g}" for name, value in given.items())


@dataclass(frozen=True)
class Fixed(Explorer):
    """Always the title's default artwork."""

    kind: ClassVar[str] = "fixed"


@dataclass(frozen=True)
class Uniform(Explorer):
    """Every candidate alike."""

    kind: ClassVar[str] = "uniform"


@dataclass(frozen=True)
class Greedy(Explorer):
    """Always the best score, but for the floor."""

    kind: ClassVar[str] = "greedy"


@dataclass(frozen=True)
class EpsilonGreedy(Explorer):
    """The best score, but with probability `epsilon` (0 to 1) any candidate alike."""

    epsilon: float
    kind: ClassVar[str] = "epsilon_greedy"
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"epsilon": (0.0, 1.0)}


@dataclass(frozen=True)
class Softmax(Explorer):
    """Probabilities in proportion to exp(score / temperature), temperature 2⁻²⁰ to 2²⁰."""

    temperature: float
    kind: ClassVar[str] = "softmax"
    scaled: ClassVar[bool] = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"temperature": (2.0**-20, 2.0**20)}


@dataclass(frozen=True)
class SquareCB(Explorer):
    """Probability 1 / (K + γ·gap) for all but the best (Foster, Rakhlin 2020); γ 0 to 2⁴⁰."""

    gamma: float
    kind: ClassVar[str] = "squarecb"
    scaled: ClassVar[bool] = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"gamma": (0.0, 2.0**40)}


@dataclass(frozen=True)
class Thompson(Explorer):
    """The probability of being the best, given how uncertain scores are; scale 2⁻²⁰ to 2²⁰.

    Thompson 1933; Chapelle, Li 2011, *An empirical evaluation of Thompson sampling*. `scale` is the
    α of decision.md §5, as of Chapelle and Li: the factor of all standard deviations. 1 samples
    from the posterior as it is, less explores less. The model needs variances.
    """

    scale: float = 1.0
    kind: ClassVar[str] = "thompson"
    uncertain: ClassVar[bool] = True
    scaled: ClassVar[bool] = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"scale": (2.0**-20, 2.0**20)}


@dataclass(frozen=True)
class Ucb(Explorer):
    """The largest score + scale · standard deviation, the upper bound; scale 2⁻²⁰ to 2²⁰.

    `scale` is the β of decision.md §5 and the α of LinUCB: Li, Chu, Langford, Schapire 2010, *A
    contextual-bandit approach to personalized news article recommendation*, algorithm 1. Without a
    floor its choice is certain, and nothing else can be evaluated on what it logged. The model
    needs variances.
    """

    scale: float = 1.0
    kind: ClassVar[str] = "ucb"
    uncertain: ClassVar[bool] = True
    scaled: ClassVar[bool] = True
    ranges: ClassVar[dict[str, tuple[float, float]]] = {"scale": (2.0**-20, 2.0**20)}


KINDS: dict[str, type[Explorer]] = {
    cls.kind: cls
    for cls in (Fixed, Uniform, Greedy, EpsilonGreedy, Softmax, SquareCB, Thompson, Ucb)
}


def _names() -> str:
    return ", ".join(KINDS)


def parse_explorer(text: str) -> Explorer:
    """The explorer that a text such as `squarecb:gamma=50,floor=0.002` describes.

    The form is `kind` or `kind:name=value,name=value`, as `str(explorer)` writes it. Raises
    ExplorerError that names the part that has no meaning.
    """
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise ExplorerError(f"no explorer is called {kind!r}; use one of {_names()}")
    known = {f.name: f.default for f in fields(KINDS[kind])}
    given: dict[str, float] = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if name not in known or name in given or not equals:
            raise ExplorerError(
                f"{kind}: cannot read {part!r}; give each of {', '.join(known)} at most once, "
                f"as name=value"
            )
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = math.nan
        if math.isnan(given[name]):
            raise ExplorerError(f"{kind}: {name} must be a number, not {value!r}")
    absent = [name for name, value in known.items() if value is MISSING and name not in given]
    if absent:
        raise ExplorerError(f"{kind}: {absent[0]} is missing; write {kind}:{absent[0]}=…")
    return KINDS[kind](**given)
