"""Statements written for this project where the permissive pool is thin: plain text, not requests.

They cover sexual content, self-harm, graphic violence and threats, each with look-alikes that use
the same alarming words harmlessly, so that the word alone is not the signal. Templates and word
lists are our own (Apache-2.0). They are lexical anchors, not realistic text, and deliberately not
graphic.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from model_training.data.rows import Row

SOURCE: Final = "text_constructed"
STORY_SOURCE: Final = "text_story"

_SLOTS: Final[Mapping[str, Sequence[str]]] = {
    "he": ("he", "she", "my neighbour", "the stranger", "her boss", "my ex", "the actor", "Alex"),
    "him": ("him", "her", "my neighbour", "the stranger", "her boss", "my ex", "them", "Alex"),
    "place": (
        *("in the hotel room", "on the sofa", "at the party", "after work", "in the car"),
        *("in the shower", "last night", "behind the house", "on the kitchen table"),
    ),
    "sexual": (
        *("had sex", "made love", "fucked", "had an orgasm", "moaned with pleasure"),
        *("masturbated", "got naked and aroused", "had oral sex", "came inside"),
    ),
    "body": ("naked body", "breasts", "bare skin", "thighs", "genitals", "erection", "nude photos"),
    "lust": ("lust", "arousal", "desire to have sex", "sexual hunger", "erotic pleasure"),
    "harm_self": (
        *("kill myself", "cut myself", "end my life", "hang myself", "overdose on my pills"),
        *("starve myself until I disappear", "jump off the bridge", "hurt myself again"),
    ),
    "hopeless": (
        *("nobody would miss me", "I cannot take it any more", "I deserve the pain"),
        *("the world is better without me", "there is no way out", "I feel nothing but pain"),
    ),
    "weapon": ("knife", "gun", "axe", "hammer", "baseball bat", "machete", "razor"),
    "wound": (
        *("stabbed", "shot", "beat", "slashed", "strangled", "tortured", "dismembered"),
        *("crushed the skull of", "set fire to", "cut the throat of"),
    ),
    "gore": (
        *("blood sprayed over the wall", "the guts spilled out", "bones cracked and broke"),
        *("the body lay in a pool of blood", "the screams went on until the end"),
    ),
    "threaten": (
        *("kill you", "hurt your family", "break your legs", "burn your house down"),
        *("find you and beat you", "make you bleed", "shoot you", "stab you in your sleep"),
    ),
    "insult": (
        *("worthless trash", "a disgusting pig", "a stupid whore", "subhuman filth"),
        *("a pathetic loser who should die", "vermin"),
    ),
    "group": (
        *("immigrants", "women", "gay people", "Muslims", "Jews", "black people", "trans people"),
        *("disabled people", "refugees"),
    ),
    "tool": ("kitchen knife", "nail gun", "glue gun", "axe for firewood", "razor", "hammer"),
    "work": ("the exam", "my deadline", "the morning run", "this recipe", "the last level"),
    "topic": (
        *("sex education", "the reproductive system", "contraception", "sexual health"),
        *("breast cancer screening", "consent", "gender equality", "a nude painting by Titian"),
    ),
    "help": (
        *("call a crisis line", "talk to a doctor", "reach out to a friend", "see a counsellor"),
    ),
    "event": ("the earthquake", "the war", "the accident", "the robbery", "the famine"),
}

HARMFUL: Final[Sequence[str]] = (
    "{he} and I {sexual} {place}.",
    "{he} {sexual} with {him} {place} and wanted more.",
    "I stared at the {body} of {him} {place}, full of {lust}.",
    "{he} undressed slowly {place}, touching the {body} of {him} with {lust}.",
    "An erotic story: {he} whispered to {him}, showed the {body}, and they {sexual}.",
    "Send me your {body}, I am so horny and want to be fucked {place}.",
    "Watch hot girls show their {body} and {lust} live on cam, free porn {place}.",
    "I want to {harm_self}, {hopeless}.",
    "I am going to {harm_self} tonight because {hopeless}.",
    "Every night I think how I could {harm_self}; {hopeless}.",
    "You should {harm_self} too, it is the only relief. {hopeless}.",
    "{he} {wound} {him} with a {weapon} {place}; {gore}.",
    "With the {weapon} {he} {wound} {him} again and again until {gore}.",
    "I will take my {weapon} and {threaten}.",
    "If you talk to {him} again I will {threaten}, I swear.",
    "Watch your back, I know where you live and I will {threaten} with a {weapon}.",
    "You are {insult} and I hope somebody will {threaten}.",
    "All {group} are {insult} and should be wiped out.",
    "We must get rid of {group}, they are {insult}.",
    "{group} do not deserve to live; somebody should take a {weapon} to them.",
    "Nobody likes you, you are {insult}, go and die.",
)

HARMLESS: Final[Sequence[str]] = (
    "{he} and I had dinner {place} and talked about {topic}.",
    "{he} kissed {him} goodbye {place} and went to work.",
    "{he} wrote a school report on {topic}.",
    "Our museum guide explained {topic} {place}.",
    "The clinic offers free advice on {topic} to teenagers and parents.",
    "{he} fell in love with {him} {place}, and they married in spring.",
    "I nearly died laughing when {he} told that joke {place}.",
    "{work} is killing me, but I will not give up.",
    "I cut myself a slice of cake {place} and felt happy again.",
    "If you ever feel hopeless, please {help}; it gets better.",
    "After a hard year I decided to {help}, and I am glad to be alive.",
    "{he} used the {tool} {place} to finish the shelf.",
    "{he} killed the process, shot the photos and beat {work}.",
    "The news reported that {event} cost many lives; helpers gave blood.",
    "{he} read a history book about {event} {place}.",
    "{he} will find you {place} and bring your keys back.",
    "I will burn the candles and make you dinner {place}.",
    "Many {group} have lived in this town for generations.",
    "{group} spoke about their rights {place}, and the hall was full.",
    "The film shows how {group} were treated during {event}.",
    "You are a wonderful friend, {he} said to {him} {place}.",
)


def stories(count: int, rng: np.random.Generator) -> list[Row]:
    """At most `count` distinct texts of several statements, half of them harmful.

    In a harmful text, one sentence or more is harmful, at any position: the plain text that people
    moderate is seldom a single sentence.
    """
    rows: dict[str, Row] = {}
    for index in range(count):
        label = index % 2
        n_sentences = int(rng.integers(2, 11))
        n_harmful = int(rng.integers(1, n_sentences + 1)) if label else 0
        kinds = rng.permutation([True] * n_harmful + [False] * (n_sentences - n_harmful))
        text = " ".join(_sentence(HARMFUL if harmful else HARMLESS, rng) for harmful in kinds)
        rows[text] = Row(source=STORY_SOURCE, prompt=text, response=None, label=label)
    return list(rows.values())


def _sentence(templates: Sequence[str], rng: np.random.Generator) -> str:
    return _filled(templates[int(rng.integers(len(templates)))], rng)


def _filled(template: str, rng: np.random.Generator) -> str:
    words = {name: words[int(rng.integers(len(words)))] for name, words in _SLOTS.items()}
    text = template.format(**words)
    return text[0].upper() + text[1:]


def statements(count: int, rng: np.random.Generator) -> list[Row]:
    """At most `count` distinct rows, half of them harmful, spread evenly over all templates."""
    rows: dict[str, Row] = {}
    for label, templates in ((1, HARMFUL), (0, HARMLESS)):
        for template in itertools.islice(itertools.cycle(templates), count // 2):
            text = _filled(template, rng)
            rows[text] = Row(source=SOURCE, prompt=text, response=None, label=label)
    return list(rows.values())
