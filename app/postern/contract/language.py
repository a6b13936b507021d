"""Languages as tags, and what is done with a text that the student was not measured for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

LANGUAGE_TAG: Final = re.compile(r"[a-z]{2,3}")
Language = Annotated[str, Field(pattern=rf"^{LANGUAGE_TAG.pattern}$")]
"""A BCP 47 tag without region or script."""

OnUnsupportedLanguage = Literal["teacher", "student", "block"]

UNDETERMINED: Final = "und"
ENGLISH: Final[tuple[str, ...]] = ("en",)
"""What an artifact was measured for if it names no languages."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an exchange was read as.

    language: `und` if it is too short or too mixed to tell. supported: whether a student that
    serves was measured for it. `und` is supported, unless the text surely is in none of the
    languages of the first student.
    """

    language: str = UNDETERMINED
    supported: bool = True


UNREAD: Final = Reading()
