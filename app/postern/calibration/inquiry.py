"""Asks the teacher that a server would ask about a sample, for `postern calibrate`.

Its answers are kept in a file, so that nothing is asked twice, however a run ends. The file
contains hashes and numbers, no text.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from tqdm import tqdm

from postern.contract.certificate import AskedTeacher
from postern.contract.decision import Probability
from postern.contract.errors import CalibrationImpossible
from postern.contract.exchange import Exchange
from postern.contract.probability import Floats
from postern.contract.teacher_text import TEACHER_FORMAT
from postern.settings.teacher import TeacherSettings
from postern.teacher.elsewhere import asked_teacher, build_remote
from postern.teacher.opinion import Asked, Opinion, Teacher

# Outcomes that the text itself causes. Asking again would give the same.
_SETTLED: Final[frozenset[str]] = frozenset({"answered", "cannot_tell", "refused"})
_TRIES: Final = 5
_FIRST_WAIT_S: Final = 0.25
# A teacher that throttles says itself that it needs more time.
_THROTTLED_FACTOR: Final = 4.0
_AWAY: Final = 5
"""After this many questions in a row that failed at every try, the teacher counts as away."""


_BEGINNING: Final = b'{"key": "'


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    outcome: Asked
    probability: Probability | None = None

    @model_validator(mode="after")
    def _agree(self) -> _Line:
        Opinion(self.outcome, self.probability)  # raises ValueError
        return self


class AnswerBook:
    """An append-only file of answers by key. A last line that a kill cut short is dropped.

    Raises CalibrationImpossible if the file cannot be read or written, contains anything else, or
    another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: dict[str, Opinion] = {}
        with contextlib.ExitStack() as stack:
            try:
                self._file = stack.enter_context(path.open("a+b"))
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file.truncate(self._read())
            except BlockingIOError:
                raise CalibrationImpossible(f"{path}: another process uses it") from None
            except OSError as exc:
                raise CalibrationImpossible(f"{path}: cannot be used ({exc.strerror})") from exc
            stack.pop_all()  # it stays open

    def __enter__(self) -> AnswerBook:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: str) -> Opinion | None:
        return self._answers.get(key)

    def keep(self, key: str, opinion: Opinion) -> None:
        """Write an answer.

        It is on its way to the disk on return, so a kill of this process loses nothing.
        """
        line = {"key": key, "outcome": opinion.outcome, "probability": opinion.probability}
        try:
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
        except OSError as exc:
            raise CalibrationImpossible(f"{self._path}: cannot be written") from exc
        self._answers[key] = opinion

    def _read(self) -> int:
        """Read the answers. Returns the length of the whole lines in bytes."""
        self._file.seek(0)
        whole = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                    raise CalibrationImpossible(self._other(number))
                break
            try:
                found = _Line.model_validate_json(line)
            except ValidationError as exc:
                raise CalibrationImpossible(self._other(number)) from exc
            self._answers[found.key] = Opinion(found.outcome, found.probability)
            whole += len(line)
        return whole

    def _other(self, number: int) -> str:
        return f"{self._path}:{number}: not an answer of a teacher; name another file"


@dataclass(frozen=True, slots=True)
class InquiryRules:
    """timeout_s: of each call. at_once: calls under way. max_chars: longest exchange that the
    teacher reads."""

    timeout_s: float
    at_once: int
    max_chars: int
    first_wait_s: float = _FIRST_WAIT_S


class Inquiry:
    """Asks one teacher about many exchanges, once each. Not thread-safe."""

    def __init__(
        self,
        teacher: Callable[[], Teacher],
        *,
        who: str,
        book: AnswerBook,
        rules: InquiryRules,
    ) -> None:
        """teacher: makes one for each event loop. who: distinguishes teachers in the book."""
        self._teacher = teacher
        self._who = who
        self._book = book
        self._rules = rules
        self._in_a_row = 0
        self.outcomes: Counter[str] = Counter()
        """How the questions ended, those of earlier runs too; `too_long` were not asked."""

    def __call__(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) harmful probability in [0, 1]; NaN where there is none.

        Raises CalibrationImpossible if the teacher is away.
        """
        unique = {self._key(exchange): exchange for exchange in exchanges}
        said = asyncio.run(self._ask_all(unique))
        self.outcomes.update(opinion.outcome for opinion in said.values())
        found = [said[self._key(exchange)].probability for exchange in exchanges]
        return np.array([np.nan if one is None else one for one in found], dtype=np.float64)

    def _key(self, exchange: Exchange) -> str:
        content = json.dumps([self._who, TEACHER_FORMAT, exchange.prompt, exchange.response])
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()

    async def _ask_all(self, exchanges: Mapping[str, Exchange]) -> dict[str, Opinion]:
        said: dict[str, Opinion] = {}
        todo: list[tuple[str, Exchange]] = []
        for key, exchange in exchanges.items():
            kept = self._book.get(key)
            if kept is not None:
                said[key] = kept
            elif len(exchange.prompt) + len(exchange.response or "") > self._rules.max_chars:
                said[key] = Opinion("too_long")
            else:
                todo.append((key, exchange))
        if not todo:
            return said
        teacher, questions = self._teacher(), iter(todo)
        teacher.start()
        bar = tqdm(
            total=len(exchanges), initial=len(said), unit="question", disable=None, file=sys.stderr
        )
        workers = [
            asyncio.create_task(self._work(teacher, questions, said, bar))
            for _ in range(min(self._rules.at_once, len(todo)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await teacher.close()
            bar.close()
        return said

    async def _work(
        self,
        teacher: Teacher,
        questions: Iterator[tuple[str, Exchange]],
        said: dict[str, Opinion],
        bar: tqdm[Never],
    ) -> None:
        for key, exchange in questions:
            opinion = await self._patiently(teacher, exchange)
            if opinion.outcome in _SETTLED:
                self._book.keep(key, opinion)
                self._in_a_row = 0
            else:
                self._in_a_row += 1
                if self._in_a_row >= _AWAY:
                    raise CalibrationImpossible(
                        f"the teacher is away ({opinion.outcome}); {len(self._book)} answers are "
                        "kept, and the same command continues from there"
                    )
            said[key] = opinion
            bar.update()

    async def _patiently(self, teacher: Teacher, exchange: Exchange) -> Opinion:
        """Ask until an opinion is settled. Returns it, or the last of several."""
        opinion = await self._once(teacher, exchange)
        wait_s = self._rules.first_wait_s
        for _ in range(_TRIES - 1):
            if opinion.outcome in _SETTLED:
                break
            await asyncio.sleep(
                wait_s * (_THROTTLED_FACTOR if opinion.outcome == "throttled" else 1.0)
            )
            wait_s *= 2.0
            opinion = await self._once(teacher, exchange)
        return opinion

    async def _once(self, teacher: Teacher, exchange: Exchange) -> Opinion:
        try:
            async with asyncio.timeout(self._rules.timeout_s):
                return await teacher.judge(exchange, timeout_s=self._rules.timeout_s)
        except TimeoutError:
            return Opinion("timeout")


class ConfiguredTeacher:
    """The teacher at `POSTERN_TEACHER_URL`, asked as a server with these settings asks it."""

    def __init__(self, settings: TeacherSettings, book: AnswerBook) -> None:
        """Raises SettingsInvalid."""
        build_remote(settings)  # report errors before anything is scored
        self._settings = settings
        # Includes the address: two servers may use one name for different models.
        who = asked_teacher(settings).model_dump_json() + str(settings.url)
        self._inquiry = Inquiry(
            lambda: build_remote(settings),
            who=hashlib.sha256(who.encode()).hexdigest(),
            book=book,
            rules=InquiryRules(
                timeout_s=settings.timeout_ms / 1000.0,
                at_once=settings.concurrency,
                max_chars=settings.max_chars,
            ),
        )

    def __call__(self, exchanges: Sequence[Exchange]) -> Floats:
        """(n,) in [0, 1]; NaN where it gave none. Raises CalibrationImpossible."""
        return self._inquiry(exchanges)

    @property
    def certified(self) -> AskedTeacher:
        """Who was asked, and the outcomes so far. No address, no key."""
        outcomes = dict(sorted(self._inquiry.outcomes.items()))
        return asked_teacher(self._settings).model_copy(update={"outcomes": outcomes})
