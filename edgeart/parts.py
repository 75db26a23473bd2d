# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds besides titles and rows: the properties of a Policy that describe it."""

# Imports are late where no decision needs them, and the modules of this package share its
# private names.
# ruff: noqa: PLC0415

from __future__ import annotations

from edgeart.errors import EdgeartError, ForeignContextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from edgeart.types import Cell, Explorer, Feature, Layer


class Parts:
    """Base of Described; Policy hands over the compiled module and opens the bundle."""

    __slots__ = ()

    _ffi: Any
    _lib: Any
    _handle: Any
    _info: Any
    _title_count: int
    _none: int
    _reasons: dict[int, str]
    name: str
    sequence: int

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
        """Length of the vector u, and so of a row of weights."""
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
        """How scores become probabilities for units in no cell."""
        return self._cell(0)[2]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The shares of units that have an explorer of their own, in order."""
        from edgeart.types import Cell

        return tuple(Cell(*self._cell(i)) for i in range(1, self._info.cells + 1))

    @property
    def salt(self) -> str:
        """What decides, besides the unit, which cell it falls into."""
        return self._text(self._info.salt)

    @property
    def variance(self) -> str:
        """How variances of weights are stored: "none" or "e5m3"."""
        return self._word_for("EA_VARIANCE_", self._info.variance)

    @property
    def scaled(self) -> bool:
        """Whether titles have factors of the explorer's parameter: `title_scale`."""
        return bool(self._info.scaled)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of what an artwork may have, by which `limits` requires and forbids."""
        text, names = self._ffi.new("ea_text *"), []
        for index in range(self._info.attributes):
            self._check(self._lib.ea_policy_attribute(self._handle, index, text))
            names.append(self._text(text))
        return tuple(names)

    @property
    def tower(self) -> tuple[Layer, ...]:
        """The layers between an encoded context and u; without any, u is the encoded context."""
        from edgeart.types import Layer

        layers = []
        for index in range(self._info.layers):
            layer = self._ffi.new("ea_layer *", (self._ffi.sizeof("ea_layer"),))
            self._check(self._lib.ea_policy_layer(self._handle, index, layer))
            activation = self._word_for("EA_ACTIVATION_", layer.activation)
            rows = self._word_for("EA_ROWS_", layer.rows)
            layers.append(Layer(activation, layer.inputs, layer.outputs, rows))
        return tuple(layers)

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

    # For the modules of this package.

    def _cell(self, index: int) -> tuple[str, float, Explorer]:
        """Name, share and explorer of a cell; the policy's own explorer is cell 0."""
        from edgeart.types import Explorer

        ffi = self._ffi
        explorer = ffi.new("ea_explorer *", (ffi.sizeof("ea_explorer"),))
        name, share = ffi.new("ea_text *"), ffi.new("double *")
        self._check(self._lib.ea_policy_cell(self._handle, index, explorer, name, share))
        kind = self._word_for("EA_EXPLORER_", explorer.kind)
        return self._text(name), share[0], Explorer(kind, explorer.floor, explorer.parameter)

    def _cell_name(self, index: int) -> str | None:
        if index == 0:
            return None
        ffi = self._ffi
        explorer = ffi.new("ea_explorer *", (ffi.sizeof("ea_explorer"),))
        name = ffi.new("ea_text *")
        self._check(self._lib.ea_policy_cell(self._handle, index, explorer, name, ffi.NULL))
        return self._text(name)

    def _cell_of(self, unit: int) -> int:
        return int(self._lib.ea_policy_cell_of(self._handle, unit))

    def _text(self, text: Any) -> str:
        if text.length == 0:  # its address may be null
            return ""
        decoded: str = self._ffi.unpack(text.data, text.length).decode()
        return decoded

    def _title_id(self, index: int) -> str:
        text, null = self._ffi.new("ea_text *"), self._ffi.NULL
        self._check(self._lib.ea_title_info(self._handle, index, text, null, null))
        return self._text(text)

    def _artwork_id(self, row: int) -> str:
        text = self._ffi.new("ea_text *")
        self._check(self._lib.ea_artwork_id(self._handle, row, text))
        return self._text(text)

    def _title_ids(self, indices: range) -> tuple[str, ...]:
        wanted = self._ffi.new("uint32_t[]", list(indices))
        found: Any = self._ids(wanted, 1, len(indices), of_titles=True)
        return tuple(found)

    def _ids(self, indices: Any, step: int, count: int, *, of_titles: bool) -> list[str | None]:
        """Ids of the titles or artworks that every step-th index says; None for EA_NONE."""
        if not count:
            return []

        none = self._ffi.new("size_t *")

        def write(room: int) -> tuple[Any, int]:
            text = self._ffi.new("char[]", room)
            which = (self._handle, of_titles, indices, step, count)
            return text, self._lib.edgeart_ids(*which, text, room, none)

        text, size = write(32 * count)  # most ids are shorter
        if size > len(text):
            text, size = write(size)
        found: list[Any] = self._ffi.unpack(text, size - 1).decode().split("\0")
        if len(found) != count:  # there is a null byte in some id: one by one
            one = self._title_id if of_titles else self._artwork_id
            every = [indices[i * step] for i in range(count)]
            return [None if index == self._none else one(index) for index in every]
        return [name or None for name in found] if none[0] else found

    def _bytes_of(self, array: Any) -> memoryview:
        """A read-only view of a native array's bytes, which it keeps alive."""
        return memoryview(self._ffi.buffer(array)).toreadonly()

    def _word_for(self, prefix: str, number: int) -> str:
        """The word for a number of one of edgeart.h's enumerations: its constant's name, lower."""
        for name in dir(self._lib):
            if name.startswith(prefix) and getattr(self._lib, name) == number:
                return name[len(prefix) :].lower()
        raise LookupError(f"{prefix}… has no member {number}")

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
