"""JSON that holds a phrase at one place, as a value or as the name of a field."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

WORD = "cake"
PHRASE = f"how to bake a {WORD}"
_PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(0, 5), st.sampled_from(["", "read", "a b"])
)
_PHRASES = st.sampled_from(
    [PHRASE, json.dumps({"q": PHRASE}), json.dumps({PHRASE: 1}), f"{PHRASE}\n" * 3]
)

Json = st.SearchStrategy[Any]


def filler(names: st.SearchStrategy[str]) -> Json:
    """JSON without the phrase. names: of fields."""
    return st.recursive(
        _PLAIN,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
        max_leaves=4,
    )


def hidden_in(names: st.SearchStrategy[str]) -> Json:
    """A value that holds the phrase somewhere."""
    beside = filler(names)

    def around(inner: Json) -> Json:
        return st.one_of(
            st.builds(lambda before, it: [*before, it], st.lists(beside, max_size=2), inner),
            st.builds(
                lambda name, it, more: more | {name: it},
                names,
                inner,
                st.dictionaries(names, beside, max_size=2),
            ),
        )

    as_a_key = st.builds(lambda phrase, value: {phrase: value}, _PHRASES, beside)
    return st.recursive(st.one_of(_PHRASES, as_a_key), around, max_leaves=3)
