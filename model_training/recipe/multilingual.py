"""The section of a recipe that adds rows in other languages."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from postern.contract.language import Language
from pydantic import BaseModel, ConfigDict, Field

from model_training.recipe.augmentation import Model, ModelName, Positive, Sampling

Share = Annotated[float, Field(ge=0.0, le=1.0)]

_REQUESTS: Final = ("ml_multijail", "ml_catqa", "ml_jade_zh")
_ORIGINALS: Final = ("multijail_en", "red_instruct")


class MultilingualConfig(BaseModel):
    """Rows in other languages, and which of them nothing learns from.

    A row's source gets its language as a suffix (`ml_hatecheck.de`), so that each language of a
    source is drawn, weighed and measured by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    """Languages that the student is published for, as BCP 47 tags. Rows in others are learnt from
    too."""
    sources: Literal["permissive"] | tuple[str, ...] = "permissive"
    """`permissive`, or names from `sources_extra.json`."""
    request_sources: tuple[str, ...] = _REQUESTS
    """Sources of harmful requests. Whole topics of them are held out, so that no translation of a
    held-out request is learnt from."""
    original_sources: tuple[str, ...] = _ORIGINALS
    """English sources with the originals of some of these requests. Their rows of a held-out topic
    are not learnt from either."""
    benign_sources: tuple[str, ...] = ("ml_benign",)
    """Sources of harmless requests. Nothing learns from a share of their prompts either."""
    held_out_share: Share = 0.2
    """Share of the rows that training leaves out. From request sources, all of them measure other
    languages. From benign sources, calibration and validation take their shares first, and the
    rest measures other languages."""
    held_out_sources: tuple[str, ...] = ()
    """Sources that are held out as a whole."""
    held_out_languages: tuple[str, ...] = ()
    """Languages whose harmful requests are held out as a whole: they stand for languages that have
    none to learn from."""
    code_switched: Annotated[int, Field(ge=0)] = 0
    """Prompts of both classes with harmless sentences in another language before or after them."""
    templates: Annotated[int, Field(ge=0)] = 0
    """Requests from templates for each language that has some, half of them harmful."""
    people: Annotated[int, Field(ge=0)] = 0
    """Texts from templates for each language that has some: people who seek help, questions with
    alarming words, and people who hide the harm that they do. The last are at most half; there are
    40 of them."""
    answers: Annotated[int, Field(ge=0)] = 0
    """Answers from templates for each language that has some, half of them harmful: they comply
    with requests from templates or of the request sources, or refuse them."""


class TranslateConfig(BaseModel):
    """English rows that a language model translates.

    A translation stays if the language identifier names its language, and if its translation back
    into English is close to the original.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Model
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    sources: tuple[str, ...]
    """English sources of the prompts, which take turns."""
    pair_sources: tuple[str, ...] = ()
    """English sources of the pairs."""
    harmful: Annotated[int, Field(ge=0)] = 200
    """Harmful prompts for each language, before those that do not stay leave."""
    harmless: Annotated[int, Field(ge=0)] = 200
    """Harmless prompts for each language."""
    pairs: Annotated[int, Field(ge=0)] = 0
    """Pairs of each class for each language."""
    measured_languages: tuple[Language, ...] = ()
    """Languages that have no harmful requests to measure on: those whose English originals are held
    out are translated for it."""
    measured: Annotated[int, Field(ge=0)] = 0
    """Requests of this kind for each of these languages, the same in all."""
    longest_characters: Positive = 140
    """Of a prompt or response. A small model loses the thread in longer ones."""
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=96)
    encoder: ModelName
    """Encoder of English sentences, which compares originals and translations back."""
    least_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.8
    """Cosine below which a translation does not stay."""
    seed: int = 42


class WriteConfig(BaseModel):
    """Requests that a language model writes in other languages, after examples in them.

    A request stays if the language identifier names its language, and is learnt if the teacher
    judges its translation into English as was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Model
    languages: Annotated[tuple[Language, ...], Field(min_length=1)]
    harmful_sources: tuple[str, ...] = _REQUESTS
    """Sources whose harmful prompts are examples, without the suffix of a language. The prompts
    that the stage `translate` kept are examples too."""
    harmless_sources: tuple[str, ...] = ("ml_benign",)
    """Sources whose harmless prompts are examples."""
    harmful: Annotated[int, Field(ge=0)] = 100
    """Calls for harmful requests for each language."""
    harmless: Annotated[int, Field(ge=0)] = 60
    """Calls for harmless requests for each language."""
    exemplars: Positive = 4
    """Examples in each call. A language that has fewer of a class is not asked for it."""
    requests: Positive = 3
    """Requests that each answer is asked for. The first ones count, because a list that goes on
    repeats itself."""
    longest_characters: Positive = 160
    """Of an example or a request."""
    sampling: Sampling = Sampling(temperature=0.9, max_tokens=160)
    translating: Sampling = Sampling(temperature=0.0, max_tokens=96)
    """Of the translation into English."""
    encoder: ModelName
    """Encoder of English sentences, which compares the translations."""
    most_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.85
    """Cosine to a held-out request, or to an earlier one in the language, from which a request does
    not stay."""
    seed: int = 42
