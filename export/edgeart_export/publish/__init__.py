# SPDX-License-Identifier: Apache-2.0
"""Publishes bundles to devices: a signed repository of static files (native/spec/sync.md)."""
