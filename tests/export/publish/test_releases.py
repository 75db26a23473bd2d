# SPDX-License-Identifier: Apache-2.0
"""What is offered to whom after releases, rollouts, reverts, kills and denials (sync.md §4–7)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart_export import bundle_bytes
from edgeart_export.errors import PublishError
from edgeart_export.format.document import Document, resequenced
from edgeart_export.publish.deny import MAX_DENIED
from edgeart_export.publish.offers import Arm, Offer, Record, split_target
from tests.reference.sync import apply_delta
from tests.support.repositories import Made, Reader, small_bundle, small_model

ALL = 10_000


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """With sequence 1 of policy `row` for everybody."""
    made = Made(tmp_path)
    made.publisher().add([small_bundle(1)], percent=ALL, new=True)
    return made


def read(made: Made) -> Reader:
    """What a new device reads; every file was downloaded and had its signed hash."""
    state = made.path.parent / f"device-{len(list(made.path.parent.iterdir()))}"
    reader = made.reader(state)
    reader.refresh()
    return reader


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def record(made: Made, policy: str = "row") -> Mapping[str, Any]:
    said: Mapping[str, Any] = read(made).said()["policies"][policy]
    return said


def offered(made: Made) -> dict[str, int]:
    """Percent by target."""
    reader = read(made)
    return {
        name: reader.custom(name)["rollout"]["percent"]
        for name in sorted(reader.targets() - {"deny.json"})
    }


def test_an_offer_says_what_the_bundle_is_and_who_takes_it(made: Made) -> None:
    made.publisher().add([small_bundle(2)], percent=1234)
    reader = read(made)
    custom = reader.custom("row/2.f1.edgeart")
    assert {key: custom[key] for key in ("policy", "sequence", "format")} == {
        "policy": "row", "sequence": 2, "format": 1
    }  # fmt: skip
    assert custom["rollout"] == {"percent": 1234, "salt": "2:row"}
    assert "arm" not in custom
    assert record(made) == {
        "newest": 2, "good": [], "minimum": 1, "killed": [], "serve": "newest", "max_stale": 0
    }  # fmt: skip


def test_files_are_named_by_their_hash(made: Made) -> None:
    offer = made.publisher().repository.load().catalogue().of("row")[0]
    path = made.path / "targets" / "row" / f"{offer.sha256}.1.f1.edgeart"
    assert path.read_bytes() == small_bundle(1)
    assert any(url.endswith(f"/row/{path.name}") for url in read(made).urls)


def test_deltas_lead_from_what_devices_have(made: Made) -> None:
    factory = small_bundle(7, seed=9)
    made.publisher().add([small_bundle(2)], percent=ALL)
    added = made.publisher().add([small_bundle(8, seed=9)], percent=5, bases=[factory])
    (offer,) = added.offers
    bases = {digest(data): data for data in (small_bundle(1), small_bundle(2), factory)}
    assert {delta.base for delta in offer.deltas} == set(bases)
    for delta in offer.deltas:
        data = (made.path / "targets" / "row" / f"{delta.sha256}.delta").read_bytes()
        assert len(data) == delta.length
        assert digest(data) == delta.sha256
        assert apply_delta(bases[delta.base], data) == small_bundle(8, seed=9)
    assert read(made).custom("row/8.f1.edgeart")["deltas"] == [vars(d) for d in offer.deltas]


def test_no_delta_is_offered_that_is_not_worth_it(made: Made) -> None:
    unlike = small_model(2, seed=5)
    titles = {f"other-{i}": own for i, own in enumerate(unlike.titles.values())}
    added = made.publisher().add(
        [bundle_bytes(dataclasses.replace(unlike, titles=titles), rows="f32")], percent=1
    )
    whole = added.offers[0].length
    assert all(delta.length <= whole / 2 for delta in added.offers[0].deltas)
    assert made.publisher().add([small_bundle(3)], percent=1, deltas=0).offers[0].deltas == ()


def test_a_sequence_for_everybody_ends_older_offers_and_makes_them_good(made: Made) -> None:
    made.publisher().add([small_bundle(2)], percent=100)
    made.publisher().add([small_bundle(3)], percent=200)
    assert offered(made) == {
        "row/1.f1.edgeart": ALL, "row/2.f1.edgeart": 100, "row/3.f1.edgeart": 200
    }  # fmt: skip
    changed = made.publisher().rollout("row", 3, ALL)
    assert {offer.target for offer in changed.dropped} == {"row/1.f1.edgeart", "row/2.f1.edgeart"}
    assert offered(made) == {"row/3.f1.edgeart": ALL}
    assert record(made)["good"] == [1]  # 2 never was for everybody


def test_a_rollout_keeps_its_salt_so_that_units_only_join(made: Made) -> None:
    made.publisher().add([small_bundle(2)], percent=100)
    before = read(made).custom("row/2.f1.edgeart")
    made.publisher().rollout("row", 2, 5000)
    after = read(made).custom("row/2.f1.edgeart")
    assert after["rollout"] == {"percent": 5000, "salt": before["rollout"]["salt"]}
    made.publisher().add([small_bundle(3)], percent=100)
    assert read(made).custom("row/3.f1.edgeart")["rollout"]["salt"] != before["rollout"]["salt"]


def test_one_sequence_in_two_formats_is_one_release(made: Made) -> None:
    two = [small_bundle(2), small_bundle(2, format_=2)]
    assert Document(two[1]).format == 2
    made.publisher().add(two, percent=100)
    assert offered(made) == {
        "row/1.f1.edgeart": ALL, "row/2.f1.edgeart": 100, "row/2.f2.edgeart": 100
    }  # fmt: skip
    made.publisher().rollout("row", 2, ALL)
    assert set(offered(made)) == {"row/2.f1.edgeart", "row/2.f2.edgeart"}


def test_older_formats_stay_offered_to_devices_that_read_no_newer(made: Made) -> None:
    made.publisher().add([small_bundle(2, format_=2)], percent=ALL)
    assert set(offered(made)) == {"row/1.f1.edgeart", "row/2.f2.edgeart"}
    made.publisher().add([small_bundle(3)], percent=ALL)
    assert set(offered(made)) == {"row/3.f1.edgeart"}


def test_arms_have_disjoint_units_and_end_with_a_release_for_everybody(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(2)], percent=ALL, arm=Arm("a", 0, 5000, "couples"))
    publisher.add([small_bundle(3)], percent=100, arm=Arm("b", 5000, ALL, "couples"))
    assert read(made).custom("row/3.f1.edgeart")["arm"] == {
        "name": "b", "from": 5000, "to": ALL, "salt": "couples"
    }  # fmt: skip
    # Neither is for everybody, though one has all of its arm.
    assert set(offered(made)) == {"row/1.f1.edgeart", "row/2.f1.edgeart", "row/3.f1.edgeart"}
    for arm in (
        Arm("c", 4999, 6000, "couples"),  # shares units with both
        Arm("a", 0, 4000, "couples"),  # a is another range
        Arm("a", 0, 10, "else"),  # another salt divides units otherwise
    ):
        with pytest.raises(PublishError, match="shares units"):
            publisher.add([small_bundle(4)], percent=1, arm=arm)
    publisher.add([small_bundle(4)], percent=ALL, arm=Arm("a", 0, 5000, "couples"))
    publisher.revert("row", to=4)
    assert offered(made) == {"row/5.f1.edgeart": ALL}


def test_what_is_refused_changes_nothing(made: Made) -> None:
    publisher = made.publisher()
    damaged = bytearray(small_bundle(2))
    damaged[300] ^= 1
    refusals: list[tuple[list[bytes], dict[str, Any], str]] = [
        ([small_bundle(1)], {}, "up to sequence 1; export with --sequence 2"),
        ([small_bundle(2, name="rwo")], {}, "never published here .known: row.*--new"),
        ([small_bundle(2)], {"new": True}, "is not new here"),
        ([small_bundle(2)], {"policy": "other"}, "is of policy 'row', not 'other'"),
        ([small_bundle(2), small_bundle(3)], {}, "one policy and sequence"),
        ([small_bundle(2), small_bundle(2)], {}, "two bundles of one format"),
        ([bundle_bytes(small_model(2), vectors=[])], {}, "no test vectors"),
        ([small_bundle(2)], {"percent": 10_001}, "percent must be"),
        ([], {}, "give a bundle"),
    ]
    for bundles, options, message in refusals:
        with pytest.raises(PublishError, match=message):
            publisher.add(bundles, **{"percent": 1} | options)
    with pytest.raises(edgeart.BundleError):
        publisher.add([bytes(damaged)], percent=1)
    assert publisher.repository.load().targets.signed.version == 2


def test_a_bundle_whose_vectors_do_not_hold_here_is_refused(made: Made) -> None:
    data = bytearray(small_bundle(2))
    hash_at = data.rindex(b"\xcf") + 1  # the last vector's hash, a uint 64
    data[hash_at] ^= 1
    data[-4:] = edgeart.crc32c(data[:-5]).to_bytes(4, "big")
    edgeart.Policy.from_bytes(bytes(data))
    with pytest.raises(edgeart.VectorError):
        made.publisher().add([bytes(data)], percent=1)


def test_a_revert_is_older_contents_under_a_higher_sequence(made: Made) -> None:
    publisher = made.publisher()
    for sequence in (2, 3):
        publisher.add([small_bundle(sequence)], percent=ALL)
    added = publisher.revert("row")
    assert [offer.target for offer in added.offers] == ["row/4.f1.edgeart"]
    data = publisher.files.load_bundle(added.offers[0])
    assert data == resequenced(small_bundle(2), 4)
    assert offered(made) == {"row/4.f1.edgeart": ALL}
    # Neither what was taken back nor what is offered now is gone back to next.
    assert record(made)["good"] == [1]
    assert Document(publisher.files.load_bundle(publisher.revert("row").offers[0])).sequence == 5
    assert offered(made) == {"row/5.f1.edgeart": ALL}
    assert publisher.files.load_bundle(publisher.repository.load().catalogue().of("row")[0]) == (
        resequenced(small_bundle(1), 5)
    )


def test_a_revert_in_the_middle_of_a_rollout_goes_to_what_most_have(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(2)], percent=100)
    (offer,) = publisher.revert("row").offers
    assert publisher.files.load_bundle(offer) == resequenced(small_bundle(1), 3)
    # From what most have it costs next to nothing.
    assert min(delta.length for delta in offer.deltas) < 200


def test_a_revert_brings_every_format_back(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(2), small_bundle(2, format_=2)], percent=ALL)
    publisher.add([small_bundle(3)], percent=ALL)
    publisher.revert("row")
    assert set(offered(made)) == {"row/4.f1.edgeart", "row/4.f2.edgeart"}


def test_a_revert_without_anything_to_go_back_to_says_so(made: Made) -> None:
    with pytest.raises(PublishError, match="no sequence that was for everybody before"):
        made.publisher().revert("row")
    with pytest.raises(PublishError, match="no kept targets metadata speaks of sequence 7"):
        made.publisher().revert("row", to=7)


def test_a_killed_sequence_is_told_and_no_longer_offered(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(2)], percent=ALL)
    publisher.add([small_bundle(3)], percent=100)
    publisher.kill("row", sequence=3)
    assert offered(made) == {"row/2.f1.edgeart": ALL}
    assert record(made)["killed"] == [3]
    publisher.kill("row", sequence=1)
    assert record(made)["killed"] == [1, 3]
    publisher.kill("row", sequence=2)
    with pytest.raises(PublishError, match="name one"):  # the only good one is killed
        publisher.revert("row")
    assert record(made)["killed"] == [1, 2, 3]
    publisher.forget("row", 3)
    assert record(made)["killed"] == [1, 2]
    with pytest.raises(PublishError, match="not killed"):
        publisher.forget("row", 3)


def test_a_policy_can_be_stopped_and_go_on(made: Made) -> None:
    for serve in ("factory", "defaults", "newest"):
        made.publisher().kill("row", serve=serve)
        assert record(made)["serve"] == serve
    with pytest.raises(PublishError, match="serve is one of"):
        made.publisher().kill("row", serve="nothing")


def test_policies_do_not_touch_each_other(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(5, name="hero")], percent=ALL, new=True)
    before = read(made).said()["policies"]["row"]
    publisher.kill("hero", sequence=5)
    publisher.add([small_bundle(6, name="hero")], percent=ALL)
    assert read(made).said()["policies"]["row"] == before
    assert set(offered(made)) == {"row/1.f1.edgeart", "hero/6.f1.edgeart"}
    with pytest.raises(PublishError, match=r"no policy 'heroes'.*known: hero, row"):
        publisher.kill("heroes", sequence=1)


def test_a_minimum_never_cuts_devices_off_and_is_never_lowered(made: Made) -> None:
    publisher = made.publisher()
    publisher.add([small_bundle(2)], percent=ALL)
    publisher.add([small_bundle(3)], percent=100)
    with pytest.raises(PublishError, match="above 2, the newest sequence that is for everybody"):
        publisher.set("row", minimum=3)
    publisher.set("row", minimum=2, max_stale=86_400)
    assert (record(made)["minimum"], record(made)["max_stale"]) == (2, 86_400)
    assert record(made)["good"] == []
    with pytest.raises(PublishError, match="only be raised"):
        publisher.set("row", minimum=1)
    with pytest.raises(PublishError, match="name it"):
        publisher.set(minimum=1)


@pytest.mark.parametrize("interval", [59, 604_801])
def test_an_interval_that_devices_would_not_keep_is_refused(made: Made, interval: int) -> None:
    with pytest.raises(PublishError, match="60 to 604800"):
        made.publisher().set(interval=interval)
    made.publisher().set(interval=3600)
    assert read(made).said()["interval"] == 3600


def deny_list(made: Made) -> Any:
    read(made)
    return json.loads(deny_path(made).read_bytes())


def deny_path(made: Made) -> Path:
    target = made.publisher().repository.load().targets.signed.targets["deny.json"]
    return made.path / "targets" / f"{target.hashes['sha256']}.deny.json"


def test_artworks_are_denied_and_allowed_again(made: Made) -> None:
    publisher = made.publisher()
    assert deny_list(made) == {"format": 1, "titles": {}}
    publisher.deny("title-2", ["b", "a"])
    publisher.deny("title-1", ["größe"])
    publisher.deny("title-2", ["a", "c"])
    assert deny_list(made) == {
        "format": 1, "titles": {"title-1": ["größe"], "title-2": ["a", "b", "c"]}
    }  # fmt: skip
    publisher.deny("title-2", ["a", "b", "c"], lift=True)
    assert publisher.denied() == {"title-1": ["größe"]}
    with pytest.raises(PublishError, match="not denied: x"):
        publisher.deny("title-1", ["x"], lift=True)
    publisher.deny_all({"t": ["b", "b", "a"]})
    assert publisher.denied() == {"t": ["a", "b"]}


def test_a_deny_list_keeps_its_limits(made: Made) -> None:
    with pytest.raises(PublishError, match="at most 65536"):
        made.publisher().deny_all({"t": [f"{i}" for i in range(MAX_DENIED + 1)]})
    with pytest.raises(PublishError, match="bytes; 1048576"):
        made.publisher().deny_all({"t": [f"{i:0200}" for i in range(6000)]})
    with pytest.raises(PublishError, match="1 to 255 are allowed"):
        made.publisher().deny("", ["a"])
    assert deny_list(made)["titles"] == {}


def test_a_damaged_file_is_not_built_upon(made: Made) -> None:
    deny_path(made).write_text('{"format": 1, "titles": {"x": ["y"]}}')
    with pytest.raises(PublishError, match="damaged"):
        made.publisher().deny("title-1", ["a"])
    offer = made.publisher().repository.load().catalogue().of("row")[0]
    made.publisher().files.bundle(offer).write_bytes(small_bundle(2))
    with pytest.raises(PublishError, match="damaged"):
        made.publisher().add([small_bundle(2)], percent=1)


@pytest.mark.parametrize(
    "name",
    [
        "row/1.f1.edgeart/x", "../row/1.f1.edgeart", "row/../1.f1.edgeart", "/row/1.f1.edgeart",
        "row/01.f1.edgeart", "row/1.f01.edgeart", "row/1.f1.edgeart\n", "row/0.f1.edgeart",
        ".row/1.f1.edgeart", "row/1.f1000.edgeart", "row\\1.f1.edgeart", "row/1.f1.EDGEART",
        f"{'r' * 65}/1.f1.edgeart", "deny.json", "",
    ],
)  # fmt: skip
def test_other_names_are_no_bundles(name: str) -> None:
    with pytest.raises(PublishError, match="not the name of a bundle target"):
        split_target(name)


def test_every_rule_of_an_offer_is_checked() -> None:
    fine = Offer("row", 2, 1, "0" * 64, 10, 5, "s", Arm("a", 0, 5, "x"))
    read_back = Offer.read(fine.target, fine.sha256, fine.length, fine.custom())
    assert read_back == fine
    for change in (
        {"policy": "other"},
        {"sequence": 3},
        {"sequence": "2"},
        {"format": 2},
        {"rollout": {"percent": 10_001, "salt": "s"}},
        {"rollout": {"percent": 5.0, "salt": "s"}},
        {"rollout": {"percent": True, "salt": "s"}},
        {"rollout": {"percent": 5, "salt": ""}},
        {"rollout": {"percent": 5, "salt": "x" * 65}},
        {"rollout": None},
        {"arm": {"name": "a", "from": 5, "to": 5, "salt": "x"}},
        {"arm": {"name": "/", "from": 0, "to": 5, "salt": "x"}},
        {"arm": {"name": "a", "from": 0, "to": 10_001, "salt": "x"}},
        {"arm": {"name": "a"}},
        {"deltas": [{"base": "0" * 63, "sha256": "0" * 64, "length": 1, "codec": 1}]},
        {"deltas": [{"base": "0" * 64, "sha256": "0" * 64, "length": 0, "codec": 1}]},
        {"deltas": [{"base": "0" * 64}]},
        {"deltas": [{"base": "0" * 64, "sha256": "0" * 64, "length": 1, "codec": 1}] * 17},
    ):
        with pytest.raises(PublishError):
            Offer.read(fine.target, fine.sha256, fine.length, fine.custom() | change)


def test_every_rule_of_a_record_is_checked() -> None:
    fine = Record(newest=3, good=(1,), killed=(2,)).to_json()
    assert Record.read(fine).to_json() == fine
    for change in (
        {"newest": 0},
        {"minimum": 2**53},
        {"killed": [0]},
        {"killed": list(range(1, 66))},
        {"good": 1},
        {"serve": "none"},
        {"max_stale": -1},
        {"max_stale": "1"},
    ):
        with pytest.raises(PublishError):
            Record.read(fine | change)
    with pytest.raises(PublishError):
        Record.read({})
