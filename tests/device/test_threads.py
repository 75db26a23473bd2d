# SPDX-License-Identifier: Apache-2.0
"""Any number of threads may use one policy while others come and go."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import edgeart
from tests.support.bundles import FULL, TITLES, bundle

SELECTS = 200_000


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
