# SPDX-License-Identifier: Apache-2.0
"""Never run: mypy --strict reads it to check what the device package's types promise.

A wrong use carries an ignore, which mypy refuses as unused should the error ever disappear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import assert_type  # in typing from Python 3.11 on

import edgeart

policy = edgeart.Policy.open("policy.edgeart")
assert_type(policy, edgeart.Policy)
assert_type(edgeart.Policy.open(Path("policy.edgeart"), mmap=True), edgeart.Policy)
assert_type(edgeart.Policy.from_bytes(b""), edgeart.Policy)
assert_type(policy.name, str)
assert_type(policy.sequence, int)
assert_type(policy.meta, dict[str, str])
assert_type(policy.explorer, edgeart.Explorer)
assert_type(policy.features[0].words, tuple[str, ...])
assert_type(policy.titles[0], str)
assert_type(policy.titles[:2], tuple[str, ...])
assert_type(policy.artworks("title-7"), tuple[str, ...])

context = policy.context({"country": "US", "taste": {"comedy": 0.7}}, seed=42, unit=7)
assert_type(context, edgeart.Context)
assert_type(context.vector, memoryview[float])
assert_type(context.report.missing, int)
policy.context(b"\x80", seed=1)
policy.context(seed=1)

denied = policy.denied({"title-7": ["couple"]})
decision = policy.select(context, "title-7", denied=denied)
assert_type(decision, edgeart.Decision)
assert_type(decision.artwork, str | None)
assert_type(decision.propensity, float)
assert_type(decision.row, int | None)

page = policy.select_page(context, ["title-7"])
assert_type(page[0], edgeart.Decision)
assert_type(page[:1], tuple[edgeart.Decision, ...])
assert_type(page.artworks(), list[str | None])
sequence: Sequence[edgeart.Decision] = page
policy.select_page(context, policy.page_titles({"title-7": None}))

assert_type(policy.propensities(context, "title-7"), dict[str, float])
assert_type(policy.candidates(context, "title-7").scores, memoryview[float])
assert_type(policy.explain(context, "title-7").artworks[0].features, dict[str, float])
assert_type(policy.verify(), int)

policy.context({"country": "US"})  # type: ignore[call-arg]
policy.context({1: "US"}, seed=1)  # type: ignore[dict-item]
policy.select(context, 7)  # type: ignore[arg-type]
policy.select({"country": "US"}, "title-7")  # type: ignore[arg-type]
policy.select(context, "title-7", denied={"title-7": ["couple"]})  # type: ignore[arg-type]
policy.select_page(context, [7])  # type: ignore[list-item]
decision.propensity = 1.0  # type: ignore[misc]
len(decision.artwork)  # type: ignore[arg-type]
