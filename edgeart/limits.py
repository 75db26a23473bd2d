# SPDX-License-Identifier: Apache-2.0
"""What limits a choice besides the policy: denials, attributes, and what the host has at all."""

# The modules of this package share its private names; a policy's are spread over several files.
# ruff: noqa: SLF001

from __future__ import annotations

from edgeart.errors import UnknownArtworkError, UnknownAttributeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

    from edgeart.describe import Described

    Artworks = Mapping[str, Iterable[str]]  # of some titles


class Limits:
    """What a choice of one policy has to keep to, made by `Policy.limits`. Constant.

    native/spec/decision.md §6 says what each part means.
    """

    __slots__ = (
        "_limits", "_memory", "candidates", "denied", "excluded", "forbidden", "policy", "required",
    )  # fmt: skip

    policy: Described
    denied: bytes  # bit row % 8 of byte row // 8 is set for a denied row, ones past the end are not
    excluded: bytes  # likewise: rows that are no candidates, because the host does not have them
    required: int  # attributes a candidate has, all of them: bit i for policy.attributes[i]
    forbidden: int  # attributes a candidate has not, none of them
    candidates: dict[str, bytes]  # by title, what `bitmap` gives for the artworks the host has

    def __init__(
        self,
        policy: Described,
        denied: bytes,
        required: int,
        forbidden: int,
        candidates: dict[str, bytes],
    ) -> None:
        """denied: bitmap over the policy's rows. candidates: as the attribute of that name."""
        ffi = policy._ffi
        excluded = bytearray()
        for title, bits in candidates.items():
            rows = policy._rows_of(policy._index(title))
            excluded.extend(bytes(max(rows.stop // 8 + 1 - len(excluded), 0)))
            for place, row in enumerate(rows):
                if not _has(bits, place):
                    excluded[row // 8] |= 1 << row % 8
        self.policy = policy
        self.required = required
        self.forbidden = forbidden
        self.candidates = candidates
        self.denied, self.excluded = denied, bytes(excluded)
        # What _limits points to.
        self._memory = (ffi.from_buffer(denied), ffi.from_buffer(self.excluded))
        pointers = [ffi.cast("uint8_t *", memory) for memory in self._memory]
        fields: tuple[Any, ...] = (
            ffi.sizeof("ea_limits"), 0, pointers[0], len(denied), pointers[1], len(excluded),
            required, forbidden,
        )  # fmt: skip
        self._limits = ffi.new("ea_limits *", fields)

    def having(self, candidates: dict[str, bytes]) -> Limits:
        """These limits with candidates of their own in place of theirs."""
        return Limits(self.policy, self.denied, self.required, self.forbidden, candidates)

    def __reduce__(self) -> NoReturn:
        raise TypeError("Limits belong to their Policy and cannot be pickled; "
                        "keep what they were made from instead")  # fmt: skip

    def __repr__(self) -> str:
        parts = [f"{sum(map(int.bit_count, self.denied))} artworks denied"]
        for what, bits in (("required", self.required), ("forbidden", self.forbidden)):
            if bits:
                names = (n for i, n in enumerate(self.policy.attributes) if bits >> i & 1)
                parts.append(f"{what} {', '.join(names)}")
        if self.candidates:
            parts.append(f"candidates of {len(self.candidates)} titles")
        return f"<Limits for policy {self.policy.name!r}: {'; '.join(parts)}>"


def build(
    policy: Described,
    denied: Artworks | None,
    required: Iterable[str],
    forbidden: Iterable[str],
    candidates: Artworks | None,
    *,
    strict: bool = True,
) -> Limits:
    """Limits of names. strict: raises for titles and artworks that the bundle lacks."""
    bits = bytearray((policy.artwork_count + 7) // 8)
    for title, names in (denied or {}).items():
        for row in _rows(policy, "denied", title, names, strict=strict)[1]:
            bits[row // 8] |= 1 << row % 8
    return Limits(
        policy,
        bytes(bits).rstrip(b"\0"),
        _mask(policy, "required", required),
        _mask(policy, "forbidden", forbidden),
        candidate_bits(policy, candidates or {}, strict=strict),
    )


def candidate_bits(policy: Described, artworks: Artworks, *, strict: bool) -> dict[str, bytes]:
    """By title, `bitmap` of the artworks; titles the bundle lacks are left out unless strict."""
    found = {}
    for title, names in artworks.items():
        rows, named = _rows(policy, "candidate", title, names, strict=strict)
        if rows:
            found[title] = bitmap(row - rows.start for row in named)
    return found


def bitmap(places: Iterable[int]) -> bytes:
    """Bit i % 8 of byte i // 8 for each place i, zeros at the end cut off: feedback.md §4."""
    number = 0
    for place in places:
        number |= 1 << place
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def _has(bits: bytes, place: int) -> bool:
    return place // 8 < len(bits) and bool(bits[place // 8] >> place % 8 & 1)


def _rows(
    policy: Described, what: str, title: str, names: Iterable[str], *, strict: bool
) -> tuple[range, list[int]]:
    """All rows of a title, and those of the artworks named."""
    if isinstance(names, str):
        raise TypeError(f"the {what} artworks of {title!r} are a str; give a list of ids")
    index = policy._index(title) if strict else policy._find(title)
    if index is None:
        return range(0), []
    rows = policy._rows_of(index)
    by_name = {policy._artwork_id(row): row for row in rows}
    found = []
    for name in names:
        row = by_name.get(name)
        if row is not None:
            found.append(row)
        elif strict:
            raise UnknownArtworkError(
                f"title {title!r} of policy {policy.name!r} has no artwork {name!r}; it has "
                f"{', '.join(by_name)}"
            )
    return rows, found


def _mask(policy: Described, what: str, names: Iterable[str]) -> int:
    """The set of attributes with these names, as bits."""
    if isinstance(names, str):
        raise TypeError(f"the {what} attributes are the str {names!r}; give a list of names")
    known, bits = policy.attributes, 0
    for name in names:
        if name not in known:
            raise UnknownAttributeError(
                f"policy {policy.name!r}, sequence {policy.sequence}, has no attribute {name!r} "
                f"that could be {what}; it has {', '.join(known) or 'none'}"
            )
        bits |= 1 << known.index(name)
    return bits
