/** Port of app/postern/contract/text.py: how text is written before it is tokenized. */
import * as tables from "./tables.js";
import { GuardError } from "./errors.js";
import { classOf, decodeRanges, isAscii, length, normalizeForm, PointSet, S, strip, W } from "./unicode.js";

/** A prompt and, unless it is null, the response to it. An empty response is not an absent one. */
export interface Exchange {
  readonly prompt: string;
  readonly response: string | null;
}

export type Slice = "prompt" | "pair";

export function sliceOf(exchange: Exchange): Slice {
  return exchange.response === null ? "prompt" : "pair";
}

const HEAPED = new RegExp(
  `([${classOf(tables.HEAPED_MARKS)}]{${tables.MAX_MARKS}})[${classOf(tables.HEAPED_MARKS)}]+`,
  "gu",
);
const SPACED = new PointSet(tables.INVISIBLE_SPACED);
const REMOVED = new PointSet(tables.INVISIBLE_REMOVED);
const TAGS = 0xe0000;
const INVISIBLE = new RegExp(
  `[${classOf(tables.INVISIBLE_SPACED)}${classOf(tables.INVISIBLE_REMOVED)}\\u{e0020}-\\u{e007e}]`,
  "gu",
);
const WHITE_SPACE = new RegExp(`[${S}]+`, "gu");
const LONG_RUN = new RegExp(`([${W}]{80})(?=[${W}])`, "gu");

/** NFKC; of a letter's combining marks, only the first few are kept. */
export function nfkc(text: string): string {
  if (isAscii(text)) return text;
  return normalizeForm(text.replace(HEAPED, "$1"), "NFKC");
}

function seen(char: string): string {
  const point = char.codePointAt(0)!;
  if (SPACED.has(point)) return " ";
  return REMOVED.has(point) ? "" : String.fromCodePoint(point - TAGS);
}

/** Text as the student reads it. */
export function normalize(text: string): string {
  let found = nfkc(text).replace(INVISIBLE, seen);
  found = nfkc(found);
  found = strip(found.replace(WHITE_SPACE, " "));
  return found.replace(LONG_RUN, "$1 ");
}

/** [prompt] or [prompt, response], normalized. Raises `empty_prompt`. */
export function segments(exchange: Exchange): string[] {
  const prompt = normalize(exchange.prompt);
  if (prompt === "") throw new GuardError("empty_prompt", "nothing visible is left of the prompt");
  return exchange.response === null ? [prompt] : [prompt, normalize(exchange.response)];
}

let expansions: Map<number, number> | undefined;

function grows(): Map<number, number> {
  if (expansions === undefined) {
    expansions = new Map();
    for (const [more, packed] of Object.entries(tables.EXPANSIONS)) {
      for (const [first, end] of decodeRanges(packed)) {
        for (let point = first; point < end; point++) expansions.set(point, Number(more));
      }
    }
  }
  return expansions;
}

/** Length of a text after normalizing expands it, in code points, without expanding it. */
export function expandedLength(text: string): number {
  if (isAscii(text)) return text.length;
  const more = grows();
  let total = length(text);
  for (const char of text) total += more.get(char.codePointAt(0)!) ?? 0;
  return total;
}
