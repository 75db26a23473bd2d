# SPDX-License-Identifier: Apache-2.0
"""Every logged decision repeats to the bit from the log and the bundle alone, and says why."""

from __future__ import annotations

import json
import random
from array import array
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

import edgeart
from edgeart.cli import main
from edgeart.context import pack
from edgeart.events import NO_CONTEXT
from edgeart.log_view import events_of, line_of, read_log
from edgeart.segments import parse_ref
from edgeart.why import why
from tests.device.faults.conftest import events_in
from tests.support.bundles import ATTRIBUTES, FULL, TITLES, bundle, rich

SECRET = bytes(range(32))
BUNDLES = {
    "thompson over a tower": rich(),
    "softmax": rich("f32", tower=False, explorer=["softmax", 0.01, 0.7]),
    "greedy": rich(tower=False, explorer=["greedy", 0.0]),
    "of format 1": bundle(),
}
HOST = {"new-1": ["n0", "n1", "n2"], "größer": ["m0"], "\ud800": ["x", "y", "\udc00"]}


def some(source: random.Random, titles: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        title: source.sample(titles[title], source.randint(0, len(titles[title])))
        for title in source.sample(list(titles), 10)
    }


def record(directory: Path, policy: edgeart.Policy, rounds: int = 30) -> list[str]:
    """Shows pages of all kinds of decisions; the refs of what was drawn or scored."""
    source = random.Random(policy.size)  # noqa: S311 - nothing here is a secret
    refs = []
    with edgeart.FeedbackLog(directory) as log:
        for number in range(rounds):
            selector = edgeart.Selector(policy, log, unit=bytes([number]), secret=SECRET)
            names = ATTRIBUTES if policy.attributes else []
            selector.set_limits(
                denied=some(source, TITLES) if number % 2 else None,
                required=["lang_en"] if names and number % 5 == 0 else [],
                forbidden=["mature"] if names and number % 3 == 0 else [],
                candidates=some(source, TITLES) if number % 4 == 0 else None,
            )
            selector.set_context(FULL | {"hour": number, "not declared": "secret"})
            told: dict[str, Any] = {
                title: dict.fromkeys(artworks, ("lang_en",)) for title, artworks in HOST.items()
            }
            page = selector.page([*TITLES, *HOST], candidates=told)
            for place, decision in enumerate(page):
                ref = selector.shown(decision, slot=(number, place))
                assert ref is not None
                refs.append(ref)
            assert not selector.errors
    return refs


@pytest.mark.parametrize("which", list(BUNDLES))
def test_every_decision_repeats_from_the_log_and_the_bundle(which: str, tmp_path: Path) -> None:
    policy = edgeart.Policy.from_bytes(BUNDLES[which])
    refs = record(tmp_path, policy)
    events = events_in(tmp_path)
    reasons, cells, candidates = set(), set(), set()
    for ref in refs:
        stream, sequence = parse_ref(ref)
        body = events[stream, sequence]
        context = events[stream, body[2]]
        assert context[4] == policy.digest
        assert b"secret" not in context[5]
        required, forbidden = [*context[11:13], 0, 0][:2]
        repetition = edgeart.Repetition(
            policy, values=context[5], seed=context[6], cell=context[8], denied=context[9],
            required=required, forbidden=forbidden,
        )  # fmt: skip
        reason, total, shown, among = [*body[8:12], *[0, 1 << 31, None, None][len(body[8:12]) :]]
        again = repetition.decide(body[3], among)
        numbers = {"policy": 0, "redrawn": 10, "recomputed": 20, "none": 30, "host_uniform": 60}
        assert (again.artwork, again.n, again.total) == (body[4], body[5], total)
        assert (numbers[again.reason], again.cell) == (reason, context[8])
        assert shown is None
        reasons.add(reason)
        cells.add(context[8])
        candidates.add(type(among))
    assert {0, 10, 30, 60} <= reasons
    assert cells == ({None, "holdback", "random"} if policy.cells else {None})
    assert candidates == {type(None), bytes, list}


def test_limits_that_say_nothing_cost_no_byte(tmp_path: Path) -> None:
    policy = edgeart.Policy.from_bytes(BUNDLES["greedy"])
    with edgeart.FeedbackLog(tmp_path) as log:
        selector = edgeart.Selector(policy, log, unit=b"u", secret=SECRET)
        selector.shown(selector.select("title-3"))
        selector.set_limits(forbidden=["mature"])
        selector.shown(selector.select("title-3"))
    lengths = [len(body) for body in events_in(tmp_path).values()]
    assert lengths == [11, 8, 13, 8]


def test_a_choice_without_a_context_says_what_it_was_made_among(tmp_path: Path) -> None:
    policy = edgeart.Policy.from_bytes(BUNDLES["of format 1"])
    with edgeart.FeedbackLog(tmp_path) as log:
        selector = edgeart.Selector(policy, log, unit=b"u", secret=SECRET)
        selector.set_context({"hour": "nine"})
        page = selector.page(
            ["title-6", "title-5", "new", "newer"],
            candidates={"title-6": ["art-6-4", "art-6-2"], "new": ["b", "a"]},
        )
        assert page.artworks() == ["art-6-2", "art-5-0", "b", None]
        refs = [selector.shown(decision) for decision in page]
    events = events_in(tmp_path)
    bodies = [events[parse_ref(str(ref))] for ref in refs]
    assert {body[2] for body in bodies} == {NO_CONTEXT}
    assert [body[8] for body in bodies] == [50, 50, 50, 40]
    assert [body[11:] for body in bodies] == [[b"\x14"], [], [["b", "a"]], []]


@pytest.mark.parametrize(
    ("candidates", "cell", "words"),
    [
        (["a"], None, "has title 'title-3', for which"),
        (b"\x01", None, "has no title 'new'"),
        (None, "control", "no cell 'control'"),
    ],
)
def test_what_the_bundle_cannot_have_decided_is_named(
    candidates: Any, cell: str | None, words: str
) -> None:
    policy = edgeart.Policy.from_bytes(BUNDLES["greedy"])
    title = "new" if isinstance(candidates, bytes) else "title-3"
    with pytest.raises(edgeart.RepetitionError, match=words):
        edgeart.Repetition(policy, values=b"\x80", seed=1, cell=cell).decide(title, candidates)


# The command.


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[str, str, list[str]]:
    """A log's directory, the bundle that decided, and refs by kind."""
    (tmp_path / "policy.edgeart").write_bytes(BUNDLES["thompson over a tower"])
    policy = edgeart.Policy.from_bytes(BUNDLES["thompson over a tower"])
    directory = tmp_path / "log"
    refs = []
    with edgeart.FeedbackLog(directory) as log:
        selector = edgeart.Selector(policy, log, unit=b"u", secret=SECRET)
        selector.set_context(FULL)
        selector.set_limits(forbidden=["mature"])
        given: Any = {"title-6": TITLES["title-6"][1:], "new": {"a": [], "b": []}}
        for decision in selector.page(["title-5", "title-6", "new"], candidates=given):
            refs.append(str(selector.shown(decision)))
        selector.set_context({"hour": "nine"})
        refs.append(str(selector.shown(selector.select("title-6"))))
        refs.append(str(selector.shown(selector.select("title-6", candidates=[]))))
        refs.append(str(selector.shown(selector.select("newer"))))
        selector.outcome(refs[0], minutes=5)
    return str(directory), str(tmp_path / "policy.edgeart"), refs


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(arguments) == status
    out, err = capsys.readouterr()
    return str(out if status == 0 else out + err)


def test_why_repeats_and_explains(
    recorded: tuple[str, str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, file, refs = recorded
    policy = edgeart.Policy.open(file)
    for ref, title in zip(refs[:2], ("title-5", "title-6"), strict=True):
        arguments = ["log", directory, "--why", ref, "--bundle", file]
        text = run(capsys, *arguments)
        assert "repeats exactly" in text
        assert "score of" in text
        assert "lead over" in text
        found = json.loads(run(capsys, *arguments, "--json"))
        assert (found["repeats"], found["impression"]["title"]) == (True, title)
        explanation = found["explanation"]
        assert explanation["artwork"] == found["impression"]["artwork"]
        assert explanation["propensity"] == found["impression"]["propensity"]
        names = [artwork["artwork"] for artwork in explanation["artworks"]]
        assert names
        assert all("mature" not in policy.artwork_attributes(title, name) for name in names)
        assert TITLES["title-6"][0] not in names
        total = explanation["baseline"] + sum(
            next(a for a in explanation["artworks"] if a["artwork"] == explanation["artwork"])[
                "features"
            ].values()
        )
        assert total == pytest.approx(explanation["score"], rel=0, abs=1e-14)


def test_why_tells_what_no_policy_scored(
    recorded: tuple[str, str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, file, refs = recorded
    for ref, words, repeats in (
        (refs[2], ["repeats exactly", "uniformly from the host's 2 artworks"], True),
        (refs[3], ["fallback", "nothing was drawn"], None),
        (refs[4], ["none", "no artwork might be shown"], None),
        (refs[5], ["unknown_title", "does not have the title"], None),
    ):
        arguments = ["log", directory, "--why", ref, "--bundle", file]
        text = run(capsys, *arguments)
        assert [word for word in words if word not in text] == []
        found = json.loads(run(capsys, *arguments, "--json"))
        assert (found["repeats"], found["explanation"]) == (repeats, None)


def test_why_refuses_what_it_cannot_answer(
    recorded: tuple[str, str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, file, refs = recorded
    other = str(Path(file).with_name("other.edgeart"))
    Path(other).write_bytes(BUNDLES["greedy"])
    theirs, ours = edgeart.Policy.open(other).digest.hex(), edgeart.Policy.open(file).digest.hex()
    text = run(capsys, "log", directory, "--why", refs[0], "--bundle", other, status=1)
    assert theirs in text
    assert ours in text
    stream = refs[0][:17]
    text = run(capsys, "log", directory, "--why", f"{stream}000000ff", "--bundle", file, status=1)
    assert "no impression" in text
    text = run(capsys, "log", directory, "--why", f"{stream}00000000", "--bundle", file, status=1)
    assert "is no impression" in text
    for arguments in (["--why", refs[0]], ["--bundle", file], ["--why", "x", "--bundle", file]):
        with pytest.raises(SystemExit) as caught:
            main(["log", directory, *arguments])
        assert caught.value.code == 2


def test_what_does_not_repeat_exits_1_and_says_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log in which an impression claims another n than its decision had."""
    (tmp_path / "policy.edgeart").write_bytes(BUNDLES["greedy"])
    policy = edgeart.Policy.open(tmp_path / "policy.edgeart")
    with edgeart.FeedbackLog(tmp_path / "log") as log:
        selector = edgeart.Selector(policy, log, unit=b"u", secret=SECRET)
        decision = selector.select("title-6")
        origin = decision._origin
        forged = edgeart.HostDecision("title-6", "art-6-0", "none", n=7, policy=policy)
        forged._candidates = None
        ref = log.shown(forged, origin)
    assert ref is not None
    arguments = ["log", str(tmp_path / "log"), "--why", ref]
    text = run(capsys, *arguments, "--bundle", str(tmp_path / "policy.edgeart"), status=1)
    assert "does not repeat" in text
    assert "n 7 was logged" in text
    assert main([*arguments, "--bundle", str(tmp_path / "policy.edgeart"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["repeats"] is False


def test_why_says_that_the_context_was_lost(tmp_path: Path) -> None:
    """The frame of the context is damaged, as a flipped bit would."""
    policy = edgeart.Policy.from_bytes(BUNDLES["greedy"])
    with edgeart.FeedbackLog(tmp_path) as log:
        selector = edgeart.Selector(policy, log, unit=b"u", secret=SECRET)
        ref = selector.shown(selector.select("title-6"))
    assert ref is not None
    (path,) = tmp_path.glob("*.eaf")
    data = bytearray(path.read_bytes())
    data[64 + 20] ^= 1  # in the first body
    path.write_bytes(data)
    with pytest.raises(edgeart.RepetitionError, match="00000000 of its stream, is not in the"):
        why(tmp_path, ref, policy)


def test_the_command_log_prints_every_event(
    recorded: tuple[str, str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    directory, _, refs = recorded
    text = run(capsys, "log", directory)
    assert [ref for ref in refs if ref not in text] == []
    for part in ("8 events in 1 segments", "5 minutes after", "policy row 12", "host_uniform"):
        assert part in text
    found = json.loads(run(capsys, "log", directory, "--json"))
    assert found["events"] == 8
    kinds = [event["event"] for segment in found["segments"] for event in segment["events"]]
    assert kinds == ["context", *["impression"] * 6, "outcome"]


def test_log_prints_cell_limits_and_candidates(recorded: tuple[str, str, list[str]]) -> None:
    directory, _, refs = recorded
    events = [event for _, segment in read_log(Path(directory)) for event in events_of(segment)]
    lines = "\n".join(map(line_of, events))
    context = events[0]
    assert (context["required"], context["forbidden"]) == (0, 0b100)
    assert "forbidden 0x4" in lines
    assert "among the title's artworks 1, 2, 3, 4, 5, 6 (from 0)" in lines
    assert "among the title's artworks none" in lines
    assert "among the host's a, b" in lines
    by_ref = {event["ref"]: event for event in events}
    assert by_ref[refs[1]]["candidates"] == "7e"
    assert by_ref[refs[2]]["candidates"] == ["a", "b"]


def test_a_log_of_before_reads_on(tmp_path: Path) -> None:
    """Bodies without what revision 2 added: no cell, no attributes, no candidates."""
    with edgeart.FeedbackLog(tmp_path) as log:
        selector = edgeart.Selector(
            edgeart.Policy.from_bytes(bundle()), log, unit=b"u", secret=SECRET
        )
        selector.shown(selector.select("title-3"), instead="by hand")
    events = [event for _, segment in read_log(tmp_path) for event in events_of(segment)]
    assert (events[0]["cell"], events[0]["required"], events[0]["forbidden"]) == (None, 0, 0)
    assert (events[1]["candidates"], events[1]["shown"]) == (None, "by hand")
    assert [len(body) for body in events_in(tmp_path).values()] == [11, 11]


def test_pages_of_many_contexts_repeat_as_single_decisions_do() -> None:
    policy = edgeart.Policy.from_bytes(rich())
    repeater = edgeart.Repeater(policy, cell="random", forbidden=4)
    values = [pack({"hour": hour, "country": "US"}) for hour in range(5)]
    titles = [*policy.titles[:9], "unknown", *policy.titles[9:15]]
    prepared = policy.page_titles(titles)
    ends, sizes = array("Q", [3, 3, 10, 15, 16]), [len(each) for each in values]
    found = repeater.pages(
        b"".join(values), array("Q", accumulate(sizes)), array("Q", range(5)), prepared.indices,
        ends,
    )  # fmt: skip
    assert found.statuses.tolist() == [0] * 5
    expected = b""
    for number, (first, last) in enumerate(pairwise([0, *ends])):
        context = policy.context(values[number], seed=number, unit=repeater.unit)
        limits = repeater.limits("")
        page = policy.select_page(context, titles[first:last], limits=limits)
        expected += bytes(page.raw)
    assert bytes(found.raw) == expected


def test_a_context_that_cannot_be_encoded_costs_its_own_titles_alone() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    repeater = edgeart.Repeater(policy)
    titles = array("I", [0, 1, 2])
    three = array("Q", [1, 2, 3])
    found = repeater.pages(b"\x80\xc1\x80", three, array("Q", [1, 1, 1]), titles, three)
    assert [bool(status) for status in found.statuses] == [False, True, False]
    assert bytes(found.raw[24:48]) == bytes(24)
    alone = repeater.pages(b"\x80", three[:1], three[:1], titles[:1], three[:1])
    assert found.raw[:24] == alone.raw


@pytest.mark.parametrize(
    ("map_ends", "seeds", "ends"),
    [([1, 2], [1], [1]), ([1], [1], [1, 1]), ([2], [1], [1]), ([1], [1], [2]),
     ([1, 0], [1, 1], [1, 1]), ([1, 1], [1, 1], [1, 0])],
)  # fmt: skip
def test_lengths_that_do_not_go_together_are_refused(
    map_ends: list[int], seeds: list[int], ends: list[int]
) -> None:
    repeater = edgeart.Repeater(edgeart.Policy.from_bytes(bundle()))
    given = (array("Q", each) for each in (map_ends, seeds))
    with pytest.raises(ValueError, match="map_ends"):
        repeater.pages(b"\x80", *given, array("I", [0]), array("Q", ends))


def test_all_artworks_are_named_in_row_order() -> None:
    policy = edgeart.Policy.from_bytes(bundle())
    assert policy.artwork_ids() == [a for title in policy.titles for a in policy.artworks(title)]
