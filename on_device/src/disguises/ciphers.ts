/** Port of app/postern/disguises/ciphers.py. */
import { COMMON_WORDS } from "../tables.js";
import { reversed } from "../unicode.js";

const WORD = /[A-Za-z]+(?:'[A-Za-z]+)?/g;
export const COMMON: ReadonlySet<string> = new Set(COMMON_WORDS.split(" "));
const LEAST_HITS = 3;
const LEAST_DISTINCT = 2;
const LEAST_SHARE = 0.25;

function rot13(text: string): string {
  return text.replace(/[A-Za-z]/g, (char) => {
    const first = char <= "Z" ? 65 : 97;
    return String.fromCharCode(((char.charCodeAt(0) - first + 13) % 26) + first);
  });
}

function disguisedBy(undo: (text: string) => string): ReadonlySet<string> {
  return new Set([...COMMON].map(undo).filter((word) => !COMMON.has(word)));
}

const IN_ROT13 = disguisedBy(rot13);
const BACKWARDS = disguisedBy(reversed);

export function fromRot13(text: string): string | null {
  return undone(text, rot13, IN_ROT13);
}

export function fromReversed(text: string): string | null {
  return undone(text, reversed, BACKWARDS);
}

function undone(text: string, undo: (text: string) => string, disguised: ReadonlySet<string>): string | null {
  const seen = (text.toLowerCase().match(WORD) ?? []).filter((word) => disguised.has(word));
  if (seen.length < LEAST_HITS || new Set(seen).size < LEAST_DISTINCT) return null;
  const words = [...text.matchAll(WORD)];
  const evidence = words.map((match) => {
    const word = match[0].toLowerCase();
    return Number(disguised.has(word)) - Number(COMMON.has(word));
  });
  let [first, last, hits] = bestRun(evidence);
  if (hits < LEAST_HITS) return null;
  while (first > 0 && evidence[first - 1]! >= 0) first--;
  while (last + 1 < words.length && evidence[last + 1]! >= 0) last++;
  if (hits < LEAST_SHARE * (last + 1 - first)) return null;
  const start = words[first]!.index;
  const end = words[last]!.index + words[last]![0].length;
  return text.slice(0, start) + undo(text.slice(start, end)) + text.slice(end);
}

/** First, last and sum of the run with the largest sum; Kadane's algorithm. */
function bestRun(evidence: readonly number[]): [number, number, number] {
  let best: [number, number, number] = [0, -1, 0];
  let total = 0;
  let start = 0;
  evidence.forEach((value, index) => {
    if (total <= 0) {
      total = 0;
      start = index;
    }
    total += value;
    if (total > best[2]) best = [start, index, total];
  });
  return best;
}
