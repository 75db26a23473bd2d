# SPDX-License-Identifier: Apache-2.0
"""Makes an explanation readable: tables with signs and small bars, or plain values for JSON."""

# The modules of this package share its private names.
# ruff: noqa: SLF001

from __future__ import annotations

import msgpack

from edgeart.fields import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edgeart.context import Context
    from edgeart.types import Explanation

_BAR = 6  # characters of the longest
_VALUE = 32  # characters of a context's value


def lines_of(explanation: Explanation, context: Context) -> list[str]:
    """The explanation for a person: the candidates, then feature by feature."""
    decision = explanation.decision
    rows = [("artwork", "score", "propensity", "")]
    for artwork in explanation.artworks:
        role = "denied" if artwork.denied else ""
        if artwork.artwork == decision.artwork:
            role = f"chosen ({decision.reason})"
        elif artwork.artwork == explanation.runner_up:
            role = "runner-up"
        rows.append((artwork.artwork, _signed(artwork.score), f"{artwork.propensity:.6f}", role))
    lines = [explanation.title, *(f"  {line}" for line in aligned(rows))]
    chosen = explanation.chosen
    if chosen is None:
        return [*lines, "", f"no artwork may be shown: {decision.reason}"]
    values = _values(context, chosen.features)
    scale = max(map(abs, (*chosen.features.values(), *explanation.lead.values())), default=0.0)
    head = ["feature", "value", f"score of {chosen.artwork}", ""]
    if explanation.runner_up is not None:
        head += [f"lead over {explanation.runner_up}", ""]
    table: list[Sequence[str]] = [head]
    leads = explanation.lead
    table.append(_row("(baseline)", "", chosen.baseline, explanation.lead_baseline, leads))
    for name, added in chosen.features.items():
        row = [name, values.get(name, "(missing)"), _signed(added), _bar(added, scale)]
        if leads:
            row += [_signed(leads[name]), _bar(leads[name], scale)]
        table.append(row)
    lead = explanation.lead_baseline + sum(leads.values())
    score = chosen.baseline + sum(chosen.features.values())
    table.append(_row("sum", "", score, lead, leads))
    return [*lines, "", *aligned(table)]


def values_of(explanation: Explanation) -> dict[str, object]:
    """The explanation for a machine."""
    decision = explanation.decision
    return {
        "title": explanation.title,
        "artwork": decision.artwork,
        "propensity": decision.propensity,
        "n": decision.n,
        "total": decision.total,
        "score": decision.score,
        "reason": decision.reason,
        "cell": decision.cell,
        "baseline": explanation.baseline,
        "runner_up": explanation.runner_up,
        "lead_baseline": explanation.lead_baseline,
        "lead": explanation.lead,
        "artworks": [a._asdict() | {"baseline": a.baseline} for a in explanation.artworks],
    }


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows with their columns aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(
    what: str, value: str, score: float, lead: float, leads: dict[str, float]
) -> Sequence[str]:
    row = [what, value, _signed(score), ""]
    return [*row, _signed(lead), ""] if leads else row


def _signed(number: float) -> str:
    return f"{number:+.6f}"


def _bar(number: float, scale: float) -> str:
    """To the left of the middle what speaks against, to the right what speaks for."""
    size = round(abs(number) / scale * _BAR) if scale else 0
    left, right = ("-" * size, "") if number < 0 else ("", "+" * size)
    return f"{left.rjust(_BAR)}|{right.ljust(_BAR)}"


def _values(context: Context, names: Iterable[str]) -> dict[str, str]:
    """The values of the features that have one, shortened."""
    fields = split(context._packed)
    found = {}
    for name in names:
        _, packed = fields.get(name.encode(), (b"", b"\xc0"))
        value = msgpack.unpackb(packed, unicode_errors="replace", strict_map_key=False)
        if value is not None:
            text = _text(value)
            found[name] = text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"
    return found


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(amount)}" for key, amount in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return f"{value:g}" if isinstance(value, float) else str(value)
