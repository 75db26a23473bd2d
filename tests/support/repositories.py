# SPDX-License-Identifier: Apache-2.0
"""Repositories for tests, and python-tuf's own client to read them with: another implementation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from edgeart_export import Category, FeatureSchema, PolicyModel, SquareCB, Thompson, bundle_bytes
from edgeart_export.publish.keys import KeyRing, new_key
from edgeart_export.publish.publisher import Publisher
from edgeart_export.publish.repository import Repository

SCHEMA = FeatureSchema([Category("country", ["US", "GB"])])
TITLES = {f"title-{t}": [f"art-{t}-{a}" for a in range(1 + t % 3)] for t in range(6)}


def small_model(
    sequence: int, *, name: str = "row", format_: int = 1, seed: int = 0
) -> PolicyModel:
    """A policy of a few titles; format 2 has variances."""
    rng = np.random.default_rng([seed, sequence])
    count = sum(map(len, TITLES.values()))
    shape = (count, SCHEMA.width)
    return PolicyModel(
        name=name,
        sequence=sequence,
        schema=SCHEMA,
        titles=TITLES,
        weights=rng.normal(0, 0.2, shape).astype(np.float32),
        bias=rng.normal(0, 0.1, count).astype(np.float32),
        explorer=SquareCB(gamma=10.0) if format_ == 1 else Thompson(1.0),
        variance=None if format_ == 1 else rng.exponential(0.1, shape).astype(np.float32),
    )


def small_bundle(sequence: int, **more: Any) -> bytes:
    """Its bytes."""
    return bundle_bytes(small_model(sequence, **more))


class Made:
    """A repository with its keys: three of root, of which two must sign, and one of each other."""

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        self.path = folder / "repo"
        self.offline, self.online = folder / "offline", folder / "online"
        for role in ("root", "root", "root", "targets"):
            new_key(self.offline, role)
        new_key(self.online, "online")
        self.publisher(now=now).init(thresholds={"root": 2})
        self.root = (self.path / "metadata" / "1.root.json").read_bytes()

    def publisher(self, *folders: Path, now: datetime | None = None) -> Publisher:
        """A publisher with the keys of these folders, or of all."""
        ring = KeyRing(folders or (self.offline, self.online))
        return Publisher(Repository(self.path, now=now), ring)

    def reader(self, state: Path, root: bytes | None = None) -> Reader:
        """A device of python-tuf's that keeps what it knows in `state`."""
        return Reader(self.path, state, root or self.root)


class Reader(FetcherInterface):
    """python-tuf's client over a folder; `urls` is what it asked for, in order."""

    def __init__(self, repository: Path, state: Path, root: bytes) -> None:
        self._repository = repository
        self.urls: list[str] = []
        state.mkdir(parents=True, exist_ok=True)
        self.updater = Updater(
            str(state),
            "file:///metadata",
            target_dir=str(state),
            target_base_url="file:///targets",
            fetcher=self,
            bootstrap=root,
        )

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.urls.append(url)
        path = self._repository / url.removeprefix("file:///")
        if not path.is_file():
            raise DownloadHTTPError(f"{url} is not there", 404)
        return iter([path.read_bytes()])

    def refresh(self) -> None:
        """Refreshes, and downloads every target: each has its signed length and hash."""
        self.updater.refresh()
        for name in self.targets():
            info = self.updater.get_targetinfo(name)
            assert info is not None
            self.updater.download_target(info)

    def said(self) -> Mapping[str, Any]:
        """The field `edgeart` of the targets metadata."""
        targets = self.updater._trusted_set.targets
        said: Mapping[str, Any] = targets.unrecognized_fields["edgeart"]
        return said

    def custom(self, name: str) -> Mapping[str, Any]:
        """The signed `custom` of a target."""
        info = self.updater.get_targetinfo(name)
        assert info is not None
        custom: Mapping[str, Any] = info.custom
        return custom

    def targets(self) -> set[str]:
        """Names of all targets."""
        return set(self.updater._trusted_set.targets.targets)


def moment(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
