"""The composition root: load the student, put the parts together, serve until a signal."""

from __future__ import annotations

import os
import socket

import uvicorn
from starlette.types import ASGIApp

from postern import logs, streams
from postern.clock import now
from postern.composition import feedback, policies, tracing
from postern.composition.services import build_services
from postern.composition.student import Student, load_shadow, load_student
from postern.contract.moderation import Identity
from postern.endpoints.services import Services
from postern.http.heads import HeadLimits
from postern.http.loop_turns import LoopTurns
from postern.http.protocol import Bounds, bounded_protocol
from postern.inference.batcher import Batcher
from postern.server.application import create_app
from postern.server.exposure import connections_within_descriptors, hosts_of
from postern.server.lifecycle import DrainingServer, listen
from postern.server.refusals import Refusals
from postern.settings.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until a signal. Raises ArtifactInvalid or SettingsInvalid if it cannot start."""
    logs.configure(settings.server.log_level)
    try:
        serve_student(settings, load_student(settings))
    finally:
        logs.end()


def serve_student(settings: Settings, student: Student) -> None:
    """`serve` with a student that is already loaded. Raises SettingsInvalid."""
    # Tokenize single texts in the calling thread. With its own pool, the library would hand each
    # text to another thread, and the event loop would wait for that thread to get a core.
    os.putenv("TOKENIZERS_PARALLELISM", "false")
    has_keys = bool(settings.access.accepted_keys())
    listener, turns = listen(settings, has_keys=has_keys), LoopTurns(now)
    address = None if settings.server.uds is not None else listener.getsockname()[0]
    app, services, batcher = application(settings, student, turns=turns, address=address)
    refusals = Refusals(services.metrics)
    config = uvicorn.Config(
        app,
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
        timeout_keep_alive=settings.server.keep_alive_s,
        timeout_graceful_shutdown=max(1, settings.server.grace_period_ms // 1000),
        backlog=2048,
    )
    server = DrainingServer(
        config,
        health=services.health,
        drain_delay_s=settings.server.drain_delay_ms / 1000.0,
        on_hangup=policies.reloader(settings, services),
    )
    logs.count_drops(services.metrics.log_lines_dropped.inc)
    streams.say(_greeting(listener, services.identity, needs_key=has_keys))
    server.run(sockets=[listener])
    logs.end()
    shadow_left = services.shadow is not None and services.shadow.left_behind
    if batcher.left_behind or services.pipeline.cascade.left_behind or shadow_left:
        # Otherwise the interpreter would wait for the thread, for ever if the model never returns.
        os._exit(0)


def application(
    settings: Settings, student: Student, *, turns: LoopTurns, address: str | None
) -> tuple[ASGIApp, Services, Batcher]:
    """The ASGI application of a loaded student, for any server that runs its lifespan.

    address: on which that server listens, if it is known. Without `bounded_protocol` in front, the
    limits on headers and on slow clients are that server's own. Raises SettingsInvalid.
    """
    has_keys = bool(settings.access.accepted_keys())
    services, batcher = build_services(settings, student, on_trial=load_shadow(settings))
    services = policies.with_policies(settings, services)
    tracer = tracing.build(settings, services.identity)
    feedback.open_for(settings, services.feedback)
    hosts = hosts_of(settings, address=address, has_keys=has_keys)
    return create_app(services, batcher, turns, hosts, tracer), services, batcher


def _bounds(settings: Settings) -> Bounds:
    limits = settings.limits
    return Bounds(
        header_timeout_s=limits.header_timeout_ms / 1000.0,
        write_timeout_s=limits.write_timeout_ms / 1000.0,
        max_connections=connections_within_descriptors(settings.server.max_connections),
        head=HeadLimits(limits.max_header_bytes, limits.max_headers, limits.max_url_bytes),
    )


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
