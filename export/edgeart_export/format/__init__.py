# SPDX-License-Identifier: Apache-2.0
"""The bytes of a bundle (bundle.md): how they are written, and where its fields lie."""
