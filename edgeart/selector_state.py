# SPDX-License-Identifier: Apache-2.0
"""What a Selector decides with, replaced as a whole, and how often that was possible."""

from __future__ import annotations

from hashlib import blake2b

from edgeart.limits import candidate_bits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edgeart.context import Context
    from edgeart.events import ContextRecord
    from edgeart.host import HostLimits, Told
    from edgeart.limits import Limits
    from edgeart.policy import Policy


class Counts:
    """Pages under one policy. Threads may lose a count of each other's; nothing decides by one."""

    __slots__ = ("failed", "pages")

    def __init__(self) -> None:
        self.pages = 0
        self.failed = 0  # that the policy, or its context, could not serve


class SelectorState:
    """What decides until it is replaced as a whole: one policy, one context, the host's limits."""

    __slots__ = ("_last", "context", "epoch", "host", "limits", "policy", "record", "tally")

    def __init__(
        self,
        policy: Policy | None,
        host: HostLimits,
        epoch: int,
        tally: Counts,
    ) -> None:
        self.policy = policy
        self.host = host
        self.epoch = epoch
        self.tally = tally
        self.context: Context | None = None
        self.record: ContextRecord | None = None
        self.limits: Limits | None = None  # None: the policy cannot tell what may be shown
        self._last: tuple[dict[str, Told], Limits] | None = None

    def limited(self, candidates: dict[str, Told]) -> Limits | None:
        """The limits with these candidates; those of the last call are remembered."""
        if self.limits is None or not candidates:
            return self.limits
        last = self._last
        if last is not None and last[0] == candidates:
            return last[1]
        known = self.host.known(candidates)
        limits = self.limits.having(candidate_bits(self.limits.policy, known, strict=False))
        self._last = (candidates, limits)
        return limits


def unit_key(
    secret: bytes, unit: bytes, use: bytes = b"unit", name: bytes = b"", epoch: int = 0
) -> int:
    """A u64 that says nothing of the unit to whoever lacks the secret."""
    text = b"\0".join((name, epoch.to_bytes(8, "little", signed=True), unit))
    hashed = blake2b(text, digest_size=8, key=secret[:64], person=b"edgeart-" + use)
    return int.from_bytes(hashed.digest(), "little")
