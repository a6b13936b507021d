/** Sets of characters as Python has them, and Python's string functions over code points. */
import * as tables from "./tables.js";
import { GuardError } from "./errors.js";

/** First point and the one after the last. */
export type Range = readonly [number, number];

/** The inverse of `ranges_of` in scripts/on_device/tables.py. */
export function decodeRanges(packed: string): Range[] {
  const found: Range[] = [];
  let last = 0;
  for (const run of packed === "" ? [] : packed.split(" ")) {
    const [gap, length = "1"] = run.split("-");
    const first = last + parseInt(gap!, 36);
    last = first + parseInt(length, 36);
    found.push([first, last]);
  }
  return found;
}

/** The inside of a character class of a regular expression with the flag `u` or `v`. */
export function classOf(packed: string): string {
  return decodeRanges(packed)
    .map(([first, end]) => `${escape(first)}${end - first > 1 ? `-${escape(end - 1)}` : ""}`)
    .join("");
}

function escape(point: number): string {
  return `\\u{${point.toString(16)}}`;
}

/** Whether a point is in a set. One byte for 8 points. */
export class PointSet {
  readonly #bits = new Uint8Array(0x110000 >> 3);

  constructor(packed: string) {
    for (const [first, end] of decodeRanges(packed)) {
      for (let point = first; point < end; point++) this.#bits[point >> 3]! |= 1 << (point & 7);
    }
  }

  has(point: number): boolean {
    return (this.#bits[point >> 3]! & (1 << (point & 7))) !== 0;
  }

  hasChar(char: string): boolean {
    return this.has(char.codePointAt(0)!);
  }
}

export const WORD = new PointSet(tables.WORD);
export const DECIMAL = new PointSet(tables.DECIMAL);
export const ALPHA = new PointSet(tables.ALPHA);
export const DIGIT = new PointSet(tables.DIGIT);
export const PRINTABLE = new PointSet(tables.PRINTABLE);
export const COMBINING = new PointSet(tables.COMBINING);
const UPPER = new PointSet(tables.UPPER);
const NOT_UPPER = new PointSet(tables.NOT_UPPER);

/** For character classes: Python's `\w`, `\d` and `\s`. */
export const W = classOf(tables.WORD);
export const D = classOf(tables.DECIMAL);
export const S = classOf(tables.SPACE);

const ASCII = /^[\x00-\x7f]*$/;

export function isAscii(text: string): boolean {
  return ASCII.test(text);
}

/** Number of code points, as Python counts. */
export function length(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length - 1; at++) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) {
      count--;
    }
  }
  return count;
}

const STRIP = new RegExp(`^[${S}]+|[${S}]+$`, "gu");
const SPACES = new RegExp(`[${S}]+`, "u");

export function strip(text: string): string {
  return text.replace(STRIP, "");
}

/** `str.split()`: parts between white space; none is empty. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((part) => part !== "");
}

/** `str.isupper()`. */
export function isUpper(text: string): boolean {
  let cased = false;
  for (const char of text) {
    if (NOT_UPPER.hasChar(char)) return false;
    cased ||= UPPER.hasChar(char);
  }
  return cased;
}

/** `str.isalnum()` of one character. */
export function isAlnum(char: string): boolean {
  return char !== "_" && WORD.hasChar(char);
}

export function reversed(text: string): string {
  return [...text].reverse().join("");
}

// Characters that Python's Unicode does not know stay as they are, whatever this engine knows of
// them. They neither combine nor are combined with, so the text between them is normalized alone.
const UNKNOWN = new RegExp(`([${classOf(tables.UNASSIGNED)}]+)`, "u");

/** `unicodedata.normalize` of Python's version of Unicode. */
export function normalizeForm(text: string, form: "NFC" | "NFKC" | "NFD"): string {
  if (isAscii(text)) return text;
  return text
    .split(UNKNOWN)
    .map((part, index) => (index % 2 ? part : part.normalize(form)))
    .join("");
}

/** Raises `runtime_unsupported` where the engine knows less of Unicode than Python does. */
export function requireUnicode(): void {
  // Of Unicode 14: a modifier letter, and marks of which one must go before the other.
  const knows = "\u{10781}".normalize("NFKC") === "\u02d0" && "a\u0301\u{10f85}".normalize("NFD") === "a\u{10f85}\u0301";
  if (!knows) {
    throw new GuardError("runtime_unsupported", `this engine lacks Unicode ${tables.UNICODE}`);
  }
}

/** Whether a text holds half of a surrogate pair. Python's reader of JSON refuses such text. */
export function isWellFormed(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if ((unit & 0xf800) !== 0xd800) continue;
    if (unit >= 0xdc00 || (text.charCodeAt(at + 1) & 0xfc00) !== 0xdc00) return false;
    at++;
  }
  return true;
}
