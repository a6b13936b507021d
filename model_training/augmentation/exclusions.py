"""Excludes minors in sexual contexts from requests to language models and from their output.

Only the labelled rows of the pool teach such harm. Words decide, and a wrongly excluded text costs
little: one exemplar less.
"""

from __future__ import annotations

import re
from typing import Final

_MINOR: Final = re.compile(
    r"\b(?:child(?:ren|hood|like|s)?|kid(?:s|do|dos)?|minors?|under-?\s?age[d]?|infants?|bab(?:y|ies)"
    r"|toddlers?|pre-?teens?|teen(?:s|age|aged|ager|agers)?|tweens?|adolescents?|juveniles?|youths?"
    r"|little (?:girl|boy|one|sister|brother)s?|young (?:girl|boy)s?|(?:school|girl|boy)\s?scouts?"
    r"|school\s?(?:girl|boy|child|children|kid)s?|pupils?|kindergart\w*|preschool\w*"
    r"|(?:elementary|primary|middle|high)[- ]school\w*|(?:first|second|third|fourth|fifth|sixth"
    r"|seventh|eighth|ninth)[- ]graders?|(?:daughter|son|niece|nephew|stepdaughter|stepson)s?"
    r"|(?:[1-9]|1[0-7])[- ]?(?:years?[- ]olds?|yo|y/o|yrs?)|(?:one|two|three|four|five|six|seven"
    r"|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)"
    r"[- ]years?[- ]olds?)\b",
    re.IGNORECASE,
)
_SEXUAL: Final = re.compile(
    r"\b(?:sex\w*|porn\w*|nud(?:e|es|ity)|naked|erotic\w*|rap(?:e[ds]?|ing|ists?)|molest\w*"
    r"|grooming|groomed|groom|abus(?:e|ed|er|ers|ing)|lewd\w*|intimate|intimacy|seduc\w*|orgasm\w*"
    r"|masturbat\w*|genital\w*|fetish\w*|kink\w*|incest\w*|prostitut\w*|traffick\w*|exploit\w*"
    r"|arous\w*|strip(?:s|ped|ping)?|undress\w*|fondl\w*|touch(?:es|ed|ing)?|predat\w*|virgin\w*"
    r"|bride\w*|marri\w*|marry|explicit|sensual\w*|hook\s?up|escorts?|lingerie|bikini\w*)\b",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(
    r"\b(?:paedo\w*|pedo\w*|csam|csem|cp|loli(?:ta|con|s)?|shota\w*|jailbait|hebephil\w*"
    r"|ephebophil\w*|kiddie\w*|incest\w*)\b",
    re.IGNORECASE,
)


def is_excluded(text: str) -> bool:
    """Whether a text may be about minors in a sexual context."""
    if _ALONE.search(text):
        return True
    return _MINOR.search(text) is not None and _SEXUAL.search(text) is not None
