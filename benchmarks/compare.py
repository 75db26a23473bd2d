# SPDX-License-Identifier: Apache-2.0
"""The comparisons: which statements race each other, and which bar each ratio is held against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgpack
import numpy as np

import edgeart
from benchmarks import core, startup
from benchmarks.empty_call import empty_call
from benchmarks.homepage import SEED, VALUES, ExplorerName, Homepage, Rows, homepage
from benchmarks.interleave import Contestant, Race, Spread
from benchmarks.peers import numpy_peer, onnx_peer, vw_peer
from benchmarks.report import Report, Row

if TYPE_CHECKING:
    from collections.abc import Callable

# The bars, from the project's design. Times in seconds, sizes in bytes.
PAGE_OVER_ONNXRUNTIME = 2.0
PAGE_OVER_NUMPY = 3.0
PAGE_OVER_VW = 1000.0
SELECT_IN_EMPTY_CALLS = 10.0
SELECT_OVER_ONNXRUNTIME = 12.0
SELECT_OVER_VW = 40.0
OPEN = 1e-3  # with a CRC instruction
OPEN_PORTABLE = 2e-3
RESIDENT_BESIDE_BUNDLE = 500_000
THOMPSON_PAGE = 15e-3
START_OVER_ONNXRUNTIME = 5.0

EMPTY = "empty cffi call"
RECORD = [("title", "u4"), ("row", "u4"), ("n", "u4"), ("total", "u4"), ("score", "f4"),
          ("reason", "u2"), ("cell", "u2")]  # fmt: skip


def page(report: Report, rounds: int, _folder: Path) -> None:
    """A page of 3,000 titles with ten artworks each, in one Python call."""
    home = homepage("squarecb", "i8")
    check_peers(report)
    ours: list[Contestant] = []
    explorers: tuple[ExplorerName, ...] = ("squarecb", "greedy")
    formats: tuple[Rows, ...] = ("i8", "f32")
    for explorer in explorers:
        for rows in formats:
            name = f"page, {explorer}, {rows}"
            ours.append(Contestant(name, "page(context, titles)", _page_names(explorer, rows)))
    names = _page_names("squarecb", "i8")
    names |= {"array": np.frombuffer, "dtype": np.dtype(RECORD)}
    squarecb, thompson = "page, squarecb, i8", "page, thompson, i8"
    ours += [
        Contestant(f"{squarecb}, titles anew", "page(context, list(titles))", names),
        Contestant(f"{squarecb}, ids read", "page(context, titles).artworks()", names),
        Contestant(f"{squarecb}, propensities read", "page(context, titles).propensities()", names),
        Contestant(
            f"{squarecb}, as a numpy array", "array(page(context, titles).raw, dtype)", names
        ),
        Contestant(thompson, "page(context, titles)", _page_names("thompson", "i8")),
    ]

    peers = numpy_peer.contestants(home)
    if onnx_peer.ABSENT is None:
        peers += onnx_peer.contestants(
            home, titles=len(home.titles), plain=onnx_peer.PAGE, bound=onnx_peer.PAGE_BOUND
        )
    peers += _vowpal_wabbit(report, home, vw_peer.PAGE, vw_peer.PAGE_NEXT)
    race = Race([*ours, *peers], rounds)

    main = ours[0].name
    for peer, least in (
        (onnx_peer.PAGE, PAGE_OVER_ONNXRUNTIME),
        (onnx_peer.PAGE_BOUND, PAGE_OVER_ONNXRUNTIME),
        (numpy_peer.PAGE, PAGE_OVER_NUMPY),
        (vw_peer.PAGE, PAGE_OVER_VW),
        (vw_peer.PAGE_NEXT, PAGE_OVER_VW),
    ):
        if peer in race:
            report.rows.append(_faster(race, main, peer, least))
    seconds = race.time(thompson)
    report.rows.append(Row(thompson, seconds, bar="≤ 15 ms", met=seconds.median <= THOMPSON_PAGE))
    for contestant in ours[1:]:
        if contestant.name != thompson:
            report.rows.append(_beside(race, contestant.name, onnx_peer.PAGE))


def title(report: Report, rounds: int, folder: Path) -> None:
    """One title, with the context at hand and from its values."""
    home = homepage("squarecb", "i8")
    policy = home.policy
    names: dict[str, object] = {
        "select": policy.select,
        "context": home.context,
        "encode": policy.context,
        "values": VALUES,
        "packed": msgpack.packb(VALUES),
        "title": home.titles[len(home.titles) // 2],
        "seed": SEED,
    }
    select, read, whole = "select", "select, fields read", "context and select"
    ours = [
        Contestant(select, "select(context, title)", names),
        Contestant(read, "d = select(context, title); d.artwork; d.propensity", names),
        Contestant(whole, "select(encode(values, seed=seed), title)", names),
        Contestant("context from a dict", "encode(values, seed=seed)", names),
        Contestant("context from msgpack bytes", "encode(packed, seed=seed)", names),
    ]
    peers = [Contestant(EMPTY, "call()", {"call": empty_call(folder)})]
    if onnx_peer.ABSENT is None:
        peers += onnx_peer.contestants(
            home, titles=1, plain=onnx_peer.TITLE, bound=onnx_peer.TITLE_BOUND
        )
    peers += _vowpal_wabbit(None, home, vw_peer.TITLE, vw_peer.TITLE_NEXT)
    race = Race([*ours, *peers], rounds)

    calls = race.ratio(select, EMPTY)
    report.rows.append(
        Row(
            select, race.time(select), peer=EMPTY, theirs=race.time(EMPTY),
            ratio=race.ratio(EMPTY, select), bar=f"≤ {SELECT_IN_EMPTY_CALLS:g} calls",
            met=calls.median <= SELECT_IN_EMPTY_CALLS,
        )
    )  # fmt: skip
    for peer, least in (
        (onnx_peer.TITLE, SELECT_OVER_ONNXRUNTIME),
        (onnx_peer.TITLE_BOUND, SELECT_OVER_ONNXRUNTIME),
        (vw_peer.TITLE, SELECT_OVER_VW),
        (vw_peer.TITLE_NEXT, SELECT_OVER_VW),
    ):
        if peer in race:
            report.rows.append(_faster(race, select, peer, least))
    report.rows.append(_beside(race, read, EMPTY))
    report.rows.append(_beside(race, whole, vw_peer.TITLE))
    report.rows.extend(_beside(race, contestant.name, EMPTY) for contestant in ours[3:])


def opening(report: Report, rounds: int, folder: Path) -> None:
    """Opening and checking the homepage bundle, and what it weighs."""
    home = homepage("squarecb", "i8")
    large = homepage("squarecb", "f32")
    small, big = "open from memory, i8", "open from memory, f32"
    race = Race(
        [
            Contestant(small, "open(data)", {"open": edgeart.Policy.from_bytes, "data": one.bundle})
            if one is home
            else Contestant(
                big, "open(data)", {"open": edgeart.Policy.from_bytes, "data": one.bundle}
            )
            for one in (home, large)
        ],
        rounds,
    )
    seconds = race.time(small)
    report.rows.append(
        Row(
            small, seconds, bar="≤ 1 ms (portable 2)",
            met=seconds.median <= (OPEN if has_crc_instruction() else OPEN_PORTABLE),
        )
    )  # fmt: skip
    report.rows.append(Row(big, race.time(big)))

    path = folder / "resident.edgeart"
    path.write_bytes(home.bundle)
    resident = startup.resident_increment(path, max(5, rounds // 4))
    if resident is None:
        report.absent.append("resident memory: there is no /proc/self/statm")
    else:
        most = len(home.bundle) + RESIDENT_BESIDE_BUNDLE
        report.rows.append(
            Row(
                "resident memory that opening adds", resident, "B",
                bar="≤ bundle + 0.5 MB", met=resident.median <= most,
            )
        )  # fmt: skip


def start(report: Report, rounds: int, folder: Path) -> None:
    """CPU time of a process that starts, imports, opens and decides once."""
    home = homepage("squarecb", "i8")
    bundle = folder / "start.edgeart"
    bundle.write_bytes(home.bundle)
    programs = {
        "edgeart": startup.edgeart_program(bundle),
        "nothing": startup.NOTHING,
    }
    if onnx_peer.ABSENT is None:
        graph = folder / "start.onnx"
        graph.write_bytes(onnx_peer.model_bytes(home, len(home.titles)))
        programs["onnxruntime"] = startup.onnxruntime_program(graph)
    seconds = startup.race(programs, max(5, rounds // 2))
    what = "process start to first decision, CPU"
    ours = Spread.of(seconds["edgeart"])
    report.rows.append(
        Row(
            what, ours, peer="python -c pass", theirs=Spread.of(seconds["nothing"]),
            ratio=startup.ratio(seconds["nothing"], seconds["edgeart"]),
        )
    )  # fmt: skip
    if "onnxruntime" in seconds:
        ratio = startup.ratio(seconds["onnxruntime"], seconds["edgeart"])
        report.rows.append(
            Row(
                what, ours, peer="onnxruntime", theirs=Spread.of(seconds["onnxruntime"]),
                ratio=ratio, bar=f"≥ {START_OVER_ONNXRUNTIME:g}×",
                met=ratio.median >= START_OVER_ONNXRUNTIME,
            )
        )  # fmt: skip

    imports = startup.import_seconds(programs["edgeart"], max(5, rounds // 4))
    if "edgeart" in imports:
        report.rows.append(Row("import edgeart, by -X importtime", imports["edgeart"]))
    if "msgpack" in imports:  # only where a context is made of a dict
        report.rows.append(Row("import msgpack, by -X importtime", imports["msgpack"]))
    report.details |= {f"import {name}": spread.median for name, spread in imports.items()}


STEPS: dict[str, Callable[[Report, int, Path], None]] = {
    "pages": page,
    "single titles": title,
    "opening": opening,
    "process start": start,
    "the C library": core.native,
    "sizes": core.sizes,
}


def check_peers(report: Report) -> None:
    """The greedy page and its peers must choose alike, or they do different work.

    Raises:
        RuntimeError: they differ on more than one title in a thousand (sums of another order may
            turn a near tie).
    """
    home = homepage("greedy", "f32")
    chosen = home.policy.select_page(home.context, home.titles).artworks()
    results = {"numpy": numpy_peer.page(home)()}
    if onnx_peer.ABSENT is None:
        results["onnxruntime"] = onnx_peer.best(home)
    else:
        report.absent.append(f"onnxruntime: {onnx_peer.ABSENT}")
    for name, best in results.items():
        theirs = [own[at] for own, at in zip(home.artworks, np.asarray(best), strict=True)]
        differing = sum(a != b for a, b in zip(chosen, theirs, strict=True))
        if differing > len(chosen) / 1000:
            message = f"{name} chooses another artwork for {differing} of {len(chosen)} titles"
            raise RuntimeError(message)


def has_crc_instruction() -> bool:
    """Whether this machine computes CRC-32C in one instruction, as far as Linux tells."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True  # the stricter bar, where nobody tells
    return "sse4_2" in flags or "crc32" in flags


def _page_names(explorer: ExplorerName, rows: Rows) -> dict[str, object]:
    home = homepage(explorer, rows)
    return {"page": home.policy.select_page, "context": home.context, "titles": home.titles}


def _vowpal_wabbit(
    report: Report | None, home: Homepage, first: str, second: str
) -> list[Contestant]:
    contestants: list[Contestant] = []
    for absent, build in (
        (vw_peer.ABSENT, vw_peer.vowpalwabbit),
        (vw_peer.ABSENT_NEXT, vw_peer.vowpal_wabbit_next),
    ):
        if absent is None:
            contestants += [c for c in build(home) if c.name in {first, second}]
        elif report is not None:
            report.absent.append(f"{build.__name__}: {absent}")
    return contestants


def _faster(race: Race, ours: str, peer: str, least: float) -> Row:
    ratio = race.ratio(peer, ours)
    return Row(
        ours, race.time(ours), peer=peer, theirs=race.time(peer), ratio=ratio,
        bar=f"≥ {least:,.0f}×", met=ratio.median >= least,
    )  # fmt: skip


def _beside(race: Race, ours: str, peer: str) -> Row:
    if peer not in race:
        return Row(ours, race.time(ours))
    return Row(
        ours, race.time(ours), peer=peer, theirs=race.time(peer), ratio=race.ratio(peer, ours)
    )
