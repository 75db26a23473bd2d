# SPDX-License-Identifier: Apache-2.0
"""Adds to pyproject.toml what only setup.py can say: the compiled module and the abi3 tag."""

from __future__ import annotations

from setuptools import setup

setup(
    cffi_modules=["native/cffi_build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
