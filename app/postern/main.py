"""The composition root: verify the artifact, warm up, put the parts together, serve, drain."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from postern import __version__, logs, streams
from postern.composition import chat_guard as chat_guard_setup
from postern.composition import teacher as teacher_setup
from postern.contract.artifact import (
    Artifact,
    read_artifact,
)
from postern.contract.certificate import Certificate
from postern.contract.errors import (
    PosternError,
    SettingsInvalid,
)
from postern.contract.text import segments
from postern.contract.value import VALUE_COLUMNS
from postern.endpoints import dialects as dialects
from postern.endpoints import hot_path
from postern.endpoints.chat import router as chat_guard_router
from postern.endpoints.classify import (
    Services,
    router,
)
from postern.endpoints.error_shapes import error_shape_of
from postern.endpoints.wire import (
    Identity,
    info_reply,
)
from postern.http import errors as http_errors
from postern.http.heads import HeadLimits
from postern.http.hosts import Hosts
from postern.http.loop_turns import LoopTurns
from postern.http.protocol import Bounds, bounded_protocol
from postern.http.request import (
    Keys,
    now,
)
from postern.inference.batcher import (
    Batcher,
    BatchLimits,
)
from postern.inference.cost_model import CostModel
from postern.inference.engine import (
    engine_for,
    usable_cores,
)
from postern.inference.health import Health
from postern.inference.session import (
    OnnxSession,
    Session,
)
from postern.inference.tokenizer import Tokenizer
from postern.inference.warm_up import (
    SELF_TEST,
    check_self_test,
    measured_cost,
    warm_up,
)
from postern.judging.drift import Drift
from postern.judging.pipeline import Pipeline
from postern.judging.score_cache import ScoreCache
from postern.judging.scorer import (
    InputLimits,
    worth_keeping,
)
from postern.metrics import Metrics
from postern.server import api_docs, web_page
from postern.server.cors import Cors
from postern.server.exposure import (
    check_exposure,
    checked_host,
    connections_within_descriptors,
    hosts_of,
    listen_in_files,
)
from postern.server.first_look import FirstLook
from postern.server.observe import Observed
from postern.server.refusals import Refusals
from postern.settings.settings import Settings
from postern.teacher.courtesy import Courtesy
from postern.teacher.local import (
    Member,
    made_in_the_lane,
)

_SEND_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True)
class Student:
    """A loaded, warmed-up artifact. columns: that the session gives for each window."""

    artifact: Artifact
    tokenizer: Tokenizer
    session: Session
    cost: CostModel
    columns: int = 2
    alone: Session | None = None
    """With the threads of all workers, for a batch that no other one runs beside."""


def load_student(settings: Settings) -> Student:
    """Reads, verifies and warms up the artifact. Raises ArtifactInvalid."""
    artifact = read_artifact(settings.artifact)
    manifest = artifact.manifest
    tokenizer = Tokenizer(
        artifact.tokenizer,
        window_tokens=manifest.window_tokens,
        overlap_tokens=manifest.overlap_tokens,
    )
    engine = engine_for(settings, usable_cores())
    extra = teacher_setup.extra_output(settings, manifest.policy)
    columns = 2 if extra is None else 2 + VALUE_COLUMNS

    def opened(threads: int) -> OnnxSession:
        session = OnnxSession(
            artifact.model,
            pad_id=manifest.pad_id,
            intra_op_threads=threads,
            device=settings.device,
            extra=extra,
        )
        check_self_test(manifest, warm_up(tokenizer, session, columns=columns))
        return session

    session = opened(engine.threads)
    alone = opened(engine.threads_alone) if engine.threads_alone != engine.threads else None
    cost = measured_cost(tokenizer, session, max_batch_tokens=engine.max_batch_tokens)
    return Student(artifact, tokenizer, session, cost, columns, alone)


def load_teachers(settings: Settings, certificate: Certificate | None) -> tuple[Member, ...]:
    """The students that teach in this process, verified alike. Raises ArtifactInvalid.

    certificate: of the student before them.
    """

    def load(folder: Path) -> Member:
        # One batch at a time in a lane of its own, so the threads are those of one batch.
        changes = {"artifact": folder, "intra_op_threads": settings.teacher_threads, "workers": 1}
        changes["teacher_mode"] = "band"  # of a member nothing but its logits is asked
        student = load_student(settings.model_copy(update=changes))
        manifest = student.artifact.manifest
        name = f"{manifest.name}/{manifest.version}"
        sha256 = student.artifact.sha256
        return Member(name, sha256, manifest.policy, student.tokenizer, student.session)

    members = made_in_the_lane(load, settings.teacher_artifacts)
    teacher_setup.warn_of_another(members, certificate)
    return members


def build_services(settings: Settings, student: Student) -> tuple[Services, Batcher]:
    """Puts the parts together; nothing runs yet."""
    artifact, metrics = student.artifact, Metrics()
    manifest = artifact.manifest
    identity = Identity(manifest.name, manifest.version, artifact.sha256)
    metrics.model_info.labels(identity.name, identity.version, identity.sha256).set(1)
    courtesy = Courtesy(settings.teacher_beside_share, clock=now)
    engine = engine_for(settings, usable_cores())
    batcher = Batcher(
        student.session.run,
        run_alone=student.alone.run if student.alone else None,
        limits=BatchLimits(engine.max_batch_tokens, settings.max_queue_tokens, engine.shares),
        workers=engine.workers,
        metrics=metrics,
        clock=now,
        cost=student.cost,
        on_work=courtesy.student_works,
        columns=student.columns,
    )
    drift = Drift(manifest.probability_reference, clock=now)
    metrics.watch_drift(drift.watched, drift.index)
    limits = {
        "max_body_bytes": settings.max_body_bytes,
        "max_items": settings.max_items,
        "max_exchange_chars": settings.max_exchange_chars,
        "max_exchange_tokens": settings.max_exchange_tokens,
        "request_timeout_ms": settings.request_timeout_ms,
    }
    desk = teacher_setup.build_desk(
        settings, lambda: load_teachers(settings, manifest.certificate), metrics, courtesy
    )
    if settings.teacher_url is not None:
        asked = teacher_setup.asked_teacher(settings)
        teacher_setup.warn_of_another(asked, manifest.certificate)
    policy = teacher_setup.effective_policy(settings, manifest.policy)
    cascade = teacher_setup.build_cascade(settings, policy, desk, metrics)
    pipeline = Pipeline(
        policy=policy,
        tokenizer=student.tokenizer,
        batcher=batcher,
        limits=InputLimits(
            settings.max_items,
            settings.max_exchange_chars,
            settings.max_exchange_tokens,
            settings.max_body_bytes,
        ),
        metrics=metrics,
        cascade=cascade,
        triggers=settings.teacher_triggers,
        drift=drift,
        clock=now,
        cache=ScoreCache(
            entries=settings.cache_entries,
            artifact_sha256=artifact.sha256,
            metrics=metrics,
            kept=worth_keeping,
        )
        if settings.cache_entries
        else None,
    )
    services = Services(
        settings=settings,
        pipeline=pipeline,
        health=Health(
            batcher,
            student.tokenizer.encode(segments(SELF_TEST[0])),
            stall_s=settings.stall_timeout_ms / 1000.0,
            clock=now,
        ),
        metrics=metrics,
        identity=identity,
        info=info_reply(
            manifest,
            identity=identity,
            limits=limits,
            teacher=teacher_setup.described(settings, policy, desk),
            server_version=__version__,
        ),
        keys=Keys.of(settings.accepted_keys()),
        chat_guard=chat_guard_setup.build(
            settings, pipeline, judged_by=f"{identity.name}/{identity.version}", metrics=metrics
        ),
    )
    return services, batcher


def create_app(services: Services, batcher: Batcher, turns: LoopTurns, hosts: Hosts) -> ASGIApp:
    """The ASGI application; its lifespan starts and stops the batcher."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        cascade = services.pipeline.cascade
        cascade.start()
        if services.chat_guard is not None:
            services.chat_guard.upstream.start()
        yield
        if services.chat_guard is not None:
            await services.chat_guard.upstream.close()
        await cascade.close()
        await batcher.close()

    app = FastAPI(
        title="Postern",
        version=__version__,
        summary="A moderation server: is this prompt, or this response, harmful?",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # A redirect would be built from the header Host, which anybody can write.
        redirect_slashes=False,
        root_path=services.settings.root_path,
    )
    app.state.services = services
    app.include_router(router)
    app.include_router(dialects.router)
    app.include_router(chat_guard_router)
    hot_path.add_to(app)
    api_docs.add_to(app)
    if services.settings.page:
        web_page.add_to(app)

    async def on_error(request: Request, exc: Exception) -> Response:
        request_id = request.state.request_id
        shape = error_shape_of(request.scope["path"])
        if isinstance(exc, PosternError):
            failure = http_errors.failure_of(exc, request_id=request_id)
            services.metrics.rejected.labels(failure.problem.slug).inc()
            request.state.log["problem"] = failure.problem.slug
            return shape.response(failure)
        if isinstance(exc, HTTPException) and _asks_for_methods(request, exc):
            allowed = (exc.headers or {}).get("Allow", "GET")
            return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
        if isinstance(exc, HTTPException):
            failure = http_errors.status_failure(
                exc.status_code, request_id=request_id, headers=exc.headers
            )
            return shape.response(failure)
        return shape.response(http_errors.internal_failure(request_id=request_id))

    for kind in (PosternError, HTTPException, Exception):
        app.add_exception_handler(kind, on_error)
    return Observed(
        app,
        metrics=services.metrics,
        health=services.health,
        first_look=_first_look(services, batcher, turns),
        hosts=hosts,
        cors=Cors(services.settings.cors_origins),
        root_path=services.settings.root_path,
    )


def _asks_for_methods(request: Request, exc: HTTPException) -> bool:
    return request.method == "OPTIONS" and exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED


def _first_look(services: Services, batcher: Batcher, turns: LoopTurns) -> FirstLook | None:
    """None where a cache may hold the answer: it takes no time, however long the queue is."""
    if services.settings.cache_entries:
        return None
    return FirstLook(
        batcher,
        keys=services.keys,
        timeout_ms=services.settings.request_timeout_ms,
        window_tokens=services.info.window_tokens,
        turn_s=lambda: turns.turn_s,
        clock=now,
    )


class DrainingServer(uvicorn.Server):
    """uvicorn, but a signal first makes the server unready, and a clean stop exits with 0."""

    def __init__(self, config: uvicorn.Config, *, health: Health, drain_delay_s: float) -> None:
        super().__init__(config)
        self._health = health
        self._drain_delay_s = drain_delay_s
        self._stop_at: float | None = None

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, without raising the signal again at the end: that would not exit with 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM)
        originals = {sig: signal.signal(sig, self.handle_exit) for sig in caught}
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else it is ignored: nohup
            originals[signal.SIGHUP] = signal.signal(signal.SIGHUP, self.on_hangup)
        try:
            yield
        finally:
            for sig, handler in originals.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stop_at is not None and sig == signal.SIGINT:
            self.force_exit = True  # pressed twice
        if self._stop_at is None:  # a second signal does not start the delay anew
            self._health.unready = True
            self._stop_at = now() + self._drain_delay_s

    def on_hangup(self, sig: int, frame: FrameType | None) -> None:
        """A terminal that goes, or a habit of reloading: what is in flight goes on."""
        logs.log("hangup-ignored", level=logging.WARNING)

    async def on_tick(self, counter: int) -> bool:
        if self._stop_at is not None and now() >= self._stop_at:
            self._health.draining = True
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings) -> None:
    """Serves until a signal. Raises ArtifactInvalid or SettingsInvalid when it cannot start."""
    logs.configure(settings.log_level)
    try:
        serve_student(settings, load_student(settings))
    finally:
        logs.end()


def serve_student(settings: Settings, student: Student) -> None:
    """`serve` with a student that is already loaded. Raises SettingsInvalid."""
    # One text is tokenized where it stands: with a pool of its own the library would hand each to
    # another thread, and the event loop would wait for that thread to get a core.
    os.putenv("TOKENIZERS_PARALLELISM", "false")
    has_keys = bool(settings.accepted_keys())
    listener, turns = _listen(settings, has_keys=has_keys), LoopTurns(now)
    address = None if settings.uds is not None else listener.getsockname()[0]
    services, batcher = build_services(settings, student)
    hosts = hosts_of(settings, address=address, has_keys=has_keys)
    refusals = Refusals(services.metrics)
    config = uvicorn.Config(
        create_app(services, batcher, turns, hosts),
        http=bounded_protocol(
            _bounds(settings),
            turns=turns,
            refusal=refusals.answer,
            on_cut=refusals.cut,
            leaving=lambda: services.health.unready or services.health.draining,
        ),
        ws="none",
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=max(1, settings.grace_period_ms // 1000),
        backlog=2048,
    )
    server = DrainingServer(
        config, health=services.health, drain_delay_s=settings.drain_delay_ms / 1000.0
    )
    logs.count_drops(services.metrics.log_lines_dropped.inc)
    streams.say(_greeting(listener, services.identity, needs_key=has_keys))
    server.run(sockets=[listener])
    logs.end()
    if batcher.left_behind or services.pipeline.cascade.left_behind:
        # The interpreter would wait for the thread, for ever if the model never returns.
        os._exit(0)


def _bounds(settings: Settings) -> Bounds:
    return Bounds(
        header_timeout_s=settings.header_timeout_ms / 1000.0,
        write_timeout_s=settings.write_timeout_ms / 1000.0,
        max_connections=connections_within_descriptors(settings.max_connections),
        head=HeadLimits(settings.max_header_bytes, settings.max_headers, settings.max_url_bytes),
    )


def _listen(settings: Settings, *, has_keys: bool) -> socket.socket:
    if settings.uds is not None:
        return listen_in_files(settings.uds)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            checked_host(settings.host),
            settings.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )[0]
        check_exposure(settings, address=str(address[0]), has_keys=has_keys)
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The system would buffer up to 4 MB for each client that does not read.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(2048)
    except OSError as exc:
        raise SettingsInvalid(
            f"cannot listen on {settings.host}:{settings.port} ({exc.strerror})"
        ) from exc
    listener.setblocking(False)
    return listener


def _greeting(listener: socket.socket, identity: Identity, *, needs_key: bool) -> str:
    name = listener.getsockname()
    if isinstance(name, str):
        place, url, option = f"unix:{name}", "http://localhost", f"--unix-socket '{name}' "
    else:
        host, port = name[:2]
        place = url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        option = ""
    key = "-H 'X-API-Key: YOUR_KEY' " if needs_key else ""
    return (
        f"Postern at {place} with {identity.name} {identity.version}; try: "
        f"curl -s {option}{url}/classify -H 'Content-Type: application/json' {key}"
        '-d \'{"prompt": "How do I steal a credit card number?"}\''
    )
