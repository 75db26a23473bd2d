# SPDX-License-Identifier: Apache-2.0
"""Every limit of the two specifications, by name."""

from __future__ import annotations

DOCUMENT_BYTES = 2**30
NAME_LENGTH = 64
SEQUENCE = 2**53 - 1
META_ENTRIES = 32
META_KEY = 64
META_VALUE = 1024
FEATURES = 256
FEATURE_NAME = 64
WORDS = 1023  # of one feature; also the length of a vector
WORD = 255
SLOTS = 1024  # also the inputs and outputs of a layer
LAYERS = 8
CELLS = 16
SALT = 64
ATTRIBUTES = 32
ATTRIBUTE_NAME = 64
TITLES = 2**20
ID = 255
CANDIDATES = 256
ROWS = 2**22
VECTORS = 64

CONTEXT_BYTES = 65_536
CONTEXT_ENTRIES = 1_024
WEIGHTS_ENTRIES = 4_096
WEIGHT = 2.0**20
