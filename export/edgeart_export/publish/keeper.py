# SPDX-License-Identifier: Apache-2.0
"""The care of a repository, whatever it offers: its beginning, its keys, its signatures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tuf.api.metadata import Role, Root, Targets

from ..errors import PublishError
from .catalogue import write_catalogue
from .deny import write_denied
from .keys import Held, KeyRing
from .offers import INTERVALS, Catalogue
from .repository import DAYS, Outcome, Repository, State


class Keeper:
    """Keeps one repository with the keys of a ring; each method is one change."""

    def __init__(self, repository: Repository, ring: KeyRing) -> None:
        self.repository = repository
        self.files = repository.files
        self.ring = ring

    def init(
        self,
        *,
        thresholds: Mapping[str, int],
        days: Mapping[str, int] | None = None,
        interval: int = 21_600,
    ) -> Outcome:
        """Makes a repository without policies, signed by the keys of the ring.

        thresholds: signatures that root and targets need; 1 where left out. days: how long
        signatures hold. interval: seconds between checks. Raises PublishError.
        """
        lives = {**DAYS, **(days or {})}
        root = Root(unrecognized_fields={"edgeart": {"days": lives}})
        for role, keys in (
            ("root", self.ring.of("root")),
            ("targets", self.ring.of("targets")),
            ("snapshot", self.ring.of("online")),
            ("timestamp", self.ring.of("online")),
        ):
            threshold = thresholds.get(role, 1)
            if len(keys) < threshold:
                raise PublishError(f"{role} needs {threshold} keys; the folders have {len(keys)}")
            root.roles[role] = Role([], threshold)
            for held in keys:
                root.add_key(held.key, role)
        targets = Targets()
        check_interval(interval)
        targets.unrecognized_fields["edgeart"] = Catalogue(interval=interval).field()
        self.files.create()
        with self.files.lock():
            write_denied(self.files, targets, {})
            return self.repository.create(self.ring, root, targets)

    def rotate(self, role: str, remove: Sequence[str], add: Sequence[Held]) -> Outcome:
        """Takes keys (ids, or their begins) out of a role and puts others in.

        role: root, targets or online. Raises PublishError where the threshold would not be met.
        """
        with self.files.lock():
            state, _ = self._begin()
            root = state.root.signed
            for name in ("snapshot", "timestamp") if role == "online" else (role,):
                for begin in remove:
                    root.revoke_key(_found(root.roles[name].keyids, begin, role), name)
                for held in add:
                    root.add_key(held.key, name)
                needed, there = root.roles[name].threshold, len(root.roles[name].keyids)
                if there < needed:
                    raise PublishError(f"{name} needs {needed} keys and would have {there}")
            return self.repository.commit(self.ring, root=root)

    def renew(self, roles: Collection[str]) -> Outcome:
        """Signs root or targets anew, so that they hold longer."""
        with self.files.lock():
            state, _ = self._begin()
            return self.repository.commit(
                self.ring,
                root=state.root.signed if "root" in roles else None,
                targets=state.targets.signed if "targets" in roles else None,
            )

    def refresh(self) -> Outcome:
        """What a timer does: signs timestamp, and snapshot in time."""
        with self.files.lock():
            return self.repository.refresh(self.ring)

    def sign(self) -> Outcome:
        """Adds signatures to the change that waits."""
        with self.files.lock():
            if not any(self.files.staged.glob("*.json")):
                raise PublishError("no change waits for signatures")
            return self.repository.complete(self.ring)

    def discard(self) -> None:
        """Drops the change that waits."""
        with self.files.lock():
            self.repository.discard()

    def _begin(self) -> tuple[State, Catalogue]:
        self.repository.check_idle()
        state = self.repository.load()
        return state, state.catalogue()

    def _commit(self, state: State, catalogue: Catalogue) -> Outcome:
        targets = state.targets.signed
        write_catalogue(targets, catalogue)
        return self.repository.commit(self.ring, targets=targets)


def _found(keyids: Sequence[str], begin: str, role: str) -> str:
    matching = [keyid for keyid in keyids if keyid.startswith(begin)]
    if len(matching) != 1:
        raise PublishError(
            f"{begin!r} is the begin of {len(matching)} keys of {role}; its keys are: "
            f"{', '.join(keyid[:8] for keyid in keyids)}"
        )
    return matching[0]


def check_interval(interval: int) -> None:
    """Raises PublishError for an interval that sync.md does not allow."""
    least, most = INTERVALS
    if not least <= interval <= most:
        raise PublishError(f"the interval of checks is {least} to {most} seconds, not {interval}")
