# SPDX-License-Identifier: Apache-2.0
"""The native core as the contract tests call it: edgeart.h with Python values in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.reference.decide import NO_LIMITS, Limits
from tests.reference.features import Explorer

KINDS = {
    "fixed": 0, "uniform": 10, "greedy": 20, "epsilon_greedy": 30, "softmax": 40, "squarecb": 50,
    "thompson": 60, "ucb": 70,
}  # fmt: skip
"""Numbers of the explorers in edgeart.h."""


class CoreRefusal(Exception):  # noqa: N818  (a verdict, as in the reference)
    """What ea_policy_open or ea_context_encode returned."""

    def __init__(self, status: str, offset: int) -> None:
        super().__init__(f"{status} at {offset}")
        self.verdict = (status, offset)


class Core:
    """The functions of edgeart.h over one bundle, with Python values in and out."""

    def __init__(self, data: bytes) -> None:
        from edgeart._native import ffi, lib

        self.ffi, self.lib = ffi, lib
        self._bytes = ffi.new("char[]", len(data) + 64)
        start = self._bytes + -int(ffi.cast("uintptr_t", self._bytes)) % 64
        ffi.memmove(start, data, len(data))
        size = lib.ea_policy_size()
        self._own, self.policy = self._object("ea_policy *", size)
        offset = ffi.new("uint64_t *", 2**64 - 1)
        self._accept(lib.ea_policy_open(self.policy, size, start, len(data), offset), offset[0])
        self.info = ffi.new("ea_info *", {"struct_size": ffi.sizeof("ea_info")})
        assert lib.ea_policy_info(self.policy, self.info) == 0

    def _object(self, kind: str, size: int) -> tuple[Any, Any]:
        memory = self.ffi.new("char[]", size + 16)
        start = memory + -int(self.ffi.cast("uintptr_t", memory)) % 16
        return memory, self.ffi.cast(kind, start)

    def _accept(self, status: int, offset: int) -> None:
        name = self.ffi.string(self.lib.ea_status_name(status)).decode()
        if status:
            raise CoreRefusal(name, offset)
        assert offset == 0, "on success the offset is 0"

    def encode(self, context_map: bytes, seed: int = 0, unit: int = 0) -> CoreContext:
        """Raises CoreRefusal."""
        return CoreContext(self, context_map, seed, unit)

    def find(self, title: str) -> int:
        text = title.encode()
        return int(self.lib.ea_title_find(self.policy, text, len(text)))

    def limits(self, limits: Limits) -> tuple[Any, Any]:
        """The memory of the bitmaps, to be kept, and the limits; NULL for none."""
        if limits == NO_LIMITS:
            return None, self.ffi.NULL

        def bitmap(bits: bytes) -> Any:
            return self.ffi.new("uint8_t[]", bits) if bits else self.ffi.NULL

        denied, excluded = bitmap(limits.denied), bitmap(limits.excluded)
        filled = self.ffi.new(
            "ea_limits *",
            {
                "struct_size": self.ffi.sizeof("ea_limits"),
                "denied": denied,
                "denied_size": len(limits.denied),
                "excluded": excluded,
                "excluded_size": len(limits.excluded),
                "required": limits.required,
                "forbidden": limits.forbidden,
            },
        )
        return (denied, excluded), filled

    def cell_of(self, unit: int) -> int:
        return int(self.lib.ea_policy_cell_of(self.policy, unit))

    def fallback(self, title: int, limits: Limits = NO_LIMITS) -> list[int]:
        """As CoreContext.select, without a context."""
        kept, filled = self.limits(limits)
        out = self.ffi.new("ea_decision *")
        assert self.lib.ea_fallback(self.policy, title, filled, out) == 0
        del kept
        return self.decisions(out, 1)[0]

    def decisions(self, out: Any, count: int) -> list[list[int]]:
        """title, row, n, total, bits of the score, reason, cell of each."""
        words = self.ffi.cast("uint32_t *", out)
        return [
            [*(words[6 * i + j] for j in range(5)), out[i].reason, out[i].cell]
            for i in range(count)
        ]


class CoreContext:
    """A context encoded by the native core."""

    def __init__(self, core: Core, context_map: bytes, seed: int, unit: int) -> None:
        ffi, lib = core.ffi, core.lib
        self.core = core
        size = lib.ea_context_size(core.policy)
        self._own, self.handle = core._object("ea_context *", size)
        report = ffi.new("ea_report *", {"struct_size": ffi.sizeof("ea_report"), "offset": 77})
        # Exactly as long as the map, so that a read past its end is a read past an allocation.
        own = ffi.new("char[]", context_map) if context_map else ffi.new("char[]", 1)
        status = lib.ea_context_encode(
            core.policy, self.handle, size, own, len(context_map), seed, unit, report
        )
        core._accept(status, report.offset)
        self.report = [report.missing, report.other, report.clipped, report.ignored]

    def _floats(self, function: Any, count: int, *more: Any) -> list[int]:
        out = self.core.ffi.new("float[]", count + 1)
        assert function(self.core.policy, self.handle, out, count, *more) == 0
        bits = self.core.ffi.cast("uint32_t *", out)
        return [bits[i] for i in range(count)]

    def slots(self) -> list[int]:
        """Bits of the slots."""
        null = self.core.ffi.NULL
        lib = self.core.lib
        return self._floats(lib.ea_context_vector, self.core.info.slots, null, null)

    def scores(self) -> list[int]:
        """Bits of the scores of all rows."""
        return self._floats(self.core.lib.ea_scores, self.core.info.artworks)

    def u(self) -> list[int]:
        """Bits of u."""
        return self._floats(self.core.lib.ea_context_u, self.core.info.k)

    def variances(self) -> list[int]:
        """Bits of the variances of all rows."""
        return self._floats(self.core.lib.ea_variances, self.core.info.artworks)

    def host(self, title: str, count: int) -> list[int]:
        """As select, for a title of the host's with so many artworks."""
        text, out = title.encode(), self.core.ffi.new("ea_decision *")
        status = self.core.lib.ea_select_host(
            self.core.policy, self.handle, text, len(text), count, out
        )
        assert status == 0
        return self.core.decisions(out, 1)[0]

    def scored(
        self, title: int, scores: Sequence[float], variances: Sequence[float] | None, asked: Limits
    ) -> list[int]:
        """As select, with the scores and variances of another scorer."""
        ffi, core = self.core.ffi, self.core
        kept, limits = core.limits(asked)
        its = ffi.NULL if variances is None else ffi.new("float[]", list(variances))
        out, own = ffi.new("ea_decision *"), ffi.new("float[]", list(scores))
        status = core.lib.ea_select_scored(core.policy, self.handle, title, own, its, limits, out)
        assert status == 0
        del kept
        return core.decisions(out, 1)[0]

    def hash(self) -> int:
        out = self.core.ffi.new("uint64_t *")
        assert self.core.lib.ea_context_hash(self.core.policy, self.handle, out) == 0
        return int(out[0])

    def select(self, title: int, limits: Limits = NO_LIMITS) -> list[int]:
        """title, row, n, total, bits of the score, reason, cell."""
        return self.page([title], limits, one_by_one=True)[0]

    def page(
        self, titles: list[int], asked: Limits = NO_LIMITS, *, one_by_one: bool = False
    ) -> list[list[int]]:
        """As select, for each title."""
        ffi, lib, core = self.core.ffi, self.core.lib, self.core
        kept, limits = core.limits(asked)
        out = ffi.new("ea_decision[]", len(titles))
        if one_by_one:
            for index, title in enumerate(titles):
                assert lib.ea_select(core.policy, self.handle, title, limits, out + index) == 0
        else:
            assert (
                lib.ea_select_page(core.policy, self.handle, titles, len(titles), limits, out) == 0
            )
        del kept
        return core.decisions(out, len(titles))

    def candidates(self, title: int, asked: Limits = NO_LIMITS) -> tuple[list[list[int]], int]:
        """row, n, bits of the score, denied for each; and the total."""
        ffi, lib, core = self.core.ffi, self.core.lib, self.core
        kept, limits = core.limits(asked)
        out = ffi.new("ea_candidate[]", lib.EA_MAX_CANDIDATES)
        count, total = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        status = lib.ea_propensities(
            core.policy, self.handle, title, limits, out, lib.EA_MAX_CANDIDATES, count, total
        )
        assert status == 0
        del kept
        words = ffi.cast("uint32_t *", out)
        return [[words[4 * i + j] for j in range(4)] for i in range(count[0])], int(total[0])


def core_verdict(data: bytes) -> tuple[str, int]:
    """The core's status and offset for a bundle; EA_OK and 0 if it accepts."""
    try:
        Core(data)
    except CoreRefusal as refusal:
        return refusal.verdict
    return "EA_OK", 0


def core_integers(
    explorer: Explorer, scores: Sequence[float], variances: Sequence[float] | None
) -> list[int]:
    """ea_explore."""
    from edgeart._native import ffi, lib

    settings = (
        ffi.sizeof("ea_explorer"), KINDS[explorer.kind], explorer.floor, explorer.parameter
    )  # fmt: skip
    its = ffi.NULL if variances is None else ffi.new("float[]", list(variances))
    n = ffi.new("uint32_t[]", len(scores))
    status = lib.ea_explore(
        ffi.new("ea_explorer *", settings), ffi.new("float[]", list(scores)), its, len(scores), n
    )
    assert status == 0
    return list(n)
