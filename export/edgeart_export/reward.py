# SPDX-License-Identifier: Apache-2.0
"""What counts as a reward, and how durations are written: `24h`, `90m`, `7d`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from .errors import DataError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class QualityPlay:
    """Reward 1 for a play of at least `minutes` within `window` of the first showing, else 0.

    A play of the external log counts by its start, an outcome of a device by the moment of its
    report. Autoplay does not count, nor does anything of a title that the same unit or subject had
    started before the exposure's first showing. minutes: above 0. window: above 0.
    Raises DataError for other values.
    """

    minutes: float = 10.0
    window: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if not (self.minutes > 0 and math.isfinite(self.minutes)):
            raise DataError(f"reward: minutes must be a number above 0, not {self.minutes}")
        if self.window < _MILLISECOND:
            raise DataError(f"reward: the window must be a millisecond or more, not {self.window}")

    def to_json(self) -> dict[str, object]:
        """As it stands in a state's manifest; two definitions are one where these are equal."""
        return {
            "kind": "quality_play",
            "minutes": self.minutes,
            "window_ms": milliseconds(self.window),
        }


def milliseconds(duration: timedelta) -> int:
    """Whole milliseconds of a duration, rounded down."""
    return duration // _MILLISECOND


def parse_duration(text: str) -> timedelta:
    """`24h`, `90m`, `1.5d`; units s, m, h, d, w. Raises DataError that shows how to write one."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)([smhdw])", text)
    if not found:
        raise DataError(
            f"{text!r} is not a duration: write a number and s, m, h, d or w, such as 24h"
        )
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
