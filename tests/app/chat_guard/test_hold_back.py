"""Laws of the hold-back buffer: a prefix, nothing unscored, everything in the end."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from postern.chat_guard.bounds import MAX_CHOICES
from postern.chat_guard.hold_back import Bounds, HoldBack, Snapshot
from postern.chat_guard.pacing import ScoreRule
from postern.chat_guard.readable import Found
from postern.contract.errors import UpstreamInvalid

TEXTS = st.text(alphabet="ab .\n", max_size=12)
RULES = st.builds(
    ScoreRule,
    at=st.sampled_from(["sentence", "tokens"]),
    every_tokens=st.integers(1, 8),
    tail_chars=st.integers(1, 60),
    doubt_tokens=st.sampled_from([0, 4, 1000]),
)
WIDE = Bounds(chars=10_000, held_bytes=1_000_000)
CONTENT = ("delta", "content")
Piece = tuple[int, str]


def buffer(rule: ScoreRule, bounds: Bounds = WIDE) -> HoldBack[Piece]:
    return HoldBack(rule, bounds)


def add(
    held: HoldBack[Piece], choice: int, text: str, *, finished: bool = False
) -> Snapshot | None:
    found = [Found(CONTENT, text)] if text else []
    return held.add(choice, found, (choice, text), n_bytes=len(text), finished=finished)


def taken(held: HoldBack[Piece]) -> list[str]:
    return [text for _, (_, text) in held.take()]


@example([(0, "a"), (0, ".."), (0, ".."), (0, "a")], ScoreRule("sentence", 1, 1), set())
@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), TEXTS), max_size=40),
    rule=RULES,
    harmful=st.sets(st.integers(0, 20), max_size=3),
)
def test_the_laws(pieces: list[Piece], rule: ScoreRule, harmful: set[int]) -> None:
    held = buffer(rule)
    came = {0: "", 1: "", 2: ""}
    went = {0: "", 1: "", 2: ""}
    passed = {0: "", 1: "", 2: ""}
    lengths: list[dict[int, int]] = []  # of each answer, after each event
    cut: set[int] = set()
    scorings = 0

    def score(snapshot: Snapshot) -> None:
        nonlocal scorings
        whole, choice = came[snapshot.choice], snapshot.choice
        assert snapshot.text in whole
        assert not snapshot.complete or snapshot.text == whole
        # Whatever no verdict covered so far is in it, up to its end.
        least = lengths[min(snapshot.upto, len(lengths) - 1)][choice] if snapshot.upto >= 0 else 0
        ends = range(least, len(whole) + 1)
        # Repeated characters stand in several places: the last one that leaves no gap.
        size = len(whole) if snapshot.complete else len(passed[choice]) + len(snapshot.text)
        end = max(one for one in ends if one <= size and whole[:one].endswith(snapshot.text))
        scorings += 1
        if scorings not in harmful:
            held.passed(snapshot)
            passed[choice] = whole[: max(end, len(passed[choice]))]
        elif held.doubted(snapshot):
            held.cut(choice)
            cut.add(choice)

    def release() -> None:
        for _, (choice, text) in held.take():
            went[choice] += text
        for choice, text in went.items():
            assert came[choice].startswith(text)
            assert passed[choice].startswith(text)  # nothing that no verdict covered

    for choice, text in pieces:
        if choice not in cut:
            came[choice] += text
            lengths.append({one: len(whole) for one, whole in came.items()})
        if (snapshot := add(held, choice, text)) is not None:
            score(snapshot)
        release()
    for snapshot in held.end():
        score(snapshot)
    release()
    assert {c: t for c, t in went.items() if c not in cut} == {
        c: t for c, t in came.items() if c not in cut
    }
    assert held.cut_choices == len(cut)


def test_a_sentence_is_scored_without_what_comes_after_it() -> None:
    held = buffer(ScoreRule("sentence", 64, 100))
    assert add(held, 0, "This is a whole sentence.") is None
    snapshot = add(held, 0, " And")
    assert snapshot is not None
    assert snapshot.text == "This is a whole sentence. "
    held.passed(snapshot)
    assert taken(held) == ["This is a whole sentence."]


def test_what_was_doubted_is_read_again_with_what_follows_and_never_lost() -> None:
    held = buffer(ScoreRule("sentence", 64, 20, doubt_tokens=9))
    first = add(held, 0, "This one is harmful to us all. ")
    assert first is not None
    assert not held.doubted(first)
    assert taken(held) == []
    second = add(held, 0, "So is this other one, they say. ")
    assert second is not None
    assert second.text.startswith("This one is harmful")
    assert held.doubted(second)


def test_a_verdict_on_a_whole_answer_is_never_doubted() -> None:
    held = buffer(ScoreRule("sentence", 64, 100, doubt_tokens=1000))
    snapshot = add(held, 0, "No.", finished=True)
    assert snapshot is not None
    assert snapshot.complete
    assert held.doubted(snapshot)


def test_a_tool_call_waits_for_the_end() -> None:
    held = buffer(ScoreRule("tokens", 1, 100))
    path = ("delta", "tool_calls", 0, "function", "arguments")
    for part in ('{"a": "b\\u00', '62c", ', '"d": 1}'):
        assert held.add(0, [Found(path, part)], (0, part), n_bytes=1) is None
    snapshot = held.add(0, [], (0, ""), n_bytes=1, finished=True)
    assert snapshot is not None
    assert snapshot.text == "a\nbbc\nd"
    assert held.take() == []
    held.passed(snapshot)
    assert len(held.take()) == 4


def test_the_pieces_of_an_identifier_must_make_one() -> None:
    held = buffer(ScoreRule("tokens", 100, 100))
    path = ("delta", "tool_calls", 0, "id")
    for part in ("call", "call", "_1"):
        held.add(0, [Found(path, part, label=True)], (0, part), n_bytes=1)
    assert taken(held) == []  # they wait for the first verdict, as the role does
    held.add(0, [Found(path, " do it", label=True)], (0, " do it"), n_bytes=1)
    (snapshot,) = held.end()
    assert snapshot.text == "call_1 do it"


def test_what_stands_beside_an_answer_waits_for_a_verdict_and_is_judged_once() -> None:
    held = buffer(ScoreRule("tokens", 4, 100))
    beside = [(("citations", 0), "a title of a page")]
    assert held.add(0, [], (0, "a"), n_bytes=1, beside=beside) is None
    assert taken(held) == []
    snapshot = held.add(
        0, [Found(CONTENT, "one two three four ")], (0, "b"), n_bytes=1, beside=beside
    )
    assert snapshot is not None
    assert snapshot.beside == "a title of a page"
    held.passed(snapshot)
    assert taken(held) == ["a", "b"]
    more = held.add(0, [Found(CONTENT, "one two three four ")], (0, "c"), n_bytes=1, beside=beside)
    assert more is not None
    assert more.beside == ""
    assert held.add(None, [], (9, "d"), n_bytes=1, beside=[(("x",), "two words")]) is None
    held.passed(more)
    assert taken(held) == ["c"]
    (last,) = held.end()
    assert last.beside == "a title of a page\ntwo words"


def test_events_without_text_wait_for_the_first_verdict_but_not_without_end() -> None:
    held = buffer(ScoreRule("tokens", 1, 100))
    add(held, 0, "")
    assert held.take() == []
    for _ in range(30):
        add(held, 0, "")
    assert len(held.take()) == 31


def test_events_of_no_choice_keep_their_place() -> None:
    held = buffer(ScoreRule("tokens", 100, 100))
    held.add(None, [], (9, "before"), n_bytes=1)
    add(held, 0, "text")
    held.add(None, [], (9, "after"), n_bytes=1)
    assert held.take() == []
    for snapshot in held.end():
        held.passed(snapshot)
    assert taken(held) == ["before", "text", "after"]


def test_after_a_cut_nothing_of_that_choice_is_taken() -> None:
    held = buffer(ScoreRule("tokens", 1, 100))
    add(held, 0, "harm")
    held.cut(0)
    assert add(held, 0, "more") is None
    assert (held.end(), held.take(), held.complete) == ([], [], True)


def test_bounds_are_kept() -> None:
    rule = ScoreRule("tokens", 1000, 100)
    with pytest.raises(UpstreamInvalid):
        add(buffer(rule, Bounds(chars=5, held_bytes=100)), 0, "too long")
    with pytest.raises(UpstreamInvalid):
        add(buffer(rule, Bounds(chars=100, held_bytes=5)), 0, "too long")
    for choice in (-1, MAX_CHOICES):
        with pytest.raises(UpstreamInvalid):
            add(buffer(rule), choice, "a")
    several = buffer(rule, Bounds(chars=100, held_bytes=1000, all_chars=100))
    for choice in range(12):
        add(several, choice, "too long")
    with pytest.raises(UpstreamInvalid):
        add(several, 12, "too long")


def test_one_choice_that_waits_does_not_slow_the_others_down() -> None:
    """What waits was gone through for each event that went: the square of 20,000."""
    held = buffer(ScoreRule("tokens", 1, 100), Bounds(1_000_000, 10_000_000))
    path = ("delta", "tool_calls", 0, "function", "arguments")
    started = time.process_time()
    for _ in range(20_000):
        held.add(0, [Found(path, "x")], (0, "x"), n_bytes=10)
        snapshot = add(held, 1, "word ")
        if snapshot is not None:
            held.passed(snapshot)
        held.take()
    assert time.process_time() - started < 5.0
