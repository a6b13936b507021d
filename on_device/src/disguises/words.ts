/** Port of app/postern/disguises/words.py. */
import { PAIRS, WORDS } from "../tables.js";

let words: readonly string[] | undefined;
let known: ReadonlySet<string> | undefined;

export function commonestFirst(): readonly string[] {
  return (words ??= WORDS.split(" "));
}

export function correctWords(): ReadonlySet<string> {
  return (known ??= new Set(commonestFirst()));
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
