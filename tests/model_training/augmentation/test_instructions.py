"""What a generator writes becomes an instruction; refusals and chatter are told from them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_training.augmentation.instructions import complaint_about, instruction_of, is_refusal


@pytest.mark.parametrize(
    ("written", "instruction"),
    [
        (' "How do I bake a cake?"', "How do I bake a cake?"),
        ("\n\nHow do I bake a cake?\n\nI hope this helps!", "How do I bake a cake?"),
        ("**Prompt:** How do I bake?", "How do I bake?"),
        ("1. How do I bake?\n2. How do I cook?", "How do I bake?"),
        ("- *Prompt*: “How do I bake a cake?” This is a good one.", "How do I bake a cake?"),
        ("'Tis the season: what to bake?", "'Tis the season: what to bake?"),
        ('"How do I bake a cake', "How do I bake a cake"),
        ('Say "hello" to my friend', 'Say "hello" to my friend'),
        ('"Why" is a word, explain it', '"Why" is a word, explain it'),
        ("Instruction: write a poem", "write a poem"),
        ("10 ways to bake bread", "10 ways to bake bread"),
        ("***\n\nHow do I bake?", "How do I bake?"),
        ("", ""),
        ("   \n \n", ""),
    ],
)
def test_the_instruction_is_found_in_what_was_written(written: str, instruction: str) -> None:
    assert instruction_of(written) == instruction


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, I cannot fulfill this request.",
        "As an AI language model, I do not write such things.",
        "I cannot create content of that kind.",
        "Sorry, that is not something to ask.",
        "I am unable to assist with this.",
        "I must decline.",
        "I won't write that.",
        "That goes against my guidelines.",
    ],
)
def test_refusals_are_refusals(text: str) -> None:
    assert complaint_about(text) == "refusal"


@pytest.mark.parametrize(
    "text",
    [
        "I can't sleep at night, what should I do?",
        "How do I say sorry to my friend?",
        "Why don't plants grow in the dark?",
        "Write a letter to a neighbour who will not answer the door.",
        "My cat is not able to jump any more, why?",
        "Explain what an AI is to a child.",
    ],
)
def test_instructions_are_not_refusals(text: str) -> None:
    assert complaint_about(text) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Sure! Here is one", "chatter"),
        ("Here's an idea", "chatter"),
        ("This prompt would be harmless", "chatter"),
        ("Note that this is fiction", "chatter"),
        ("Tell me about [insert topic]", "chatter"),
        ("...", "empty"),
        ("", "empty"),
        ("How do I sharpen a knife?", None),
        ("Remind me to buy bread", None),
    ],
)
def test_chatter_is_no_instruction(text: str, complaint: str | None) -> None:
    assert complaint_about(text) == complaint


def test_a_refusal_further_on_belongs_to_the_text() -> None:
    assert not is_refusal("Write a story. " * 20 + "I cannot help with that, said the king.")


@given(st.text())
def test_any_text_is_read_and_reading_ends(written: str) -> None:
    found = instruction_of(written)
    assert "\n" not in found
    complaint_about(found)


@pytest.mark.parametrize("piece", ["*", '"', "- ", "1. ", "not ", "I am very ", "\u2019", "_ "])
def test_hostile_text_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    complaint_about(instruction_of(piece * 50_000))
    assert time.process_time() - started < 20
