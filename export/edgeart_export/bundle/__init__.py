# SPDX-License-Identifier: Apache-2.0
"""From a model to a bundle: written, proved to be read as meant, and what its form costs."""

from __future__ import annotations

from .write import COMPARED, bundle_bytes, compare_rows, packed, write_bundle

__all__ = ["COMPARED", "bundle_bytes", "compare_rows", "packed", "write_bundle"]
