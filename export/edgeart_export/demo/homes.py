# SPDX-License-Identifier: Apache-2.0
"""Three members' homepages by the policy learned last, and why they look as they do."""

from __future__ import annotations

from dataclasses import dataclass

import msgpack
import numpy as np

from ..model import PolicyModel
from ..simulate.audience import Wave
from ..simulate.catalogue import Title
from .days import History, opened

WANTED = ("comedy", "thriller", "family")
"""The three members are those whose earlier plays were most of these genres."""

_COUNTRIES = {"US": "the United States", "GB": "Britain", "BR": "Brazil", "DE": "Germany"}
_DEVICES = {"tv": "on TV", "phone": "on a phone", "tablet": "on a tablet"}
_FEWEST_PLAYS = 20


@dataclass(frozen=True)
class Card:
    """One title on a homepage.

    share: the probability with which this artwork was chosen. best: it has the title's best score.
    reasons: what set its score apart from the title's average artwork, in words and percentage
    points of plays per showing, the largest first.
    """

    title: Title
    artwork: str
    motif: str
    share: float
    best: bool
    reasons: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Home:
    """A member in words, the shares of genres among earlier plays, and the page."""

    who: str
    plays: int
    taste: tuple[tuple[str, float], ...]
    cards: tuple[Card, ...]


def homes(history: History) -> list[Home]:
    """The homepages on the morning after the last day, for three members of different taste.

    Raises ValueError for a history without a learned policy.
    """
    if history.last is None:
        raise ValueError("nothing was learned: there is no policy to show homepages of")
    model = history.last
    *_, evening = history.audience.day(model.sequence)
    return [_home(history, model, evening, _lover(evening, genre)) for genre in WANTED]


def _lover(wave: Wave, genre: str) -> int:
    """The visit of the member whose known plays are most of one genre."""

    def share(visit: int) -> float:
        taste = msgpack.unpackb(wave.contexts[visit]).get("taste", {})
        plays = sum(taste.values())
        return taste.get(genre, 0) / plays if plays >= _FEWEST_PLAYS else 0.0

    return max(range(len(wave.member)), key=share)


def _home(history: History, model: PolicyModel, wave: Wave, visit: int) -> Home:
    titles = history.audience.catalogue.titles
    values = msgpack.unpackb(wave.contexts[visit])
    policy = opened(model)
    context = policy.context(values, seed=int(wave.member[visit]))
    known = model.schema.encode(values).astype(np.float64)
    rows = model.title_rows()
    cards = []
    for decision in policy.select_page(context, [titles[t].id for t in wave.pages[visit]]):
        title = next(t for t in titles if t.id == decision.title)
        names, part = model.titles[title.id], rows[title.id]
        weights = model.weights[part.start : part.stop].astype(np.float64)
        at = names.index(str(decision.artwork))
        apart = known * (weights[at] - weights.mean(axis=0))
        cards.append(
            Card(
                title=title,
                artwork=names[at],
                motif=next(a.motif for a in title.artworks if a.name == names[at]),
                share=decision.propensity,
                best=at == int(np.argmax(weights @ known)),
                reasons=_reasons(model.schema.slots(), apart),
            )
        )
    taste = values["taste"]
    plays = sum(taste.values())
    order = sorted(taste.items(), key=lambda item: -item[1])
    who = f"{_COUNTRIES[values['country']]}, {_DEVICES[values['device']]}, {values['hour']} h"
    return Home(
        who=who[0].upper() + who[1:],
        plays=plays,
        taste=tuple((genre, count / plays) for genre, count in order),
        cards=tuple(cards),
    )


def _reasons(
    slots: list[str], apart: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> tuple[tuple[str, float], ...]:
    """The two slots that spoke for an artwork most, where they spoke for it at all."""
    best = np.argsort(-apart)[:2].tolist()
    return tuple((_in_words(slots[i]), 100 * float(apart[i])) for i in best if apart[i] > 0.0005)


def _in_words(slot: str) -> str:
    feature, _, word = slot.partition("=")
    if feature == "taste":
        return f"plays {word}"
    if feature == "country":
        return f"in {_COUNTRIES.get(word, 'another country')}"
    if feature == "device":
        return _DEVICES.get(word, "on another device")
    return {"hour": "the hour", "intercept": "liked by most"}.get(slot, slot)
