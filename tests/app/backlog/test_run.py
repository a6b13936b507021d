"""However often and wherever a run is killed, the file in the end is that of a run left alone."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from postern.backlog import output as output_module
from postern.backlog.formats import Columns, Csv, JsonLines, Row
from postern.backlog.lanes import Lanes
from postern.backlog.output import Kept, Note, OutputInvalid
from postern.backlog.records import CsvEnds, LineEnds, Records
from postern.backlog.run import InputChanged, Source, begin, judge_rows
from postern.contract.errors import InferenceFailed, QueueFull
from postern.contract.exchange import Exchange

JOB = {"artifact": "a" * 64, "threshold": None}


class Killed(BaseException):
    """The process ends here."""


async def judge(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
    """Finishes out of order, and a verdict depends on nothing but its text."""
    await asyncio.sleep(0.0001 * (len(exchanges[0].prompt) % 3))
    for index, one in enumerate(exchanges):
        if "fails" in one.prompt:
            failed = InferenceFailed("here")
            failed.index = index
            raise failed
    return [{"probability": zlib.crc32(repr(one).encode()) / 2**32} for one in exchanges]


def source_of(data: bytes, *, is_csv: bool) -> Source:
    read = io.BytesIO(data).read
    if not is_csv:
        records = Records(read, LineEnds(), limit_bytes=999)
        return Source(records, JsonLines(limit_bytes=999), {}, None, "line")
    records = Records(read, CsvEnds(), limit_bytes=999)
    form = Csv(records.next(), Columns(), limit_bytes=999)
    return Source(records, form, {}, None, "row")


def run(data: bytes, path: Path, *, is_csv: bool, resume: bool, **job: Any) -> int:
    ticks = itertools.count()
    kept = Kept(path, clock=lambda: next(ticks) * 0.2)  # a note every few rows

    async def whole() -> int:
        source = source_of(data, is_csv=is_csv)
        note = begin(kept, Note(job=JOB | job), source, resume=resume)
        lanes = Lanes[Row](judge, workers=2)
        return await judge_rows(source, kept, note, lanes, lambda done, rows: None)

    try:
        return asyncio.run(whole())
    finally:
        kept.close()


def killed_after(bytes_written: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next bytes are written, and then no more: of verdicts or of notes."""
    left = bytes_written

    def some(file: io.RawIOBase, data: bytearray) -> int:
        nonlocal left
        if left <= 0:
            raise Killed
        part = data[: min(left, 40)]
        left -= len(part)
        return file.write(part) or 0

    monkeypatch.setattr(output_module, "write_some", some)


PROMPTS = st.text(alphabet='abc ,"\n\r=é', max_size=12).map(lambda text: "p" + text)


@example(prompts=["a", "fails", "", 'b"\n'] * 10, kills=[1, 2000, 0, 3500, 900], is_csv=True)
@example(prompts=["a", "fails", "", 'b"\n'] * 10, kills=[1, 2000, 0, 3500, 900], is_csv=False)
@given(
    prompts=st.lists(PROMPTS | st.sampled_from(["", "fails"]), min_size=15, max_size=40),
    kills=st.lists(st.integers(0, 5000), min_size=1, max_size=4),
    is_csv=st.booleans(),
)
@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, *HealthCheck]
)
def test_any_kills_give_the_same_file(
    prompts: list[str], kills: list[int], is_csv: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ['"' + one.replace('"', '""') + '",x\n' for one in prompts]
    data = "prompt,id\n" + "".join(rows)
    if not is_csv:
        data = "".join(json.dumps({"prompt": one}) + "\n" for one in prompts)
    given = data.encode()
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patched:
        patched.setattr("os.fsync", lambda number: None)
        left_alone, path = Path(folder) / "whole", Path(folder) / "killed"
        errors = run(given, left_alone, is_csv=is_csv, resume=False)
        for kill in [*kills, 1 << 30]:
            with patched.context() as killing:
                killed_after(kill, killing)
                try:
                    found = run(given, path, is_csv=is_csv, resume=True)
                except Killed:
                    continue
            assert found == errors
            break
        assert path.read_bytes() == left_alone.read_bytes()
        assert sorted(one.name for one in Path(folder).glob("*.progress")) == []
        whole = left_alone.read_text().count("\n") if not is_csv else None
        assert whole in (None, len(prompts))


def interrupted(path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("of before; without --resume it is replaced\n")
    with monkeypatch.context() as patched:
        killed_after(3000, patched)
        with pytest.raises(Killed):
            run(data, path, is_csv=False, resume=False)
    assert Note.model_validate_json(path.with_name("out.progress").read_bytes()).rows


@pytest.fixture
def data() -> bytes:
    return b"".join(b'{"prompt": "number %d"}\n' % number for number in range(100))


def test_only_the_same_job_on_the_same_input_goes_on(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    interrupted(path, data, monkeypatch)
    before = path.read_bytes()
    with pytest.raises(OutputInvalid, match="begun with another artifact, threshold"):
        run(data, path, is_csv=False, resume=True, artifact="b" * 64, threshold=0.7)
    for other in (data.replace(b"number 1", b"letter 1", 1), data[:40], b"", b"\n" + data):
        with pytest.raises(InputChanged, match="not the one"):
            run(other, path, is_csv=False, resume=True)
    assert path.read_bytes() == before
    run(data + b'{"prompt": "one more"}\n', path, is_csv=False, resume=True)  # it may grow
    lines = [json.loads(line)["line"] for line in path.read_text().splitlines()]
    assert lines == list(range(1, 102))


def test_an_output_that_is_not_ours_or_was_changed_is_left_alone(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_text("of another program\n")
    with pytest.raises(OutputInvalid, match=r"complete or of another program.*out\.progress"):
        run(data, path, is_csv=False, resume=True)
    assert path.read_text() == "of another program\n"
    interrupted(path, data, monkeypatch)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(OutputInvalid, match="was changed"):
        run(data, path, is_csv=False, resume=True)
    path.with_name("out.progress").write_text("{")
    with pytest.raises(OutputInvalid, match="cannot be read"):
        run(data, path, is_csv=False, resume=True)


def test_what_stood_there_before_or_after_the_note_is_cut_off(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = tmp_path / "whole", tmp_path / "out"
    whole.write_bytes(b"of before\n" * 9999)
    run(data, whole, is_csv=False, resume=False)
    interrupted(path, data, monkeypatch)
    with path.open("ab") as file:
        file.write(b'{"line": 7, "half a line' * 9999)
    run(data, path, is_csv=False, resume=True)
    assert path.read_bytes() == whole.read_bytes()
    assert whole.read_bytes().count(b"\n") == 100


def test_two_runs_do_not_write_the_same_file(tmp_path: Path, data: bytes) -> None:
    one = Kept(tmp_path / "out", clock=lambda: 0.0)
    one.start(JOB)
    with pytest.raises(OutputInvalid, match="another run is writing"):
        run(data, tmp_path / "out", is_csv=False, resume=False)
    one.close()


def test_a_full_disk_says_how_to_go_on(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"

    def full(file: io.RawIOBase, some: bytearray) -> int:
        if file.tell() > 2000:
            raise OSError(28, "No space left on device")
        return file.write(some[:100]) or 0

    with monkeypatch.context() as patched:
        patched.setattr(output_module, "write_some", full)
        with pytest.raises(OutputInvalid, match=r"cannot be written \(No space.*--resume"):
            run(data, path, is_csv=False, resume=False)
    run(data, path, is_csv=False, resume=True)
    run(data, tmp_path / "whole", is_csv=False, resume=False)
    assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_an_overloaded_queue_is_waited_for_and_a_defect_ends_the_run() -> None:
    asked = 0

    async def busy(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
        nonlocal asked
        asked += 1
        if asked % 2:
            raise QueueFull(waiting_tokens=1, retry_after_s=0.001)
        if "defect" in exchanges[0].prompt:
            raise KeyError("defect")
        return [{"at": one.prompt} for one in exchanges]

    async def all_of(data: bytes) -> list[str]:
        source = source_of(data, is_csv=False)

        def next_row(wait: bool) -> Any:
            record = source.records.next(wait=wait)
            return None if record is None else source.form.row(record)

        lanes = Lanes[Row](busy, workers=1)
        return [v["at"] async for _, v in lanes.verdicts(next_row, pause=lambda: None)]

    prompts = [f"number {n}" * (n % 7 + 1) for n in range(600)]
    lines = b"".join(json.dumps({"prompt": one}).encode() + b"\n" for one in prompts)
    assert asyncio.run(all_of(lines)) == prompts
    with pytest.raises(KeyError):
        asyncio.run(all_of(b'{"prompt": "defect"}\n'))
