# SPDX-License-Identifier: Apache-2.0
"""Makes `python -m edgeart` the same as the command `edgeart`."""

from __future__ import annotations

from edgeart.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
