# SPDX-License-Identifier: Apache-2.0
"""Opening a bundle and what the policy says about itself."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from pathlib import Path

import pytest

import edgeart
from tests.reference.decide import open_bundle
from tests.reference.write import fix_crc
from tests.support.bundles import FULL, TITLES, bundle, verified_bundle


def test_a_policy_tells_what_its_bundle_says(policy: edgeart.Policy) -> None:
    data = bundle(policy.rows)
    assert (policy.name, policy.sequence, policy.format) == ("row", 12, 1)
    assert (policy.slots, policy.k, policy.size) == (12, 12, len(data))
    assert (policy.artwork_count, policy.vector_count) == (sum(map(len, TITLES.values())), 0)
    assert policy.meta == {"made": "for tests"}
    assert policy.explorer == edgeart.Explorer("squarecb", 0.01, 10.0)
    hour, country, taste, embedding = policy.features
    assert hour == edgeart.Feature("number", "hour", 0, 2, (), True, 12.0, 6.0, 8.0)  # noqa: FBT003
    assert (country.kind, country.first, country.width) == ("category", 2, 3)
    assert (taste.name, taste.first, taste.words) == ("taste", 5, ("comedy", "romance", "höhe"))
    assert (embedding.kind, embedding.width, embedding.clip) == ("vector", 3, 1024.0)


@pytest.mark.parametrize("kind", ["fixed", "uniform", "greedy"])
def test_an_explorer_without_parameter_has_parameter_zero(kind: str) -> None:
    policy = edgeart.Policy.from_bytes(bundle(explorer=[kind, 0.125]))
    assert policy.explorer == edgeart.Explorer(kind, 0.125, 0.0)


def test_titles_are_a_sequence_in_bundle_order(policy: edgeart.Policy) -> None:
    titles, ids = policy.titles, list(TITLES)
    assert list(titles) == ids
    assert len(titles) == len(ids)
    assert (titles[0], titles[-1], titles[2:5]) == (ids[0], ids[-1], tuple(ids[2:5]))
    assert list(reversed(titles)) == ids[::-1]
    assert [titles.index(title) for title in ids] == list(range(len(ids)))
    assert "title-3" in titles
    assert "title-99" not in titles
    assert 3 not in titles  # type: ignore[comparison-overlap]
    assert titles.count("filme-é") == 1
    with pytest.raises(IndexError, match="41 of a bundle of 41"):
        titles[41]
    with pytest.raises(ValueError, match="not among"):
        titles.index("title-3", 4)
    with pytest.raises(ValueError, match="not among"):
        titles.index("nobody")


def test_artworks_come_in_order_with_the_default_first(policy: edgeart.Policy) -> None:
    assert {title: list(policy.artworks(title)) for title in policy.titles} == TITLES


@pytest.mark.parametrize("how", [{"mmap": False}, {"mmap": True}], ids=str)
def test_a_file_opens_by_str_and_by_path_copied_or_mapped(
    how: dict[str, bool], tmp_path: Path
) -> None:
    path = tmp_path / "policy.edgeart"
    path.write_bytes(bundle())
    expected = edgeart.Policy.from_bytes(bundle())
    for given in (path, str(path)):
        opened = edgeart.Policy.open(given, **how)
        assert opened.size == expected.size
        context = opened.context(FULL, seed=1)
        scores = expected.scores(expected.context(FULL, seed=1))
        assert opened.scores(context).tolist() == scores.tolist()


def test_a_mapped_policy_survives_replacement_of_its_file(tmp_path: Path) -> None:
    path, newer = tmp_path / "policy.edgeart", tmp_path / "newer"
    path.write_bytes(bundle())
    policy = edgeart.Policy.open(path, mmap=True)
    before = policy.scores(policy.context(FULL, seed=1)).tolist()
    newer.write_bytes(bundle(seed=9))
    newer.replace(path)
    assert policy.scores(policy.context(FULL, seed=1)).tolist() == before


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_copied_from_any_buffer(kind: type) -> None:
    source = bytearray(bundle())
    policy = edgeart.Policy.from_bytes(kind(source))
    before = policy.scores(policy.context(FULL, seed=1)).tolist()
    source[:] = bytes(len(source))
    assert policy.scores(policy.context(FULL, seed=1)).tolist() == before


@pytest.mark.parametrize("how", [{"mmap": False}, {"mmap": True}], ids=str)
def test_a_refused_file_is_named_with_status_offset_and_remedy(
    how: dict[str, bool], tmp_path: Path
) -> None:
    path = tmp_path / "broken.edgeart"
    data = bytearray(bundle())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(edgeart.BundleError) as caught:
        edgeart.Policy.open(path, **how)
    assert caught.value.status == "EA_E_CRC"
    assert caught.value.offset == len(data) - 5
    for part in (str(path), "EA_E_CRC", f"byte {len(data) - 5}", "fetch the bundle again"):
        assert part in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("how", [{"mmap": False}, {"mmap": True}], ids=str)
def test_an_empty_file_is_truncated_at_byte_zero(how: dict[str, bool], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(edgeart.BundleError) as caught:
        edgeart.Policy.open(tmp_path / "empty", **how)
    assert (caught.value.status, caught.value.offset) == ("EA_E_TRUNCATED", 0)


def test_other_bytes_are_no_bundle_and_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(edgeart.BundleError, match="error page") as caught:
        edgeart.Policy.from_bytes(b"<html>not found</html>")
    assert (caught.value.status, caught.value.offset) == ("EA_E_MAGIC", 0)
    data = bundle()
    newer = fix_crc(data[:9] + b"\x03" + data[10:])
    with pytest.raises(edgeart.BundleError, match="upgrade edgeart") as caught:
        edgeart.Policy.from_bytes(newer)
    assert (caught.value.status, caught.value.offset) == ("EA_E_VERSION", 9)


def test_a_far_too_large_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(bundle()[:64])
        file.truncate((1 << 30) + 1)  # sparse: takes no room
    with pytest.raises(edgeart.BundleError) as caught:
        edgeart.Policy.open(path)
    assert (caught.value.status, caught.value.offset) == ("EA_E_LIMIT", 1 << 30)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        edgeart.Policy.open(tmp_path / "nowhere")


def test_the_reference_s_test_vectors_hold(policy: edgeart.Policy) -> None:
    assert edgeart.Policy.from_bytes(verified_bundle(policy.rows)).verify() == 3
    assert policy.verify() == 0


def test_a_wrong_test_vector_is_named() -> None:
    vectors = open_bundle(verified_bundle()).vectors
    wrong = [vectors[0], (vectors[1][0], vectors[1][1] ^ 1), vectors[2]]
    policy = edgeart.Policy.from_bytes(bundle(vectors=wrong))
    with pytest.raises(edgeart.VectorError, match="test vector 1 of 3") as caught:
        policy.verify()
    assert (caught.value.status, caught.value.vector) == ("EA_E_VECTOR", 1)
    assert isinstance(caught.value, edgeart.BundleError)


def test_a_policy_is_opened_not_constructed() -> None:
    with pytest.raises(TypeError, match=r"Policy\.open"):
        edgeart.Policy("policy.edgeart")


def test_native_memory_is_refused_by_pickle_and_copy(
    policy: edgeart.Policy, context: edgeart.Context
) -> None:
    page = policy.select_page(context, ["title-3"])
    for thing in (policy, context, page, page[0], policy.page_titles([]), policy.limits()):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="cannot be pickled"):
            copy.copy(thing)


def test_errors_survive_pickling_with_their_fields() -> None:
    for error in (
        edgeart.BundleError("m", status="EA_E_CRC", offset=3),
        edgeart.VectorError("m", status="EA_E_VECTOR", vector=2),
        edgeart.ContextError("m", status="EA_E_TYPE", offset=3, field="hour"),
        edgeart.UnknownTitleError("m"),
    ):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
        assert (type(again), str(again), vars(again)) == (type(error), "m", vars(error))


def test_a_policy_s_repr_says_what_it_is(policy: edgeart.Policy) -> None:
    assert repr(policy).startswith("<Policy 'row', sequence 12: squarecb, 41 titles")
    assert "41 titles" in repr(policy.titles)


def test_a_policy_lives_as_long_as_what_it_made_and_no_longer() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    gone = weakref.ref(policy)
    decision = policy.select(policy.context(FULL, seed=1), "title-3")
    artwork = decision.artwork
    del policy
    gc.collect()
    assert gone() is not None
    assert decision.artwork == artwork
    del decision
    gc.collect()
    assert gone() is None


def test_a_bundle_without_titles_encodes_and_decides_nothing() -> None:
    policy = edgeart.Policy.from_bytes(bundle(titles={}))
    context = policy.context(FULL, seed=1)
    assert len(context.vector) == 12
    assert len(policy.titles) == 0
    assert policy.select_page(context, ["title-1"])[0].reason == "unknown_title"
    assert policy.scores(context).tolist() == []
