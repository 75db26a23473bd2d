# SPDX-License-Identifier: Apache-2.0
"""The style sheet of all reports."""

from __future__ import annotations

STYLE = """
*{box-sizing:border-box;margin:0}
body{background:#fff;color:#14171f;font:15px/1.55 Inter,system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-feature-settings:"tnum";-webkit-font-smoothing:antialiased}
svg{font-family:inherit}
main{max-width:1160px;margin:0 auto;padding:56px 40px 72px}
h1{font-size:38px;line-height:1.15;letter-spacing:-.02em;font-weight:750;margin:6px 0 16px}
h2{font-size:20px;letter-spacing:-.01em;font-weight:680;margin-bottom:6px}
h3{font-size:15px;font-weight:650;margin-bottom:10px}
p{color:#414754;max-width:78ch}
section{margin-top:56px}
section>p{margin-bottom:18px}
section>svg{display:block;width:100%;height:auto}
.kicker{text-transform:uppercase;letter-spacing:.09em;font-size:12px;font-weight:650;color:#0b63ce}
.lead{font-size:17px;line-height:1.6}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:16px;margin-top:32px}
.tiles div{border-top:3px solid #14171f;padding-top:12px}
.tiles b{display:block;font-size:30px;line-height:1.2;font-weight:700;letter-spacing:-.02em}
.tiles span{color:#5c6370;font-size:13.5px;line-height:1.4;display:block;max-width:24ch}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:40px}
.pair p{min-height:4.7em}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:7px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid #e4e7ec}
thead th{font-weight:600;color:#5c6370}
thead tr:first-child th[colspan]{text-align:center;color:#14171f;border-left:12px solid #fff}
tbody th{font-weight:600}
td i{font-style:normal;color:#7a818e;margin-left:3px}
td.true{font-weight:650;border-left:12px solid #fff}
td.missed{position:relative}
td.missed::before{content:"•";color:#c2255c;position:absolute;left:0;font-weight:800}
tbody tr:last-child>*{border-top:2px solid #14171f;border-bottom:0;font-weight:650}
tbody tr:last-child i{font-weight:400}
.small{font-size:12.5px;color:#5c6370;margin:4px 0 12px}
.notes dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 24px;font-size:13.5px;
margin-top:10px}
.notes dt{color:#5c6370}
.notes dd{font-variant-numeric:tabular-nums}
@media (max-width:900px){main{padding:32px 18px}.pair,.homes{grid-template-columns:1fr}
.tiles{grid-template-columns:1fr 1fr}table{display:block;overflow-x:auto}}
@media print{section,article{break-inside:avoid}main{padding:0}}
"""
