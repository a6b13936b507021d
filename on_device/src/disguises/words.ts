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
