"""Labellers behind one interface: guard models, classifiers and other Postern servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from postern.contract.exchange import Exchange
from postern.contract.probability import log_odds_of, sigmoid
from postern.contract.teacher_call import Endpoint, path_of, question
from postern.contract.teacher_text import TEMPLATES

from model_training.errors import RecipeInvalid, ServerUnusable
from model_training.recipe.augmentation import (
    ClassifierTeacher,
    EnsembleTeacher,
    GuardLocal,
    GuardServer,
    LlamaCppConfig,
    LocalConfig,
    PosternTeacher,
    TeacherConfig,
)
from model_training.teachers.ensemble_teacher import ensemble_asked, open_ensemble
from model_training.teachers.fingerprint import classifier_asked, gguf_asked, local_asked
from model_training.teachers.llm import Backend, Call, Reply, ServerBackend, read_completion
from model_training.teachers.shards import reads_of


@dataclass(frozen=True)
class Teacher:
    """`write` asks about an exchange; `read` gives its harmful probability, or None: cannot
    tell."""

    backend: Backend
    write: Callable[[Exchange], Call]
    read: Callable[[Reply, Exchange], float | None]


def open_teacher(
    config: TeacherConfig,
    *,
    temperature: float,
    threads: int | None = None,
    backend: Backend | None = None,
) -> Teacher:
    """temperature: the teacher's own, > 0. threads: of a classifier in this process; None: torch's
    own choice. backend: answers for it, in place of one that is opened here.

    Raises RecipeInvalid if a template or weights do not exist.
    """
    match config:
        case GuardServer() | GuardLocal():
            return _guard(config, temperature=temperature)
        case ClassifierTeacher() | EnsembleTeacher():
            backend = backend or open_classifiers(config, threads=threads)
        case PosternTeacher():
            backend = ServerBackend(config, read=partial(read_classify, artifact=config.artifact))
    return Teacher(backend, _classify(config, backend), _by_margin(temperature))


def open_classifiers(
    config: ClassifierTeacher | EnsembleTeacher, *, threads: int | None = None
) -> Backend:
    """threads: of each forward pass, as in `open_teacher`. Raises RecipeInvalid."""
    from model_training.teachers.classifier import (  # torch
        ClassifierBackend,
        MarginBackend,
        default_threads,
    )

    threads = threads or default_threads()
    if isinstance(config, ClassifierTeacher):
        return ClassifierBackend(config, threads=threads)
    judges = open_ensemble(
        _folder_of(config),
        batch_tokens=config.batch_tokens,
        precision=config.precision,
        threads=threads,
    )
    return MarginBackend(
        _ensemble_asked(config), judges.margins, reads=reads_of(config), threads=threads
    )


def asked_of(config: Any) -> str:
    """Who would answer, without loading it: for the header, and to check whether work is done."""
    match config:
        case ClassifierTeacher():
            return classifier_asked(config)
        case EnsembleTeacher():
            return _ensemble_asked(config)
        case LocalConfig():
            return local_asked(config)
        case LlamaCppConfig():
            return gguf_asked(config)
        case _:
            return str(config.asked)


def at_home(config: TeacherConfig, folder: Path) -> TeacherConfig:
    """An ensemble that names no folder is in `folder`."""
    if isinstance(config, EnsembleTeacher) and config.folder is None:
        return config.model_copy(update={"folder": str(folder)})
    return config


def _folder_of(config: EnsembleTeacher) -> Path:
    if config.folder is None:
        raise RecipeInvalid("label.teacher: an ensemble outside a run needs `folder`")
    return Path(config.folder)


def _ensemble_asked(config: EnsembleTeacher) -> str:
    name = ensemble_asked(_folder_of(config))
    return name if config.precision == "auto" else f"{name}, {config.precision}"


def _guard(config: GuardServer | GuardLocal, *, temperature: float) -> Teacher:
    template = TEMPLATES.get(config.template)
    if template is None:
        raise RecipeInvalid(
            f"label.teacher.template: unknown {config.template!r}; known: {', '.join(TEMPLATES)}"
        )
    if isinstance(config, GuardServer):
        backend: Backend = ServerBackend(config, read=read_with_logprobs)
        endpoint: Endpoint = config.endpoint
        if endpoint == "conversation" and not template.takes_turns:
            raise RecipeInvalid(
                f"label.teacher.endpoint: no model writes the prompt of {template.name} itself"
            )
    else:
        from model_training.teachers.llm_local import (
            LocalBackend,  # torch, which servers do not need
        )

        backend, endpoint = LocalBackend(config), "completions"

    def write(exchange: Exchange) -> Call:
        body = {"model": config.model, **question(template, exchange, endpoint=endpoint)}
        return Call(endpoint=path_of(endpoint), asked=backend.asked, body=body)

    def read(reply: Reply, exchange: Exchange) -> float | None:
        return template.probability(reply.choices, exchange, temperature=temperature)

    return Teacher(backend, write, read)


def read_with_logprobs(content: Any) -> Reply:
    """Read a completion with log-probabilities.

    Raises ValueError if it has another form, and ServerUnusable at the first reply without them,
    before the rest is paid for.
    """
    reply = read_completion(content)
    if reply.text.strip() and not any(top for _, top in reply.tokens):
        raise ServerUnusable(
            "the server returns no log-probabilities; a soft label cannot be read from text alone"
        )
    return reply


def read_classify(content: Any, *, artifact: str) -> Reply:
    """Read the reply of another Postern's /classify to one exchange.

    Raises ValueError if it has another form, ServerUnusable if another student than `artifact`
    answers.
    """
    try:
        (result,) = content["results"]
        probability = result["probability"]
        serves = f"{content['model']['name']} {content['model']['version']}"
    except (KeyError, TypeError, ValueError) as exc:
        raise ValueError("no verdict") from exc
    if serves != artifact:
        raise ServerUnusable(
            f"the server serves {serves[:80]!r}, but the recipe asks for {artifact!r}"
        )
    if not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise ValueError("no probability")
    return Reply(margin=log_odds_of(probability))


def _classify(
    config: ClassifierTeacher | EnsembleTeacher | PosternTeacher, backend: Backend
) -> Callable[[Exchange], Call]:
    more = {"fallback": "never"} if isinstance(config, PosternTeacher) else {}

    def write(exchange: Exchange) -> Call:
        body: dict[str, Any] = {"prompt": exchange.prompt, **more}
        if exchange.response is not None:  # absent is not empty
            body["response"] = exchange.response
        return Call(endpoint="classify", asked=backend.asked, body=body)

    return write


def _by_margin(temperature: float) -> Callable[[Reply, Exchange], float | None]:
    def read(reply: Reply, exchange: Exchange) -> float | None:
        if reply.margin is None:
            return None
        return sigmoid(reply.margin / temperature)

    return read
