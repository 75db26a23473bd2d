# SPDX-License-Identifier: Apache-2.0
"""Opens the bundle that is to run, of those on the device; no network, no signatures, no tuf."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from edgeart.errors import BundleError, SyncError, VectorError
from edgeart.policy import Policy
from edgeart.sync.plan import Factory, runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from edgeart.sync.offers import Offer
    from edgeart.sync.plan import Facts
    from edgeart.sync.state import Held, PolicyState
    from edgeart.sync.store import BlobStore

    Swap = Callable[[str, "Policy | None"], None]


class Running(NamedTuple):
    """What serves a policy now."""

    source: str  # trial, active, previous, factory or defaults
    sequence: int  # 0 for defaults
    sha256: str | None  # of a synced bundle


class Serving:
    """The bundles that run in this process, swapped by name.

    factories: policy to the path of its factory bundle. swap: called with each policy that begins
    to serve a name, None for defaults.
    """

    def __init__(
        self,
        factories: Mapping[str, str | os.PathLike[str]],
        store: BlobStore,
        swap: Swap | None,
    ) -> None:
        self.store = store
        self.running: dict[str, Running] = {}
        self.errors: dict[str, Exception] = {}  # by policy: what is wrong with its factory bundle
        self.factories: dict[str, Factory | None] = {}
        self._paths = dict(factories)
        self._swap = swap
        self._opened: dict[str, Policy] = {}  # factory policies that nobody runs yet
        for name in self._paths:
            self.factories[name] = self._factory(name)

    def _factory(self, name: str) -> Factory | None:
        try:
            policy = self._opened[name] = Policy.open(self._paths[name])
        except (BundleError, OSError) as error:
            self.errors[name] = error
            return None
        return Factory(policy.sequence, policy.format)

    def serve(self, name: str, state: PolicyState, facts: Facts) -> Running:
        """Lets the best bundle run that opens; the one that ran goes on if it is that."""
        for bundle in runs(state, facts):
            wanted = _running(bundle, state)
            now = self.running.get(name)
            if now is not None and now[1:] == wanted[1:]:
                self.running[name] = wanted  # a trial that ended well, say
                return wanted
            policy = self._open(name, bundle)
            if policy is not None:
                return self._set(name, wanted, policy)
        wanted = Running("defaults", 0, None)
        if self.running.get(name) == wanted:
            return wanted
        return self._set(name, wanted, None)

    def _set(self, name: str, running: Running, policy: Policy | None) -> Running:
        self._opened.pop(name, None)
        self.running[name] = running
        if self._swap is not None:
            self._swap(name, policy)
        return running

    def _open(self, name: str, bundle: Held | Factory) -> Policy | None:
        try:
            if isinstance(bundle, Factory):
                return self._opened.get(name) or Policy.open(self._paths[name])
            data = self.store.load(bundle.sha256, bundle.length)
            return None if data is None else Policy.from_bytes(data)
        except (BundleError, OSError) as error:
            if isinstance(bundle, Factory):
                self.errors[name] = error
            return None  # the next best one

    def base(self, name: str) -> str | None:
        """SHA-256 of a factory bundle, None where there is none."""
        data = self.factory_bytes(name)
        return None if data is None else sha256(data).hexdigest()

    def factory_bytes(self, name: str) -> bytes | None:
        """A factory bundle's bytes, None where they cannot be read."""
        try:
            with open(self._paths[name], "rb") as file:
                return file.read()
        except (OSError, KeyError):
            return None


def examine(data: bytes, offer: Offer) -> None:
    """Opens a bundle that was fetched, and runs its test vectors.

    Raises SyncError: "newer" where it needs a newer library, "refused" where it is no good bundle
    or another one than was signed, "vectors" where it computes something else here.
    """
    try:
        policy = Policy.from_bytes(data)
        policy.verify()
    except VectorError as error:
        raise SyncError(str(error), code="vectors") from error
    except BundleError as error:
        newer = error.status in ("EA_E_VERSION", "EA_E_UNSUPPORTED")
        raise SyncError(str(error), code="newer" if newer else "refused") from error
    found = (policy.name, policy.sequence, policy.format)
    signed = (offer.policy, offer.sequence, offer.format)
    if found != signed:
        raise SyncError(f"the bundle is {found}, but was signed as {signed}", code="refused")


def reads_format(number: int) -> bool:
    """Whether this library opens bundles of a format, as the compiled core itself says."""
    if not 1 <= number <= 127:
        return False
    try:
        Policy.from_bytes(b"\x94\xa7edgeart" + bytes((number,)))  # ends where it would go on
    except BundleError as error:
        return error.status == "EA_E_TRUNCATED"
    return False


def _running(bundle: Held | Factory, state: PolicyState) -> Running:
    if isinstance(bundle, Factory):
        return Running("factory", bundle.sequence, None)
    source = "previous"
    if bundle == state.active:
        source = "active"
    elif bundle == state.trial:
        source = "trial"
    return Running(source, bundle.sequence, bundle.sha256)
