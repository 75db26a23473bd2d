# SPDX-License-Identifier: Apache-2.0
"""Codes of an earlier bundle that a new one of the same policy can stay with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..format.document import Document
from ..model import PolicyModel

Element = TypeVar("Element", np.int8, np.uint8, np.float32)


@dataclass(frozen=True)
class Stability:
    """What staying with earlier codes did.

    kept: share of the artworks' codes that are as in the previous bundle, 0 to 1; fresh: the share
    if each code had been rounded anew. flips: share of (context, title) pairs whose best artwork is
    another than with codes rounded anew. used: False where the codes were rounded anew after all,
    because flips against the f32 rows would have passed the bound.
    """

    previous: int
    kept: float
    fresh: float
    flips: float
    used: bool


class Previous:
    """The codes of a bundle, in the order of a model's rows; 0 where it lacks an artwork.

    Raises ModelError for a bundle of another policy, and edgeart.BundleError for no bundle at all.
    """

    def __init__(self, data: bytes, model: PolicyModel) -> None:
        document = Document(data)
        policy = document.policy
        if policy.name != model.name:
            raise ModelError(
                f"the previous bundle is of policy {policy.name!r}, the model of {model.name!r}"
            )
        self.sequence = document.sequence
        self.alike = policy.rows == "i8" and policy.k == model.k
        old = {
            key: row
            for row, key in enumerate((t, a) for t in policy.titles for a in policy.artworks(t))
        }
        self._match = np.array([old.get(key, -1) for key in model.artworks], np.int64)
        self._document = document

    def rows(self) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]] | None:
        """Codes int8 [R, k] and scales float32 [R]; None where the rows are of another kind."""
        if not self.alike:
            return None
        return self._table("weights", np.int8), self._column("scales")

    def variances(self) -> tuple[npt.NDArray[np.uint8], float] | None:
        """Codes uint8 [R, k] and their scale; None where there are none."""
        if not self.alike or self._document.policy.variance != "e5m3":
            return None
        scale = np.frombuffer(self._document.array("variance_scale"), "<f4")[0]
        return self._table("variance_codes", np.uint8), float(scale)

    def kept(self, codes: npt.NDArray[np.generic]) -> float:
        """The share of these codes [R, k] that are the previous ones."""
        rows = self.rows()
        if rows is None or not codes.size:
            return 0.0
        same = (codes == rows[0]) & (self._match >= 0)[:, None]
        return float(same.mean())

    def _table(self, key: str, kind: type[Element]) -> npt.NDArray[Element]:
        k = self._document.policy.k
        old: npt.NDArray[Element] = np.frombuffer(self._document.array(key), kind)
        return self._found(old.reshape(-1, -(-k // 16) * 16)[:, :k])

    def _column(self, key: str) -> npt.NDArray[np.float32]:
        return self._found(np.frombuffer(self._document.array(key), np.float32))

    def _found(self, old: npt.NDArray[Element]) -> npt.NDArray[Element]:
        """Rows of the model out of an old table."""
        padded: npt.NDArray[Element] = np.concatenate(
            [old, np.zeros_like(old, shape=(1, *old.shape[1:]))]
        )
        return padded[self._match]
