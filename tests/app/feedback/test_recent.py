"""Texts are held within three bounds, and nothing that was forgotten counts any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postern.contract.decision import OperatingPoint, Verdict, student_verdict
from postern.contract.errors import VerdictAmbiguous
from postern.contract.exchange import Exchange, Slice
from postern.feedback.recent import Kept, Limit, Name, Recent, RecentLimits, Result

POINT = OperatingPoint(threshold=0.5, deferral_band=(0.4, 0.6))


def verdict(probability: float = 0.9) -> Verdict:
    return student_verdict(probability, POINT)


class Kit:
    def __init__(self, verdicts: int = 100, memory_bytes: int = 1 << 20, keep_s: float = 60.0):
        self.now = 0.0
        self.forgotten: list[tuple[Limit, int]] = []
        self.recent = Recent(
            RecentLimits(verdicts, memory_bytes, keep_s),
            clock=lambda: self.now,
            on_forget=lambda limit, count: self.forgotten.append((limit, count)),
        )

    def keep(self, request_id: str, *prompts: str, caller: int = 0) -> None:
        results = [Result(Exchange(prompt), verdict()) for prompt in prompts]
        self.recent.keep(Name(caller, request_id), results)

    def revise(self, request_id: str, index: int, prompt: str, request: object) -> None:
        result = Result(Exchange(prompt), verdict())
        self.recent.revise(Name(0, request_id), index, result, request=request)

    def prompts(self, request_id: str) -> dict[int, str]:
        found = self.recent.find(Name(0, request_id))
        return {} if found is None else {n: one.exchange.prompt for n, one in found.results.items()}

    def has(self, request_id: str, caller: int = 0) -> bool:
        return self.recent.find(Name(caller, request_id)) is not None


def test_what_is_too_old_is_forgotten_and_says_when() -> None:
    kit = Kit(keep_s=60.0)
    kit.keep("a", "one")
    kit.now = 40.0
    kit.keep("b", "two")
    assert kit.recent.expire() == 20.0
    kit.now = 60.0
    assert kit.recent.expire() == 40.0
    assert not kit.has("a")
    assert kit.has("b")
    kit.now = 100.0
    assert kit.recent.expire() is None
    assert kit.recent.held_bytes == 0
    assert kit.forgotten == []  # its time was over


def test_the_oldest_give_way_to_the_newest() -> None:
    kit = Kit(verdicts=3)
    kit.keep("a", "one", "two")
    kit.keep("b", "three")
    kit.keep("c", "four")
    assert [kit.has(name) for name in "abc"] == [False, True, True]
    assert kit.forgotten == [("verdicts", 2)]


def test_a_request_that_is_too_large_alone_is_not_kept() -> None:
    kit = Kit(memory_bytes=5000)
    kit.keep("a", "x")
    kit.keep("b", "x" * 6000)
    assert not kit.has("a")
    assert not kit.has("b")
    assert kit.recent.held_bytes == 0
    assert {limit for limit, _ in kit.forgotten} == {"memory"}


def test_callers_do_not_see_one_another() -> None:
    kit = Kit()
    kit.keep("a", "one", caller=1)
    assert kit.has("a", caller=1)
    assert not kit.has("a", caller=2)


def test_an_id_that_comes_again_stands_for_the_last() -> None:
    kit = Kit()
    kit.keep("a", "one")
    held = kit.recent.held_bytes
    kit.keep("a", "two")
    assert kit.prompts("a") == {0: "two"}
    assert kit.recent.held_bytes == held


def test_a_result_takes_the_place_of_an_earlier_one_and_leaves_the_others() -> None:
    kit, chat = Kit(keep_s=60.0), object()
    kit.revise("a", 0, "asked", chat)
    kit.revise("a", 1, "said", chat)
    kept = kit.recent.find(Name(0, "a"))
    assert kept is not None
    for one in kept.results.values():
        one.recorded = "harmful"
    kit.now = 40.0
    kit.revise("a", 1, "said more", chat)
    kit.now = 99.0  # the time of both began anew
    revised = kit.recent.find(Name(0, "a"))
    assert revised is not None
    assert kit.prompts("a") == {0: "asked", 1: "said more"}
    # A label belongs to the text for which it was given.
    assert [one.recorded for one in revised.results.values()] == ["harmful", None]
    assert revised.index_of(None, 1) == 1


def test_a_result_whose_request_was_forgotten_keeps_its_index() -> None:
    kit, chat = Kit(keep_s=60.0), object()
    kit.revise("a", 0, "asked", chat)
    kit.now = 60.0
    kit.revise("a", 1, "said", chat)
    assert kit.prompts("a") == {1: "said"}


def test_results_of_two_requests_of_one_name_do_not_mix() -> None:
    kit, first, second = Kit(), object(), object()
    kit.revise("a", 0, "one", first)
    kit.revise("a", 0, "two", second)
    kit.revise("a", 1, "said to two", second)
    assert kit.prompts("a") == {0: "two", 1: "said to two"}
    kit.revise("a", 1, "said to one", first)
    assert kit.prompts("a") == {1: "said to one"}
    kit.keep("a", "three")
    assert kit.prompts("a") == {0: "three"}


def index(kit: Kit, request_id: str = "a") -> int:
    kept = kit.recent.find(Name(0, request_id))
    assert kept is not None
    return kept.index_of(None, 0)


def test_an_id_of_two_requests_names_neither() -> None:
    kit = Kit(keep_s=60.0)
    kit.keep("a", "one")
    kept = kit.recent.find(Name(0, "a"))
    assert kept is not None
    kept.results[0].recorded = "harmful"
    kit.keep("a", "one")  # a client that tries again
    assert index(kit) == 0
    again = kit.recent.find(Name(0, "a"))
    assert again is not None
    assert again.results[0].recorded == "harmful"  # so a correction is not written twice
    kit.keep("a", "two")
    kit.keep("a", "two")
    with pytest.raises(VerdictAmbiguous, match="several requests had this id"):
        index(kit)
    kit.now = 60.0
    kit.keep("a", "three")
    assert index(kit) == 0


def test_an_id_of_two_chats_names_neither() -> None:
    kit, first, second = Kit(), object(), object()
    kit.revise("a", 0, "one", first)
    kit.revise("a", 0, "one, further", first)
    assert index(kit) == 0
    kit.revise("a", 0, "two", second)
    kit.revise("a", 0, "two, further", second)
    with pytest.raises(VerdictAmbiguous, match="several requests had this id"):
        index(kit)


def of_three() -> Kept:
    """A request with a prompt, a pair and a prompt."""
    kit = Kit()
    exchanges = (Exchange("a"), Exchange("a", "b"), Exchange("c"))
    kit.recent.keep(Name(0, "a"), [Result(one, verdict()) for one in exchanges])
    kept = kit.recent.find(Name(0, "a"))
    assert kept is not None
    return kept


@pytest.mark.parametrize(
    ("slice_", "index", "found"), [(None, 1, 1), ("pair", None, 1), ("prompt", 2, 2)]
)
def test_index_and_slice_name_a_result(slice_: Slice | None, index: int | None, found: int) -> None:
    assert of_three().index_of(slice_, index) == found


@pytest.mark.parametrize(
    ("slice_", "index", "fit"),
    [(None, None, 3), ("prompt", None, 2), ("pair", 0, 0), (None, 9, 0)],
)
def test_no_result_is_guessed(slice_: Slice | None, index: int | None, fit: int) -> None:
    with pytest.raises(VerdictAmbiguous, match=f"{fit} of 3 results"):
        of_three().index_of(slice_, index)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 4), st.text(max_size=400)), max_size=40
    )
)
def test_the_bounds_always_hold(came: list[tuple[str, int, str]]) -> None:
    kit = Kit(verdicts=7, memory_bytes=9000, keep_s=5.0)
    for name, count, text in came:
        kit.keep(name, *([text] * count))
        kit.now += 1.0
        assert kit.recent.held_bytes <= 9000
        kept = [one for n in "abcdef" if (one := kit.recent.find(Name(0, n))) is not None]
        assert sum(len(one.results) for one in kept) <= 7
        assert all(kit.now - one.kept_at < 5.0 for one in kept)
        assert sum(one.size for one in kept) == kit.recent.held_bytes


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(0, 3),
            st.integers(0, 1),
            st.text(max_size=400),
            st.sampled_from([0.0, 1.0, 3.0]),
        ),
        max_size=40,
    )
)
def test_replaced_results_count_no_more(came: list[tuple[str, int, int, str, float]]) -> None:
    """Two chats of each name, whose results come in any order: the memory is that of a server that
    was only ever told what is still kept."""
    kit = Kit(verdicts=4, memory_bytes=6000, keep_s=5.0)
    chats = [object(), object()]
    for name, which, index, text, later in came:
        kit.revise(name, index, text, chats[which // 2])
        kit.now += later
        left = {n: found for n in "abc" if (found := kit.prompts(n))}
        anew = Kit()
        for n, results in left.items():
            for number, prompt in results.items():
                anew.revise(n, number, prompt, chats[0])
        assert kit.recent.held_bytes == anew.recent.held_bytes <= 6000
        assert sum(map(len, left.values())) <= 4
        if later == 0.0 and len(text) < 100:
            assert left[name][index] == text
    kit.recent.clear()
    assert kit.recent.held_bytes == 0
