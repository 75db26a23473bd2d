# SPDX-License-Identifier: Apache-2.0
"""The fault table of the feedback log, row by row."""
