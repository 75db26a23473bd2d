# SPDX-License-Identifier: Apache-2.0
"""Rows 31 to 36, 41 and 43 to 45 of the sync fault table: bundles, rollouts, switches, denials."""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import edgeart
import edgeart.sync.installation
from edgeart.sums import bucket, crc32c
from edgeart.sync.serving import reads_format
from edgeart.sync.state import Slots
from tests.device.sync.conftest import FACTORY, FIRST, SECOND, Device
from tests.reference.siphash import H, domain
from tests.support.bundles import FULL, bundle, describe, verified_bundle
from tests.support.fileserver import FileServer, file_server
from tests.support.repository import TITLES, Repository, policy_bundle, rich_bundle

ROOT = Path(__file__).parents[3]


def offers(repository: Repository, data: bytes, sequence: int = SECOND, **more: Any) -> str:
    path = repository.offer(data, sequence, **more)
    repository.publish()
    return path


def of_format_3(sequence: int) -> bytes:
    """A bundle as some later library will write it."""
    data = policy_bundle(sequence)
    return b"\x94\xa7edgeart\x03" + data[10:]


def test_row_31_a_bundle_format_that_is_newer_is_reported_and_not_fetched(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers(repository, of_format_3(SECOND), format=3)
    status = device.check()
    assert status.ok
    assert status.policies["row"].code == "newer"
    assert "newer edgeart" in status.policies["row"].text
    assert device.server.asked(path) == 0
    assert device.sequence() == FIRST
    repository.now = device.now
    offers(repository, policy_bundle(SECOND + 1), SECOND + 1)
    assert device.synced() == SECOND + 1


def test_row_31_a_format_that_is_not_the_signed_one_is_refused(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    path = offers(repository, of_format_3(SECOND))
    assert device.check().policies["row"].code == "newer"
    assert device.check().policies["row"].code == "quarantined"
    assert device.server.asked(path) == 1
    assert device.sequence() == FIRST


def test_row_31_a_repository_of_a_newer_format_is_reported(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    repository.deny({"title-1": ["art-1-0"]})
    repository.targets.version += 1
    repository.targets.unrecognized_fields["edgeart"] = {"format": 2, "all": "is different"}
    repository._write("targets", repository.targets)
    repository.sign_snapshot()
    repository.sign_timestamp()
    assert device.check().code == "newer"
    assert device.sequence() == FIRST
    repository.now = device.now
    offers(repository, policy_bundle(SECOND))
    assert device.synced() == SECOND


def spoiled(value: float) -> bytes:
    """A bundle one of whose weights is no good, with everything else as it should be."""
    description = describe("f32", sequence=SECOND, titles=TITLES)
    weight = struct.pack("<f", description["weights"][5][2])
    data = verified_bundle("f32", sequence=SECOND, titles=TITLES)
    assert data.count(weight) == 1
    body = data.replace(weight, struct.pack("<f", value))[:-5]
    return body + b"\xce" + struct.pack(">I", crc32c(body))


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30, 1e-30, -0.0])
def test_row_32_weights_that_are_nan_or_out_of_range_never_serve(
    device: Device, repository: Repository, value: float
) -> None:
    device.has(FIRST)
    path = offers(repository, spoiled(value))
    status = device.check()
    assert status.policies["row"].code == "refused"
    assert "EA_E_RANGE" in status.policies["row"].text
    assert device.sequence() == FIRST
    device.start()
    assert device.check().policies["row"].code == "quarantined"
    assert device.server.asked(path) == 1, "what failed here is not fetched again"
    repository.now = device.now
    offers(repository, policy_bundle(SECOND + 1), SECOND + 1)
    assert device.synced() == SECOND + 1


def test_row_32_weights_that_fail_the_bundles_own_vectors_never_serve(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    offers(repository, spoiled(0.25))
    assert device.check().policies["row"].code == "vectors"
    assert device.sequence() == FIRST


@pytest.mark.parametrize("what", ["name", "sequence"])
def test_row_32_a_bundle_that_is_not_what_was_signed_never_serves(
    device: Device, repository: Repository, what: str
) -> None:
    device.has(FIRST)
    other = policy_bundle(SECOND, name="other") if what == "name" else policy_bundle(SECOND + 1)
    offers(repository, other)
    assert device.check().policies["row"].code == "refused"
    assert device.sequence() == FIRST


CRASHING = """
import os, signal, sys
from edgeart.sync import Syncer
directory, url, root, factory, now, bad = sys.argv[1:]
serving = {}
syncer = Syncer(directory, url, root=root, policies={"row": factory}, unit=7,
                swap=lambda name, policy: serving.update({name: policy}), clock=lambda: float(now))
syncer.refresh()
sequence = serving["row"].sequence
print(sequence, flush=True)
if sequence == int(bad):
    os.kill(os.getpid(), signal.SIGKILL)  # what a policy may do to an app that cannot bear it
"""


def test_row_33_a_policy_that_crashes_the_app_in_its_trial_is_given_up_and_remembered(
    device: Device, repository: Repository, tmp_path: Path
) -> None:
    device.has(FIRST)
    device.stop()
    path = offers(repository, policy_bundle(SECOND))
    root = tmp_path / "root.json"
    root.write_bytes(repository.anchor)
    served = []
    for start in range(6):
        child = subprocess.run(
            [sys.executable, "-c", CRASHING, str(tmp_path / "sync"), device.server.url, str(root),
             str(device.factory), str(device.now + 90_000 * (start + 1)), str(SECOND)],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
        served.append(int(child.stdout))
        assert (child.returncode != 0) == (served[-1] == SECOND), child.stderr
    assert served == [SECOND] * 3 + [FIRST] * 3, "three processes, and no more"
    device.now += 1_000_000
    device.start()
    assert device.sequence() == FIRST
    assert device.check().policies["row"].code == "quarantined"
    assert device.server.asked(path) == 1
    repository.now = device.now
    offers(repository, policy_bundle(SECOND + 1), SECOND + 1)
    assert device.synced() == SECOND + 1


def test_row_33_a_policy_that_fails_the_apps_pages_reverts_by_itself(
    tmp_path: Path, device: Device, repository: Repository
) -> None:
    """Its feature `country` is a number; the application gives a word."""
    features = [["number", "country", 0.0, 1.0, 8.0, False]]
    worse = bundle("f32", sequence=SECOND, titles=TITLES, features=features)
    with edgeart.Client(
        tmp_path / "client", policies={"row": device.factory}, unit=b"unit",
        sync_url=device.server.url, root=repository.anchor, sync_in_background=False,
        clock=lambda: int(device.now * 1000),
    ) as client:  # fmt: skip
        client["row"].set_context({"country": "US"})
        pages(client, 30)
        assert client["row"].policy is not None
        synced(client, device, FIRST)
        offers(repository, worse)
        device.now += 90_000
        assert client.refresh().policies["row"].source == "trial"
        assert client["row"].policy.sequence == SECOND
        shown = pages(client, 5)
        assert set(shown) == {"fallback"}, "a bad policy costs quality, and never the page"
        assert client.syncer is not None
        client.syncer.judge()
        assert client["row"].policy.sequence == FIRST
        assert set(pages(client, 5)) == {"policy"}
        device.now += 90_000
        assert client.refresh().policies["row"].code == "quarantined"


def pages(client: edgeart.Client, count: int) -> Counter[str]:
    reasons = Counter[str]()
    for _ in range(count):
        reasons.update(decision.reason for decision in client["row"].page(list(TITLES)))
    return reasons


def synced(client: edgeart.Client, device: Device, sequence: int) -> None:
    """A check, and a trial that ends well."""
    device.now += 90_000
    status = client.refresh()
    assert status is not None
    assert status.policies["row"].sequence == sequence
    pages(client, 30)
    assert client.syncer is not None
    installed = client.syncer.installed
    installed._ticks = lambda: 1e9
    client.syncer.judge()
    assert client.sync_status().policies["row"].source == "active"


def test_row_34_what_a_newer_library_remembered_outlives_an_older_one(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    device.stop()
    slots = Slots(str(device.directory / "sync"))
    state = slots.load()
    state._kept["later"] = {"and": "greater"}
    state.of("row")._kept["mood"] = 7
    slots.save(state)
    device.start()
    assert (device.sequence(), device.source()) == (FIRST, "active")
    offers(repository, policy_bundle(SECOND))
    device.has(SECOND)
    device.stop()
    packed = Slots(str(device.directory / "sync")).load().packed()
    assert packed["later"] == {"and": "greater"}
    assert packed["policies"]["row"]["mood"] == 7


def test_row_34_an_upgraded_library_tries_again_what_the_old_one_refused(
    device: Device, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.has(FIRST)
    path = offers(repository, policy_bundle(SECOND))
    with monkeypatch.context() as old:
        old.setattr(edgeart.sync.installation, "version", lambda: "0.0.1")
        old.setattr("edgeart.sync.syncer.examine", _refuse)
        device.start()
        assert device.check().policies["row"].code == "refused"
        assert device.check().policies["row"].code == "quarantined"
    device.start()
    assert device.sequence() == FIRST
    device.has(SECOND)
    assert device.server.asked(path) >= 1


def _refuse(*_: object) -> None:
    raise edgeart.errors.SyncError("a bug of the old library", code="refused")


def test_row_34_an_app_that_is_reinstalled_older_keeps_what_was_synced(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    device.factory.write_bytes(policy_bundle(FACTORY - 3))
    device.start()
    assert (device.sequence(), device.source()) == (FIRST, "active")
    assert device.check().ok


UNITS = [H(1, 2, str(i).encode()) for i in range(20_000)]


def test_row_35_a_rollout_is_uniform_and_the_same_bucket_in_c_and_python() -> None:
    counts = [0] * 100
    for unit in UNITS:
        place = bucket("ea-roll0", unit, "salt-12")
        assert place == H(unit, domain("ea-roll0"), b"salt-12") * 10_000 >> 64
        counts[place // 100] += 1
    expected = len(UNITS) / 100
    chi2 = sum((count - expected) ** 2 / expected for count in counts)
    assert chi2 < 160.0  # 99 degrees of freedom: p < 1e-4 beyond
    both = Counter(
        (bucket("ea-roll0", u, "s") // 2500, bucket("ea-roll1", u, "s") // 2500) for u in UNITS
    )
    expected = len(UNITS) / 16
    chi2 = sum((both[a, b] - expected) ** 2 / expected for a in range(4) for b in range(4))
    assert chi2 < 45.0  # 15 degrees of freedom: p < 1e-4 beyond; rollout and arms are independent


def test_row_35_a_rollout_only_adds_units_as_it_grows_and_takes_nothing_away(
    device: Device, repository: Repository
) -> None:
    place = bucket("ea-roll0", device.unit, "grow")
    device.has(FIRST)
    taken = []
    for percent in (0, place // 2, place, place + 1, 10_000):
        repository.now = device.now
        offers(repository, policy_bundle(SECOND), percent=percent, salt="grow")
        assert device.check().ok
        taken.append(device.sequence() == SECOND)
    assert taken == [False, False, False, True, True]
    device.use()
    repository.now = device.now
    offers(repository, policy_bundle(SECOND), percent=0, salt="grow")
    assert device.check().ok
    assert device.sequence() == SECOND


def test_row_35_arms_have_disjoint_units(device: Device, repository: Repository) -> None:
    place = bucket("ea-roll1", device.unit, "ab")
    arms = [{"name": "a", "from": 0, "to": place + 1, "salt": "ab"},
            {"name": "b", "from": place + 1, "to": 10_000, "salt": "ab"}]  # fmt: skip
    repository.offer(policy_bundle(SECOND), SECOND, arm=arms[0])
    offers(repository, policy_bundle(SECOND + 1), SECOND + 1, arm=arms[1])
    device.has(SECOND)
    device.unit = next(u for u in UNITS if bucket("ea-roll1", u, "ab") > place)
    shutil.rmtree(device.directory / "sync")
    device.start()
    assert device.synced() == SECOND + 1


def test_row_36_a_killed_sequence_stops_everywhere_at_once_and_without_a_download(
    device: Device, repository: Repository
) -> None:
    device.has(FIRST)
    offers(repository, policy_bundle(SECOND))
    device.has(SECOND)
    repository.now = device.now
    repository.record("row", killed=[SECOND])
    repository.offer(policy_bundle(FIRST), FIRST, percent=0)
    offers(repository, policy_bundle(SECOND), percent=0)
    device.server.requests.clear()
    assert device.check().ok
    assert (device.sequence(), device.source()) == (FIRST, "previous")
    assert device.server.asked("targets/") == 0
    repository.now = device.now
    repository.record("row", killed=[FIRST, SECOND])
    repository.publish()
    assert device.check().ok
    assert device.sequence() == FACTORY
    device.start()
    assert device.sequence() == FACTORY
    repository.now = device.now
    repository.record("row", killed=[FACTORY, FIRST, SECOND])
    repository.publish()
    assert device.check().ok
    assert device.sequence() == 0
    device.start()
    assert device.sequence() == 0
    repository.now = device.now
    offers(repository, policy_bundle(SECOND + 1), SECOND + 1)
    assert device.synced() == SECOND + 1


@pytest.mark.parametrize(
    ("serve", "sequence"), [("factory", FACTORY), ("defaults", 0), ("a later word", FACTORY)]
)
def test_row_36_the_switch_of_a_policy_reaches_every_device(
    device: Device, repository: Repository, serve: str, sequence: int
) -> None:
    device.has(FIRST)
    repository.record("row", serve=serve)
    offers(repository, policy_bundle(SECOND), percent=0)
    assert device.check().policies["row"].code == "kept"
    assert device.sequence() == sequence
    device.start()
    assert device.sequence() == sequence
    repository.record("row", serve="newest")
    repository.now = device.now
    repository.publish()
    assert device.check().ok
    assert device.sequence() == FIRST


def test_row_36_the_switch_acts_before_anything_is_fetched(
    device: Device, repository: Repository
) -> None:
    device.policies["other"] = device.directory / "other.edgeart"
    device.policies["other"].write_bytes(policy_bundle(FACTORY, "other"))
    device.has(FIRST)
    repository.record("row", killed=[FIRST])
    repository.record("other")
    offers(repository, policy_bundle(SECOND, "other"), policy="other")
    seen = []
    device.server.behave = lambda _, path: (
        seen.append(device.sequence()) or False if path.startswith("targets/") else False
    )
    assert device.check().ok
    assert seen
    assert set(seen) == {FACTORY}


def test_row_41_of_two_policies_one_bad_the_other_advances(
    device: Device, repository: Repository
) -> None:
    device.policies["other"] = device.directory / "other.edgeart"
    device.policies["other"].write_bytes(policy_bundle(FACTORY, "other"))
    repository.record("other")
    device.has(FIRST)
    for turn, bad in enumerate(("bytes", "bundle", "record", "custom", "gone")):
        repository.now = device.now
        sequence = SECOND + turn
        good = policy_bundle(sequence, "other")
        path = repository.offer(policy_bundle(sequence), sequence)
        repository.offer(good, sequence, "other")
        record = dict(repository.policies["row"])
        if bad == "bytes":
            repository.files[path] = bytes(len(repository.files[path]))
        elif bad == "gone":
            del repository.files[path]
        elif bad == "bundle":
            repository.offer(b"no bundle at all", sequence)
        elif bad == "record":
            repository.record("row", minimum=0)
        else:
            repository.targets.targets[f"row/{sequence}.f1.edgeart"].unrecognized_fields["custom"][
                "rollout"
            ] = {"percent": "all"}
        repository.publish()
        status = device.check()
        assert status.ok, (bad, status)
        assert status.policies["row"].code not in ("current", "staged"), bad
        assert status.policies["other"].code == "staged", bad
        assert device.sequence("other") == sequence
        assert device.sequence("row") == FIRST
        device.use(name="other")
        assert device.source("other") == "active"
        repository.policies["row"] = record
        del repository.targets.targets[f"row/{sequence}.f1.edgeart"]


@contextmanager
def client_of(device: Device, folder: str, repository: Repository) -> Iterator[edgeart.Client]:
    with edgeart.Client(
        device.directory / folder, policies={"row": device.factory}, unit=folder.encode(),
        sync_url=device.server.url, root=repository.anchor, sync_in_background=False,
        clock=lambda: int(device.now * 1000),
    ) as client:  # fmt: skip
        client["row"].set_context(FULL)
        yield client


def test_row_43_a_denied_artwork_is_shown_by_no_device_after_its_check_and_no_other_changes(
    device: Device, repository: Repository
) -> None:
    """Devices on the factory bundle, on a synced one, and on one that was synced long ago."""
    synced_units, factory_units = range(12), range(12, 24)
    for unit in synced_units:
        with client_of(device, f"unit-{unit}", repository) as client:
            synced(client, device, FIRST)
    repository.offer(policy_bundle(FIRST), FIRST, percent=0)
    repository.now = device.now
    repository.publish()
    before: dict[int, list[Any]] = {}
    for unit in (*synced_units, *factory_units):
        with client_of(device, f"unit-{unit}", repository) as client:
            before[unit] = shown(client)
    artwork = Counter(a for page in before.values() for t, a in page if t == "title-5")
    denied = artwork.most_common(1)[0][0]
    repository.deny({"title-5": [denied], "unknown": ["x"], "title-1": ["no such artwork"]})
    repository.publish()
    device.now += 90_000
    changed = 0
    for unit in (*synced_units, *factory_units):
        with client_of(device, f"unit-{unit}", repository) as client:
            assert client.refresh().ok
            assert client["row"].policy is not None
            assert client["row"].policy.sequence == (FIRST if unit in synced_units else FACTORY)
            after = shown(client)
        with client_of(device, f"unit-{unit}", repository) as client:
            assert shown(client) == after, "and after a restart without a network"
            host = client["row"].select("unknown", candidates=["x", "y"])
            assert host.artwork == "y"
        for old, new in zip(before[unit], after, strict=True):
            assert new != ("title-5", denied)
            if old != ("title-5", denied):
                assert new == old
            else:
                changed += 1
    assert changed == artwork[denied]
    # The list is replaced as a whole: what is not on it any more is shown as ever.
    repository.deny({})
    repository.publish()
    device.now += 90_000
    for unit in (0, 23):
        with client_of(device, f"unit-{unit}", repository) as client:
            assert client.refresh().ok
            assert shown(client) == before[unit]


def shown(client: edgeart.Client) -> list[tuple[str, str | None]]:
    return [(d.title, d.artwork) for d in client["row"].page(list(TITLES))]


def test_row_43_a_denial_holds_beside_those_of_the_host_and_where_no_policy_serves(
    device: Device, repository: Repository
) -> None:
    repository.deny({"title-5": ["art-5-0"]})
    repository.record("row", serve="defaults")
    repository.publish()
    with client_of(device, "unit", repository) as client:
        device.now += 90_000
        assert client.refresh().ok
        selector = client["row"]
        assert selector.policy is None
        candidates = ["art-5-0", "art-5-1", "art-5-2"]
        assert selector.select("title-5", candidates=candidates).artwork == "art-5-1"
        selector.set_limits(denied={"title-5": ["art-5-1"]})
        assert selector.select("title-5", candidates=candidates).artwork == "art-5-2"
        selector.set_limits()
        assert selector.select("title-5", candidates=candidates).artwork == "art-5-1"


def test_row_43_a_deny_list_that_is_missing_or_broken_leaves_the_one_that_is_here(
    device: Device, repository: Repository
) -> None:
    repository.deny({"title-5": ["art-5-0"]})
    repository.publish()
    device.has(FIRST)
    assert device.denied == {"title-5": ["art-5-0"]}
    good = repository.targets.targets["deny.json"]
    for broken in ({"title-5": []}, {"title-5": "art-5-0"}, [], {"title-5": [7]}, None):
        repository.now = device.now
        if broken is None:
            del repository.targets.targets["deny.json"]
        else:
            repository.deny(broken)
        repository.publish()
        assert device.check().code == "malformed", broken
        assert device.denied == {"title-5": ["art-5-0"]}
        device.start()
        assert device.denied == {"title-5": ["art-5-0"]}
    repository.targets.targets["deny.json"] = good
    repository.now = device.now
    repository.publish()
    assert device.check().ok


def test_row_44_a_newer_factory_bundle_is_used_and_the_minimum_still_limits_offers(
    device: Device, repository: Repository
) -> None:
    repository.record("row", minimum=FIRST)
    repository.publish()
    device.has(FIRST)
    device.factory.write_bytes(policy_bundle(SECOND + 1))
    device.start()
    assert (device.sequence(), device.source()) == (SECOND + 1, "factory")
    path = offers(repository, policy_bundle(SECOND))
    assert device.check().policies["row"].code == "current"
    assert device.server.asked(path) == 0
    # An older app comes back; what is below the minimum is not taken, were it offered.
    device.factory.write_bytes(policy_bundle(FACTORY - 5))
    shutil.rmtree(device.directory / "sync" / "blobs")
    (device.directory / "sync" / "state-0").unlink()
    (device.directory / "sync" / "state-1").unlink()
    repository.record("row", minimum=1)
    del repository.targets.targets[f"row/{SECOND}.f1.edgeart"]
    del repository.targets.targets[f"row/{FIRST}.f1.edgeart"]
    repository.offer(policy_bundle(FIRST - 1, seed=5), FIRST - 1)
    repository.now = device.now
    repository.publish()
    device.start()
    assert device.check().ok
    assert device.sequence() == FACTORY - 5
    offers(repository, policy_bundle(SECOND + 2), SECOND + 2)
    assert device.synced() == SECOND + 2


def test_row_45_of_several_formats_the_highest_that_is_read_is_taken(
    device: Device, repository: Repository
) -> None:
    assert [f for f in range(1, 6) if reads_format(f)] == [1, 2]
    device.has(FIRST)
    repository.offer(policy_bundle(SECOND), SECOND)
    repository.offer(rich_bundle(SECOND), SECOND, format=2)
    offers(repository, of_format_3(SECOND), format=3)
    device.has(SECOND)
    assert device.running["row"] is not None
    assert device.running["row"].format == 2
    assert device.server.asked(sha256(policy_bundle(SECOND)).hexdigest()) == 0
    status = device.check()
    assert status.policies["row"].code == "current"


def test_row_45_a_device_whose_library_learns_a_format_takes_the_bundle_of_that(
    device: Device, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr("edgeart.sync.installation.reads_format", lambda number: number == 1)
        device.start()
        repository.offer(policy_bundle(SECOND), SECOND)
        offers(repository, rich_bundle(SECOND), format=2)
        device.has(SECOND)
        assert device.running["row"] is not None
        assert device.running["row"].format == 1
    device.start()
    device.has(SECOND)
    assert device.running["row"] is not None
    assert device.running["row"].format == 2


def test_swaps_under_concurrent_pages_lose_and_mix_no_decision(
    device: Device, repository: Repository
) -> None:
    """Pages, contexts and policies change from three threads; every page is of one policy."""
    with client_of(device, "unit", repository) as client:
        selector = client["row"]
        expected = {}
        policies = {
            s: edgeart.Policy.from_bytes(policy_bundle(s)) for s in (FACTORY, FIRST, SECOND)
        }
        countries = ["US", "GB"]
        for sequence, policy in policies.items():
            selector.use(policy)
            for country in countries:
                selector.set_context(FULL | {"country": country})
                expected[sequence, country] = tuple(selector.page(list(TITLES)).artworks())
        stop = threading.Event()
        failures = []

        def decide() -> None:
            while not stop.is_set():
                page = selector.page(list(TITLES))
                sequences = {decision.sequence for decision in page}
                if len(sequences) != 1 or tuple(page.artworks()) not in {
                    expected[s, c] for s in sequences for c in countries
                }:
                    failures.append((sequences, page.artworks()))

        def set_contexts() -> None:
            for turn in range(300):
                selector.set_context(FULL | {"country": countries[turn % 2]})

        threads = [threading.Thread(target=decide) for _ in range(3)]
        threads.append(threading.Thread(target=set_contexts))
        for thread in threads:
            thread.start()
        for turn in range(300):
            selector.use(list(policies.values())[turn % 3])
        threads[-1].join()
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert selector.errors == {}
        # Neither thread's last word was lost.
        assert selector.policy is policies[SECOND]
        assert tuple(selector.page(list(TITLES)).artworks()) == expected[SECOND, countries[1]]


def test_a_repository_elsewhere_may_be_in_a_folder(device: Device, repository: Repository) -> None:
    files = {f"cdn/policies/{name}": data for name, data in repository.files.items()}
    with file_server(files) as server:
        assert isinstance(server, FileServer)
        device.start()
        assert device.syncer is not None
        device.syncer._url = f"{server.url}/cdn/policies/"
        device.has(FIRST)
