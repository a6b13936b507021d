/** Port of app/postern/disguises/words.py. */
import { PAIRS, RARE_WORDS, WORDS } from "../tables.js";

let words: readonly string[] | undefined;
let known: ReadonlySet<string> | undefined;

export function commonestFirst(): readonly string[] {
  return (words ??= WORDS.split(" "));
}

export function correctWords(): ReadonlySet<string> {
  return (known ??= new Set(commonestFirst()));
}

let rare: ReadonlySet<string> | undefined;

export function rareWords(): ReadonlySet<string> {
  return (rare ??= new Set(RARE_WORDS.split(" ")));
}

let places: ReadonlyMap<string, number> | undefined;

export function placeOf(): ReadonlyMap<string, number> {
  return (places ??= new Map(commonestFirst().map((word, place) => [word, place])));
}

const MOST_LETTERS = 200;
const LONGEST_WORD = 20;
const COST_OF_ONE_LETTER = 4;
const COST_OF_NO_WORD = 14;

/** The likeliest words that stand in a row without spaces; see Python. */
export function wordsIn(letters: string): string[] {
  const chars = [...letters];
  if (chars.length > MOST_LETTERS) return [letters];
  const costs = [0];
  const starts = [0];
  for (let end = 1; end <= chars.length; end++) {
    let best = Infinity;
    let start = 0;
    for (let at = Math.max(0, end - LONGEST_WORD); at < end; at++) {
      const found = costs[at]! + cost(chars.slice(at, end).join("").toLowerCase());
      if (found < best) [best, start] = [found, at];
    }
    costs.push(best);
    starts.push(start);
  }
  if (costs.at(-1)! >= (COST_OF_NO_WORD * chars.length) / 2) return [letters];
  const words: string[] = [];
  for (let end = chars.length; end > 0; end = starts[end]!) {
    words.push(chars.slice(starts[end]!, end).join(""));
  }
  return words.reverse();
}

function cost(word: string): number {
  if (word === "a" || word === "i") return COST_OF_ONE_LETTER;
  const place = placeOf().get(word);
  if (place !== undefined) return Math.log(place + 2);
  return [...word].length === 1 ? COST_OF_NO_WORD : Infinity;
}

export function commonPairs(): Array<[string, string]> {
  return PAIRS.split("\n").map((line) => line.split(" ") as [string, string]);
}

export function inCase(before: string, word: string): string {
  if (word === before.toLowerCase()) return before;
  if (before === before.toUpperCase() && before.length > 1) return word.toUpperCase();
  const first = before[0]!;
  return first !== first.toLowerCase() ? word[0]!.toUpperCase() + word.slice(1) : word;
}
