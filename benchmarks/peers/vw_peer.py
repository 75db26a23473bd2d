# SPDX-License-Identifier: Apache-2.0
"""Vowpal Wabbit's SquareCB over the same titles, through both of its Python packages.

A title is one contextual-bandit example with action-dependent features, crossed with the context
(`-q ca`). The page is measured with examples parsed beforehand, on `PART` of its titles, and
scaled to all of them: prediction visits title by title, so it is linear in their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.homepage import VALUES, Homepage
from benchmarks.interleave import Contestant
from benchmarks.peers import missing

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = "vowpalwabbit, page"
PAGE_NEXT = "vowpal-wabbit-next, page"
TITLE = "vowpalwabbit, title from text"
TITLE_NEXT = "vowpal-wabbit-next, title from text"
ABSENT = missing("vowpalwabbit")
ABSENT_NEXT = missing("vowpal_wabbit_next")

PART = 60  # titles
OPTIONS = ("--cb_explore_adf", "--squarecb", "--gamma_scale", "10", "-q", "ca", "-b", "20")


def shared_line() -> str:
    """The context of `homepage.VALUES` in Vowpal Wabbit's text format, zero features left out."""
    words = []
    for name, value in VALUES.items():
        if isinstance(value, str):
            words.append(f"{name}={value}")
        elif isinstance(value, dict):
            words.extend(f"{name}_{word}:{weight}" for word, weight in value.items())
        elif isinstance(value, list):
            words.extend(f"{name}_{slot}:{element}" for slot, element in enumerate(value))
        else:
            words.append(f"{name}:{(float(str(value)) - 12) / 6:.6f}")
    return f"shared |c {' '.join(words)}"


def example(artworks: Sequence[str]) -> list[str]:
    """One title as text lines."""
    return [shared_line(), *(f"|a {artwork}" for artwork in artworks)]


def lesson(home: Homepage, title: int) -> list[str]:
    """One labelled title: its first artwork was shown with probability 0.1 at a cost."""
    lines = example(home.artworks[title])
    cost = -float(home.weights[title * len(home.artworks[title])] @ home.vector)
    lines[1] = f"0:{cost:.4f}:0.1 {lines[1]}"
    return lines


def vowpalwabbit(home: Homepage) -> list[Contestant]:
    """The page parsed beforehand, and one title from text."""
    from vowpalwabbit import Workspace

    workspace: Any = Workspace(" ".join([*OPTIONS, "--quiet"]))
    for title in range(PART):
        workspace.learn(lesson(home, title))
    texts = [example(home.artworks[title]) for title in range(PART)]
    parsed = [workspace.parse(lines) for lines in texts]
    _check(workspace.predict(parsed[0]))
    names = {"predict": workspace.predict, "parsed": parsed, "text": texts[0]}
    return [
        Contestant(PAGE, "for one in parsed: predict(one)", names, scale=len(home.titles) / PART),
        Contestant(TITLE, "predict(text)", names),
    ]


def vowpal_wabbit_next(home: Homepage) -> list[Contestant]:
    """The page parsed beforehand, and one title from text."""
    from vowpal_wabbit_next import TextFormatParser, Workspace

    workspace: Any = Workspace(list(OPTIONS))
    parse: Any = TextFormatParser(workspace).parse_line
    for title in range(PART):
        workspace.learn_one([parse(line) for line in lesson(home, title)])
    texts = [example(home.artworks[title]) for title in range(PART)]
    parsed = [[parse(line) for line in lines] for lines in texts]
    _check([probability for _, probability in workspace.predict_one(parsed[0])])
    names = {
        "predict": workspace.predict_one,
        "parse": parse,
        "parsed": parsed,
        "text": texts[0],
    }
    return [
        Contestant(
            PAGE_NEXT, "for one in parsed: predict(one)", names, scale=len(home.titles) / PART
        ),
        Contestant(TITLE_NEXT, "predict([parse(line) for line in text])", names),
    ]


def _check(probabilities: Sequence[float]) -> None:
    """A model that learned nothing would predict one probability for all, maybe faster."""
    if abs(sum(probabilities) - 1) > 1e-3 or max(probabilities) - min(probabilities) < 1e-3:
        message = f"Vowpal Wabbit did not learn a policy to measure: {probabilities}"
        raise RuntimeError(message)
