"""Laws of the hold-back buffer: a prefix, nothing unscored, everything in the end; and when."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from postern.chat_guard.hold_back import (
    MAX_CHOICES,
    Bounds,
    HoldBack,
    ScoreRule,
)
from postern.contract.errors import UpstreamInvalid

TEXTS = st.text(alphabet="ab .\n", max_size=12)
RULES = st.builds(
    ScoreRule,
    at=st.sampled_from(["sentence", "tokens"]),
    every_tokens=st.integers(1, 8),
    tail_chars=st.integers(1, 60),
)
WIDE = Bounds(chars=10_000, held_bytes=1_000_000)
CONTENT = ("delta", "content")
Piece = tuple[int, str]


def buffer(rule: ScoreRule, bounds: Bounds = WIDE) -> HoldBack[Piece]:
    return HoldBack(rule, bounds)


def add(held: HoldBack[Piece], choice: int, text: str, *, finished: bool = False) -> None:
    fragments = [(CONTENT, text)] if text else []
    held.add(choice, fragments, (choice, text), n_bytes=len(text), finished=finished)


@given(
    pieces=st.lists(st.tuples(st.integers(0, 2), TEXTS), max_size=40),
    rule=RULES,
    harmful_at=st.one_of(st.none(), st.integers(0, 20)),
    lags=st.lists(st.booleans(), min_size=50, max_size=50),
)
def test_the_laws(
    pieces: list[Piece], rule: ScoreRule, harmful_at: int | None, lags: list[bool]
) -> None:
    held = buffer(rule)
    came = {0: "", 1: "", 2: ""}
    went = {0: "", 1: "", 2: ""}
    covered = {0: "", 1: "", 2: ""}
    cut: set[int] = set()
    scorings = 0

    def work() -> None:
        nonlocal scorings
        for snapshot in held.due():
            whole = came[snapshot.choice]
            assert whole.endswith(snapshot.text)
            assert not snapshot.complete or snapshot.text == whole
            scorings += 1
            if scorings == harmful_at:
                held.cut(snapshot.choice)
                cut.add(snapshot.choice)
            else:
                held.passed(snapshot)
                covered[snapshot.choice] = whole
        for choice, text in held.take():
            went[choice] += text
        for choice, text in went.items():
            assert came[choice].startswith(text)
            assert covered[choice].startswith(text)  # nothing that no verdict covered

    for (choice, text), lag in zip(pieces, lags, strict=False):
        if choice not in cut:
            came[choice] += text
        add(held, choice, text)
        if not lag:
            work()
    held.end()
    work()
    assert {c: t for c, t in went.items() if c not in cut} == {
        c: t for c, t in came.items() if c not in cut
    }
    assert held.due() == []
    assert held.cut_choices == len(cut)


@given(texts=st.lists(TEXTS, min_size=1, max_size=30), rule=RULES)
def test_a_verdict_counts_for_what_came_before_it_was_asked_for(
    texts: list[str], rule: ScoreRule
) -> None:
    held = buffer(rule)
    add(held, 0, "first words that are long enough. ")
    snapshots = held.due()
    assume(snapshots)
    for text in texts:
        add(held, 0, text)
    held.passed(snapshots[0])
    released = "".join(text for _, text in held.take())
    assert released == "first words that are long enough. "


@given(pieces=st.lists(TEXTS, max_size=60), rule=RULES)
def test_no_more_waits_than_the_rule_allows(pieces: list[str], rule: ScoreRule) -> None:
    held = buffer(rule)
    waiting = ""
    for text in pieces:
        add(held, 0, text)
        waiting += text
        for snapshot in held.due():
            held.passed(snapshot)
            waiting = ""
        held.take()
        assert len(waiting.split()) < rule.every_tokens or not waiting.split()


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("This is a whole sentence. And", True),
        ("This is not yet one.", False),
        ("pi is 3.14159 or", False),
        ("It said: \u201cthat is enough for us.\u201d Then", True),
        ("A line of five words\n", True),
        ("1. ", False),
        ("\u3053\u308c\u306f\u672c\u3067\u3059\u3002", True),
        (" " * 127, False),
        (" " * 128, True),
        ("one two three four five six seven eight", True),
        ("incomprehensibilities of all the sorts happen", True),
    ],
)
def test_when_a_sentence_is_due(text: str, due: bool) -> None:
    assert ScoreRule("sentence", 8, 100).due(text) is due


def test_by_tokens_alone_sentences_do_not_matter() -> None:
    rule = ScoreRule("tokens", 8, 100)
    assert not rule.due("One two. Three four five. ")
    assert rule.due("One two. Three four five. Six")  # with three marks


def test_a_tool_call_waits_for_the_end() -> None:
    held = buffer(ScoreRule("tokens", 1, 100))
    path = ("delta", "tool_calls", 0, "function", "arguments")
    for part in ('{"a": "b\\u00', '62c", ', '"d": 1}'):
        held.add(0, [(path, part)], (0, part), n_bytes=1)
        assert held.due() == []
    held.add(0, [], (0, ""), n_bytes=1, finished=True)
    (snapshot,) = held.due()
    assert snapshot.text == "a\nbbc\nd"
    assert held.take() == []
    held.passed(snapshot)
    assert len(held.take()) == 4


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
    held.end()
    for snapshot in held.due():
        held.passed(snapshot)
    assert [text for _, text in held.take()] == ["before", "text", "after"]


def test_after_a_cut_nothing_of_that_choice_is_taken() -> None:
    held = buffer(ScoreRule("tokens", 1, 100))
    add(held, 0, "harm")
    held.cut(0)
    add(held, 0, "more")
    assert (held.due(), held.take(), held.complete) == ([], [], True)


def test_bounds_are_kept() -> None:
    rule = ScoreRule("tokens", 1000, 100)
    with pytest.raises(UpstreamInvalid):
        add(buffer(rule, Bounds(chars=5, held_bytes=100)), 0, "too long")
    with pytest.raises(UpstreamInvalid):
        add(buffer(rule, Bounds(chars=100, held_bytes=5)), 0, "too long")
    for choice in (-1, MAX_CHOICES):
        with pytest.raises(UpstreamInvalid):
            add(buffer(rule), choice, "a")
