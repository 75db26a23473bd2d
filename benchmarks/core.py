# SPDX-License-Identifier: Apache-2.0
"""The rows of the C bench (native/bench), which needs no Python, and what is compiled weighs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from benchmarks.homepage import model
from benchmarks.interleave import Spread
from benchmarks.report import Report, Row
from edgeart import _native
from edgeart_export import bundle_bytes

NATIVE = Path(__file__).resolve().parents[1] / "native"
ATTRIBUTES = [f"attribute_{i}" for i in range(8)]

# The bars, from the project's design, in bytes.
BARE = 1_750_000
WITH_MASKS = 1_900_000
WITH_VARIANCE = 3_000_000
MODULE = 128_000
WASM = 32_000


def native(report: Report, rounds: int, _folder: Path) -> None:
    """Pages, opening and events in C: `make -C native bench`, five of its rounds for one here."""
    make = ["make", "--no-print-directory", "-C", str(NATIVE), "build/bench"]
    built = subprocess.run(make, capture_output=True, text=True, check=False)
    if built.returncode:
        report.absent.append(f"the C bench, which does not build: {built.stderr.strip()}")
        return
    command = [str(NATIVE / "build" / "bench"), "--json", "--rounds", str(5 * rounds)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    for bar in found["bars"]:
        spread = Spread(bar["median"], bar["low"], bar["high"])
        if bar["unit"] == "us":
            spread = Spread(spread.median * 1e-6, spread.low * 1e-6, spread.high * 1e-6)
        report.rows.append(
            Row(
                f"C: {bar['what']}", spread, "s" if bar["unit"] == "us" else "×",
                bar=f"≤ {bar['bar']:,g}{' µs' if bar['unit'] == 'us' else '×'}",
                met=bar["median"] <= bar["bar"],
            )
        )  # fmt: skip
    for name, times in found["times"].items():
        if name.startswith(("page", "select", "read")):
            report.details[f"C: {name}"] = times["median"] * 1e-6


def sizes(report: Report, _rounds: int, _folder: Path) -> None:
    """Bundles of the homepage, the module as installed, and wasm where it has been built."""
    masks = model("squarecb", attributes=ATTRIBUTES, masks={})
    for what, made, most in (
        ("bundle, i8, ids of 10 bytes", model("squarecb"), BARE),
        ("bundle with masks", masks, WITH_MASKS),
        ("bundle with variances", model("thompson"), WITH_VARIANCE),
    ):
        report.rows.append(size(what, len(bundle_bytes(made, rows="i8")), most))
    module = Path(_native.__file__).stat().st_size
    report.rows.append(size("compiled module", module, MODULE))
    wasm = NATIVE / "build" / "edgeart.wasm"
    if wasm.exists():
        report.rows.append(size("wasm", wasm.stat().st_size, WASM))
    else:
        report.absent.append("size of the wasm module: `make -C native wasm` builds it")


def size(what: str, found: int, most: int) -> Row:
    """A row of bytes."""
    exact = Spread(found, found, found)
    return Row(what, exact, "B", bar=f"≤ {most / 1000:,.0f} kB", met=found <= most)
