# SPDX-License-Identifier: Apache-2.0
"""Measures edgeart beside onnxruntime, numpy and Vowpal Wabbit: `python -m benchmarks`."""

from __future__ import annotations

import os

# Before numpy is imported: one thread decides a page, so its peers get one as well.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
