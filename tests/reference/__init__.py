# SPDX-License-Identifier: Apache-2.0
"""A second reading of `native/spec`, in plain Python, that the native core is measured against.

It is written from the two specifications alone, shares no code with either package, needs nothing
but the standard library, and prefers being read to being fast. Start with `decide.py`.
"""
