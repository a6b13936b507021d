"""Where nobody collects traces, steps do nothing; where somebody does, they nest and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from postern.tracing.names import Attribute, Step, Value
from postern.tracing.spans import NOTHING, Around, Kind, Span, current, past, step

from tests.server_process import ROOT


@dataclass(eq=False)
class Written(Span):
    """A span that writes down what happens to it."""

    name: str
    began: float | None = None
    children: list[Written] = field(default_factory=list)
    attributes: dict[Attribute, Value] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    ends: list[float | None] = field(default_factory=list)

    def child(
        self, step: Step, *, kind: Kind = "internal", started: float | None = None
    ) -> Written:
        self.children.append(Written(step, started))
        return self.children[-1]

    def set(self, name: Attribute, value: Value) -> None:
        self.attributes[name] = value

    def fail(self, kind: str) -> None:
        self.failures.append(kind)

    def end(self, ended: float | None = None) -> None:
        self.ends.append(ended)


def test_without_a_collector_nothing_is_made() -> None:
    assert current() is NOTHING
    with step(Step.PARSE) as span:
        assert span is current() is NOTHING
        span.set(Attribute.ROUTE, "x")
        span.fail("x")
    assert NOTHING.child(Step.INFER, started=1.0) is NOTHING
    assert NOTHING.headers() == {}
    past(Step.QUEUE, 1.0, 2.0)


def test_steps_nest_and_end() -> None:
    root = Written("root")
    with Around(root):
        with step(Step.GUARDRAIL) as guardrail, step(Step.TOKENIZE):
            assert current() is not guardrail
        past(Step.QUEUE, 1.0, 2.0)
        assert current() is root
    assert current() is NOTHING
    assert [one.name for one in root.children] == [Step.GUARDRAIL, Step.QUEUE]
    assert [one.name for one in root.children[0].children] == [Step.TOKENIZE]
    assert (root.children[1].began, root.children[1].ends) == (1.0, [2.0])
    assert root.ends == root.children[0].ends == [None]


def test_a_failure_has_the_name_of_its_class_and_passes_on() -> None:
    root = Written("root")
    with Around(root), pytest.raises(ValueError, match="words"), step(Step.PARSE):
        raise ValueError("words of a user")
    assert root.children[0].failures == ["ValueError"]
    assert root.failures == []
    assert root.children[0].ends == [None]


def test_tasks_take_the_span_in_which_they_began() -> None:
    async def inner() -> Span:
        await asyncio.sleep(0)
        return current()

    async def outer() -> None:
        root = Written("root")
        with Around(root):
            with step(Step.TEACHER) as span:
                task = asyncio.create_task(inner())
            assert await task is span
            assert await inner() is root

    asyncio.run(outer())


def test_names_of_attributes_stand_in_one_module() -> None:
    for path in (ROOT / "app" / "postern").rglob("*.py"):
        if path.parts[-2:] != ("tracing", "names.py"):
            source = path.read_text()
            assert [name for name in Attribute if f'"{name}"' in source] == [], path
