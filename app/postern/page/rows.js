// Files <-> rows. Pure: text in, text out.

import { say } from "./words.js";

/** The file cannot be read as rows; the message says why. */
export class BadFile extends Error {}

/** Rows of a file: {row, prompt, response, error}; `response` null where there is none. */
export function readRows(name, text) {
  const content = text.replace(/^\ufeff/, "");
  const csv = /\.csv$/i.test(name) || (!/\.(jsonl|ndjson)$/i.test(name) && !content.trimStart().startsWith("{"));
  const rows = csv ? readCsvRows(content) : readJsonLines(content);
  if (!rows.length) throw new BadFile(say("no_rows"));
  return rows;
}

function readJsonLines(text) {
  const rows = [];
  text.split("\n").forEach((line, index) => {
    if (line.trim()) rows.push(jsonRow(line, index + 1));
  });
  return rows;
}

function jsonRow(line, row) {
  const bad = (error) => ({ row, prompt: "", response: null, error });
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    return bad(say("not_json"));
  }
  if (typeof value?.prompt !== "string") return bad(say("no_prompt"));
  const response = value.response ?? null;
  if (response !== null && typeof response !== "string") return bad(say("response_no_text"));
  // Half a character (a lone surrogate) makes a whole request malformed.
  if (!whole(value.prompt) || !whole(response ?? "")) return bad(say("half_character"));
  return { row, prompt: value.prompt, response, error: null };
}

const whole = (text) => !/\p{Surrogate}/u.test(text);

function readCsvRows(text) {
  const [head, ...records] = parseCsv(text);
  const names = (head ?? []).map((name) => name.trim().toLowerCase());
  const prompt = names.indexOf("prompt");
  const response = names.indexOf("response");
  if (prompt < 0) throw new BadFile(say("no_column"));
  return records.map((cells, index) => ({
    row: index + 2,
    prompt: cells[prompt] ?? "",
    response: (response < 0 ? "" : cells[response]) || null,
    error: cells.length > names.length ? say("more_cells") : null,
  }));
}

/** Records of RFC 4180; empty lines are left out. Raises BadFile where a quote stays open. */
export function parseCsv(text) {
  const records = [];
  let record = [];
  let cell = "";
  let quoted = false;
  const endRecord = () => {
    record.push(cell);
    if (record.length > 1 || cell) records.push(record);
    record = [];
    cell = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[(at += 1)];
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === ",") {
      record.push(cell);
      cell = "";
    } else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[at + 1] === "\n") at += 1;
      endRecord();
    } else cell += character;
  }
  if (quoted) throw new BadFile(say("open_quote"));
  if (cell || record.length) endRecord();
  return records;
}

const COLUMNS = [
  ...["row", "prompt", "response", "harmful", "probability", "threshold", "decided_by"],
  ...["deferred", "degraded", "operating_point", "tokens", "windows", "error"],
  ...["language", "language_supported", "categories"],
];

function flat({ row, prompt, response, error, result, operatingPoint }) {
  const verdict = result ?? {};
  const record = { row, prompt, response, operating_point: result ? operatingPoint : null, error };
  for (const name of COLUMNS) if (!(name in record)) record[name] = verdict[name] ?? null;
  if (!result && !error) record.error = say("not_judged");
  return record;
}

/**
 * What a spreadsheet would run as a formula gets an apostrophe in front: at the beginning of a cell,
 * and behind a semicolon, at which spreadsheets of many countries begin a new one.
 */
export function csvCell(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map((one) => one.name).join(" ");
  if (typeof value !== "string") return String(value);
  const safe = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(value) ? `'${value}` : value;
  const split = safe.replace(/(;\s*"?\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'");
  return /[",;\r\n]/.test(split) ? `"${split.replaceAll('"', '""')}"` : split;
}

export function toCsv(rows) {
  const lines = rows.map(flat).map((record) => COLUMNS.map((name) => csvCell(record[name])).join(","));
  return [COLUMNS.join(","), ...lines, ""].join("\r\n");
}

/** Exact: texts as they came. */
export function toJsonLines(rows) {
  return rows.map((row) => `${JSON.stringify(Object.fromEntries(COLUMNS.map((name) => [name, flat(row)[name]])))}\n`).join("");
}
