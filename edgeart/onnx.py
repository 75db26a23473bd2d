# SPDX-License-Identifier: Apache-2.0
"""A policy whose scores an ONNX graph computes; encoder, explorers and draws stay the native ones.

Needs `pip install 'edgeart[onnx]'`: onnxruntime, many times the size of this package. It is for
models that a bundle cannot hold, and for comparing a graph with the bundle that is shipped.
"""

# Imports are late: nothing but this needs them. The modules of this package share its private
# names.
# ruff: noqa: PLC0415, SLF001

from __future__ import annotations

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
        """Every candidate of a title with its score and integer n. Raises as `select`."""
        policy = self.policy
        handle, index = self._handle_of(context), policy._index(title)
        scored = self._scores_of(context, index)
        return policy._told(
            policy._lib.ea_propensities_scored, limits, index, handle, index, *scored
        )

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
        lib, handle = policy._lib, self._handle_of(context)
        if index == policy._none:  # no scores belong to it
            policy._check(lib.ea_select(policy._handle, handle, index, limit, record))
            return
        scored = self._scores_of(context, index)
        policy._check(lib.ea_select_scored(policy._handle, handle, index, *scored, limit, record))

    def _scores_of(self, context: ScoredContext, index: int) -> tuple[Any, Any]:
        """Pointers to the scores and variances of a title's rows."""
        first, variances = self.policy._rows_of(index).start, context._variances
        without = self.policy._ffi.NULL
        return context._scores + first, without if variances is None else variances + first

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
