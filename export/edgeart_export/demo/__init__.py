# SPDX-License-Identifier: Apache-2.0
"""A demonstration on a simulated audience: `python -m edgeart_export.demo`."""
