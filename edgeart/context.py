# SPDX-License-Identifier: Apache-2.0
"""Contexts: how a mapping becomes the bytes the core reads, and what an error in it says."""

# Imports are late where no decision needs them, and the modules of this package share its
# private names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

from edgeart.errors import ContextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from edgeart.policy import Policy
    from edgeart.types import Feature, Report


class Context:
    """What is known of the member now, encoded for one policy by `Policy.context`. Constant."""

    __slots__ = ("_handle", "_memory", "_packed", "_report", "policy", "seed", "unit")

    policy: Policy
    seed: int  # decides the draws
    unit: int  # key of the member profile on this device

    def __init__(
        self, policy: Policy, packed: bytes, memory: Any, handle: Any, report: Any, seed: int,
        unit: int,
    ) -> None:  # fmt: skip
        self.policy = policy
        self._packed = packed  # the map, for explanations
        self._memory = memory  # what handle points into
        self._handle = handle
        self._report = report
        self.seed = seed
        self.unit = unit

    @property
    def vector(self) -> memoryview[float]:
        """The encoded slots: a fresh view of 'f', as long as the policy's `slots`."""
        return self.policy._slots_of(self._handle)

    @property
    def cell(self) -> str | None:
        """Name of the cell its unit falls into; None for the policy's own explorer."""
        return self.policy._cell_name(self.policy._cell_of(self.unit))

    @property
    def u(self) -> memoryview[float]:
        """What the tower makes of the slots, the policy's `k` floats: a fresh view of 'f'."""
        return self.policy._u_of(self)

    @property
    def hash(self) -> int:
        """A u64 over all rows' scores, variances and integers n (native/spec/decision.md §8)."""
        return self.policy._hash_of(self)

    @property
    def report(self) -> Report:
        """What the encoder met: counts of missing, other, clipped and ignored."""
        from edgeart.types import Report

        report = self._report
        return Report(report.missing, report.other, report.clipped, report.ignored)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Context belongs to its Policy and cannot be pickled; keep the mapping, "
                        "seed and unit it was made from instead")  # fmt: skip

    def __repr__(self) -> str:
        return f"<Context for policy {self.policy.name!r}, seed {self.seed}, unit {self.unit}>"


def pack(values: Mapping[str, object]) -> bytes:
    """One MessagePack map of a mapping. Raises ContextError for what MessagePack cannot say.

    Besides MessagePack's own types it takes other mappings, and whatever has a `tolist` method
    (array.array, numpy arrays and scalars) as the list or number that gives.
    """
    # Imported here, as a host that hands over bytes does not need it: it costs 8 ms.
    import msgpack

    if values.__class__ is not dict and not hasattr(values, "keys"):
        raise ContextError(
            f"a context is a mapping of field names to values, or its MessagePack bytes, "
            f"not {_article(values)}",
            status="EA_E_TYPE",
        )
    try:
        # Lone surrogates are passed on: such a word is in no vocabulary, which the core counts.
        packed: bytes = msgpack.packb(values, default=_plain, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError) as error:
        raise _unpackable(values, error) from error
    return packed


def _plain(value: Any) -> object:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "keys"):
        return dict(value)
    if isinstance(value, int):
        raise TypeError(f"{value} does not fit 64 bits")
    raise TypeError(f"{_article(value)} has no meaning in a context")


def _unpackable(values: Mapping[str, object], cause: Exception) -> ContextError:
    import msgpack

    field = None
    for name, value in values.items():
        try:
            msgpack.packb({name: value}, default=_plain, unicode_errors="surrogatepass")
        except (TypeError, ValueError, OverflowError) as error:  # noqa: PERF203
            field, cause = str(name), error
            break
    where = "context" if field is None else f"context field {field!r}"
    return ContextError(
        f"{where}: {cause}; give a number, a str, bytes, a list of them, a mapping or None",
        status="EA_E_TYPE",
        field=field,
    )


_EXPECTED = {
    "number": "a number",
    "category": "a str",
    "weights": "a mapping of str to number, or a list of str",
    "vector": "a list of {width} numbers, or bytes of {width} binary32",
}


def refusal(
    features: tuple[Feature, ...], data: bytes, status: str, sentence: str, offset: int
) -> ContextError:
    """The error for a context map that the core refused at this offset, with its field named.

    The map is read again here, for the message only.
    """
    field = _field_at(data, offset)
    where = "the context map" if field is None else f"context field {field!r}"
    message = f"{where}: {sentence} ({status} at byte {offset} of the MessagePack map)"
    if status == "EA_E_TYPE" and offset == 0:
        message += "; give one map of field names to values"
    elif status == "EA_E_TYPE":
        if field is None:
            message += "; names of fields are str"
        for feature in features:
            if feature.name == field:
                expected = _EXPECTED[feature.kind].format(width=feature.width)
                message += f"; a {feature.kind} feature takes {expected}, or None for missing"
    elif status == "EA_E_LIMIT":
        message += "; a context holds 65,536 bytes, 1,024 fields and 4,096 entries a field at most"
    elif status == "EA_E_DUPLICATE":
        message += "; give each field, and each word of a field, once"
    return ContextError(message, status=status, offset=offset, field=field)


def _field_at(data: bytes, offset: int) -> str | None:
    """Name of the top-level field whose key or value holds the byte at offset."""
    import msgpack

    # Raw, as the core compares bytes and takes strings that are not UTF-8.
    reader = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=len(data) + 1)
    reader.feed(data)
    name = None
    try:
        for _ in range(reader.read_map_header()):
            start = reader.tell()
            if offset < start:
                break
            key = reader.unpack()
            # bin gives the same Python type as a string, but is none.
            is_string = isinstance(key, bytes) and data[start] not in (0xC4, 0xC5, 0xC6)
            name = key.decode("utf-8", "replace") if is_string else None
            reader.skip()
            if offset < reader.tell():
                return name
    except (msgpack.UnpackException, ValueError, RecursionError):
        return name  # the map breaks off or breaks down inside the last field whose name was read
    return None


def _article(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"
