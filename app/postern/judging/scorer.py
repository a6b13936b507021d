"""The student's scores of exchanges: disguise -> segments -> windows -> logits. No policy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from postern.contract.callers import current_caller
from postern.contract.errors import EmptyPrompt, ExchangeTooLong, InferenceFailed, PosternError
from postern.contract.exchange import Exchange
from postern.contract.language import UNREAD, Reading
from postern.contract.text import expanded_length, segments
from postern.contract.windows import Encoding, Window
from postern.disguises import vowels
from postern.disguises.triggers import Disguise, readable_disguise, second_reading
from postern.inference.batcher import Batcher
from postern.inference.entries import Scored
from postern.judging.score_cache import ScoreCache
from postern.judging.students import Serving, place_of
from postern.judging.text_work import TextWork
from postern.languages.reader import LanguageReader
from postern.metrics import Metrics
from postern.tracing.names import Step
from postern.tracing.spans import step

# All texts of a request together, expanded: as many characters as its largest body has bytes.
_REQUEST_CHARS: Final = 1 << 20
# Vowels put back, or words parted, make a text longer, but hardly to twice its length.
_DECODED_GROWTH: Final = 2

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Hard limits. Input beyond them is refused, never cut."""

    max_items: int
    max_exchange_chars: int
    max_exchange_tokens: int
    max_request_chars: int = _REQUEST_CHARS


@dataclass(frozen=True, slots=True)
class Score:
    """The student's logits of one exchange.

    encodings, scored: of the text as it came and, if its decoded reading differs, of that too.
    tokenize_s: of all exchanges that were tokenized together. reading: of the decoded text if it
    differs.
    """

    encodings: tuple[Encoding, ...]
    scored: tuple[Scored, ...]
    tokenize_s: float
    reading: Reading = UNREAD

    @property
    def student(self) -> int:
        """Place of the student that read it."""
        return self.encodings[0].student


class Scorer:
    """Scores each exchange with the student of its language."""

    def __init__(
        self,
        *,
        students: Sequence[Serving],
        batcher: Batcher,
        limits: InputLimits,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        cache: ScoreCache[Score] | None = None,
        languages: LanguageReader | None = None,
    ) -> None:
        self._students = students
        self._batcher = batcher
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._cache = cache
        self._languages = languages
        self._text_work = TextWork(clock=clock)
        # Builds its table, and reads its words, now and not at the first request.
        expanded_length("\u00e9", at_most=1)
        vowels.read_tables()

    def check_sizes(self, exchanges: Sequence[Exchange], *, own_chars: int | None = None) -> None:
        """Check sizes before any work on the exchanges. Raises ExchangeTooLong.

        own_chars: the caller's own limit of characters, if it has one.
        """
        if len(exchanges) > self._limits.max_items:
            raise ExchangeTooLong(what="exchanges", limit=self._limits.max_items)
        limit = min(self._limits.max_exchange_chars, own_chars or self._limits.max_exchange_chars)
        for index, exchange in enumerate(exchanges):
            if len(exchange.prompt) + len(exchange.response or "") > limit:
                error = ExchangeTooLong(what="characters", limit=limit)
                raise _blame(error, index, exchanges)

    async def check_expanded(self, exchanges: Sequence[Exchange], *, deadline: float) -> None:
        """Count the characters that normalizing would make, before it does.

        Raises ExchangeTooLong.
        """
        await self.off_the_loop(lambda: self._check_expanded(exchanges), exchanges, deadline)

    async def disguises(
        self, exchanges: Sequence[Exchange], *, deadline: float
    ) -> list[Disguise | None]:
        """How each exchange seems disguised, and its text without the disguise."""
        return await self.off_the_loop(
            lambda: list(map(readable_disguise, exchanges)), exchanges, deadline
        )

    async def score(
        self,
        exchanges: Sequence[Exchange],
        disguises: Sequence[Disguise | None],
        *,
        reject_long: bool,
        deadline: float,
    ) -> Sequence[Score]:
        """The logits of each exchange, from the cache if it holds them.

        deadline: absolute seconds on the clock. Raises EmptyPrompt, ExchangeTooLong, and whatever
        `Batcher.submit` raises.
        """

        async def compute(places: Sequence[int]) -> Sequence[Score]:
            return await self._compute(
                [exchanges[place] for place in places],
                [disguises[place] for place in places],
                reject_long=reject_long,
                deadline=deadline,
            )

        # A request can ask that long text be refused. Such a request does not use the cache,
        # because a cached score may cover several windows.
        if self._cache is None or reject_long:
            return await compute(range(len(exchanges)))
        keys = [self._cache.key(one, caller=current_caller()) for one in exchanges]
        return await self._cache.scores(keys, compute, timeout_s=deadline - self._clock())

    async def _compute(
        self,
        exchanges: Sequence[Exchange],
        disguises: Sequence[Disguise | None],
        *,
        reject_long: bool,
        deadline: float,
    ) -> list[Score]:
        started = self._clock()
        with step(Step.TOKENIZE):
            encodings, readings = await self.off_the_loop(
                lambda: self._encode(exchanges, disguises), exchanges, deadline
            )
            self._check_encodings([one[0] for one in encodings], exchanges, reject_long=reject_long)
        tokenize_s = self._clock() - started
        self._metrics.stage_duration.labels("tokenize").observe(tokenize_s)
        owners = [index for index, some in enumerate(encodings) for _ in some]
        try:
            flat = await self._batcher.submit(
                [one for some in encodings for one in some],
                deadline=deadline,
                caller=current_caller(),
            )
        except InferenceFailed as exc:
            if exc.index is not None:
                exc.index = owners[exc.index] if len(encodings) > 1 else None
            raise
        rest = iter(flat)
        return [
            Score(some, tuple(next(rest) for _ in some), tokenize_s, reading)
            for some, reading in zip(encodings, readings, strict=True)
        ]

    def _check_encodings(
        self, encodings: Sequence[Encoding], exchanges: Sequence[Exchange], *, reject_long: bool
    ) -> None:
        for index, encoding in enumerate(encodings):
            if not encoding.prompt_tokens:
                # Some visible characters (lone accents, private ones) give no token.
                raise _blame(EmptyPrompt(), index, exchanges)
            if reject_long and len(encoding.windows) > 1:
                window = self._students[encoding.student].tokenizer.window_tokens
                error = ExchangeTooLong(what="tokens in one window", limit=window)
                raise _blame(error, index, exchanges)

    def _encode(
        self, exchanges: Sequence[Exchange], disguises: Sequence[Disguise | None]
    ) -> tuple[list[tuple[Encoding, ...]], list[Reading]]:
        many: list[tuple[str, ...]] = []
        for index, exchange in enumerate(exchanges):
            try:
                many.append(segments(exchange))
            except EmptyPrompt as exc:
                raise _blame(exc, index, exchanges) from None
            # Count again: long runs are cut apart by spaces.
            if sum(map(len, many[-1])) > self._limits.max_exchange_chars:
                raise _blame(self._too_many_characters(), index, exchanges)
        self._check_decoded(disguises, exchanges)
        # Nothing if the student reads through the disguise anyway.
        decoded = list(map(second_reading, many, disguises))
        readings = [self._read(two or one) for one, two in zip(many, decoded, strict=True)]
        places = [place_of(reading, self._students) for reading in readings]
        encodings = self._tokenize(many, places)
        both: list[tuple[Encoding, ...]] = [
            (encoding,) if texts is None else (encoding, self._second(texts, place))
            for encoding, texts, place in zip(encodings, decoded, places, strict=True)
        ]
        return both, readings

    def _tokenize(
        self, many: Sequence[tuple[str, ...]], places: Sequence[int]
    ) -> Sequence[Encoding]:
        """Each by the tokenizer of its student, those of one student together."""
        found: dict[int, Encoding] = {}
        for place in sorted(set(places)):
            own = [index for index, one in enumerate(places) if one == place]
            encodings = self._students[place].tokenizer.encode_many(
                [many[index] for index in own], max_tokens=self._limits.max_exchange_tokens
            )
            found |= {
                index: _for_student(encoding, place)
                for index, encoding in zip(own, encodings, strict=True)
            }
        return [found[index] for index in range(len(many))]

    def _second(self, texts: tuple[str, ...], place: int) -> Encoding:
        tokenizer = self._students[place].tokenizer
        encoding = tokenizer.encode(texts, max_tokens=self._limits.max_exchange_tokens)
        return _for_student(encoding, place)

    def _read(self, texts: tuple[str, ...]) -> Reading:
        return UNREAD if self._languages is None else self._languages.read(texts)

    def _check_expanded(self, exchanges: Sequence[Exchange]) -> None:
        limit, left = self._limits.max_exchange_chars, self._limits.max_request_chars
        lengths: dict[str, int] = {}  # in a conversation, many answers share a prompt
        for index, exchange in enumerate(exchanges):
            length = 0
            for text in (exchange.prompt, exchange.response or ""):
                if text not in lengths:
                    lengths[text] = expanded_length(text, at_most=limit)
                length += lengths[text]
            # Again for every answer: so is the work on its prompt.
            left -= length
            if length > limit:
                raise _blame(self._too_many_characters(), index, exchanges)
            if left < 0:
                raise ExchangeTooLong(
                    what="characters in all", limit=self._limits.max_request_chars
                )

    def _check_decoded(
        self, disguises: Sequence[Disguise | None], exchanges: Sequence[Exchange]
    ) -> None:
        """Like `_check_expanded` for decoded texts: four characters of base64 can become 18."""
        limit = _DECODED_GROWTH * self._limits.max_exchange_chars
        for index, disguise in enumerate(disguises):
            if disguise is None:
                continue
            both = (disguise.decoded.prompt, disguise.decoded.response or "")
            if sum(expanded_length(text, at_most=limit) for text in both) > limit:
                error = ExchangeTooLong(what="characters when decoded", limit=limit)
                raise _blame(error, index, exchanges)

    async def off_the_loop(
        self, make: Callable[[], Made], exchanges: Sequence[Exchange], deadline: float
    ) -> Made:
        """The result of work on these texts. Raises what `TextWork.run` raises."""
        chars = sum(len(e.prompt) + len(e.response or "") for e in exchanges)
        return await self._text_work.run(
            make, chars=chars, caller=current_caller(), deadline=deadline
        )

    def _too_many_characters(self) -> ExchangeTooLong:
        return ExchangeTooLong(what="characters", limit=self._limits.max_exchange_chars)


def _for_student(encoding: Encoding, place: int) -> Encoding:
    return replace(encoding, student=place) if place else encoding


def worth_keeping(score: Score) -> Score:
    """The part of a score that is worth caching: without token ids and times."""
    nothing = np.zeros(0, dtype=np.int64)
    return Score(
        tuple(
            replace(one, windows=(Window(nothing, nothing),) * len(one.windows))
            for one in score.encodings
        ),
        tuple(Scored(one.logits, 0.0, 0.0) for one in score.scored),
        0.0,
        score.reading,
    )


def _blame(error: PosternError, index: int, exchanges: Sequence[Exchange]) -> PosternError:
    """Add to the error which of several exchanges caused it."""
    if len(exchanges) > 1:
        error.index = index
    return error
