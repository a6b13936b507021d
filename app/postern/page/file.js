// The tab that judges a file: progress, table, downloads.

import { explain } from "./api.js";
import { judgeRows } from "./batches.js";
import { byId, h } from "./dom.js";
import { BadFile, readRows, toCsv, toJsonLines } from "./rows.js";
import { badge, decidedBy } from "./verdict.js";
import { decimal, percent, say } from "./words.js";

const SHOWN = 200;
const MOST_BYTES = 64 << 20;
const EXCERPT = 160;

/** server: {limits(), options()}, read when a run starts. */
export function fileTab(server) {
  let rows = [];
  let running = null;
  let name = "verdicts";

  byId("file-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    byId("file-error").textContent = "";
    const [file] = byId("file").files;
    try {
      rows = await read(file);
    } catch (error) {
      byId("file-error").textContent = error instanceof BadFile ? error.message : say("cannot_read");
      return;
    }
    name = file.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "_") || "verdicts";
    running = new AbortController();
    await run(rows, server, running.signal);
    running = null;
  });
  byId("file-cancel").addEventListener("click", () => running?.abort());
  byId("download-csv").addEventListener("click", () => save(`${name}.verdicts.csv`, "text/csv", toCsv(rows)));
  byId("download-jsonl").addEventListener("click", () => save(`${name}.verdicts.jsonl`, "application/jsonl", toJsonLines(rows)));
}

async function read(file) {
  if (!file) throw new BadFile(say("choose_first"));
  if (file.size > MOST_BYTES) throw new BadFile(say("too_large"));
  return readRows(file.name, await file.text());
}

async function run(rows, server, signal) {
  const table = showTable(rows);
  const started = performance.now();
  const report = (said) => {
    const done = rows.filter((row) => row.result || row.error).length;
    byId("file-progress").value = done;
    byId("file-status").textContent = summary(rows, done, said);
  };
  byId("file-progress").max = rows.length;
  busy(true);
  report(say("judging"));
  try {
    await judgeRows(rows, {
      options: server.options(),
      limits: server.limits(),
      signal,
      changed: (some) => {
        some.forEach((row) => table.get(row)?.());
        report(say("judging"));
      },
      waiting: (seconds) => report(say("full", { seconds })),
    });
    report(say("done", { seconds: decimal((performance.now() - started) / 1000, 1) }));
  } catch (error) {
    if (!signal.aborted) byId("file-error").textContent = explain(error);
    report(say(signal.aborted ? "cancelled" : "stopped"));
  }
  busy(false);
}

function busy(yes) {
  byId("file-run").hidden = false;
  byId("file-start").disabled = yes;
  byId("file-cancel").hidden = !yes;
  byId("download-csv").disabled = yes;
  byId("download-jsonl").disabled = yes;
}

function summary(rows, done, said) {
  const harmful = rows.filter((row) => row.result?.harmful).length;
  const failed = rows.filter((row) => row.error).length;
  return say("file_status", { said, done, n: rows.length, harmful, unharmful: done - harmful - failed, failed });
}

/** Fills the table; returns for each shown row a function that draws it anew. */
function showTable(rows) {
  const shown = rows.slice(0, SHOWN);
  const draw = new Map(
    shown.map((row) => {
      const line = h("tr");
      const redraw = () => line.replaceChildren(...cells(row));
      redraw();
      return [row, Object.assign(redraw, { line })];
    }),
  );
  byId("file-table").tBodies[0].replaceChildren(...shown.map((row) => draw.get(row).line));
  byId("file-more").textContent =
    rows.length > SHOWN ? say("shown_first", { shown: SHOWN, n: rows.length }) : "";
  return draw;
}

function cells(row) {
  const { result, error } = row;
  const verdict = result ? badge(result) : error ? h("span", { class: "badge failed" }, `! ${say("no_verdict")}`) : h("span", { class: "quiet" }, say("waiting"));
  return [
    h("td", {}, String(row.row)),
    h("td", {}, verdict),
    h("td", { class: "number" }, result ? percent(result.probability) : ""),
    h("td", {}, result ? decidedBy(result) : (error ?? "")),
    h("td", { class: "text" }, row.prompt.slice(0, EXCERPT)),
    h("td", { class: "text" }, (row.response ?? "").slice(0, EXCERPT)),
  ];
}

function save(filename, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
