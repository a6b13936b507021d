"""Every error has a status, every status of api.md's table is documented, none holds user text."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from postern.contract import errors, proxy_errors
from postern.contract.errors import PosternError
from postern.http import errors as http_errors
from postern.server.application import create_app  # noqa: F401 - loads every error class

TABLE_OF_API_MD = {400, 422, 401, 413, 415, 429, 504, 503, 500}


def subclasses(cls: type[PosternError]) -> Iterator[type[PosternError]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def defined() -> list[type[PosternError]]:
    """Those of the server: the trainer's and the command line's never reach HTTP."""
    everything: list[type[PosternError]] = [PosternError, *subclasses(PosternError)]
    return [
        cls
        for cls in everything
        if cls.__module__.startswith("postern.")
        and not cls.__module__.startswith(("postern.cli", "postern.backlog", "postern.batch"))
    ]


@pytest.mark.parametrize("cls", defined(), ids=lambda cls: cls.__name__)
def test_every_error_has_a_problem_of_its_own(cls: type[PosternError]) -> None:
    assert cls in http_errors.PROBLEMS
    assert cls.__doc__


def test_slugs_and_classes_are_one_to_one() -> None:
    slugs = [problem.slug for problem in http_errors.PROBLEMS.values()]
    assert len(set(slugs)) == len(slugs)
    for problem in http_errors.PROBLEMS.values():
        assert 400 <= problem.status <= 599
        assert problem.slug == problem.slug.lower().replace(" ", "-")


def test_the_error_tree_in_the_docstring_is_complete() -> None:
    tree = f"{errors.__doc__}{proxy_errors.__doc__}"
    for cls in defined():
        assert cls.__name__ in tree


def test_every_status_of_the_table_can_be_given() -> None:
    assert {problem.status for problem in http_errors.PROBLEMS.values()} >= TABLE_OF_API_MD


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.QueueFull(waiting_tokens=5, retry_after_s=0.2), 429, {"retry-after": "1"}),
        (
            errors.DeadlineUnreachable(predicted_s=9.0, retry_after_s=2.1),
            429,
            {"retry-after": "3"},
        ),
        (errors.Unauthorized(), 401, {"www-authenticate": "Bearer"}),
        (errors.EmptyPrompt(), 422, {}),
        (errors.NotReady("the server is shutting down"), 503, {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_problem_is_rfc_9457(error: PosternError, status: int, headers: dict[str, str]) -> None:
    response = http_errors.PROBLEM_SHAPE.response(http_errors.failure_of(error, request_id="r1"))
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    content = json.loads(bytes(response.body))
    assert content == {
        "type": f"urn:postern:problem:{http_errors.problem_of(error).slug}",
        "title": http_errors.problem_of(error).title,
        "status": status,
        "detail": str(error),
        "request_id": "r1",
    }
    for name, value in headers.items():
        assert response.headers[name] == value


def test_a_defect_tells_the_client_nothing() -> None:
    response = http_errors.PROBLEM_SHAPE.response(http_errors.internal_failure(request_id="r1"))
    assert response.status_code == 500
    assert json.loads(bytes(response.body))["detail"] == "the server failed; see its log"


def test_openapi_lists_each_error_with_an_example() -> None:
    entries = http_errors.openapi_responses(errors.QueueFull, errors.DeadlineUnreachable)
    (entry,) = entries.values()
    content = entry["content"]["application/problem+json"]
    assert set(content["examples"]) == {"queue-full", "deadline-unreachable"}
    assert "Retry-After" in entry["headers"]
