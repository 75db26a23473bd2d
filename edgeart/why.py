# SPDX-License-Identifier: Apache-2.0
"""Finds a logged impression, repeats its decision to the bit and explains it: log --why."""

from __future__ import annotations

from typing import NamedTuple

import msgpack

from edgeart.decision import Decision
from edgeart.errors import RepetitionError
from edgeart.events import CONTEXT, IMPRESSION, NO_CONTEXT
from edgeart.explain_view import lines_of, values_of
from edgeart.log_view import PLAIN, events_of, line_of, read_log
from edgeart.repeat import Repetition
from edgeart.segments import parse_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from edgeart.context import Context
    from edgeart.host import HostDecision
    from edgeart.policy import Policy
    from edgeart.types import Explanation

_UNDRAWN = {
    "fallback": "no context could be used, so nothing was drawn: the first artwork that might be "
    "shown. The limits that held are not in the log, so there is nothing to repeat",
    "none": "no context could be used, and no artwork might be shown: there is nothing to repeat",
    "unknown_title": "the bundle does not have the title and the host named no artwork: there is "
    "nothing to repeat",
}


class Why(NamedTuple):
    """A logged impression, and what became of repeating it."""

    event: dict[str, Any]  # as `events_of` gives it
    repeats: bool | None  # None where nothing was drawn
    verdict: str  # a sentence that says which
    context: Context | None = None
    explanation: Explanation | None = None  # None where no policy scored the artworks


def why(directory: Path, ref: str, policy: Policy) -> Why:
    """Repeats and explains the impression of a ref.

    Raises ValueError for what is no ref, OSError for the directory, RepetitionError where the
    impression or its context is not there, or another bundle decided.
    """
    event, impression, contexts = _found(directory, ref)
    context_sequence, title, artwork, n = impression[2:6]
    special = impression[8:12]
    _, total, _, candidates = special + PLAIN[len(special) :]
    if context_sequence == NO_CONTEXT:
        return Why(event, None, _UNDRAWN.get(event["reason"], _UNDRAWN["fallback"]))
    if context_sequence not in contexts:
        raise RepetitionError(
            f"the context of impression {ref}, event {context_sequence:08x} of its stream, is not "
            "in the segment: it was damaged or lost, so that the decision cannot be repeated"
        )
    body = contexts[context_sequence]
    name, sequence, digest, values, seed, _, cell, denied = body[2:10]
    if digest != policy.digest:
        raise RepetitionError(
            f"impression {ref} was decided by policy {name!r}, sequence {sequence}, digest "
            f"{digest.hex()}; the bundle given is policy {policy.name!r}, sequence "
            f"{policy.sequence}, digest {policy.digest.hex()}: give the one that decided"
        )
    required, forbidden = [*body[11:13], 0, 0][:2]
    repetition = Repetition(
        policy, values=values, seed=seed, cell=cell, denied=denied, required=required,
        forbidden=forbidden,
    )  # fmt: skip
    again = repetition.decide(title, candidates)
    logged = {"artwork": artwork, "n": n, "total": total, "reason": event["reason"]}
    verdict = _compared(logged, again)
    explanation = None
    if isinstance(again, Decision) and title in policy.titles:
        limits = repetition.limits(title, candidates)
        explanation = policy.explain(repetition.context, title, limits=limits)
    return Why(event, not verdict, verdict or "repeats exactly", repetition.context, explanation)


_PLAIN: list[Any] = [
    0,
    1 << 31,
    None,
    None,
]  # reason, total, shown and candidates of a plain impression


def report(found: Why) -> list[str]:
    """What was found, for a person."""
    lines = [line_of(found.event).strip(), found.verdict]
    if found.explanation is not None and found.context is not None:
        lines += ["", *lines_of(found.explanation, found.context)]
    elif found.event["reason"] == "host_uniform":
        lines.append(
            f"drawn uniformly from the host's {len(found.event['candidates'])} artworks, as the "
            "bundle does not have the title: no feature played a part"
        )
    return lines


def values(found: Why) -> dict[str, object]:
    """The same for a machine."""
    explanation = None if found.explanation is None else values_of(found.explanation)
    return {
        "impression": found.event,
        "repeats": found.repeats,
        "verdict": found.verdict,
        "explanation": explanation,
    }


def _found(directory: Path, ref: str) -> tuple[dict[str, Any], list[Any], dict[int, list[Any]]]:
    """The impression as a mapping and as its body, and its segment's contexts by sequence."""
    stream, sequence = parse_ref(ref)
    for _, segment in read_log(directory):
        if segment.stream != stream or sequence not in dict(segment.events):
            continue
        bodies = {number: msgpack.unpackb(packed) for number, packed in segment.events}
        if bodies[sequence][0] != IMPRESSION:
            raise RepetitionError(f"event {ref} is no impression: only those can be repeated")
        event = next(e for e in events_of(segment) if e.get("ref") == ref)
        contexts = {number: body for number, body in bodies.items() if body[0] == CONTEXT}
        return event, bodies[sequence], contexts
    raise RepetitionError(
        f"no impression {ref} in feedback log {directory}; `edgeart log {directory}` lists what it "
        "holds. What was uploaded is no longer there"
    )


def _compared(logged: dict[str, object], again: Decision | HostDecision) -> str:
    """What differs, in a sentence; empty where nothing does."""
    differences = [
        f"{name} {was!r} was logged, {getattr(again, name)!r} comes out"
        for name, was in logged.items()
        if was != getattr(again, name)
    ]
    return f"does not repeat: {', '.join(differences)}" if differences else ""
