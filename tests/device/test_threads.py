# SPDX-License-Identifier: Apache-2.0
"""Any number of threads may use one policy while others come and go."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import edgeart
from edgeart.sums import crc32c
from tests.support.bundles import FULL, TITLES, bundle

SELECTS = 200_000

cpython = pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="only cffi for CPython keeps its lock"
)


def test_two_threads_decide_right_while_a_third_opens_policies() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    contexts = [policy.context(FULL, seed=seed) for seed in range(25)]
    expected = [
        (context, title, policy.select(context, title).row)
        for context in contexts
        for title in TITLES
    ]
    done = threading.Event()

    def decide(start: int) -> int:
        right = 0
        while right < SELECTS:
            for context, title, row in expected[start:]:
                assert policy.select(context, title).row == row
                right += 1
        return right

    def open_others() -> int:
        opened, data = 0, [bundle(seed=seed) for seed in range(4)]
        while not done.is_set():
            other = edgeart.Policy.from_bytes(data[opened % 4])
            page = other.select_page(other.context(FULL, seed=1), list(TITLES))
            assert None not in page.artworks()
            opened += 1
        return opened

    with ThreadPoolExecutor(3) as threads:
        opener = threads.submit(open_others)
        try:
            deciders = [threads.submit(decide, start) for start in (0, 500)]
            assert all(decider.result() >= SELECTS for decider in deciders)
        finally:
            done.set()
        assert opener.result() > 0


def test_threads_share_the_remembered_titles_without_mixing_them_up() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    context = policy.context(FULL, seed=1)
    names = list(TITLES)

    def decide(start: int) -> None:
        titles = names[start : start + 9]
        expected = [policy.select(context, title) for title in titles]
        for _ in range(2_000):
            assert policy.select_page(context, titles).artworks() == [d.artwork for d in expected]

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(decide, (0, 9, 18, 27)))


class Neighbour:
    """A thread that counts its turns. It gives the interpreter away in each of them."""

    def __init__(self) -> None:
        self.turns = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def _count(self) -> None:
        while not self._done.is_set():
            self.turns += 1
            time.sleep(0)

    def __enter__(self) -> Neighbour:  # noqa: PYI034 - nobody inherits it
        # Nobody is made to give the interpreter away: who gets on was let.
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(60)
        self._thread.start()
        while not self.turns:
            time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        sys.setswitchinterval(self._interval)


@cpython
def test_calls_of_microseconds_keep_the_interpreter() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    context = policy.context(FULL, seed=1)
    titles = list(TITLES)
    with Neighbour() as neighbour:
        before = neighbour.turns
        for title in titles * 20:
            policy.select(context, title)
        page = policy.select_page(context, titles)
        policy.propensities(context, titles[0])
        after = neighbour.turns
    assert after == before
    assert len(page) == len(titles)


@cpython
def test_calls_of_milliseconds_let_other_threads_go_on() -> None:
    data, large = bundle(), bytes(1 << 18)
    policy = edgeart.Policy.from_bytes(data)
    context = policy.context(FULL, seed=1)
    for call in (
        lambda: edgeart.Policy.from_bytes(data),
        policy.verify,
        lambda: policy.scores(context),
        lambda: crc32c(large),
    ):
        with Neighbour() as neighbour:
            before, calls = neighbour.turns, 0
            while neighbour.turns == before and calls < 100_000:
                call()
                calls += 1
            assert neighbour.turns > before
