# SPDX-License-Identifier: Apache-2.0
"""The frame of a report and its parts: head, tiles, sections, tables, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .style import STYLE

BLUE, GREY, GREEN, RED, AMBER = "#0b63ce", "#7a818e", "#1a7f45", "#c2255c", "#b26a00"
PALE = "#c3c8d1"

_MORE = """
.verdict{color:var(--v)}
.reasons{margin:14px 0 0 1.1em;color:#414754;max-width:78ch}
.plain tbody tr:last-child>*{border-top:0;border-bottom:1px solid #e4e7ec}
.plain tbody td,.plain tbody tr:last-child>td{font-weight:400}
.plain tbody tr:last-child>th{font-weight:600}
.plain th:first-child,.plain td.words{text-align:left}
.plain td.words{white-space:normal;color:#414754}
.warn{border-left:3px solid #b26a00;padding:4px 14px;background:#fff8ec;margin:10px 0;
max-width:none}
"""


def page(title: str, body: str) -> str:
    """The whole file. title: text; body: HTML."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}{_MORE}</style></head><body><main>
{body}
</main></body></html>
"""


def head(kicker: str, verdict: str, colour: str, lead: str, reasons: Sequence[str] = ()) -> str:
    """The verdict first, then what it is about, then why. All text."""
    listed = "".join(f"<li>{escape(_sentence(reason))}</li>" for reason in reasons)
    return (
        f'<p class="kicker">{escape(kicker)}</p>'
        f'<h1 class="verdict" style="--v:{colour}">{escape(verdict)}</h1>'
        f'<p class="lead">{escape(lead)}</p>'
        + (f'<ul class="reasons">{listed}</ul>' if listed else "")
    )


def tiles(drawn: Sequence[tuple[str, str]]) -> str:
    """Figures with what they are; text."""
    each = "".join(f"<div><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in drawn)
    return f'<div class="tiles">{each}</div>'


def section(heading: str, words: str, body: str) -> str:
    """A section. heading, words: text; body: HTML."""
    return f"<section><h2>{escape(heading)}</h2><p>{escape(words)}</p>{body}</section>"


def pair(one: str, other: str) -> str:
    """Two sections side by side."""
    return f'<div class="pair">{one}{other}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = ()) -> str:
    """A table of texts; words: columns that are no figures. The first column names the row."""
    top = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = ""
    for first, *others in rows:
        cells = "".join(
            f'<td class="words">{escape(cell)}</td>' if i in words else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(others, 1)
        )
        body += f"<tr><th>{escape(first)}</th>{cells}</tr>"
    return f'<table class="plain"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def warnings(texts: Sequence[str]) -> str:
    """What must not be overlooked; text."""
    return "".join(f'<p class="warn">{escape(_sentence(text))}</p>' for text in texts)


def notes(heading: str, listed: Sequence[tuple[str, str]]) -> str:
    """Pairs of what and how much; text."""
    each = "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in listed)
    return f'<section class="notes"><h2>{escape(heading)}</h2><dl>{each}</dl></section>'


def shares(counts: Mapping[str, int]) -> str:
    """Counts with their shares of all, largest first."""
    total = sum(counts.values())
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{why} {100 * count / total:.1f} %" for why, count in ranked)


def counted(counts: Mapping[str, int]) -> str:
    """Counts of what was left out."""
    return ", ".join(f"{count:,} {why}" for why, count in counts.items()) or "nothing"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
