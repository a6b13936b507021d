"""`Judge`: the server's own parts as a function from a table to a table.

    from postern.batch.judge import Judge

    with Judge() as judge:
        verdicts = judge(table)

It is a callable class, so it fits into `map_batches` of Ray Data, too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, TypeVar

import pyarrow as pa

from postern.backlog.formats import Columns
from postern.backlog.judge import judge, running, what_decides
from postern.backlog.lanes import Lanes, ToJudge
from postern.batch.columns import table_rows, verdict_table
from postern.contract.errors import NotReady, SettingsInvalid
from postern.contract.moderation import Options
from postern.endpoints.services import Services
from postern.inference.engine import engine_for, usable_cores
from postern.settings.settings import Settings, read_settings

Made = TypeVar("Made")


class Judge:
    """One loaded student, with its teacher if one is set. Close it to give its threads back."""

    def __init__(
        self,
        columns: Columns | None = None,
        *,
        operating_point: str | None = None,
        threshold: float | None = None,
        **settings: Any,
    ) -> None:
        """settings: as `postern serve` names them, before those of the environment.

        Raises ArtifactInvalid, SettingsInvalid, UnknownOperatingPoint.
        """
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise SettingsInvalid("threshold: must lie between 0 and 1")
        self._columns = columns or Columns()
        self._options = Options(operating_point, threshold)
        self._settings: Settings = read_settings(**settings)
        self._workers = engine_for(self._settings.engine, usable_cores()).workers
        self._stack = AsyncExitStack()
        # The parts live on an event loop; this one is theirs, whatever thread asks.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="judge", daemon=True)
        self._thread.start()
        try:
            self._services = self._run(self._started())
        except BaseException:
            self.close()
            raise

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def identity(self) -> dict[str, str]:
        """name, version and sha256 of the artifact."""
        identity = self._services.identity
        return {"name": identity.name, "version": identity.version, "sha256": identity.sha256}

    @property
    def what_decides(self) -> dict[str, Any]:
        """Everything that a verdict depends on, by name; plain JSON."""
        return what_decides(self._services, self._settings, self._options)

    def __call__(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """The table and, to the right of it, the columns of the verdicts, in the same order.

        A row that cannot be judged has an `error` and nulls. Raises ColumnsInvalid, and NotReady
        after `close`.
        """
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        found = verdict_table(self.verdicts(table_rows(table, self._columns)), self._columns.prefix)
        for name in found.column_names:
            table = table.append_column(name, found.column(name))
        return table

    def verdicts(self, rows: Sequence[ToJudge]) -> list[dict[str, Any]]:
        """Verdicts in the order of the rows, as `POST /classify` gives them, or only `error`."""
        return self._run(self._verdicts(rows))

    def close(self) -> None:
        """Stop the parts and the thread. Doing it twice does nothing."""
        if self._loop.is_closed():
            return
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _started(self) -> Services:
        services = await self._stack.enter_async_context(running(self._settings))
        # An unknown operating point is not each row's mistake.
        services.pipeline.policy.point(
            "prompt",
            operating_point=self._options.operating_point,
            threshold=self._options.threshold,
        )
        return services

    async def _verdicts(self, rows: Iterable[ToJudge]) -> list[dict[str, Any]]:
        left = iter(rows)
        lanes = Lanes[ToJudge](
            lambda exchanges: judge(self._services, exchanges, self._options),
            workers=self._workers,
        )
        async with aclosing(lanes.verdicts(lambda _: next(left, None), pause=_nothing)) as found:
            return [verdict async for _, verdict in found]

    def _run(self, work: Coroutine[Any, Any, Made]) -> Made:
        if self._loop.is_closed():
            work.close()
            raise NotReady("the judge is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupt, too, ends the work
            raise


def _nothing() -> None:
    pass
