# SPDX-License-Identifier: Apache-2.0
"""A policy whose scores an ONNX graph computes; encoder, explorers and draws stay the native ones.

Needs `pip install 'edgeart[onnx]'`: onnxruntime, many times the size of this package. It is for
models that a bundle cannot hold, and for comparing a graph with the bundle that is shipped.
"""

# Imports are late: nothing but this needs them. The modules of this package share its private
# names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

from array import array

from edgeart.context import Context
from edgeart.decision import Decision, Page, PreparedTitles
from edgeart.errors import ForeignContextError, GraphError
from edgeart.graphs import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any

    from edgeart.limits import Limits
    from edgeart.policy import Policy, Values
    from edgeart.types import Candidates


class OnnxPolicy:
    """Decides as `policy` does, but with the scores of an ONNX graph in the place of its rows'.

    policy: gives encoder, titles, attributes, explorers and cells, and makes the draws; its own
    rows are not looked at. model: the graph's file or bytes, as `edgeart_export.write_onnx` makes
    it: input `context`, binary32 [batch, slots]; output `scores`, binary32 [batch, rows], and, for
    policies that use them, `variances` likewise. A graph made by anybody else will do too; where
    it has the metadata of `write_onnx`, titles and features must be those of the policy.
    threads: of onnxruntime; 0 is one for each core. providers: onnxruntime's, the CPU's if None.

    Where scores and variances are equal to those of `policy`, so are decisions and propensities.
    Constant, and free to use from any number of threads at once.

    Raises ImportError without the extra, GraphError for a graph that does not fit, OSError.
    """

    __slots__ = ("_outputs", "_session", "policy")

    policy: Policy

    def __init__(
        self,
        policy: Policy,
        model: str | PathLike[str] | bytes,
        *,
        threads: int = 1,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.policy = policy
        self._session = _opened(model, threads, providers)
        self._outputs = check(policy, self._session)

    def context(self, values: Values | None = None, *, seed: int, unit: int = 0) -> ScoredContext:
        """Encodes what is known of the member now, and runs the graph once.

        Arguments as of `Policy.context`. Raises ContextError, and GraphError where the graph gives
        a number that no explorer takes.
        """
        context = self.policy.context(values, seed=seed, unit=unit)
        return ScoredContext(context, self, *self._run(context))

    def select(
        self, context: ScoredContext, title: str, *, limits: Limits | None = None
    ) -> Decision:
        """Decides one title. Raises as `Policy.select`; limits are the policy's."""
        record = self.policy._ffi.new("ea_decision *")
        index = self.policy._index(title)
        self._decide(context, index, self.policy._limits_of(limits), record)
        return Decision(self.policy, title, record)

    def select_page(
        self,
        context: ScoredContext,
        titles: Sequence[str] | PreparedTitles,
        *,
        limits: Limits | None = None,
    ) -> Page:
        """Decides many titles, each exactly as `select` would. Raises as `Policy.select_page`."""
        policy = self.policy
        if not (isinstance(titles, PreparedTitles) and titles.policy is policy):
            titles = policy._prepared(titles)
        records = policy._ffi.new("ea_decision[]", len(titles.titles))
        limit = policy._limits_of(limits)
        for place, index in enumerate(titles._indices):
            self._decide(context, index, limit, records + place)
        return Page(policy, titles.titles, records)

    def candidates(
        self, context: ScoredContext, title: str, *, limits: Limits | None = None
    ) -> Candidates:
        """Every candidate of a title with its score and integer n. Raises as `select`.

        GraphError besides, where a title's factor takes the explorer's parameter out of the range
        that bundle.md §5 allows a policy.
        """
        from edgeart.types import Candidates

        policy = self.policy
        lib, index = policy._lib, policy._index(title)
        limit = policy._limits_of(limits)
        rows, bits = self._eligible(index, limit), b""
        if limit:
            bits = bytes(policy._ffi.buffer(limit.denied, limit.denied_size))
        denied = [_has(bits, row) for row in rows]
        n = self._explore(context, index, rows)
        total = lib.EA_TOTAL - sum(part for part, no in zip(n, denied, strict=True) if no)
        if total == 0 and not all(denied):  # decision.md §6, step 4
            open_rows = [row for row, no in zip(rows, denied, strict=True) if not no]
            again = dict(zip(open_rows, self._explore(context, index, open_rows), strict=True))
            n, total = [again.get(row, 0) for row in rows], lib.EA_TOTAL
        elif all(denied):
            total = lib.EA_TOTAL  # never a zero denominator
        n = [0 if no else part for part, no in zip(n, denied, strict=True)]
        scores = [context._scores[row] for row in rows]
        return Candidates(
            tuple(map(policy._artwork_id, rows)), _view("I", rows), _view("I", n),
            _view("f", scores), _view("I", map(int, denied)), total,
        )  # fmt: skip

    def propensities(
        self, context: ScoredContext, title: str, *, limits: Limits | None = None
    ) -> dict[str, float]:
        """Candidate to the probability with which it is shown. Raises as `candidates`."""
        found = self.candidates(context, title, limits=limits)
        return {name: n / found.total for name, n in zip(found.artworks, found.n, strict=True)}

    def __repr__(self) -> str:
        return f"<OnnxPolicy of {self.policy!r}>"

    # What stands behind it.

    def _decide(self, context: ScoredContext, index: int, limit: Any, record: Any) -> None:
        policy = self.policy
        ffi, lib, handle = policy._ffi, policy._lib, self._handle_of(context)
        if index == policy._none:  # no scores belong to it
            policy._check(lib.ea_select(policy._handle, handle, index, limit, record))
            return
        first = policy._rows_of(index).start
        variances = context._variances
        policy._check(
            lib.ea_select_scored(
                policy._handle, handle, index, context._scores + first,
                ffi.NULL if variances is None else variances + first, limit, record,
            )
        )  # fmt: skip

    def _eligible(self, index: int, limit: Any) -> list[int]:
        """The rows of a title that are candidates: decision.md §6."""
        policy = self.policy
        rows = policy._rows_of(index)
        if not limit:
            return list(rows)
        mask, kept = policy._ffi.new("uint32_t *"), []
        excluded = bytes(policy._ffi.buffer(limit.excluded, limit.excluded_size))
        for row in rows:
            policy._check(policy._lib.ea_artwork_mask(policy._handle, row, mask))
            has_all = mask[0] & limit.required == limit.required
            if has_all and not mask[0] & limit.forbidden and not _has(excluded, row):
                kept.append(row)
        return kept

    def _explore(self, context: ScoredContext, index: int, rows: Sequence[int]) -> list[int]:
        """The integers n of some rows of a title, under the explorer of the context's cell."""
        policy = self.policy
        ffi, lib = policy._ffi, policy._lib
        self._handle_of(context)
        if not rows:
            return []
        explorer = ffi.new("ea_explorer *", (ffi.sizeof("ea_explorer"),))
        cell = lib.ea_policy_cell_of(policy._handle, context.unit)
        policy._check(lib.ea_policy_cell(policy._handle, cell, explorer, ffi.NULL, ffi.NULL))
        if cell == 0:
            scale = ffi.new("double *")
            policy._check(lib.ea_title_scale(policy._handle, index, scale))
            explorer.parameter *= scale[0]
        scores = ffi.new("float[]", [context._scores[row] for row in rows])
        variances = ffi.NULL
        if context._variances is not None:
            variances = ffi.new("float[]", [context._variances[row] for row in rows])
        n = ffi.new("uint32_t[]", len(rows))
        status = lib.ea_explore(explorer, scores, variances, len(rows), n)
        if status == lib.EA_E_RANGE:
            raise GraphError(
                f"title {policy._title_id(index)!r} of policy {policy.name!r}: its factor makes "
                f"the explorer's parameter {explorer.parameter:g}, which is outside the range of "
                "bundle.md §5; decisions are made, but propensities cannot be asked for"
            )
        policy._check(status)
        return list(n)

    def _handle_of(self, context: ScoredContext) -> Any:
        if not isinstance(context, ScoredContext):
            raise TypeError(
                f"a context is made by OnnxPolicy.context(values, seed=…), not {context!r}"
            )
        if context.scorer is not self:
            raise ForeignContextError(
                f"the context was made by another OnnxPolicy than this one of "
                f"{self.policy.name!r}, sequence {self.policy.sequence}; make it with this one"
            )
        return context._handle

    def _run(self, context: Context) -> list[Any]:
        """Pointers to the scores and variances (None without) of all rows."""
        import numpy as np

        ffi = self.policy._ffi
        vector = np.array(context.vector, np.float32)[None]
        made: list[Any] = []
        for name, values in zip(
            self._outputs, self._session.run(self._outputs, {"context": vector}), strict=True
        ):
            # Beyond these no explorer computes: ea_explore.
            low, high = (0.0, 2.0**70) if name == "variances" else (-(2.0**50), 2.0**50)
            row = np.ascontiguousarray(values[0], np.float32)
            unfit = ~((row >= low) & (row <= high))
            if unfit.any():
                at = int(unfit.argmax())
                raise GraphError(
                    f"the graph gives {row[at]} among its {name} for artwork "
                    f"{self.policy._artwork_id(at)!r} (row {at}); {low:g} to {high:g} is needed"
                )
            made.append(ffi.from_buffer("float[]", row))
        return made if len(made) == 2 else [*made, None]


class ScoredContext(Context):
    """A Context with the scores a graph gave for it, made by `OnnxPolicy.context`. Constant."""

    __slots__ = ("_scores", "_variances", "scorer")

    scorer: OnnxPolicy

    def __init__(self, context: Context, scorer: OnnxPolicy, scores: Any, variances: Any) -> None:
        for name in Context.__slots__:
            setattr(self, name, getattr(context, name))
        self.scorer = scorer
        self._scores = scores  # of all rows; keeps the graph's output alive
        self._variances = variances  # likewise, None where no explorer needs them

    @property
    def scores(self) -> memoryview[float]:
        """The graph's scores of all rows: a view of 'f'."""
        return self.policy._bytes_of(self._scores).cast("f")


def _opened(model: str | PathLike[str] | bytes, threads: int, providers: Any) -> Any:
    try:
        import numpy as np  # noqa: F401 - needed at the first context, missed now
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"edgeart.onnx needs onnxruntime and numpy, and {error.name} is not installed: "
            "pip install 'edgeart[onnx]'",
            name=error.name,
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = threads
    if not isinstance(model, bytes):
        with open(model, "rb") as file:
            model = file.read()
    try:
        return onnxruntime.InferenceSession(
            model, options, providers=list(providers or ["CPUExecutionProvider"])
        )
    except Exception as error:  # onnxruntime's own classes are in no public module
        raise GraphError(f"onnxruntime cannot load the graph: {error}") from error


def _has(bits: bytes, place: int) -> bool:
    return place // 8 < len(bits) and bool(bits[place // 8] >> place % 8 & 1)


def _view(kind: str, values: Any) -> memoryview[Any]:
    return memoryview(array(kind, values)).toreadonly()
