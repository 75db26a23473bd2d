# SPDX-License-Identifier: Apache-2.0
"""Policy sync: its parts, and the fault table row by row."""
