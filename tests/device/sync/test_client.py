# SPDX-License-Identifier: Apache-2.0
"""A Client that syncs: its start, its thread, its trials, and what it writes down."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart.log_view import events_of, line_of, read_log
from tests.device.sync.conftest import FACTORY, FIRST, SECOND, Device
from tests.support.bundles import FULL
from tests.support.fileserver import FileHandler
from tests.support.repository import TITLES, Repository, policy_bundle

ROOT = Path(__file__).parents[3]


@pytest.fixture
def make(device: Device, repository: Repository, tmp_path: Path) -> Callable[..., edgeart.Client]:
    def client(**more: Any) -> edgeart.Client:
        options = {
            "sync_url": device.server.url, "root": repository.anchor, "sync_in_background": False,
            "clock": lambda: int(device.now * 1000),
        }  # fmt: skip
        return edgeart.Client(
            tmp_path / "app", policies={"row": device.factory}, unit=b"unit", **options | more
        )

    return client


Make = Callable[..., edgeart.Client]


def statuses(folder: Path) -> list[dict[str, Any]]:
    return [
        event for _, segment in read_log(folder / "app" / "feedback")
        for event in events_of(segment) if event["event"] == "status"
    ]  # fmt: skip


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do; gives up after a minute."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


START = """
import sys
import edgeart
client = edgeart.Client(sys.argv[1], policies={"row": sys.argv[2]}, unit=b"unit",
                        sync_url="http://127.0.0.1:9", root="no such file")
assert client["row"].policy.sequence == int(sys.argv[3])
assert client["row"].page(["title-3"])[0].artwork is not None
loaded = {name.split(".")[0] for name in sys.modules}
print(sorted(loaded & {"tuf", "securesystemslib", "cryptography", "urllib3", "ssl"}))
client.close()
"""


def test_a_start_runs_the_best_bundle_without_tuf_and_without_network(
    make: Make, device: Device, tmp_path: Path
) -> None:
    with make() as client:
        client["row"].set_context(FULL)
        device.now += 90_000
        assert client.refresh().policies["row"].source == "trial"
    child = subprocess.run(
        [sys.executable, "-c", START, str(tmp_path / "app"), str(device.factory), str(FIRST)],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    # http.client, which uploads use too, imports ssl itself where there is one.
    assert child.stdout.strip() in ("[]", "['ssl']")


def test_a_client_without_a_sync_url_runs_its_factory_bundles(make: Make, tmp_path: Path) -> None:
    with make(sync_url=None) as client:
        assert client["row"].policy is not None
        assert client["row"].policy.sequence == FACTORY
        assert client.refresh() is None
        assert client.sync_status() is None
        assert client.syncer is None
    assert not (tmp_path / "app" / "sync").exists()


@pytest.mark.parametrize("more", [{"root": None}, {"sync_url": "policies.example"}])
def test_misuse_raises_at_once_and_leaves_the_directory_free(
    make: Make, more: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="sync"):
        make(**more)
    make().close()


def test_without_tuf_the_status_says_what_to_install(
    make: Make, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tuf.api.exceptions", None)
    with make() as client:
        device.now += 90_000
        status = client.refresh()
        assert status.code == "no_tuf"
        assert "edgeart[sync]" in status.text
        assert client["row"].policy is not None


def test_a_root_that_is_missing_is_a_status(make: Make, device: Device, tmp_path: Path) -> None:
    with make(root=tmp_path / "nowhere.json") as client:
        device.now += 90_000
        assert client.refresh().code == "no_root"


def test_whatever_a_step_raises_is_a_status(
    make: Make, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("edgeart.sync.syncer.read_offers", broken)
    with make() as client:
        device.now += 90_000
        status = client.refresh()
        assert (status.code, status.text) == ("internal", "RuntimeError: a bug")
        assert client["row"].policy is not None


def test_the_thread_syncs_by_itself_and_its_trial_ends(
    make: Make, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeart.sync.syncer._NOW_AND_THEN", 0.01)
    monkeypatch.setattr("edgeart.sync.syncer._SELDOM", 0.01)
    monkeypatch.setattr("edgeart.sync.trial.LEAST_SECONDS", 0.0)
    with make(sync_in_background=True) as client:
        client["row"].set_context(FULL)
        assert client["row"].policy is not None
        assert client["row"].policy.sequence == FACTORY
        device.now += 90_000  # its time has come
        until(lambda: client["row"].policy.sequence == FIRST)
        for _ in range(30):
            client["row"].page(list(TITLES))
        until(lambda: client.sync_status().policies["row"].source == "active")
        assert client["row"].errors == {}


def test_close_cuts_a_request_off(
    make: Make, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeart.sync.syncer._SELDOM", 0.01)
    entered, leave = threading.Event(), threading.Event()

    def hang(_: FileHandler, __: str) -> bool:
        entered.set()
        return leave.wait(30.0)

    device.server.behave = hang
    client = make(sync_in_background=True)
    device.now += 90_000
    assert entered.wait(30.0)
    client.close(timeout=20.0)
    assert client.syncer is not None
    assert client.syncer._thread is not None
    assert not client.syncer._thread.is_alive()
    leave.set()
    device.server.behave = None
    with make() as after:  # the lock was given back
        device.now += 90_000
        assert after.refresh().ok


def test_what_changes_is_written_down_and_nothing_twice(
    make: Make, device: Device, repository: Repository, tmp_path: Path
) -> None:
    with make() as client:
        client["row"].set_context(FULL)
        for _ in range(3):
            device.now += 90_000
            repository.now = device.now
            assert client.refresh().ok
        repository.record("row", killed=[FIRST])
        repository.offer(b"no bundle", SECOND)
        repository.publish()
        device.now += 90_000
        assert client.refresh().ok
        device.server.behave = lambda handler, _: handler.hang_up()
        for _ in range(3):
            device.now += 30_000
            client.refresh()
    found = [
        (e["policy"], e["sequence"], e["source"], e["stale_since"] is not None, e["error"])
        for e in statuses(tmp_path)
    ]
    assert found == [
        ("row", FACTORY, "factory", False, None),
        ("row", FIRST, "trial", False, None),
        ("row", FACTORY, "factory", False, "refused"),
        ("row", FACTORY, "factory", False, "network"),
        ("row", FACTORY, "factory", True, "network"),
    ]
    checked = statuses(tmp_path)[-1]["checked"]
    assert checked == statuses(tmp_path)[-1]["stale_since"]
    assert abs(checked / 1000 - device.now) < 200_000
    line = line_of(statuses(tmp_path)[-1])
    assert f"policy row {FACTORY}, factory, stale, network" in line


def test_without_consent_no_status_is_written(make: Make, device: Device, tmp_path: Path) -> None:
    with make(consent=False) as client:
        device.now += 90_000
        assert client.refresh().ok
    assert statuses(tmp_path) == []


def test_short_sessions_neither_quarantine_a_bundle_nor_keep_it_in_its_trial(
    make: Make, device: Device
) -> None:
    with make() as client:
        client["row"].set_context(FULL)
        device.now += 90_000
        assert client.refresh().policies["row"].source == "trial"
    for session in range(12):
        with make() as client:
            installed = client.syncer.installed
            began = installed._ticks()
            installed._ticks = lambda began=began: began + 8.0
            client["row"].set_context(FULL)
            client["row"].page(list(TITLES))
            client["row"].page(list(TITLES))
            client.syncer.judge()
            status = client.sync_status().policies["row"]
            assert status.sequence == FIRST, session
    assert status.source == "active"


def test_a_session_that_was_killed_after_it_had_come_through_does_not_count(
    make: Make, device: Device
) -> None:
    with make() as client:
        client["row"].set_context(FULL)
        device.now += 90_000
        assert client.refresh().ok
    for _ in range(6):
        client = make()
        installed = client.syncer.installed
        began = installed._ticks()
        installed._ticks = lambda began=began: began + 11.0
        client["row"].set_context(FULL)
        client["row"].page(list(TITLES))
        client.syncer.judge()
        assert client.sync_status().policies["row"].source == "trial"
        # Killed: nothing is closed but what the system closes.
        installed._trials.clear()
        client.close()


def test_the_policy_that_ran_before_sets_what_is_usual(
    make: Make, device: Device, repository: Repository
) -> None:
    """The application's contexts are never any good; no new policy is to blame for it."""
    with make() as client:
        client["row"].set_context({"country": 7})
        for _ in range(40):
            client["row"].page(list(TITLES))
        device.now += 90_000
        assert client.refresh().policies["row"].source == "trial"
    with make() as client:
        client["row"].set_context({"country": 7})
        for _ in range(40):
            assert client["row"].page(list(TITLES))[0].reason == "fallback"
        client.syncer.installed._ticks = lambda: 1e9
        client.syncer.judge()
        assert client.sync_status().policies["row"].source == "active"


def test_withdrawn_artworks_and_limits_of_the_host_add_up(make: Make) -> None:
    with make(sync_url=None) as client:
        selector = client["row"]
        selector.set_context(FULL)
        titles = ["title-3"]
        shown = set()
        while (artwork := selector.page(titles)[0].artwork) is not None:
            assert artwork not in shown
            shown.add(artwork)
            if len(shown) % 2:
                selector.withdraw({"title-3": sorted(a for a in shown)})
            else:
                selector.set_limits(denied={"title-3": sorted(shown)})
        assert shown == set(TITLES["title-3"])
        selector.withdraw({})
        selector.set_limits()
        assert selector.page(titles)[0].artwork is not None


def test_a_selector_counts_pages_and_those_its_policy_failed() -> None:
    policy = edgeart.Policy.from_bytes(policy_bundle(FIRST))
    selector = edgeart.Selector(policy, None, unit=b"u", secret=bytes(32))
    for _ in range(4):
        selector.page(["title-1"])
    selector.set_context({"country": 5})
    selector.page(["title-1"])
    assert selector.tally == (5, 1)
    selector.use(policy)
    assert selector.tally == (0, 0)
    selector.page(["title-1"])
    assert selector.tally == (1, 1)


def test_a_client_that_was_closed_asks_nobody_any_more(make: Make, device: Device) -> None:
    client = make()
    client.close()
    device.now += 90_000
    device.server.requests.clear()
    assert client.refresh().code == "stopped"
    assert device.server.requests == []
    make().close()  # and its directory is free


def test_a_server_that_says_too_much_fills_no_state(make: Make, device: Device) -> None:
    def talk(handler: FileHandler, path: str) -> bool:
        data = device.repository.files.get(path)
        if data is None or "timestamp" not in path:
            return False
        handler.answer(200, data, ETag='"' + "x" * 60_000 + '"')
        return True

    device.server.behave = talk
    with make() as client:
        for _ in range(2):
            device.now += 90_000
            assert client.refresh().ok
        device.server.behave = lambda handler, _: bool(
            handler.answer(206, b"", Content_Range="y" * 60_000) or True
        )
        device.now += 90_000
        assert client.refresh().code == "http"
        assert client.sync_status().code == "http"
