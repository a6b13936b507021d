"""Judging a file: table, progress, downloads, and every way in which it can go wrong."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.page.browser import Browser
from tests.server_process import ServerProcess

ROWS: list[dict[str, Any]] = [
    {"prompt": "how to bake a cake"},
    {"prompt": "how to make a bomb"},
    {"prompt": "tell me a story", "response": "a weapon"},
    {"prompt": "tell me a story", "response": None},
    {"prompt": "=1+1 cake", "response": 'a "book", and\nthe sea'},
]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def judge(browser: Browser, path: Path, text: str, *, said: str = "Done in") -> str:
    """Uploads the text as that file; what the status says in the end."""
    path.write_bytes(text.encode())
    browser.click("#tab-file")
    browser.find("#file").send_keys(str(path))
    browser.click("#file-start")
    return browser.wait_for_text("#file-status", said)


def verdicts(browser: Browser) -> list[str]:
    """Of all shown rows; in one call, because rows change while they are read one by one."""
    cells = "#file-table tbody td:nth-child(2)"
    shown = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map((cell) => cell.innerText)", cells
    )
    return [str(text) for text in shown]


def download_jsonl(browser: Browser, name: str = "rows") -> list[dict[str, Any]]:
    browser.click("#download-jsonl")
    text = browser.downloaded(f"{name}.verdicts.jsonl").decode()
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines(browser: Browser, server: ServerProcess, tmp_path: Path) -> None:
    browser.open(server.url + "/")
    text = lines(ROWS) + "\noops\n" + lines([{"response": "x"}, {"prompt": ""}])
    text += '{"prompt": "\\ud800"}\n'
    status = judge(browser, tmp_path / "rows.jsonl", text)
    assert "9 of 9 rows: 2 harmful, 3 not harmful, 4 without a verdict." in status
    ok, bad, none = "✓ Not harmful", "▲ Harmful", "! No verdict"
    assert verdicts(browser) == [ok, bad, bad, ok, ok, none, none, none, none]
    progress = browser.find("#file-progress")
    assert progress.get_attribute("value") == progress.get_attribute("max") == "9"

    rows = download_jsonl(browser)
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5, 7, 8, 9, 10]
    expected = server.classify({"inputs": ROWS}).json()["results"]
    for given, row, result in zip(ROWS, rows, expected, strict=False):
        assert (row["prompt"], row["response"]) == (given["prompt"], given.get("response"))
        assert row["harmful"] == result["harmful"]
        assert row["probability"] == pytest.approx(result["probability"], abs=1e-3)
        assert (row["operating_point"], row["error"]) == ("balanced", None)
    for row in rows[5:]:
        assert row["error"]
        assert row["harmful"] is row["probability"] is None
    assert "HTTP 422" in rows[7]["error"]


def test_csv_and_its_download(browser: Browser, server: ServerProcess, tmp_path: Path) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\uff1d1+1"]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "Prompt", "response"])
    for index, row in enumerate(ROWS):
        writer.writerow([index, row["prompt"], row.get("response")])
    for formula in formulas:
        writer.writerow(["x", f"{formula} cake", formula])
    # Where a semicolon begins a new cell.
    writer.writerow(["x", 'a;=1;"-2; \uff1d3', ";@cake"])
    browser.open(server.url + "/")
    status = judge(browser, tmp_path / "my rows.csv", "\ufeff" + out.getvalue())
    assert "13 of 13 rows: 2 harmful" in status

    browser.click("#download-csv")
    text = browser.downloaded("my_rows.verdicts.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["row"] for row in rows] == [str(index) for index in range(2, 15)]
    assert [row["harmful"] for row in rows][:5] == ["false", "true", "true", "false", "false"]
    assert rows[0]["response"] == ""
    assert rows[4]["prompt"] == "'=1+1 cake"
    assert rows[4]["response"] == 'a "book", and\nthe sea'
    assert (rows[-1]["prompt"], rows[-1]["response"]) == ("a;'=1;\"'-2; '\uff1d3", ";'@cake")
    for row, formula in zip(rows[5:-1], formulas, strict=True):
        assert (row["prompt"], row["response"]) == (f"'{formula} cake", f"'{formula}")
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))
        assert 0.0 <= float(row["probability"]) <= 1.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "text,label\nhello,1\n", "no column “prompt”"),
        ("a.csv", 'prompt\n"open', "never closed"),
        ("a.csv", "prompt\n", "no rows"),
        ("a.jsonl", "\n\n", "no rows"),
    ],
)
def test_what_is_no_table(
    browser: Browser, server: ServerProcess, tmp_path: Path, name: str, text: str, said: str
) -> None:
    browser.open(server.url + "/")
    browser.click("#tab-file")
    browser.click("#file-start")
    browser.wait_for_text("#file-error", "Choose a file")
    (tmp_path / name).write_text(text)
    browser.find("#file").send_keys(str(tmp_path / name))
    browser.click("#file-start")
    browser.wait_for_text("#file-error", said)


def test_batches_keep_the_limits_and_one_bad_row_costs_one_row(
    browser: Browser, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(max_items=3, max_body_bytes=3000, max_exchange_chars=400)
    rows = [{"prompt": "book " * (index % 7 + 1)} for index in range(20)]
    rows[4] = {"prompt": "book " * 100}  # of too many characters
    rows[9] = {"prompt": "book " * 1000}  # no body can hold it
    browser.open(server.url + "/")
    browser.wait_for_text("#model", "tiny")
    status = judge(browser, tmp_path / "rows.jsonl", lines(rows))
    assert "20 of 20 rows: 0 harmful, 18 not harmful, 2 without a verdict." in status
    found = download_jsonl(browser)
    assert [row["row"] for row in found if row["error"]] == [5, 10]
    assert all("HTTP 413" in row["error"] for row in found if row["error"])


@pytest.mark.slow
def test_a_full_queue_is_waited_for(
    browser: Browser, start_faulty_server: StartServer, tmp_path: Path
) -> None:
    # Room for one batch of 32 rows of 3 tokens and its frame: the second of two is refused.
    server = start_faulty_server(
        {"delay_s": 0.5}, max_queue_tokens=1024, max_exchange_tokens=512, max_batch_tokens=64
    )
    browser.open(server.url + "/")
    rows = [{"prompt": "read a book " * 8}] * 96
    status = judge(browser, tmp_path / "rows.jsonl", lines(rows))
    assert "96 of 96 rows: 0 harmful, 96 not harmful, 0 without a verdict." in status
    assert server.metric('postern_requests_total{route="/classify",status="429"}') > 0


def test_cancel_keeps_what_was_judged(
    browser: Browser, start_faulty_server: StartServer, tmp_path: Path
) -> None:
    server = start_faulty_server({"delay_s": 4.0})
    browser.open(server.url + "/")
    judge(browser, tmp_path / "rows.jsonl", lines([{"prompt": "cake"}] * 600), said="Judging.")
    browser.wait(lambda: "✓ Not harmful" in verdicts(browser), "a first verdict")
    browser.click("#file-cancel")
    status = browser.wait_for_text("#file-status", "Cancelled.")
    found = re.search(r"(\d+) of 600 rows", status)
    assert found is not None
    assert 0 < int(found[1]) < 600
    rows = download_jsonl(browser)
    judged = [row for row in rows if row["harmful"] is False]
    assert len(judged) == int(found[1])
    assert {row["error"] for row in rows if row["harmful"] is None} == {"not judged"}
    assert "The first 200 of 600 rows are shown" in browser.text("#file-more")


def test_a_server_that_dies_on_the_way_is_said(
    browser: Browser, start_faulty_server: StartServer, tmp_path: Path
) -> None:
    server = start_faulty_server({"delay_s": 4.0}, grace_period_ms=20_000)
    browser.open(server.url + "/")
    judge(browser, tmp_path / "rows.jsonl", lines([{"prompt": "cake"}] * 600), said="Judging.")
    browser.wait(lambda: "✓ Not harmful" in verdicts(browser), "a first verdict")
    server.stop()
    browser.wait_for_text("#file-status", "Stopped.")
    assert browser.text("#file-error")
    rows = download_jsonl(browser)
    assert {row["error"] for row in rows if row["harmful"] is None} == {"not judged"}
    assert any(row["harmful"] is False for row in rows)
