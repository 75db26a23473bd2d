# SPDX-License-Identifier: Apache-2.0
"""Attributes of artworks as sets of bits, and factors of titles: what a model says by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import ModelError
from ..schema import check_text
from .arrays import numbers

MAX_ATTRIBUTES = 32
Titles = Mapping[str, Sequence[str]]
Masks = Mapping[str, Mapping[str, Iterable[str]]]


def check_attributes(names: object) -> tuple[str, ...]:
    """Names of attributes, bit 0 first. Raises ModelError, SchemaError where one cannot be."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise ModelError(f"attributes must be a list of names, not {names!r}")
    checked = tuple(check_text(name, "an attribute's name", 1, 64) for name in names)
    if len(checked) > MAX_ATTRIBUTES:
        raise ModelError(f"{len(checked)} attributes; at most {MAX_ATTRIBUTES} are allowed")
    if len(set(checked)) != len(checked):
        double = next(name for name in checked if checked.count(name) > 1)
        raise ModelError(f"two attributes are called {double!r}; names must be distinct")
    return checked


def check_masks(masks: object, attributes: Sequence[str], titles: Titles) -> npt.NDArray[np.uint32]:
    """The set of attributes of every artwork, uint32 [R], bit i for the i-th attribute.

    masks: title → artwork → names, or such an array. Raises ModelError.
    """
    rows = [(title, artwork) for title, artworks in titles.items() for artwork in artworks]
    made = np.zeros(len(rows), dtype=np.uint32)
    if isinstance(masks, Mapping):
        _fill(made, masks, {name: i for i, name in enumerate(attributes)}, titles)
    else:
        given = np.asarray(masks)
        if given.dtype.kind not in "ui" or given.shape != made.shape:
            raise ModelError(
                f"masks must map title to artwork to names, or be integers [artworks] "
                f"{made.shape}, not {given.dtype} {given.shape}"
            )
        unnamed = (given < 0) | (given >> len(attributes) != 0)
        if unnamed.any():
            title, artwork = rows[int(np.argmax(unnamed))]
            raise ModelError(
                f"masks: title {title!r}, artwork {artwork!r} has bits without a name; there are "
                f"{len(attributes)} attributes"
            )
        made[:] = given
    made.setflags(write=False)
    return made


def _fill(
    made: npt.NDArray[np.uint32], masks: Masks, bits: Mapping[str, int], titles: Titles
) -> None:
    first, firsts = 0, {}
    for title, artworks in titles.items():
        firsts[title] = first
        first += len(artworks)
    for title, own in masks.items():
        if title not in firsts:
            raise ModelError(f"masks: there is no title {title!r}")
        if not isinstance(own, Mapping):
            raise ModelError(f"masks: title {title!r} must map artwork to names, not {own!r}")
        for artwork, names in own.items():
            place = f"masks: title {title!r}, artwork {artwork!r}"
            if artwork not in titles[title]:
                raise ModelError(f"{place}: the title has no such artwork")
            if isinstance(names, str):
                raise ModelError(f"{place}: give a list of attributes, not the string {names!r}")
            for name in names:
                if name not in bits:
                    raise ModelError(
                        f"{place}: {name!r} is none of the attributes; add it to `attributes`"
                    )
                row = firsts[title] + titles[title].index(artwork)
                made[row] |= np.uint32(1 << bits[name])


def check_title_scale(scale: object, titles: Titles) -> npt.NDArray[np.float32]:
    """The factor of every title, float32 [T], all above 0.

    scale: title → factor, 1 where a title is not named; or such an array. Raises ModelError.
    """
    names = list(titles)
    if isinstance(scale, Mapping):
        for title in scale:
            if title not in titles:
                raise ModelError(f"title_scale: there is no title {title!r}")
        scale = [scale.get(title, 1.0) for title in names]
    made = numbers(
        "title_scale", scale, (len(names),), "[titles]", lambda index: f"title {names[index[0]]!r}"
    )
    low = made <= 0
    if low.any():
        at = int(np.argmax(low))
        raise ModelError(
            f"title_scale must be above 2**-50, not {made[at]}: title {names[at]!r}; leave the "
            f"title out for a factor of 1"
        )
    return made
