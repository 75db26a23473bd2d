# SPDX-License-Identifier: Apache-2.0
"""The style sheet of the demonstration's report: that of all reports, and homepages."""

from __future__ import annotations

from ..report.style import STYLE as SHARED

STYLE = (
    SHARED
    + """
.homes{display:grid;grid-template-columns:repeat(3,1fr);gap:24px}
.taste{list-style:none;padding:0;font-size:13px;min-height:61px}
.taste li{display:grid;grid-template-columns:96px 1fr 44px;align-items:center;gap:8px}
.taste i{height:8px;border-radius:2px;background:#0b63ce;display:block}
.taste b{text-align:right;font-weight:600}
.screen{background:#11141c;border-radius:14px;padding:14px;display:grid;
grid-template-columns:1fr 1fr;gap:14px 12px}
.frame{position:relative}
figure svg{display:block;width:100%;height:auto;border-radius:7px}
figure em{position:absolute;top:6px;right:6px;background:#ffd166;color:#14171f;font-style:normal;
font-size:10.5px;font-weight:700;border-radius:4px;padding:1px 6px}
figcaption{color:#b9c0cc;font-size:11.5px;line-height:1.4;margin-top:6px;min-height:3.3em}
figcaption b{color:#fff}
"""
)
