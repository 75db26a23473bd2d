# SPDX-License-Identifier: Apache-2.0
"""How the command's reports look: JSON for machines, tables for people, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Step = Callable[..., Callable[[int], None]]
"""`step(title, total=None)` opens a bar and gives the function that moves it."""

Report = Mapping[str, Any]


def show_table(table: Table) -> None:
    """Prints a table on stdout; a pipe or file has no width of its own and gets 120 columns."""
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Step]:
    """Bars on stderr, none where quiet."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:

        def finish() -> None:
            # A bar of unknown length is at its end when the next thing begins.
            for task in bars.tasks:
                bars.update(task.id, total=task.completed)

        def step(title: str, total: int | None = None) -> Callable[[int], None]:
            finish()
            task = bars.add_task(title, total=total)
            return lambda done: bars.update(task, completed=done)

        yield step
        finish()


def show(report: Report, as_json: bool, table: Callable[[Report], None]) -> None:  # noqa: FBT001
    """Prints the report in the form asked for."""
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        table(report)


def trained(report: Report) -> None:
    """What `train` did."""
    print(
        f"{report['log']}: {report['rows']} rows from {report['from']} to {report['to']} UTC, "
        f"{report['clicks']} clicks"
    )
    features = ", ".join(f"{name} {width}" for name, width in report["features"].items())
    print(f"{report['slots']} slots: {features}, intercept 1")
    print(
        f"{report['artworks']} artworks, {_penalties(report)}, σ² = {report['noise']:.6f}; "
        f"policy {report['policy']!r}, sequence {report['sequence']}"
    )
    print(f"saved in {report['model']}")


def trained_on_exposures(report: Report) -> None:
    """What `train` did with exposures."""
    counts = report["exposures"]
    left = ", ".join(f"{n} {why}" for why, n in counts.items() if n and why != "used")
    print(
        f"{counts['used']} exposures of {report['files']} file(s) until {report['trained_until']}"
        + (f"; besides: {left}" if left else "")
    )
    layer = f", {report['rank']} after the layer" if report["rank"] else ""
    if report["tower"] and not report["rank"]:
        layer = f", {report['tower'][-1]} after the tower"
    print(
        f"{report['artworks']} artworks of {report['titles']} titles, {report['without_data']} "
        f"without data; {report['slots']} slots{layer}; {report['artwork_features']} features of "
        f"artworks"
    )
    if report["auto"]:
        _choice(report["auto"])
    print(f"{_penalties(report)}; σ² = {report['noise']:.6f}")
    print(
        f"policy {report['policy']!r}, sequence {report['sequence']}, saved in {report['model']}"
        + (
            f"; state of {report['sums_bytes']} bytes in {report['state']}"
            if report["state"]
            else ""
        )
    )


def _choice(found: Report) -> None:
    """What auto chose, and by which scores."""
    scores = ", ".join(f"{name} {score:.4f}" for name, score in found["scores"].items())
    print(
        f"auto chose {found['choice']}; share of rewards told beforehand, on the later half of "
        f"{found['predicted']} exposures: {scores}"
    )


def _penalties(report: Report) -> str:
    found = report["lambda"]
    if found == "sparse":
        return "λ of every slot"
    if not isinstance(found, dict):
        return f"λ = {found:g}"
    return "λ: " + ", ".join(f"{name} {l2:.3g}" for name, l2 in found.items())


def exported(report: Report) -> None:
    """What `export` wrote."""
    print(f"policy {report['policy']!r}, sequence {report['sequence']}, {report['explorer']}")
    if report["catalogue"]:
        _changes(report["catalogue"])
    if "bundle" in report:
        b = report["bundle"]
        print(
            f"{b['path']}: format {b['format']}, {b['size']} bytes, {b['rows']} rows of "
            f"{b['artworks']} artworks in {b['titles']} title(s); {b['vectors']} test vectors hold"
        )
        for i, layer in enumerate(b["layers"]):
            print(
                f"  layer {i}: {layer['inputs']} → {layer['outputs']}, {layer['activation']}, "
                f"{layer['rows']}; weights off by at most {layer['weight_error']:.2g} of an "
                f"output's largest"
            )
        for cell in report["cells"]:
            print(f"  cell {cell['name']}: {100 * cell['share']:g} % of units, {cell['explorer']}")
        if b["variance_error"] is not None:
            print(f"  variances off by at most {100 * b['variance_error']:.1f} %")
        if report["attributes"]:
            print(f"  attributes: {', '.join(report['attributes'])}")
        print(
            f"  against f32 weights on {b['contexts']} contexts ({report['compared_on']}): "
            f"{100 * b['flips']:.2f} % greedy flips, which cost a title {b['loss']:.6f} of "
            f"score on average, {b['largest_loss']:.6f} at most"
        )
        print(
            f"  scores off by at most {b['score_error']:.2g} there, {b['score_bound']:.2g} for any "
            f"context; weights by {100 * b['row_error']:.2g} % (root mean square)"
        )
        if b["stability"]:
            _stability(b["stability"])
        _price(report["exploration"])
    if "onnx" in report:
        print(f"{report['onnx']['path']}: {report['onnx']['size']} bytes")


def _changes(found: Report) -> None:
    """What --catalogue did."""
    came, went = len(found["added_titles"]), len(found["removed_titles"])
    print(
        f"  catalogue: {found['added']} artworks added, {came} titles among them as a whole; "
        f"{found['removed']} withdrawn, {went} titles as a whole"
    )
    silent = found["undescribed"]
    if silent:
        named = ", ".join(f"{title}/{artwork}" for title, artwork in silent[:5])
        print(
            f"  nothing is known of {len(silent)} of those added: {named}"
            f"{', …' if len(silent) > 5 else ''}; they begin with their title's mean"
        )


def _price(found: Report) -> None:
    """What exploration gives up."""
    print(
        f"  exploration gives up {found['total']:.2g} of a best score of {found['best']:.2g}, were "
        f"the scores true ({found['contexts']} contexts, {found['titles']} title(s)):"
    )
    for cell in found["cells"]:
        name = "no cell" if cell["cell"] is None else f"cell {cell['cell']}"
        print(
            f"    {name}, {100 * cell['share']:g} % of units, {cell['explorer']}: "
            f"{cell['given_up']:.2g}"
        )


def _stability(found: Report) -> None:
    """What --stable-codes did."""
    if found["used"]:
        print(
            f"  codes as in sequence {found['previous']}: {100 * found['kept']:.1f} % "
            f"({100 * found['fresh']:.1f} % if rounded anew); {100 * found['flips']:.2f} % flips "
            f"against codes rounded anew"
        )
    else:
        print(
            f"  codes of sequence {found['previous']} were not kept: too many flips against f32 "
            f"weights; all are rounded anew"
        )


def pm(estimate: Mapping[str, float | None] | None, digits: int = 5) -> str:
    """`value ± standard error`; the value alone where there is no error."""
    if estimate is None:
        return "-"
    if estimate["se"] is None:
        return f"{estimate['value']:.{digits}f}"
    return f"{estimate['value']:.{digits}f} ± {estimate['se']:.{digits}f}"
