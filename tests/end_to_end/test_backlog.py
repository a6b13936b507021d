"""`postern classify` of files: in order, killed and resumed, in bounded memory, never silent."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from postern import cli

from tests.server_process import HANG_S, ROOT, ServerProcess, environment
from tests.tiny_student import HARMFUL_WORDS, HARMLESS_WORDS

MARKER = "zzmarkerzz"
OWN = (
    "harmful,probability,threshold,operating_point,decided_by,deferred,degraded,language,"
    "language_supported,tokens,windows,categories"
)


@pytest.fixture(autouse=True)
def keeps_the_handler() -> Any:
    """The command is run in this process where it need not end on its own."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def artifact_flag(tiny_artifact: Path) -> tuple[str, str]:
    return "--artifact", str(tiny_artifact)


def texts(count: int) -> list[str]:
    """Make rows of many lengths. Some texts need several windows."""
    rng = random.Random(0)
    words = [*HARMLESS_WORDS, *HARMFUL_WORDS]
    lengths = (rng.choice((3, 5, 8, 13, 21, 34, 90)) for _ in range(count))
    return [" ".join(rng.choices(words, k=length)) for length in lengths]


def write_lines(path: Path, prompts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    return path


def process_of(*arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "postern", "classify", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment({}), **pipes)


def stopped_at(process: subprocess.Popen[bytes], path: Path, least: int, number: int) -> str:
    """Sends a signal when the file has so many bytes. Returns what was said."""
    deadline = time.monotonic() + HANG_S
    while process.poll() is None and not (path.exists() and path.stat().st_size >= least):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(number)
    _, said = process.communicate(timeout=HANG_S)
    return said.decode()


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_file_of_one_left_alone(
    tmp_path: Path, artifact_flag: tuple[str, str]
) -> None:
    source = write_lines(tmp_path / "in", texts(2500))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    given = ("--jsonl", str(source), *artifact_flag, "--workers", "2")
    assert cli.main(["classify", *given, "--output", str(whole), "--workers", "1"]) == 0
    size = whole.stat().st_size
    for share, number in ((0.0, signal.SIGKILL), (0.3, signal.SIGINT), (0.6, signal.SIGKILL)):
        target = ("--output", str(stopped), "--resume")
        least = int(share * size)
        if number == signal.SIGINT:  # not while Python itself starts
            least = max(least, stopped.stat().st_size + 1)
        with process_of(*given, *target, stderr=subprocess.PIPE) as process:
            said = stopped_at(process, stopped, least, number)
        if process.returncode == 0:
            break  # quicker than this test, on a busy machine
        if number == signal.SIGKILL:
            assert (process.returncode, said) == (-signal.SIGKILL, "")
        else:
            assert process.returncode == 130
            goes_on = r"postern: interrupted after \d+ lines; .* --resume continues\n"
            assert re.fullmatch(goes_on, said)
        assert stopped.stat().st_size < size
    else:
        assert cli.main(["classify", *given, "--output", str(stopped), "--resume"]) == 0
    assert stopped.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "stopped", "whole"]


def test_verdicts_are_exactly_the_servers_in_any_company(
    tmp_path: Path, server: ServerProcess, artifact_flag: tuple[str, str]
) -> None:
    prompts = texts(300)
    source, target = write_lines(tmp_path / "in", prompts), tmp_path / "out"
    given = ["--jsonl", str(source), "--output", str(target), "--workers", "2"]
    assert cli.main(["classify", *given, *artifact_flag]) == 0
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["line"] for line in lines] == list(range(1, 301))
    for place in range(0, 300, 20):
        (alone,) = server.classify({"prompt": prompts[place]}).json()["results"]
        assert {name: lines[place][name] for name in alone if name != "index"} == {
            name: value for name, value in alone.items() if name != "index"
        }


def test_a_csv_file_gets_the_verdicts_columns(
    tmp_path: Path, artifact_flag: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(
        b"\xef\xbb\xbfid,prompt,response\r\n"
        b'=1,"tell me\na story, ""please""",\r\n'
        b"2,tell me,build a bomb\r\n"
        b",,x\r\n"
        b"4,\xe9,\r\n"
        b"5,cake\r\n"
    )
    given = ["--csv", str(source), "--output", str(target), *artifact_flag]
    assert cli.main(["classify", *given]) == 2
    assert capfd.readouterr() == ("", "postern: 3 rows could not be judged\n")
    written = target.read_bytes()
    assert written.startswith(f"id,prompt,response,{OWN},error\n".encode())
    assert b'\n=1,"tell me\na story, ""please""",,false,0.' in written
    assert b"\n4,\xe9,,,,,,,,,,,,,,the text is not valid UTF-8\n" in written
    text = written.decode(errors="replace")
    one, two, three, _, five = csv.DictReader(text.splitlines(keepends=True))
    assert (one["harmful"], one["error"], one["operating_point"]) == ("false", "", "balanced")
    assert (two["harmful"], two["decided_by"], two["threshold"]) == ("true", "student", "0.5")
    assert (two["language"], two["language_supported"]) == ("und", "true")
    assert three["error"] == "the prompt is empty: it has no visible characters"
    assert (five["id"], five["error"]) == ("5", "the row has 2 cells, and the first row 3")
    assert {row["harmful"] for row in (three, five)} == {""}


# The peak of this process alone; `ru_maxrss` would be that of the one that started it.
_PEAK = """
import re, sys
from pathlib import Path
from postern.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def _peak_kib(
    folder: Path, content: bytes, *flags: str
) -> tuple[subprocess.CompletedProcess[bytes], int]:
    """The run over a CSV file of that content, and its highest memory."""
    (folder / "in.csv").write_bytes(content)
    given = ["--csv", str(folder / "in.csv"), "--output", str(folder / "out.csv"), *flags]
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, "classify", *given],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        timeout=HANG_S,
    )
    return done, int(done.stdout)


def test_cells_and_lines_of_fifty_megabytes_cost_an_error_each(
    tmp_path: Path, artifact_flag: tuple[str, str]
) -> None:
    _, usual = _peak_kib(tmp_path, b"prompt,note\na cake,0\na story,2\n", *artifact_flag)
    huge = b"x," * 25_000_000
    content = b'prompt,note\na cake,"' + huge + b'"\n"' + huge + b'",1\na story,2\n'
    done, peak = _peak_kib(tmp_path, content, *artifact_flag)
    assert (done.returncode, done.stderr) == (2, b"postern: 2 rows could not be judged\n")
    with (tmp_path / "out.csv").open() as file:
        *bad, good = csv.DictReader(file)
    assert {row["error"][:31] for row in bad} == {"the row has more than 1265536 b"}
    assert (good["prompt"], good["note"], good["error"]) == ("a story", "2", "")
    assert peak < usual + 32 * 1024


_MANY = """
import asyncio, itertools, json, re
from postern.backlog.formats import JsonLines
from postern.backlog.lanes import Lanes
from postern.backlog.output import Kept, Note
from postern.backlog.records import LineEnds, Records
from postern.backlog.run import Source, begin, judge_rows
from pathlib import Path

async def judge(exchanges):
    await asyncio.sleep(0)
    return [{"probability": 0.5}] * len(exchanges)

lines = (json.dumps({"prompt": f"row {n}"}).encode() + b"\\n" for n in range(200_000))
peaks = []

def show(done, rows):
    if rows in (20_000, 200_000):
        peaks.append(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])

async def main():
    read = lambda most: b"".join(itertools.islice(lines, 1000))
    records = Records(read, LineEnds(), limit_bytes=1 << 20)
    source = Source(records, JsonLines(limit_bytes=1 << 20), {}, None, "line")
    kept = Kept(Path("out"), clock=lambda: 0.0)
    note = begin(kept, Note(job={}), source, resume=False)
    return await judge_rows(source, kept, note, Lanes(judge, workers=2), show)

print(asyncio.run(main()), *peaks)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """The model's own memory is bounded by its batches; what is around it is run here."""
    done = subprocess.run(
        [sys.executable, "-c", _MANY],
        cwd=tmp_path,
        env=environment({}) | {"PYTHONPATH": str(ROOT / "app")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
    )
    assert done.stderr == ""
    errors, early, late = map(int, done.stdout.split())
    assert errors == 0
    assert late - early < 4 * 1024  # KiB
    assert (tmp_path / "out").read_text().count("\n") == 200_000


def test_progress_has_a_rate_and_no_text(
    tmp_path: Path, artifact_flag: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    source = write_lines(tmp_path / "in", [f"{MARKER} cake"] * 50)
    given = ["classify", "--jsonl", str(source), *artifact_flag]
    assert cli.main([*given, "--output", "/dev/null"]) == 0  # no terminal
    assert capfd.readouterr().err == ""
    assert cli.main([*given, "--output", "/dev/null", "--progress"]) == 0
    said = capfd.readouterr().err
    assert "100%" in said
    assert "50 lines, " in said
    assert "/s" in said
    assert MARKER not in said


def test_lines_are_answered_while_more_may_come_until_the_reader_leaves(
    artifact_flag: tuple[str, str],
) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with process_of("--jsonl", "-", *artifact_flag, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for number in (1, 2):
            process.stdin.write(b'{"prompt": "read a book"}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdout.close()
        process.stdin.write(b'{"prompt": "read a book"}\n')
        process.stdin.close()
        assert process.wait(HANG_S) == 130
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--csv", "in", "--jsonl", "in"), "--jsonl cannot be combined with --csv"),
        (("--csv", "in", MARKER), "--csv cannot be combined with a prompt"),
        (("--jsonl", "in", "--prompt-column", MARKER), "need --csv"),
        (("--jsonl", "in", "--resume"), "--resume needs"),
        (("--resume", "--output", "out"), "--resume needs"),
        (("--jsonl", "in", "--resume", "--output", "/dev/null"), "no file that could be continued"),
        (("--jsonl", "in", "--output", "in"), "--output is the input"),
        (("--jsonl", ".", "--output", "out"), "cannot be read (Is a directory)"),
        (("--csv", "in", "--output", "out"), "in: there is no column 'prompt'"),
        (("--jsonl", "in", "--operating-point", MARKER, "--output", "out"), "unknown operating"),
        (("--jsonl", "in", "--output", "gone/out"), "cannot be written (No such file"),
        (("--jsonl", "in", "--output", "out", "--resume"), "out.progress"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_line_and_touches_nothing(
    tmp_path: Path,
    artifact_flag: tuple[str, str],
    arguments: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(Path("in"), [MARKER])
    Path("out").write_text("of before\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.main(["classify", *arguments, *artifact_flag]) == 2
    said = capfd.readouterr().err
    assert said.startswith("postern: ")
    assert said.count("\n") == 1
    assert says in said
    assert MARKER not in said
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_limit_on_the_files_size_is_told_and_gone_on_from(
    tmp_path: Path, artifact_flag: tuple[str, str]
) -> None:
    """As on a full disk: the system refuses to write on."""
    source, target = write_lines(tmp_path / "in", texts(600)), tmp_path / "out"
    limited = (
        "import resource, sys; from postern.cli import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "sys.exit(main(sys.argv[1:]))"
    )
    given = ["classify", "--jsonl", str(source), "--output", str(target), *artifact_flag]
    command = [sys.executable, "-c", limited, *given]
    done = subprocess.run(
        command, cwd=ROOT, env=environment({}), capture_output=True, timeout=HANG_S
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"cannot be written (File too large); the same command with --resume" in done.stderr
    assert os.path.getsize(target) == 100_000
    assert cli.main([*given, "--resume"]) == 0
    lines = [json.loads(line)["line"] for line in target.read_text().splitlines()]
    assert lines == list(range(1, 601))
