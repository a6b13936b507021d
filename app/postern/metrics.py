"""Every metric, its buckets and its unit. Labels are bounded and never hold text or keys."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

_DURATION_BUCKETS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05),
    *(0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKEN_BUCKETS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_RATIO_BUCKETS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_PROBABILITY_BUCKETS = tuple(index / 20 for index in range(1, 21))


class Metrics:
    """The metrics of one server. Nothing is global, so tests can hold several registries."""

    def __init__(self) -> None:
        # Omit the second series per counter, its creation time, which no query here needs.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="", registry=self.registry)
        r = self.registry
        self.requests = Counter(
            "postern_requests", "Requests answered.", ["route", "status"], registry=r
        )
        self.request_duration = Histogram(
            "postern_request_duration_seconds",
            "Time from the first byte of a request to the last byte of its reply.",
            ["route"],
            buckets=_DURATION_BUCKETS_S,
            registry=r,
        )
        self.stage_duration = Histogram(
            "postern_stage_duration_seconds",
            "Time of one request in one stage.",
            ["stage"],
            buckets=_DURATION_BUCKETS_S,
            registry=r,
        )
        self.rejected = Counter(
            "postern_rejected", "Requests refused, by kind of error.", ["reason"], registry=r
        )
        self.cancelled = Counter(
            "postern_cancelled", "Requests whose client left before the reply.", registry=r
        )
        self.connections_cut = Counter(
            "postern_connections_cut",
            "Connections closed on clients that send or read too slowly.",
            ["reason"],
            registry=r,
        )
        self.log_lines_dropped = Counter(
            "postern_log_lines_dropped",
            "Log lines that nobody took in time.",
            registry=r,
        )
        self.verdicts = Counter(
            "postern_verdicts", "Verdicts given.", ["verdict", "decided_by"], registry=r
        )
        self.degraded = Counter(
            "postern_degraded",
            "Verdicts for which the teacher was wanted but gave no opinion.",
            registry=r,
        )
        self.deferrals = Counter(
            "postern_deferrals",
            "Verdicts for which the teacher was wanted, by reason and outcome.",
            ["reason", "outcome"],
            registry=r,
        )
        self.teacher_requests = Counter(
            "postern_teacher_requests", "Calls to the teacher.", ["outcome"], registry=r
        )
        self.teacher_retries = Counter(
            "postern_teacher_retries", "Calls to the teacher that were retries.", registry=r
        )
        self.teacher_questions = Gauge(
            "postern_teacher_questions",
            "Questions to the teacher, by state: waiting or asked.",
            registry=r,
        )
        self.breaker_state = Gauge(
            "postern_breaker_state",
            "State of the teacher's circuit breaker: 0 closed, 1 half-open, 2 open.",
            registry=r,
        )
        self.teacher_audits = Counter(
            "postern_teacher_audits",
            "Student verdicts that the teacher audited afterwards, by both opinions.",
            ["student", "teacher"],
            registry=r,
        )
        self.triggers = Counter(
            "postern_triggers",
            "Exchanges that look disguised, by kind of disguise.",
            ["trigger"],
            registry=r,
        )
        self.categories = Counter(
            "postern_categories",
            "Exchanges to which a category of harm applies, by category.",
            ["category"],
            registry=r,
        )
        self.languages = Counter(
            "postern_languages",
            "Exchanges by the language that was read, and how it was dealt with: supported, "
            "teacher, degraded or blocked.",
            ["language", "outcome"],
            registry=r,
        )
        self.probability = Histogram(
            "postern_probability",
            "Calibrated harmful probability of each exchange.",
            ["slice"],
            buckets=_PROBABILITY_BUCKETS,
            registry=r,
        )
        self.probability_psi = Gauge(
            "postern_probability_psi",
            "Population stability index of live probabilities against those of the calibration.",
            ["slice", "window"],
            registry=r,
        )
        self.feedback = Counter(
            "postern_feedback", "Corrections of verdicts, by outcome.", ["outcome"], registry=r
        )
        self.feedback_labels = Counter(
            "postern_feedback_labels",
            "Corrections that were recorded, by the verdict given and the label expected.",
            ["verdict", "expected"],
            registry=r,
        )
        self.feedback_forgotten = Counter(
            "postern_feedback_forgotten",
            "Verdicts that were forgotten before their time, by the limit that was reached.",
            ["limit"],
            registry=r,
        )
        self.feedback_held_bytes = Gauge(
            "postern_feedback_held_bytes",
            "Memory for verdicts and their texts that can be corrected.",
            registry=r,
        )
        self.proxied = Counter(
            "postern_proxied", "Chats through the guarded proxy.", ["outcome"], registry=r
        )
        self.upstream_unknown = Counter(
            "postern_upstream_unknown",
            "What upstreams sent to the guarded proxy with a type that is not known here, by API "
            "and part: event, of a stream; or item, of a response, a part of one's content, or a "
            "block of a message.",
            ["api", "part"],
            registry=r,
        )
        self.audited = Counter(
            "postern_audited",
            "Requests that passed in audit mode, by what enforcing would have done: passed, "
            "blocked_prompt, blocked_response, failed, upstream_error or left.",
            ["route", "outcome"],
            registry=r,
        )
        self.audit_failures = Counter(
            "postern_audit_failures",
            "Requests that passed in audit mode without a verdict, by kind of error.",
            ["route", "reason"],
            registry=r,
        )
        self.mode_state = Gauge(
            "postern_mode_state",
            "Mode of each route that can block: 0 enforces, 1 audits.",
            ["route"],
            registry=r,
        )
        self.policy_mode_state = Gauge(
            "postern_policy_mode_state",
            "Mode of each policy that has one of its own, and of each category of harm that a "
            "policy only audits: 0 enforces, 1 audits. The category is empty for a whole policy.",
            ["policy", "category"],
            registry=r,
        )
        self.shadow_exchanges = Counter(
            "postern_shadow_exchanges",
            "Exchanges of the shadow's share: judged, failed, or dropped for want of room.",
            ["outcome"],
            registry=r,
        )
        self.shadow_verdicts = Counter(
            "postern_shadow_verdicts",
            "Exchanges that student and shadow both judged, by both verdicts.",
            ["operating_point", "slice", "student", "shadow"],
            registry=r,
        )
        self.shadow_seconds = Counter(
            "postern_shadow_processor_seconds",
            "Processor time that the shadow used.",
            registry=r,
        )
        self.shadow_tokens = Counter(
            "postern_shadow_tokens", "Tokens that the shadow scored.", registry=r
        )
        self.shadow_info = Gauge(
            "postern_shadow_info",
            "The artifact that judges in the shadow.",
            ["name", "version", "sha256"],
            registry=r,
        )
        self.policy_reloads = Counter(
            "postern_policy_reloads",
            "Files of policies read on SIGHUP: loaded, or rejected.",
            ["outcome"],
            registry=r,
        )
        for outcome in ("loaded", "rejected"):
            self.policy_reloads.labels(outcome)  # from 0 on
        self.list_matches = Counter(
            "postern_list_matches",
            "Exchanges that a list of a policy decided: block or allow; or overruled, if a list "
            "would have allowed what the student is sure of.",
            ["policy", "list", "outcome"],
            registry=r,
        )
        self.category_audits = Counter(
            "postern_category_audits",
            "Prompts and answers that were harmful and passed, because the policy only audits "
            "their categories.",
            ["policy", "category"],
            registry=r,
        )
        self.held_back = Histogram(
            "postern_held_back_seconds",
            "Time that text of a streamed answer waited for its verdict.",
            buckets=_DURATION_BUCKETS_S,
            registry=r,
        )
        self.batch_windows = Histogram(
            "postern_batch_windows", "Windows in one batch.", buckets=_BATCH_BUCKETS, registry=r
        )
        self.batch_tokens = Histogram(
            "postern_batch_tokens",
            "Tokens in one batch, padding included.",
            buckets=_TOKEN_BUCKETS,
            registry=r,
        )
        self.padding_ratio = Histogram(
            "postern_padding_ratio",
            "Share of a batch that is padding.",
            buckets=_RATIO_BUCKETS,
            registry=r,
        )
        self.inference_failures = Counter(
            "postern_inference_failures", "Windows for which the model failed.", registry=r
        )
        self.cache_lookups = Counter(
            "postern_cache_lookups",
            "Cache lookups by result: hit, miss, or joined to a computation under way.",
            ["outcome"],
            registry=r,
        )
        for outcome in ("hit", "miss", "joined"):
            self.cache_lookups.labels(outcome)  # 0 rather than absent when the cache is off
        self.queue_tokens = Gauge(
            "postern_queue_tokens", "Tokens that are waiting for a batch.", registry=r
        )
        self.queue_oldest = Gauge(
            "postern_queue_oldest_seconds", "Age of the oldest waiting window.", registry=r
        )
        self.model_info = Gauge(
            "postern_model_info", "The loaded artifact.", ["name", "version", "sha256"], registry=r
        )

    def count_batch(self, lengths: Sequence[int], padded: int) -> None:
        """lengths: tokens of each window; padded: tokens of all, with the padding."""
        self.batch_windows.observe(len(lengths))
        self.batch_tokens.observe(padded)
        self.padding_ratio.observe(1.0 - sum(lengths) / padded)

    def watch_queue(self, tokens: Callable[[], float], oldest_s: Callable[[], float]) -> None:
        """Read the two gauges of the queue whenever they are scraped."""
        self.queue_tokens.set_function(tokens)
        self.queue_oldest.set_function(oldest_s)

    def watch_drift(
        self, watched: Iterable[tuple[str, str]], index: Callable[[str, str], float]
    ) -> None:
        """Read the index of each slice and window whenever it is scraped."""
        for slice_, window in watched:
            gauge = self.probability_psi.labels(slice_, window)
            gauge.set_function(functools.partial(index, slice_, window))

    def render(self) -> bytes:
        """The metrics in Prometheus text format 0.0.4."""
        return generate_latest(self.registry)
