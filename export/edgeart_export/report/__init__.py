# SPDX-License-Identifier: Apache-2.0
"""Reports to decide from: one HTML file each, which needs no other file and no network."""

from __future__ import annotations
