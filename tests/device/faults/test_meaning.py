# SPDX-License-Identifier: Apache-2.0
"""Rows 37 to 40: what an event means however late, often or unlike the decision it is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeart import segments
from edgeart.feedback import FeedbackLog
from edgeart.selector import Selector
from edgeart.upload import Uploader
from tests.device.faults.conftest import events_in
from tests.support.loopback import Collector

MakeSelector = Callable[[FeedbackLog], Selector]
DAY_MS = 86_400_000


def test_row_37_an_outcome_finds_its_impression_a_week_and_three_restarts_later(
    tmp_path: Path, server: Collector, selector_of: MakeSelector
) -> None:
    now = [1_800_000_000_000]
    with FeedbackLog(tmp_path, clock=lambda: now[0]) as log:
        selector = selector_of(log)
        ref = selector.shown(selector.select("title-3"), slot=(2, 5))
        assert ref is not None
        Uploader(log, server.url).run_once()
    for _ in range(3):
        now[0] += 7 * DAY_MS // 3
        with FeedbackLog(tmp_path, clock=lambda: now[0]) as log:
            selector_of(log)
    with FeedbackLog(tmp_path, clock=lambda: now[0]) as log:
        selector_of(log).outcome(ref, minutes=42.5)
        Uploader(log, server.url).run_once()
    (outcome,) = server.arrived.of_kind(3).values()
    impression = server.arrived.events[outcome[2], outcome[3]]
    assert impression[0] == 2
    assert impression[6:8] == [2, 5]
    assert outcome[4] == 42.5


def test_row_38_another_artwork_than_decided_is_logged_as_such(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        decision = selector.select("title-6")
        ref = selector.shown(decision, instead="art-made-by-hand")
    assert ref is not None
    body = events_in(tmp_path)[segments.parse_ref(ref)]
    assert body[4] == decision.artwork
    assert body[5] == decision.n
    assert body[8:11] == [0, decision.total, "art-made-by-hand"]


def test_row_39_unknown_consent_writes_nothing_until_it_is_given(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path, consent=None) as log:
        selector = selector_of(log)
        for _ in range(10):
            assert selector.shown(selector.select("title-3")) is None
        selector.outcome("0123456789abcdef-00000000", minutes=1)
        assert not list(tmp_path.glob("*.eaf"))
        log.consent = True
        assert selector.shown(selector.select("title-3")) is not None
        assert not selector.errors
        log.seal()
        kinds = [body[0] for body in events_in(tmp_path).values()]
        assert kinds == [1, 2]
        log.consent = False
        assert not list(tmp_path.glob("*.eaf"))
        assert selector.shown(selector.select("title-3")) is None
    assert not list(tmp_path.glob("*.eaf"))


def test_row_40_a_decision_shown_fifty_times_is_the_same_decision_fifty_times(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        for i in range(50):
            selector.shown(selector.select("title-3"), slot=(0, i))
    events = events_in(tmp_path)
    contexts = [body for body in events.values() if body[0] == 1]
    shown = [body for body in events.values() if body[0] == 2]
    # All that makes an exposure (unit, policy, epoch's seed, context, title, artwork) is one.
    assert len(contexts) == 1
    assert len({tuple(body[2:6]) for body in shown}) == 1
    assert len(shown) == 50


def test_a_decision_is_logged_with_the_context_it_was_made_under(
    tmp_path: Path, selector_of: MakeSelector
) -> None:
    with FeedbackLog(tmp_path) as log:
        selector = selector_of(log)
        early = selector.page(["title-3"])[0]
        selector.set_context({"country": "GB"})
        late = selector.page(["title-3"])[0]
        refs = [selector.shown(late), selector.shown(early)]
    events = events_in(tmp_path)
    stream = int(str(refs[0])[:16], 16)
    maps = []
    for ref in refs:
        assert ref is not None
        context = events[stream, events[segments.parse_ref(ref)][2]]
        maps.append(context[5])
    assert maps[0] == b"\x81\xa7country\xa2GB"
    assert maps[1] != maps[0]


@pytest.mark.parametrize("ref", ["", "x", "0123456789abcdef", "0123456789abcdeg-00000000"])
def test_what_is_no_ref_is_refused_by_the_log_and_noted_by_the_selector(
    tmp_path: Path, selector_of: MakeSelector, ref: str
) -> None:
    with FeedbackLog(tmp_path) as log:
        with pytest.raises(ValueError, match="is no ref"):
            log.outcome(ref, minutes=1)
        selector = selector_of(log)
        selector.outcome(ref, minutes=1)
        assert selector.errors == {"outcome": 1}
        with pytest.raises(ValueError, match="minutes"):
            log.outcome("0123456789abcdef-00000000", minutes=float("nan"))
