# SPDX-License-Identifier: Apache-2.0
"""The bundles that decided, found by what the feedback log calls them: their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import edgeart

from ..errors import DataError
from ..format.document import HEAD


class Bundles:
    """The bundles in a folder, at any depth, under any name; each is opened when it is asked for.

    What does not begin as a bundle is no matter. Raises DataError for a folder that holds none.
    """

    def __init__(self, folder: Path) -> None:
        self._paths: dict[bytes, Path] = {}
        self._opened: dict[bytes, edgeart.Policy] = {}
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            with path.open("rb") as file:
                found = file.read(len(HEAD)) == HEAD
            if found:
                digest = hashlib.sha256(path.read_bytes()).digest()[:16]
                self._paths.setdefault(digest, path)
        if not self._paths:
            raise DataError(
                f"{folder} holds no bundle; give the folder in which every bundle that devices "
                f"decided by is kept"
            )

    def __len__(self) -> int:
        return len(self._paths)

    def find(self, digest: bytes) -> edgeart.Policy | None:
        """The policy of this digest (feedback.md §4), None where its bundle is not here.

        Raises edgeart.BundleError where this version cannot open it.
        """
        if digest not in self._opened and digest in self._paths:
            self._opened[digest] = edgeart.Policy.open(self._paths[digest])
        return self._opened.get(digest)
