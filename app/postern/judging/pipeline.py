"""The path of a request: exchange -> segments -> windows -> logits -> probability -> verdict.

`judging/cascade.py` takes the last step: it decides who gives the verdict.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

import numpy as np

from postern.contract.decision import Policy
from postern.contract.errors import ExchangeTooLong
from postern.contract.exchange import Exchange, Slice
from postern.contract.moderation import (
    Judged,
    ListHit,
    Moderation,
    Options,
    TeacherRead,
    TextSpan,
    Timings,
    WorstWindow,
)
from postern.contract.probability import harmful_margin, harmful_probability
from postern.contract.text import normalize, segments, source_span
from postern.contract.windows import Encoding
from postern.disguises.triggers import Disguise
from postern.inference.batcher import Batcher
from postern.inference.entries import Logits, Scored
from postern.judging import policing
from postern.judging.cascade import Cascade, Case, Decided
from postern.judging.drift import Drift
from postern.judging.score_cache import ScoreCache
from postern.judging.scorer import InputLimits, Score, Scorer
from postern.judging.students import Serving
from postern.judging.traced import describe
from postern.languages.reader import COMMON, LanguageReader
from postern.metrics import Metrics
from postern.policies.current import current_policy
from postern.policies.deciding import (
    Matched,
    Ruling,
    check_options,
    point_for,
    point_name,
    settles,
)
from postern.policies.records import CallerPolicy, PolicyList
from postern.tracing.names import Step
from postern.tracing.spans import step

OnJudged = Callable[[Exchange, Disguise | None, float], None]


class Pipeline:
    """Moderates exchanges with the student of their language, and with the teacher behind it."""

    def __init__(
        self,
        *,
        students: Sequence[Serving],
        batcher: Batcher,
        limits: InputLimits,
        metrics: Metrics,
        cascade: Cascade | None = None,
        triggers: bool = True,
        drift: Drift | None = None,
        clock: Callable[[], float] = time.monotonic,
        cache: ScoreCache[Score] | None = None,
        languages: LanguageReader | None = None,
        on_judged: OnJudged | None = None,
    ) -> None:
        """students: in the order of `Encoding.student`; operating points and options are those of
        the first. languages: without it, every text counts as supported and goes to the first.
        on_judged: called with every exchange that the first student read, its disguise and its
        probability; it neither waits nor raises."""
        self._students = tuple(students)
        self.policy = policy = students[0].policy
        self.cascade = cascade or Cascade(policy, None, metrics=metrics, clock=clock)
        self._triggers = triggers
        self._scorer = Scorer(
            students=students,
            batcher=batcher,
            limits=limits,
            metrics=metrics,
            clock=clock,
            cache=cache,
            languages=languages,
        )
        self._counted = COMMON | (languages.measured if languages else frozenset())
        for name in (one for each in students if each.categories for one in each.categories.names):
            metrics.categories.labels(name)  # from 0 on
        self._metrics = metrics
        self._drift = drift or Drift({}, clock=clock)
        self._clock = clock
        self._on_judged = on_judged

    async def moderate(
        self, exchanges: Sequence[Exchange], options: Options, *, deadline: float
    ) -> Moderation:
        """Judge every exchange, or raise: there is no partial answer.

        What the caller's policy says is applied. deadline: absolute seconds on the clock. Raises
        EmptyPrompt, ExchangeTooLong, UnknownOperatingPoint, OptionFixed, and whatever
        `Batcher.submit` raises.
        """
        with step(Step.GUARDRAIL) as span:
            moderation = await self._moderate(exchanges, options, deadline=deadline)
            describe(span, exchanges, moderation)
            return moderation

    async def _moderate(
        self, exchanges: Sequence[Exchange], options: Options, *, deadline: float
    ) -> Moderation:
        started = self._clock()
        policy = current_policy()
        self._check(policy, exchanges, options)
        await self._scorer.check_expanded(exchanges, deadline=deadline)
        disguises = await self._disguises(exchanges, deadline)
        scores = await self._scorer.score(
            exchanges, disguises, reject_long=options.reject_long, deadline=deadline
        )
        matched = await policing.match_all(
            policy, self._scorer, exchanges, disguises, deadline=deadline
        )
        asked_at = self._clock()
        to_case = functools.partial(self._case, policy, options)
        cases = list(map(to_case, exchanges, disguises, scores, matched))
        fallback = options.fallback
        if fallback == "auto" and policy.fallback is not None:
            fallback = policy.fallback
        decided = await self.cascade.decide(cases, fallback=fallback, deadline=deadline)
        finished = self._clock()
        deferred = any(one.verdict.deferred for one in decided)
        timings = Timings(
            queue_s=max(one.queue_s for score in scores for one in score.scored),
            inference_s=max(one.inference_s for score in scores for one in score.scored),
            teacher_s=finished - asked_at if deferred else 0.0,
            total_s=finished - started,
            tokenize_s=max(score.tokenize_s for score in scores),
        )
        rule = functools.partial(self._ruling, policy)
        rulings = list(map(rule, exchanges, disguises, scores, decided, matched))
        judged = tuple(map(self._judged, disguises, scores, decided, rulings))
        for one, ruled in zip(judged, rulings, strict=True):
            policing.count(policy, one, ruled.overruled, self._metrics)
        self._observe(judged, exchanges, timings)
        if self._on_judged is not None:
            for exchange, disguise, case, score in zip(
                exchanges, disguises, cases, scores, strict=True
            ):
                if not score.student:
                    self._on_judged(exchange, disguise, case.probability)
        return Moderation(judged, point_name(policy, self.policy, options), timings)

    async def list_hits(
        self,
        exchange: Exchange,
        lists: Sequence[PolicyList],
        options: Options,
        *,
        deadline: float,
    ) -> tuple[ListHit, ...]:
        """All that an exchange matches in some of its caller's lists. The student is not asked.

        Raises what `moderate` raises, except for the errors of the student.
        """
        self._check(current_policy(), (exchange,), options)
        await self._scorer.check_expanded((exchange,), deadline=deadline)
        (disguise,) = await self._disguises((exchange,), deadline)
        return await policing.hits(lists, self._scorer, exchange, disguise, deadline=deadline)

    def worst_part(self, text: str, judged: Judged) -> tuple[int, int]:
        """The first character of a text that was judged alone as a prompt, and the one after the
        last, that its most harmful window covers.

        It normalizes all of the text, so a long text belongs in a thread.
        """
        if judged.worst_window is None:
            return 0, len(text)
        held = judged.worst_window.prompt
        of_name = {student.name: student for student in self._students[1:]}
        tokenizer = of_name.get(judged.read_by or "", self._students[0]).tokenizer
        written = tokenizer.characters(normalize(text), (held.start, held.end))
        return source_span(text, *written)

    def _check(self, policy: CallerPolicy, exchanges: Sequence[Exchange], options: Options) -> None:
        """Before any work: what the caller may ask, and how much.

        Raises OptionFixed, UnknownOperatingPoint, ExchangeTooLong.
        """
        check_options(policy, options)
        self.policy.point("prompt", operating_point=options.operating_point, threshold=None)
        most = policy.limits.max_items
        if most is not None and len(exchanges) > most:
            raise ExchangeTooLong(what="exchanges", limit=most)
        self._scorer.check_sizes(exchanges, own_chars=policy.limits.max_exchange_chars)

    async def _disguises(
        self, exchanges: Sequence[Exchange], deadline: float
    ) -> Sequence[Disguise | None]:
        if not self._triggers:
            return [None] * len(exchanges)
        return await self._scorer.disguises(exchanges, deadline=deadline)

    def _case(
        self,
        policy: CallerPolicy,
        options: Options,
        exchange: Exchange,
        disguise: Disguise | None,
        score: Score,
        matched: Matched,
    ) -> Case:
        slice_, encoding, counted = exchange.slice, score.encodings[-1], _counted(disguise, score)
        student = self._students[score.student]
        point = point_for(
            policy, student.policy, options, slice_=slice_, language=score.reading.language
        )
        # The teacher gets the decoded text, whatever the student makes of it.
        said = exchange if disguise is None else disguise.decoded
        probability = max(most_harmful_probability(one, student.policy, slice_) for one in counted)
        return Case(
            said,
            probability,
            point,
            disguised=disguise is not None,
            excerpt=functools.partial(self._excerpt, said, encoding, score.scored[-1])
            if encoding.spans
            else None,
            reading=score.reading,
            settled=settles(matched, probability, point),
            on_teacher_failure=policy.on_teacher_failure,
            on_unsupported_language=policy.on_unsupported_language,
            artifact_policy=student.policy if score.student else None,
        )

    def _excerpt(self, exchange: Exchange, encoding: Encoding, scored: Scored) -> Exchange:
        """The text of the worst window."""
        spans = encoding.spans[int(harmful_margin(scored.logits).argmax())]
        tokenizer = self._students[encoding.student].tokenizer
        return Exchange(*map(tokenizer.excerpt, segments(exchange), spans))

    def _judged(
        self, disguise: Disguise | None, score: Score, decided: Decided, ruling: Ruling
    ) -> Judged:
        encoding, verdict = score.encodings[0], ruling.verdict
        as_it_came = score.scored[0]
        worst: WorstWindow | None = None
        if _deciding(_counted(disguise, score)) is as_it_came:
            worst = worst_window(as_it_came, encoding)
        read: TeacherRead | None = None
        if verdict.teacher_probability is not None:
            read = "text" if disguise is None else "decoded"
            read = "worst_window" if decided.excerpt else read
        return Judged(
            verdict,
            encoding.tokens,
            len(encoding.windows),
            worst,
            () if disguise is None else disguise.triggers,
            read,
            decided.reason,
            score.reading,
            ruling.block_reason,
            ruling.categories,
            ruling.list_match,
            ruling.audited,
            self._students[score.student].name if score.student else None,
        )

    def _ruling(
        self,
        policy: CallerPolicy,
        exchange: Exchange,
        disguise: Disguise | None,
        score: Score,
        decided: Decided,
        matched: Matched,
    ) -> Ruling:
        """The final verdict, with the categories of the most harmful window."""
        given_harm: Sequence[float] = ()
        student = self._students[score.student]
        if student.categories is not None:
            row = deciding_row(_counted(disguise, score))[student.columns.categories]
            (given_harm,) = student.categories.given_harm(row[None]).tolist()
        return policing.ruling(
            policy, exchange, decided, matched, head=student.categories, given_harm=given_harm
        )

    def _observe(
        self, judged: Sequence[Judged], exchanges: Sequence[Exchange], timings: Timings
    ) -> None:
        stages = self._metrics.stage_duration
        stages.labels("queue").observe(timings.queue_s)
        stages.labels("infer").observe(timings.inference_s)
        if any(one.verdict.deferred for one in judged):
            stages.labels("teacher").observe(timings.teacher_s)
        for one, exchange in zip(judged, exchanges, strict=True):
            outcome = "harmful" if one.verdict.harmful else "unharmful"
            self._metrics.verdicts.labels(outcome, one.verdict.decided_by).inc()
            probability = one.verdict.student_probability
            self._metrics.probability.labels(exchange.slice).observe(probability)
            if one.read_by is None:
                self._drift.observe(exchange.slice, probability)
            for trigger in one.triggers:
                self._metrics.triggers.labels(trigger).inc()
            for category in one.categories or ():
                if category.applies:
                    self._metrics.categories.labels(category.name).inc()
            language = one.reading.language
            language = language if language in self._counted else "other"
            self._metrics.languages.labels(language, _outcome(one)).inc()


def _outcome(judged: Judged) -> str:
    """How the language of an exchange was dealt with, for the metric."""
    if judged.reading.supported:
        return "supported"
    if judged.block_reason == "unsupported_language":
        return "blocked"
    return "degraded" if judged.verdict.degraded else "teacher"


def _counted(disguise: Disguise | None, score: Score) -> Sequence[Scored]:
    """The readings that count, of which the more harmful one decides: the text as it came and as
    it was decoded.

    If the decoding is certain, only the decoded reading counts.
    """
    certain = disguise is not None and disguise.certain
    return score.scored[-1:] if certain else score.scored


def _deciding(counted: Sequence[Scored]) -> Scored:
    """The most harmful of several readings, the first of equals."""
    return max(counted, key=lambda one: float(harmful_margin(one.logits).max()))


def deciding_row(counted: Sequence[Scored]) -> Logits:
    """(columns,) float32: the output for the most harmful window of several readings."""
    rows = np.concatenate([one.logits for one in counted])
    row: Logits = rows[int(harmful_margin(rows).argmax())]
    return row


def most_harmful_probability(scored: Scored, policy: Policy, slice_: Slice) -> float:
    """The calibrated probability of the most harmful window, in [0, 1]."""
    margin = harmful_margin(scored.logits).max(keepdims=True)
    return float(harmful_probability(margin, policy.calibration[slice_])[0])


def worst_window(scored: Scored, encoding: Encoding) -> WorstWindow | None:
    """The most harmful of several windows (the first of equals) and the text that it covers."""
    if not encoding.spans:
        return None
    index = int(harmful_margin(scored.logits).argmax())
    totals = (encoding.prompt_tokens, encoding.tokens - encoding.prompt_tokens)
    held = [
        TextSpan(*span, tokens) for span, tokens in zip(encoding.spans[index], totals, strict=False)
    ]
    return WorstWindow(index, held[0], held[1] if len(held) > 1 else None)
