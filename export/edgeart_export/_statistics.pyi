# SPDX-License-Identifier: Apache-2.0
# Types of the compiled module: cffi's own; native/statistics.h documents the functions.

from typing import Any

ffi: Any
lib: Any
