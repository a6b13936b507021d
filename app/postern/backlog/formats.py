"""JSON Lines and CSV: a record -> what to judge, and a verdict -> the bytes to write."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import ValidationError

from postern.backlog.records import Record
from postern.contract.errors import PosternError
from postern.contract.exchange import Exchange
from postern.endpoints.classify_body import ExchangeIn

# In this order. None of their values can begin with a character that makes a cell a formula.
VERDICT_COLUMNS: Final = (
    "harmful",
    "probability",
    "threshold",
    "operating_point",
    "decided_by",
    "deferred",
    "degraded",
    "language",
    "language_supported",
    "tokens",
    "windows",
    "categories",
    "error",
)
_TOO_LONG: Final = "the {} has more than {} bytes"
_OPEN: Final = "a quoted cell is not closed"


class ColumnsInvalid(PosternError):
    """The columns of a CSV file do not fit what was asked."""


@dataclass(frozen=True, slots=True)
class Row:
    """What to judge of one record, or why it cannot be judged. cells: those of a CSV row."""

    record: Record
    exchange: Exchange | None = None
    error: str | None = None
    cells: Sequence[str] = ()

    @property
    def chars(self) -> int:
        if self.exchange is None:
            return 0
        return len(self.exchange.prompt) + len(self.exchange.response or "")


class Format(Protocol):
    """How rows are read and written."""

    def row(self, record: Record) -> Row | None:
        """What to judge; None for a blank record."""
        ...

    def line(self, row: Row, verdict: Mapping[str, Any]) -> bytes:
        """What to write. verdict: a result with model and operating point, or only `error`."""
        ...


class JsonLines:
    """A line in, a line out."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit = limit_bytes

    def row(self, record: Record) -> Row | None:
        """As `ExchangeIn`."""
        if record.content is None:
            return Row(record, error=_TOO_LONG.format("line", self._limit))
        if not record.content.strip():
            return None
        try:
            given = ExchangeIn.model_validate_json(record.content)
        except ValidationError as exc:
            problem = exc.errors(include_input=False, include_url=False, include_context=False)[0]
            return Row(record, error=problem["msg"])
        return Row(record, Exchange(given.prompt, given.response))

    def line(self, row: Row, verdict: Mapping[str, Any]) -> bytes:
        """The verdict as JSON, with the number of the line."""
        return json.dumps({"line": row.record.number, **verdict}).encode() + b"\n"


@dataclass(frozen=True)
class Columns:
    """Names: of the prompt, of the response (None: `response`, if there is one), and what stands
    before the names of the verdict's columns."""

    prompt: str = "prompt"
    response: str | None = None
    prefix: str = ""


class Csv:
    """Writes every cell of a row as it came, and the verdict's cells after them."""

    def __init__(self, header: Record | None, columns: Columns, *, limit_bytes: int) -> None:
        """Raises ColumnsInvalid."""
        csv.field_size_limit(max(csv.field_size_limit(), limit_bytes))
        if header is None or header.content is None or header.is_open:
            raise ColumnsInvalid("the first row must name the columns")
        try:
            header.content.decode()
        except UnicodeDecodeError as exc:
            raise ColumnsInvalid("the file is not UTF-8") from exc
        self._limit = limit_bytes
        self.names = _cells(header.content)
        self._prompt = self._place(columns.prompt, "--prompt-column")
        self._response: int | None = None
        if columns.response is not None:
            self._response = self._place(columns.response, "--response-column")
        elif "response" in self.names:
            self._response = self._place("response", "--response-column")
        own = [columns.prefix + name for name in VERDICT_COLUMNS]
        for name in own:
            if name in self.names:
                # One of ours, so not user text.
                raise ColumnsInvalid(f"there is a column {name!r} already; see --column-prefix")
        self.header = _written([*self.names, *own])

    def row(self, record: Record) -> Row | None:
        """An empty cell is an absent response."""
        if record.content is None:
            error = f"{_TOO_LONG.format('row', self._limit)}, or {_OPEN}"
            return self._bad(record, error)
        if not record.content.strip(b"\r\n"):
            return None
        cells = _cells(record.content)
        if record.is_open:
            return self._bad(record, _OPEN, cells)
        if len(cells) != len(self.names):
            counts = f"the row has {len(cells)} cells, and the first row {len(self.names)}"
            return self._bad(record, counts, cells)
        prompt = cells[self._prompt]
        response = None if self._response is None else cells[self._response] or None
        if not (_is_text(prompt) and _is_text(response or "")):
            return self._bad(record, "the text is not valid UTF-8", cells)
        return Row(record, Exchange(prompt, response), cells=cells)

    def line(self, row: Row, verdict: Mapping[str, Any]) -> bytes:
        """The row's own cells, then those of VERDICT_COLUMNS."""
        return _written([*row.cells, *(_cell(verdict.get(name)) for name in VERDICT_COLUMNS)])

    def _bad(self, record: Record, error: str, cells: Sequence[str] = ()) -> Row:
        """With as many cells as there are columns, so that the error stands in its own."""
        width = len(self.names)
        return Row(record, error=error, cells=[*cells[:width], *[""] * (width - len(cells))])

    def _place(self, name: str, flag: str) -> int:
        found = self.names.count(name)
        if found != 1:
            count = "no column" if not found else f"{found} columns"
            raise ColumnsInvalid(f"there is {count} {name!r}; see {flag}")
        return self.names.index(name)


def _cells(content: bytes) -> list[str]:
    # Bytes that are not UTF-8 become lone surrogates, and these the same bytes again.
    text = content.decode("utf-8", "surrogateescape")
    return next(csv.reader([text]))


def _written(cells: Sequence[str]) -> bytes:
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n").writerow(cells)
    return target.getvalue().encode("utf-8", "surrogateescape")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):  # categories
        return " ".join(one["name"] for one in value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
