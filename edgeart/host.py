# SPDX-License-Identifier: Apache-2.0
"""What the host knows by name: choices among its own artworks, limits that outlive a policy."""

# The modules of this package share its private names; a policy's are spread over several files.

from __future__ import annotations

from edgeart.limits import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from edgeart.describe import Described
    from edgeart.events import ContextRecord
    from edgeart.limits import Limits

    # The artworks a host has of a title, its default first: names, or name to attributes.
    Artworks = Iterable[str] | Mapping[str, Iterable[str]]
    Told = dict[str, frozenset[str] | None]  # the same, attributes None where not told


class HostDecision:
    """A choice for a title that no bundle stands behind: one of the host's own artworks, or none.

    It has the fields of a Decision. Constant.
    """

    __slots__ = (
        "_candidates", "_origin", "artwork", "cell", "n", "policy", "reason", "sequence", "title",
        "total",
    )  # fmt: skip

    _candidates: list[str] | None  # the artworks it was chosen from, in the host's order
    _origin: ContextRecord | None  # the context it was drawn under
    row = None
    score = 0.0

    def __init__(
        self,
        title: str,
        artwork: str | None,
        reason: str,
        *,
        n: int = 0,
        total: int = 1 << 31,
        cell: str | None = None,
        policy: Described | None = None,
        candidates: list[str] | None = None,
    ) -> None:
        self.title = title
        self.artwork = artwork
        self.reason = reason  # host_uniform, fallback, unknown_title or none
        self.n = n  # 0 where no probability stands behind the choice
        self.total = total
        self.cell = cell  # of the unit; it plays no part
        # Of the policy that did not decide; "" and 0 without one.
        self.policy, self.sequence = (policy.name, policy.sequence) if policy else ("", 0)
        self._candidates = candidates
        self._origin = None

    @property
    def propensity(self) -> float:
        """The probability with which it was chosen: n / total."""
        return self.n / self.total

    def __repr__(self) -> str:
        return (
            f"HostDecision(title={self.title!r}, artwork={self.artwork!r}, "
            f"propensity={self.propensity:.6g}, reason={self.reason!r})"
        )


class HostLimits:
    """Limits by name, which a host sets once and which hold for every policy that comes.

    For a bundle they become `Limits`. For artworks that no bundle knows `allowed` applies them to
    the attributes that the host tells: what it does not tell is not taken for harmless.
    """

    __slots__ = ("candidates", "denied", "forbidden", "required")

    def __init__(
        self,
        denied: Mapping[str, Iterable[str]] | None = None,
        required: Iterable[str] = (),
        forbidden: Iterable[str] = (),
        candidates: Mapping[str, Artworks] | None = None,
    ) -> None:
        """Raises TypeError where a str is given for several names."""
        self.denied = {title: _names(names) for title, names in (denied or {}).items()}
        self.required = _names(required)
        self.forbidden = _names(forbidden)
        self.candidates = told(candidates or {})

    def denying(self, withdrawn: Mapping[str, frozenset[str]]) -> HostLimits:
        """These limits with more denied artworks."""
        if not withdrawn:
            return self
        limits = HostLimits()
        limits.required, limits.forbidden = self.required, self.forbidden
        limits.candidates = self.candidates
        none = frozenset[str]()
        limits.denied = self.denied | {
            title: names | self.denied.get(title, none) for title, names in withdrawn.items()
        }
        return limits

    def of(self, policy: Described) -> Limits:
        """These limits, but for candidates, for a policy; titles that it lacks are no matter.

        Raises UnknownAttributeError: then the policy cannot tell what may be shown.
        """
        return build(
            policy, self.denied, sorted(self.required), sorted(self.forbidden), None, strict=False
        )

    def known(self, candidates: Mapping[str, Told]) -> dict[str, list[str]]:
        """The candidates of titles that a bundle knows, less those the host tells do not fit.

        The bundle's own attributes, and denials, come on top of it.
        """
        return {
            title: [name for name, has in artworks.items() if has is None or self._fits(has)]
            for title, artworks in candidates.items()
        }

    def allowed(self, title: str, artworks: Told) -> list[str]:
        """Those of a title's artworks that may be shown where no bundle knows their attributes."""
        denied = self.denied.get(title, ())
        return [name for name, has in artworks.items() if name not in denied and self._fits(has)]

    def _fits(self, attributes: frozenset[str] | None) -> bool:
        if attributes is None:
            return not self.required and not self.forbidden
        return self.required <= attributes and not self.forbidden & attributes


def told(candidates: Mapping[str, Artworks]) -> dict[str, Told]:
    """By title and artwork the attributes the host tells. Raises TypeError for a str of names."""
    found: dict[str, Told] = {}
    for title, artworks in candidates.items():
        if hasattr(artworks, "items"):
            found[title] = {name: _names(has) for name, has in artworks.items()}
        else:
            found[title] = dict.fromkeys(_ordered(artworks))
    return found


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_ordered(names))


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"a list of names is asked for, not the str {names!r}")
    return tuple(names)
