# SPDX-License-Identifier: Apache-2.0
"""How well policies do while they learn, beside Vowpal Wabbit and MABWiser: `make quality`."""
