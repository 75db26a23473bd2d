# SPDX-License-Identifier: Apache-2.0
"""What a policy says about itself and its candidates: the half of Policy that no page needs."""

# Imports are late where no decision needs them, and the modules of this package share its
# private names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

from edgeart.errors import EdgeartError, ForeignContextError, UnknownTitleError, VectorError
from edgeart.titles import Titles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeart.context import Context, Denied
    from edgeart.types import Candidates, Explanation, Explorer, Feature


class Described:
    """Base of Policy, which hands over the compiled module and opens the bundle."""

    __slots__ = ()

    _ffi: Any
    _lib: Any
    _handle: Any
    _info: Any
    _title_count: int
    name: str
    sequence: int

    def _context_memory(self) -> tuple[Any, Any, int]:
        raise NotImplementedError

    @property
    def format(self) -> int:
        """Format of the bundle."""
        return int(self._info.format)

    @property
    def rows(self) -> str:
        """How rows of weights are stored: "f32" or "i8"."""
        return self._word_for("EA_ROWS_", self._info.rows)

    @property
    def slots(self) -> int:
        """Length of an encoded context, intercept included."""
        return int(self._info.slots)

    @property
    def k(self) -> int:
        """Length of a row of weights."""
        return int(self._info.k)

    @property
    def artwork_count(self) -> int:
        """Artworks of all titles together: the number of rows."""
        return int(self._info.artworks)

    @property
    def vector_count(self) -> int:
        """Test vectors inside the bundle."""
        return int(self._info.vectors)

    @property
    def explorer(self) -> Explorer:
        """How scores become probabilities."""
        from edgeart.types import Explorer

        info = self._info
        return Explorer(self._word_for("EA_EXPLORER_", info.explorer), info.floor, info.parameter)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The declared inputs in slot order. The slot after the last one is the intercept."""
        from edgeart.types import Feature

        ffi, lib, word, features = self._ffi, self._lib, self._ffi.new("ea_text *"), []
        for index in range(self._info.features):
            f = ffi.new("ea_feature *", (ffi.sizeof("ea_feature"),))
            self._check(lib.ea_policy_feature(self._handle, index, f))
            words = []
            for i in range(f.words):
                self._check(lib.ea_policy_word(self._handle, index, i, word))
                words.append(self._text(word))
            kind = self._word_for("EA_FEATURE_", f.kind)
            features.append(
                Feature(kind, self._text(f.name), f.first, f.width, tuple(words),
                        bool(f.indicator), f.centre, f.scale, f.clip)
            )  # fmt: skip
        return tuple(features)

    @property
    def meta(self) -> dict[str, str]:
        """What the bundle's writer noted for people, a fresh dict."""
        key, value = self._ffi.new("ea_text *"), self._ffi.new("ea_text *")
        meta = {}
        for index in range(self._info.meta):
            self._check(self._lib.ea_policy_meta(self._handle, index, key, value))
            meta[self._text(key)] = self._text(value)
        return meta

    @property
    def titles(self) -> Titles:
        """All title ids, in bundle order."""
        return Titles(self)

    def artworks(self, title: str) -> tuple[str, ...]:
        """Ids of a title's artworks in row order, the first being its default.

        Raises UnknownTitleError.
        """
        return tuple(map(self._artwork_id, self._rows_of(self._index(title))))

    def candidates(
        self, context: Context, title: str, *, denied: Denied | None = None
    ) -> Candidates:
        """Every artwork of a title with its score and integer n. Raises as `select`."""
        from edgeart.types import Candidates

        index = self._index(title)
        rows = self._rows_of(index)
        records = self._ffi.new("ea_candidate[]", len(rows))
        total = self._ffi.new("uint32_t *")
        limits = self._limits_of(denied)
        self._check(
            self._lib.ea_propensities(
                self._handle, self._handle_of(context), index, limits, records, len(rows),
                self._ffi.NULL, total,
            )
        )  # fmt: skip
        raw = self._bytes_of(records)
        words, floats = raw.cast("I"), raw.cast("f")  # four of either a record
        names = tuple(map(self._artwork_id, rows))
        return Candidates(names, words[0::4], words[1::4], floats[2::4], words[3::4], total[0])

    def propensities(
        self, context: Context, title: str, *, denied: Denied | None = None
    ) -> dict[str, float]:
        """Artwork to the probability with which it is shown. Raises as `select`.

        The values are 0.0 throughout where every artwork is denied, and add up to 1 otherwise.
        """
        found = self.candidates(context, title, denied=denied)
        return {name: n / found.total for name, n in zip(found.artworks, found.n, strict=True)}

    def explain(self, context: Context, title: str, *, denied: Denied | None = None) -> Explanation:
        """Which features spoke for which artwork of a title. Raises as `select`."""
        from edgeart.explain import explain

        return explain(self, context, title, denied)

    def scores(self, context: Context) -> memoryview[float]:
        """Scores of all rows: a fresh view of 'f'. Raises ForeignContextError."""
        count = self._info.artworks
        scores = self._ffi.new("float[]", count)
        handle = self._handle_of(context)
        self._check(self._lib.ea_scores(self._handle, handle, scores, count))
        return self._bytes_of(scores).cast("f")

    def verify(self) -> int:
        """Runs the bundle's test vectors and returns how many there are. Raises VectorError."""
        memory, handle, size = self._context_memory()
        failed = self._ffi.new("uint32_t *")
        status = self._lib.ea_policy_verify(self._handle, handle, size, failed)
        if status == self._lib.EA_E_VECTOR:
            raise VectorError(
                f"policy {self.name!r}, sequence {self.sequence}: test vector {failed[0]} of "
                f"{self.vector_count} does not hold here (EA_E_VECTOR); do not use this bundle on "
                "this kind of machine, and report it with the bundle",
                status=self._status_name(status),
                vector=failed[0],
            )
        self._check(status)
        del memory  # had to live until here
        return self.vector_count

    # For the modules of this package.

    def _hash_of(self, context: Context) -> int:
        value = self._ffi.new("uint64_t *")
        self._check(self._lib.ea_context_hash(self._handle, self._handle_of(context), value))
        return int(value[0])

    def _row_weights(self, row: int) -> tuple[memoryview[float], float]:
        """The weights of a row as they act, a view of 'f' of length k, and its bias."""
        weights, bias = self._ffi.new("float[]", self.k), self._ffi.new("float *")
        self._check(self._lib.ea_row_weights(self._handle, row, weights, self.k, bias))
        return self._bytes_of(weights).cast("f"), bias[0]

    def _acting_vector(self, context: Context) -> list[float]:
        """The slots of a context as rows meet them: for i8 rows code times scale."""
        ffi, slots = self._ffi, self._ffi.new("float[]", self.slots)
        codes, scale = ffi.new("int8_t[]", self.k), ffi.new("float *")
        handle = self._handle_of(context)
        self._check(
            self._lib.ea_context_vector(self._handle, handle, slots, self.slots, codes, scale)
        )
        if self.rows == "i8":
            return [code * scale[0] for code in codes]
        return list(slots)

    def _slots_of(self, handle: Any) -> memoryview[float]:
        slots, null = self._ffi.new("float[]", self.slots), self._ffi.NULL
        self._check(
            self._lib.ea_context_vector(self._handle, handle, slots, self.slots, null, null)
        )
        return self._bytes_of(slots).cast("f")

    def _index(self, title: str) -> int:
        index = self._find(title)
        if index is None:
            raise UnknownTitleError(
                f"policy {self.name!r}, sequence {self.sequence}, has no title {title!r}"
            )
        return index

    def _find(self, title: str) -> int | None:
        if not isinstance(title, str):
            raise TypeError(f"a title id is a str, not {title!r}")
        key = title.encode("utf-8", "surrogatepass")  # no bundle has such a title: not found
        index: int = self._lib.ea_title_find(self._handle, key, len(key))
        return None if index == self._lib.EA_NONE else index

    def _rows_of(self, index: int) -> range:
        first, count = self._ffi.new("uint32_t *"), self._ffi.new("uint32_t *")
        self._check(self._lib.ea_title_info(self._handle, index, self._ffi.NULL, first, count))
        return range(first[0], first[0] + count[0])

    def _title_id(self, index: int) -> str:
        text, null = self._ffi.new("ea_text *"), self._ffi.NULL
        self._check(self._lib.ea_title_info(self._handle, index, text, null, null))
        return self._text(text)

    def _artwork_id(self, row: int) -> str:
        text = self._ffi.new("ea_text *")
        self._check(self._lib.ea_artwork_id(self._handle, row, text))
        return self._text(text)

    def _text(self, text: Any) -> str:
        decoded: str = self._ffi.unpack(text.data, text.length).decode()
        return decoded

    def _bytes_of(self, array: Any) -> memoryview:
        """A read-only view of a native array's bytes, which it keeps alive."""
        return memoryview(self._ffi.buffer(array)).toreadonly()

    def _word_for(self, prefix: str, number: int) -> str:
        """The word for a number of one of edgeart.h's enumerations: its constant's name, lower."""
        for name in dir(self._lib):
            if name.startswith(prefix) and getattr(self._lib, name) == number:
                return name[len(prefix) :].lower()
        raise LookupError(f"{prefix}… has no member {number}")

    # What only native calls can tell, and what to raise then.

    def _handle_of(self, context: Context) -> Any:
        try:
            return context._handle
        except AttributeError:
            raise TypeError(
                f"a context is made by policy.context(values, seed=…), not {context!r}"
            ) from None

    def _limits_of(self, denied: Denied | None) -> Any:
        if denied is None:
            return self._ffi.NULL
        if getattr(denied, "policy", None) is self:
            return denied._limits
        if hasattr(denied, "_limits"):
            raise self._foreign("denied artworks were", "denied()")
        raise TypeError(f"denied is made by policy.denied({{title: [artwork]}}), not {denied!r}")

    def _check(self, status: int) -> None:
        """Raises for a status other than success."""
        if status == self._lib.EA_E_FOREIGN:
            raise self._foreign("context was", "context()")
        if status:
            name, text = self._status_name(status), self._status_text(status)
            raise EdgeartError(f"policy {self.name!r}: {text} ({name})")

    def _foreign(self, what: str, method: str) -> ForeignContextError:
        return ForeignContextError(
            f"the {what} made by another policy than {self.name!r}, sequence {self.sequence}; "
            f"make it with this policy's {method}"
        )

    def _status_text(self, status: int) -> str:
        text: bytes = self._ffi.string(self._lib.ea_status_text(status))
        return text.decode().rstrip(".")

    def _status_name(self, status: int) -> str:
        name: bytes = self._ffi.string(self._lib.ea_status_name(status))
        return name.decode()
