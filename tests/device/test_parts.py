# SPDX-License-Identifier: Apache-2.0
"""What a policy tells of a bundle of format 2: tower, variances, cells, attributes, factors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgeart
from tests.reference.decide import context_hash, open_bundle, prepare
from tests.reference.write import pack
from tests.support.bundles import ATTRIBUTES, FULL, TITLES, bundle, describe_rich, rich

RICH = edgeart.Policy.from_bytes(rich())
REFERENCE = open_bundle(rich())


def test_a_policy_tells_all_of_format_2() -> None:
    described = describe_rich()
    assert (RICH.format, RICH.k, RICH.slots, RICH.rows) == (2, 8, 12, "i8")
    assert RICH.tower == (
        edgeart.Layer("relu", 12, 16, "f32"),
        edgeart.Layer("tanh", 16, 8, "i8"),
    )
    assert RICH.variance == "e5m3"
    assert RICH.salt == "salt-1"
    assert RICH.cells == (
        edgeart.Cell("holdback", 0.125, edgeart.Explorer("fixed", 0.0, 0.0)),
        edgeart.Cell("random", 0.25, edgeart.Explorer("uniform", 0.0, 0.0)),
    )
    assert RICH.explorer == edgeart.Explorer("thompson", 0.01, 1.0)
    assert RICH.attributes == tuple(ATTRIBUTES)
    assert RICH.scaled
    assert [RICH.title_scale(title) for title in RICH.titles] == described["title_scale"]
    row = 0
    for title, artworks in TITLES.items():
        for artwork in artworks:
            mask = described["masks"][row]
            names = tuple(name for i, name in enumerate(ATTRIBUTES) if mask >> i & 1)
            assert RICH.artwork_attributes(title, artwork) == names
            row += 1


def test_a_policy_of_format_1_has_none_of_it(policy: edgeart.Policy) -> None:
    assert (policy.tower, policy.cells, policy.attributes) == ((), (), ())
    assert (policy.variance, policy.salt, policy.scaled) == ("none", "", False)
    assert policy.title_scale("title-3") == 1.0
    assert policy.artwork_attributes("title-3", "art-3-0") == ()
    context = policy.context(FULL, seed=1, unit=9)
    assert context.cell is None
    assert context.u.tolist() == context.vector.tolist()
    assert not any(policy.variances(context))
    assert policy.unit_of_cell(None) == 0


@given(st.integers(0, 2**64 - 1))
def test_a_unit_s_cell_is_the_reference_s(unit: int) -> None:
    context = RICH.context(FULL, seed=1, unit=unit)
    number = REFERENCE.cells.cell_of(unit)
    assert context.cell == (None, "holdback", "random")[number]
    assert RICH.select(context, "title-3").cell == context.cell
    page = RICH.select_page(context, ["title-3", "nobody"])
    assert [decision.cell for decision in page] == [context.cell] * 2
    assert list(memoryview(page.raw).cast("H")[11::12]) == [number] * 2


def test_some_unit_is_found_for_every_cell() -> None:
    for cell in (None, "holdback", "random"):
        assert RICH.context(seed=1, unit=RICH.unit_of_cell(cell)).cell == cell
    with pytest.raises(LookupError, match=r"no cell 'control'.*holdback, random"):
        RICH.unit_of_cell("control")
    everybody = edgeart.Policy.from_bytes(
        bundle(cells=["s", ["a", 0.5, ["fixed", 0.0]], ["b", 0.5, ["uniform", 0.0]]])
    )
    with pytest.raises(LookupError, match="no unit was found in no cell"):
        everybody.unit_of_cell(None)


def test_cells_decide_with_their_own_explorer() -> None:
    held = RICH.context(FULL, seed=1, unit=RICH.unit_of_cell("holdback"))
    drawn = RICH.context(FULL, seed=1, unit=RICH.unit_of_cell("random"))
    for title, artworks in TITLES.items():
        decision = RICH.select(held, title)
        assert (decision.artwork, decision.propensity) == (artworks[0], 1.0)
        shares = RICH.propensities(drawn, title).values()
        assert max(shares) - min(shares) < 1e-6


def test_u_and_variances_are_the_reference_s() -> None:
    context = RICH.context(FULL, seed=1)
    theirs = prepare(REFERENCE, pack(FULL), seed=1)
    assert context.u.tolist() == theirs.u
    assert RICH.variances(context).tolist() == theirs.variances
    assert RICH.scores(context).tolist() == theirs.scores
    assert context.hash == context_hash(theirs)


def test_attributes_of_what_does_not_exist_are_refused() -> None:
    with pytest.raises(edgeart.UnknownTitleError, match="nobody"):
        RICH.artwork_attributes("nobody", "art-3-0")
    with pytest.raises(edgeart.UnknownArtworkError, match=r"'laugh'.*art-3-0"):
        RICH.artwork_attributes("title-3", "laugh")
    with pytest.raises(edgeart.UnknownTitleError, match="nobody"):
        RICH.title_scale("nobody")
