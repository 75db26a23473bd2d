# SPDX-License-Identifier: Apache-2.0
"""Rows 17 to 19: several processes, threads and forks on one log."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import edgeart
from edgeart import segments
from edgeart.feedback import FeedbackLog
from edgeart.selector import Selector
from tests.device.faults.conftest import events_in, run_child

MakeSelector = Callable[[FeedbackLog], Selector]


def test_row_17_of_four_processes_on_one_directory_one_records_and_three_are_told(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        ref = selector.shown(selector.select("title-3"))
        for _ in range(3):
            child = run_child("FeedbackLog(directory)", str(tmp_path))
            assert child.returncode == 1
            assert "LogBusyError" in child.stderr
            assert f"process {os.getpid()}" in child.stderr
            assert "a directory of its own" in child.stderr
        selector.shown(selector.select("title-4"))
    assert ref is not None
    assert segments.parse_ref(ref) in events_in(tmp_path)
    child = run_child("FeedbackLog(directory).close()", str(tmp_path))
    assert child.returncode == 0, child.stderr


def test_row_18_sixteen_threads_lose_nothing_and_share_no_sequence(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    each = 500
    refs: list[list[str]] = [[] for _ in range(16)]
    with FeedbackLog(tmp_path, segment_bytes=1 << 14, sync_seconds=0.01) as log:
        selector = selector_of(log)
        start = threading.Barrier(16)

        def work(thread: int) -> None:
            start.wait()
            for i in range(each):
                ref = selector.shown(selector.select(f"title-{1 + i % 39}"), slot=(thread, i))
                assert ref is not None
                refs[thread].append(ref)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not selector.errors
        assert not log.lost
        assert log.sync_error is None
    events = events_in(tmp_path)
    for thread, of_thread in enumerate(refs):
        for i, ref in enumerate(of_thread):
            body = events[segments.parse_ref(ref)]
            assert (body[6], body[7]) == (thread, i)
    assert Counter(body[0] for body in events.values())[2] == 16 * each


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize("first_event", ["after the fork", "before the fork"])
def test_row_19_a_fork_goes_on_in_a_stream_of_its_own(tmp_path: Path, first_event: str) -> None:
    child = run_child(
        """
        log = FeedbackLog(directory, sync_seconds=0.05)
        selector = selector_on(log)
        refs = []
        def show(base, count):
            for i in range(count):
                ref = selector.shown(selector.select("title-3"), slot=(base, i))
                os.write(1, f"{base} {ref}\\n".encode())
        if sys.argv[2] == "before the fork":
            show(0, 10)
        pid = os.fork()
        show(2 if pid else 1, 20)
        if pid:
            os.waitpid(pid, 0)
            show(3, 10)
            log.close()
        else:
            log.seal()
            os._exit(0)
        """,
        str(tmp_path), first_event,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    shown = [line.split() for line in child.stdout.splitlines()]
    events = events_in(tmp_path)
    assert len({ref for _, ref in shown}) == len(shown)
    for base, ref in shown:
        assert events[segments.parse_ref(ref)][6] == int(base)
    assert len([body for body in events.values() if body[0] == 2]) == len(shown)
    streams = {base: {ref[:16] for b, ref in shown if b == base} for base in "0123"}
    assert not streams["1"] & (streams["0"] | streams["2"] | streams["3"])


def test_a_closed_log_refuses_events_and_a_selector_keeps_choosing(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    log = FeedbackLog(tmp_path)
    selector = selector_of(log)
    log.close()
    decision = selector.select("title-3")
    assert decision.artwork is not None
    assert selector.shown(decision) is None
    assert selector.errors == {"shown": 1}
    with pytest.raises(edgeart.errors.LogError, match="is closed"):
        log.shown(decision, None)


def test_segments_that_vanish_while_they_are_counted_stop_no_recording(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path, segment_bytes=4096, sync_seconds=0.001) as log:
        selector = selector_of(log)
        done = threading.Event()

        def upload() -> None:
            while not done.is_set():
                for segment in log.seal():
                    log.store.remove(segment)

        uploading = threading.Thread(target=upload)
        uploading.start()
        for i in range(5000):
            assert selector.shown(selector.select("title-3"), slot=(0, i)) is not None
        done.set()
        uploading.join()
        assert not log.lost
        assert not selector.errors


def test_a_log_stays_within_its_bound_and_counts_what_it_drops_however_often_it_is_sealed(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    bound = 8 * 4096
    with FeedbackLog(tmp_path, segment_bytes=4096, max_bytes=bound, sync_seconds=0) as log:
        selector = selector_of(log)
        decision = selector.select("title-3")
        refs = []
        for i in range(6_000):
            refs.append(selector.shown(decision))
            if i % 130 == 0 or i % 1_900 < 3:
                log.seal()
            if i % 50 == 0:
                assert sum(path.stat().st_size for path in tmp_path.glob("*.eaf")) <= bound
        log.seal()
        lost = sum(log.lost.values())
        kept = events_in(tmp_path)
    assert set(log.lost) == {"size"}
    # Contexts are events as well, and lost with the segments they stand in.
    impressions = {segments.parse_ref(ref) for ref in refs if ref is not None}
    assert len(impressions) == 6_000
    missing = impressions - kept.keys()
    assert 0 < len(missing) <= lost
    last = max(sequence for _, sequence in kept)
    assert lost + len(kept) == last + 1
