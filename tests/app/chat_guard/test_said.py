"""What of a growing answer is judged next."""

from __future__ import annotations

import json

from postern.chat_guard.said import Said

FIELD = ("content",)


def judged_so_far(text: str) -> Said:
    said = Said()
    said.add(FIELD, text)
    said.whole()
    said.passed()
    return said


def test_new_text_is_read_behind_the_end_of_what_was_judged() -> None:
    said = judged_so_far("word " * 100)
    said.add(FIELD, "and more")
    assert said.recent(40) == "word word word word word word and more"


def test_a_late_part_of_json_is_read_without_its_escapes() -> None:
    """The whole answer is, but it is judged only when nothing can be held back any more."""
    said = judged_so_far(json.dumps({"a": "word " * 100})[:-2])
    said.add(FIELD, "and a b\\u006fmb")
    assert said.recent(40).endswith("and a bomb")
    plain = judged_so_far("word " * 100)
    plain.add(FIELD, "and a b\\u006fmb")
    assert plain.recent(40).endswith("and a b\\u006fmb")
