# SPDX-License-Identifier: Apache-2.0
"""`edgeart inspect`: what is in a bundle, for people and for machines."""

from __future__ import annotations

import edgeart
from edgeart.explain_view import aligned

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def inspect(options: argparse.Namespace, _: argparse.ArgumentParser) -> dict[str, object]:
    """Shows what is in a bundle: features, tower, titles, artworks, explorers, cells, sizes."""
    policy = edgeart.Policy.open(options.file)
    result: dict[str, object] = {
        "name": policy.name,
        "sequence": policy.sequence,
        "digest": policy.digest.hex(),
        "format": policy.format,
        "size": policy.size,
        "sections": _sections(policy),
        "explorer": policy.explorer._asdict(),
        "cells": [cell._asdict() | {"explorer": cell.explorer._asdict()} for cell in policy.cells],
        "salt": policy.salt,
        "rows": policy.rows,
        "k": policy.k,
        "slots": policy.slots,
        "tower": [layer._asdict() for layer in policy.tower],
        "variance": policy.variance,
        "titles": len(policy.titles),
        "artworks": policy.artwork_count,
        "attributes": list(policy.attributes),
        "test_vectors": policy.vector_count,
        "features": [feature._asdict() for feature in policy.features],
        "meta": policy.meta,
        "artworks_of": {title: list(policy.artworks(title)) for title in options.title},
        "attributes_of": {
            title: {a: policy.artwork_attributes(title, a) for a in policy.artworks(title)}
            for title in options.title
        },
        "title_scale": {title: policy.title_scale(title) for title in options.title},
    }
    if not options.json:
        print(*aligned(_summary(policy)), "", *aligned(_features(policy)), sep="\n")
        for title in options.title:
            _show_title(policy, title)
    return result


def _summary(policy: edgeart.Policy) -> list[Sequence[str]]:
    sizes = (f"{name} {size:,}" for name, size in _sections(policy).items())
    variances = "" if policy.variance == "none" else f", {policy.variance} variances"
    scaled = ", its parameter times a factor per title" if policy.scaled else ""
    rest = 1 - sum(cell.share for cell in policy.cells)
    return [
        ("policy", f"{policy.name}, sequence {policy.sequence}, format {policy.format}"),
        ("digest", policy.digest.hex()),
        ("explorer", f"{_explorer(policy.explorer)}{scaled}"),
        *(
            ("cell", f"{cell.name}: {cell.share:.4%} of units, {_explorer(cell.explorer)}")
            for cell in policy.cells
        ),
        *[("cells", f"salt {policy.salt!r}; {rest:.4%} of units in none")] * bool(policy.cells),
        ("titles", f"{len(policy.titles):,}: {_some(policy.titles)}"),
        ("artworks", f"{policy.artwork_count:,} {policy.rows} rows of {policy.k}{variances}"),
        *[("attributes", ", ".join(policy.attributes))] * bool(policy.attributes),
        *(
            ("layer", f"{layer.inputs} to {layer.outputs}, {layer.activation}, {layer.rows}")
            for layer in policy.tower
        ),
        ("vectors", f"{policy.vector_count} (edgeart verify runs them)"),
        ("bytes", f"{policy.size:,}: {', '.join(sizes)}"),
        *(("meta", f"{key}: {value}") for key, value in policy.meta.items()),
    ]


def _explorer(explorer: edgeart.Explorer) -> str:
    parameter = f", parameter {explorer.parameter:g}" if explorer.parameter else ""
    return f"{explorer.kind}, floor {explorer.floor:g}{parameter}"


def _features(policy: edgeart.Policy) -> list[Sequence[str]]:
    return [
        ("feature", "kind", "slots", "words and numbers"),
        *(
            (f.name, f.kind, f"{f.first}-{f.first + f.width - 1}", _detail(f))
            for f in policy.features
        ),
        ("(intercept)", "", str(policy.slots - 1), ""),
    ]


def _show_title(policy: edgeart.Policy, title: str) -> None:
    factor = f" (factor {policy.title_scale(title):g})" if policy.scaled else ""
    print(f"\n{title}{factor}")
    for i, artwork in enumerate(policy.artworks(title)):
        attributes = ", ".join(policy.artwork_attributes(title, artwork))
        print(f"  {artwork}{' (default)' if i == 0 else ''}{attributes and f': {attributes}'}")


def _sections(policy: edgeart.Policy) -> dict[str, int]:
    """Bytes by purpose, from the counts (native/spec/bundle.md §4); they add up to the size."""
    rows, titles = policy.artwork_count, len(policy.titles)
    sizes = {"weights": rows * _row_bytes(policy.rows, policy.k)}
    if policy.rows == "i8":
        sizes["weights"] += 4 * rows  # scales
    sizes |= {"bias": 4 * rows, "index": 20 * titles + 4 * rows}
    if policy.variance != "none":
        sizes["variances"] = rows * _row_bytes("i8", policy.k) + 4
    if policy.attributes:
        sizes["masks"] = 4 * rows
    if policy.scaled:
        sizes["factors"] = 4 * titles
    if policy.tower:
        sizes["tower"] = sum(
            layer.inputs * _row_bytes(layer.rows, layer.outputs)
            + layer.outputs * (8 if layer.rows == "i8" else 4)  # bias, and scales for i8
            for layer in policy.tower
        )
    return sizes | {"ids and the rest": policy.size - sum(sizes.values())}


def _row_bytes(rows: str, length: int) -> int:
    """Bytes of a row of weights, with its padding."""
    return -(-length // 16) * 16 if rows == "i8" else -(-length // 8) * 8 * 4


def _detail(feature: edgeart.Feature) -> str:
    if feature.words:
        return _some(feature.words)
    if feature.kind == "vector":
        return f"clip {feature.clip:g}"
    indicator = ", and a slot for missing" if feature.indicator else ""
    return f"(x - {feature.centre:g}) / {feature.scale:g}, clip {feature.clip:g}{indicator}"


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (", …" if len(words) > 5 else "")
