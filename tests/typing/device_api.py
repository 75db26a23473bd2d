# SPDX-License-Identifier: Apache-2.0
"""Never run: mypy --strict reads it to check what the device package's types promise.

A wrong use carries an ignore, which mypy refuses as unused should the error ever disappear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import assert_type  # in typing from Python 3.11 on

import edgeart
import edgeart.sync

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

limits = policy.limits(
    denied={"title-7": ["couple"]}, required=["lang_en"], forbidden=("mature",),
    candidates={"title-7": {"laugh": None}},
)  # fmt: skip
assert_type(limits, edgeart.Limits)
decision = policy.select(context, "title-7", limits=limits)
assert_type(decision, edgeart.Decision)
assert_type(decision.artwork, str | None)
assert_type(decision.propensity, float)
assert_type(decision.row, int | None)
assert_type(decision.cell, str | None)
assert_type(context.cell, str | None)
assert_type(policy.cells[0].explorer, edgeart.Explorer)
assert_type(policy.tower[0], edgeart.Layer)
assert_type(policy.attributes, tuple[str, ...])
assert_type(policy.artwork_attributes("title-7", "laugh"), tuple[str, ...])
assert_type(policy.fallback("title-7", limits=limits), edgeart.Decision)
assert_type(policy.select_host(context, "new", ["a", "b"]), edgeart.HostDecision)
assert_type(policy.unit_of_cell(None), int)

page = policy.select_page(context, ["title-7"])
assert_type(page[0], edgeart.Decision)
assert_type(page[:1], tuple[edgeart.Decision, ...])
assert_type(page.artworks(), list[str | None])
sequence: Sequence[edgeart.Decision] = page
policy.select_page(context, policy.page_titles({"title-7": None}))

assert_type(policy.propensities(context, "title-7"), dict[str, float])
assert_type(policy.candidates(context, "title-7").scores, memoryview[float])
explanation = policy.explain(context, "title-7", limits=limits)
assert_type(explanation.artworks[0].features, dict[str, float])
assert_type(explanation.lead, dict[str, float])
assert_type(explanation.baseline, float)
assert_type(explanation.runner_up, str | None)
assert_type(explanation.decision, edgeart.Decision)

selector = edgeart.Selector(policy, None, unit=b"u", secret=bytes(32))
selector.set_limits(denied={"title-7": ["couple"]}, required=["lang_en"], forbidden=["mature"])
choice = selector.select("title-8", candidates={"a": ["lang_en"], "b": []})
assert_type(choice, edgeart.Decision | edgeart.HostDecision)
assert_type(choice.cell, str | None)
selector.page(["title-7"], candidates={"title-7": ["laugh"]})

repetition = edgeart.Repetition(policy, values=b"\x80", seed=1, cell="holdback", required=1)
assert_type(repetition.decide("title-7", b"\x02"), edgeart.Decision | edgeart.HostDecision)
assert_type(policy.verify(), int)

policy.context({"country": "US"})  # type: ignore[call-arg]
policy.context({1: "US"}, seed=1)  # type: ignore[dict-item]
policy.select(context, 7)  # type: ignore[arg-type]
policy.select({"country": "US"}, "title-7")  # type: ignore[arg-type]
policy.select(context, "title-7", limits={"title-7": ["couple"]})  # type: ignore[arg-type]
policy.limits(denied=["couple"])  # type: ignore[arg-type]
policy.limits({"title-7": ["couple"]})  # type: ignore[call-arg]
selector.set_limits(required=[7])  # type: ignore[list-item]
policy.select_page(context, [7])  # type: ignore[list-item]
decision.propensity = 1.0  # type: ignore[misc]
len(decision.artwork)  # type: ignore[arg-type]

client = edgeart.Client(
    "app", policies={"row": "row.edgeart"}, unit=b"unit", sync_url="https://x.example", root=b"{}"
)
checked = client.refresh()
assert_type(checked, edgeart.sync.SyncStatus | None)
if checked is not None:
    assert_type(checked.policies["row"].sequence, int)
    assert_type(checked.stale_since, float | None)
assert_type(client["row"].tally, tuple[int, int])
client["row"].withdraw({"title-7": ["couple"]})
client["row"].withdraw(["title-7"])  # type: ignore[arg-type]
