# SPDX-License-Identifier: Apache-2.0
"""A policy opened from its bundle: the one module that calls the compiled decision core."""

# Imports are late where no decision needs them, and the modules of this package share its
# private names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

import sys
from itertools import accumulate

from edgeart.context import Context, pack, refusal
from edgeart.decision import Decision, Page, PreparedTitles
from edgeart.describe import Described
from edgeart.errors import BundleError, ContextError, bundle_remedy

try:
    from edgeart._native import ffi, lib
except ModuleNotFoundError as error:
    if error.name != "edgeart._native":
        raise
    raise ImportError(
        "edgeart._native, the compiled module, is not beside edgeart/policy.py: this is a source "
        "checkout in which it was not built. Run `pip install -e .` in the checkout, or start "
        "Python in another directory to use an installed edgeart",
        name=error.name,
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Any, NoReturn

    from edgeart.limits import Limits

    Values = Mapping[str, object] | bytes | bytearray | memoryview

# Looked up once: select() is a matter of hundreds of nanoseconds. Nothing allocated with
# _allocate is cleared first; the core writes every byte that is read.
_allocate: Any = ffi.new_allocator(should_clear_after_alloc=False)
_DECISION = ffi.typeof("ea_decision *")
_DECISIONS = ffi.typeof("ea_decision[]")
_BYTES = ffi.typeof("char[]")
_INDICES = ffi.typeof("uint32_t[]")
_DOUBLES = ffi.typeof("double[]")
_select: Any = lib.edgeart_select
_artwork: Any = lib.edgeart_artwork
_unpack: Any = ffi.unpack
_select_within: Any = lib.edgeart_select_within
if sys.implementation.name == "pypy":
    from edgeart.pypy import raising

    _select, _select_within = raising(_select), raising(_select_within)
_new = object.__new__
_NONE: int = lib.EA_NONE

_LARGEST = 1 << 30  # bytes of a bundle (native/spec/bundle.md §2)
_REPORT_SIZE = ffi.sizeof("ea_report")

_REASONS = {
    lib.EA_REASON_POLICY: "policy",
    lib.EA_REASON_REDRAWN: "redrawn",
    lib.EA_REASON_RECOMPUTED: "recomputed",
    lib.EA_REASON_NONE: "none",
    lib.EA_REASON_UNKNOWN_TITLE: "unknown_title",
    lib.EA_REASON_FALLBACK: "fallback",
    lib.EA_REASON_HOST_UNIFORM: "host_uniform",
}


class Policy(Described):
    """The policy of one bundle: constant, and free to use from any number of threads at once.

    Made by `Policy.open` or `Policy.from_bytes`. Titles and artworks are named by their ids.
    """

    __slots__ = (
        "__weakref__", "_context_size", "_digest", "_handle", "_info", "_last", "_memory",
        "_title_count", "name", "sequence", "size",
    )  # fmt: skip

    _ffi, _lib, _none, _reasons = ffi, lib, _NONE, _REASONS

    name: str
    sequence: int  # larger is newer
    size: int  # bytes of the bundle
    _context_size: int
    _digest: bytes | None
    _last: PreparedTitles | None
    _memory: tuple[Any, ...]

    def __init__(self, *_: object) -> None:
        raise TypeError("open a policy with Policy.open(path) or Policy.from_bytes(data)")

    @classmethod
    def open(cls, path: str | PathLike[str], *, mmap: bool = False) -> Policy:
        """Opens and checks the bundle in a file.

        mmap: map the file instead of copying it. Only for files that are never rewritten or
        truncated in place (replacing one by rename is fine): the mapping would change with them.

        Raises BundleError for bytes that are not a valid bundle, OSError for the file.
        """
        source = f"bundle {path}"
        # pathlib would cost more to import than the rest of the package.
        with open(path, "rb", buffering=0) as file:
            size = file.seek(0, 2)
            file.seek(0)
            # What is far too large is refused from its first pages, not read into memory.
            if size and (mmap or size > _LARGEST):
                from mmap import ACCESS_READ
                from mmap import mmap as map_file

                mapped = map_file(file.fileno(), 0, access=ACCESS_READ)
                return cls._opened(mapped, ffi.from_buffer(mapped), len(mapped), source)
            memory, address = _aligned(size, 64)
            target = memoryview(ffi.buffer(address, size))
            filled = 0
            while filled < size and (step := file.readinto(target[filled:])):
                filled += step
        return cls._opened(memory, address, filled, source)

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> Policy:
        """Opens and checks a bundle in memory; the bytes are copied.

        Raises BundleError for bytes that are not a valid bundle.
        """
        size = memoryview(data).nbytes
        memory, address = _aligned(size, 64)
        ffi.memmove(address, data, size)
        return cls._opened(memory, address, size, "bundle")

    @classmethod
    def _opened(cls, memory: object, address: Any, size: int, source: str) -> Policy:
        """The policy of size bytes at address, which are memory's to keep alive."""
        self = cls.__new__(cls)
        own, handle = _aligned(lib.ea_policy_size(), 16)
        self._memory = (memory, address, own)
        self._handle = ffi.cast("ea_policy *", handle)
        at = ffi.new("uint64_t *")
        status = lib.ea_policy_open(self._handle, lib.ea_policy_size(), address, size, at)
        if status:
            name = self._status_name(status)
            raise BundleError(
                f"{source}: {self._status_text(status)} ({name} at byte {at[0]} of {size}); "
                f"{bundle_remedy(name)}",
                status=name,
                offset=at[0],
            )
        self._info = ffi.new("ea_info *", (ffi.sizeof("ea_info"),))
        self._check(lib.ea_policy_info(self._handle, self._info))
        self._context_size = lib.ea_context_size(self._handle)
        self._title_count = self._info.titles
        self._last = None
        self._digest = None
        self.name = self._text(self._info.name)
        self.sequence = self._info.sequence
        self.size = size
        return self

    @property
    def digest(self) -> bytes:
        """First 16 bytes of the bundle's SHA-256, by which logged decisions name it."""
        if self._digest is None:
            from hashlib import sha256

            self._digest = sha256(ffi.buffer(self._memory[1], self.size)).digest()[:16]
        return self._digest

    # Deciding.

    def context(self, values: Values | None = None, *, seed: int, unit: int = 0) -> Context:
        """Encodes what is known of the member now.

        values: field name to value, or those as MessagePack bytes; None is the empty map.
        seed: 0 to 2**64 - 1; decides the draws. unit: the same range; key of the member profile
        on this device, by which it falls into a cell. Raises ContextError.
        """
        packed, memory, handle, report = self._encoded(values, seed, unit)
        return Context(self, packed, memory, handle, report, seed, unit)

    def encode(self, values: Values | None = None) -> memoryview[float]:
        """The slots of a context alone: a fresh view of 'f', `slots` long. Raises ContextError."""
        # memory is what handle points into: it has to live until the slots are copied.
        _, memory, handle, _ = self._encoded(values, 0, 0)
        slots = self._slots_of(handle)
        del memory
        return slots

    def select(self, context: Context, title: str, *, limits: Limits | None = None) -> Decision:
        """Decides one title.

        Raises UnknownTitleError, and ForeignContextError for a context or limits of another policy.
        """
        try:
            key = title.encode()
            if limits is None:
                record = _select(self._handle, context._handle, key, len(key))
            else:
                limit = self._limits_of(limits)
                record = _select_within(self._handle, context._handle, key, len(key), limit)
        except (AttributeError, UnicodeEncodeError):
            self._index(title)  # raises for what is no title at all
            self._handle_of(context)  # and this for what is no context
            raise
        except LookupError:
            record = None
        if record is None:  # outside of the block, or what _selected raises would mention it
            return self._selected(context, title, limits)
        # As Decision(self, title, record) does, without the call of its __init__.
        decision = _new(Decision)
        decision._policy = self
        decision._record = record
        decision.title = title
        return decision

    def select_page(
        self,
        context: Context,
        titles: Sequence[str] | PreparedTitles,
        *,
        limits: Limits | None = None,
    ) -> Page:
        """Decides many titles in one native call, each exactly as `select` would.

        titles: ids, or `page_titles` of them; the last ids given are remembered, so that asking
        again for equal ones costs little. A title the bundle does not have gets a decision without
        an artwork, reason "unknown_title".

        Raises ForeignContextError for a context or limits of another policy.
        """
        if not (isinstance(titles, PreparedTitles) and titles.policy is self):
            titles = self._prepared(titles)
        count = len(titles.titles)
        records = _allocate(_DECISIONS, count)
        limit, handle = self._limits_of(limits), self._handle_of(context)
        self._check(
            lib.ea_select_page(self._handle, handle, titles._indices, count, limit, records)
        )
        return Page(self, titles.titles, records)

    def page_titles(self, titles: Iterable[str]) -> PreparedTitles:
        """Looks the titles of a page up once, for any number of `select_page` calls."""
        if isinstance(titles, str):
            raise TypeError(f"titles is the str {titles!r}; give a sequence of title ids")
        ids = tuple(titles)
        text = "".join(ids)
        key = text.encode("utf-8", "surrogatepass")  # no bundle has such a title: not found
        if len(key) == len(text):
            ends = accumulate(map(len, ids))
        else:
            ends = accumulate(len(i.encode("utf-8", "surrogatepass")) for i in ids)
        indices = _allocate(_INDICES, len(ids))
        self._check(
            lib.ea_title_find_page(
                self._handle, key, ffi.new(_INDICES, list(ends)), len(ids), indices
            )
        )
        return PreparedTitles(self, ids, indices)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Policy is memory of this process and cannot be pickled or copied; "
                        "open the bundle in each process")  # fmt: skip

    def __repr__(self) -> str:
        return (
            f"<Policy {self.name!r}, sequence {self.sequence}: {self.explorer.kind}, "
            f"{self._title_count} titles, {self.artwork_count} artworks, {self.rows} rows of "
            f"{self.k}, {self.size} bytes>"
        )

    # For this package.

    def _selected(self, context: Context, title: str, limits: Limits | None) -> Decision:
        """What `select` decides, or raises, where it is not decided the short way."""
        limit, index, handle = self._limits_of(limits), self._index(title), self._handle_of(context)
        record = _allocate(_DECISION)
        self._check(lib.ea_select(self._handle, handle, index, limit, record))
        return Decision(self, title, record)

    def _encoded(self, values: Values | None, seed: int, unit: int) -> tuple[bytes, Any, Any, Any]:
        """A context's map, fresh memory, its address in there, and the encoder's report."""
        for name, value in (("seed", seed), ("unit", unit)):
            if not 0 <= value < 1 << 64:
                raise ContextError(
                    f"context {name} {value!r}: give an int from 0 to 2**64 - 1",
                    status="EA_E_ARGUMENT",
                    field=name,
                )
        if values is None:
            data = b"\x80"
        elif isinstance(values, (bytes, bytearray, memoryview)):
            data = bytes(values)
        else:
            data = pack(values)
        memory, handle, size = self._context_memory()
        report = ffi.new("ea_report *", (_REPORT_SIZE,))
        status = lib.ea_context_encode(
            self._handle, handle, size, data, len(data), seed, unit, report
        )
        if status:
            name, sentence = self._status_name(status), self._status_text(status)
            raise refusal(self.features, data, name, sentence, report.offset)
        return data, memory, handle, report

    def _context_memory(self) -> tuple[Any, Any, int]:
        """Memory for one context, the address in it, and the bytes there."""
        memory, address = _aligned(self._context_size, 16)
        return memory, ffi.cast("ea_context *", address), self._context_size

    def _prepared(self, titles: Sequence[str] | PreparedTitles) -> PreparedTitles:
        """Indices of a page's titles; those of the last page are remembered."""
        ids = titles.titles if isinstance(titles, PreparedTitles) else titles
        last = self._last
        if last is not None:
            if ids is last.titles:
                return last
            if not isinstance(ids, str) and last.titles == (ids := tuple(ids)):
                return last
        prepared = self.page_titles(ids)
        self._last = prepared
        return prepared

    def _artwork(self, row: int) -> str | None:
        """Id of a row's artwork; None for EA_NONE."""
        text = _artwork(self._handle, row)
        length = text.length
        return _unpack(text.data, length).decode() if length else None

    def _artworks_of(self, records: Any) -> list[str | None]:
        rows = ffi.cast("uint32_t *", records) + 1  # six words a record, of which it is the second
        return self._ids(rows, 6, len(records), of_titles=False)

    def _propensities_of(self, records: Any) -> memoryview[float]:
        propensities = _allocate(_DOUBLES, len(records))
        lib.edgeart_propensities(records, len(records), propensities)
        return self._bytes_of(propensities).cast("d")

    def _copied(self, record: Any) -> Any:
        """A record of its own, which outlives the page it was on."""
        return _allocate(_DECISION, record)


def _aligned(size: int, alignment: int) -> tuple[Any, Any]:
    """Uncleared memory with size bytes from an aligned address: what owns it, and that address."""
    memory = _allocate(_BYTES, size + alignment)
    return memory, memory + -int(ffi.cast("uintptr_t", memory)) % alignment
