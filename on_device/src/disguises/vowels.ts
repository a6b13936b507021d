/** Port of app/postern/disguises/vowels.py. */
import { BARE_GRAMMAR, SAME_GRAMMAR } from "../tables.js";
import { ANY_LANGUAGE, ENGLISH } from "./misspelt.js";
import { commonestFirst, commonPairs, correctWords, inCase } from "./words.js";

const WORD = /[\p{L}\p{N}]+/gu;
const LATIN = /^[a-z]+$/u;
const NUMBER = /^[0-9]+$/u;
const VOWELS = "aeiou";
const VOWEL = /[aeiou]/gu;
const VOWELS_APART = 5;
const FIRSTS_APART = 12;
const LEAST_WORDS = 4;
const LEAST_UNKNOWN = 2;
const LEAST_GRAMMAR = 2;
const BARE = new Set(BARE_GRAMMAR.split(" "));
const SAME = new Set(SAME_GRAMMAR.split(" "));

type Pair = readonly [rank: number, first: string, second: string];

interface Tables {
  readonly commonest: ReadonlyMap<string, string>;
  readonly pairs: ReadonlyMap<string, Pair>;
}
const tables = new Map<boolean, Tables>();

export function fromVowelsDropped(text: string): string | null {
  const lowered = text.toLowerCase();
  if ((lowered.match(VOWEL) ?? []).length * VOWELS_APART > [...lowered].length) return null;
  const words = (text.match(WORD) ?? []).map((word) => word.toLowerCase());
  const firstsStay = words.filter((word) => VOWELS.includes(word[0]!)).length * FIRSTS_APART >= words.length;
  const { commonest } = tablesOf(firstsStay);
  const bare = words.filter((word) => (commonest.get(word) ?? word) !== word);
  const different = new Set(bare);
  if (different.size < LEAST_WORDS || bare.length < 2 * words.filter(isWhole).length) return null;
  if (!isEnglish(words, different)) return null;
  const found = read(words, firstsStay);
  let at = 0;
  return text.replace(WORD, (word) => inCase(word, found[at++]!));
}

function withoutVowels(word: string, firstsStay: boolean): string {
  return firstsStay ? word[0]! + word.slice(1).replace(VOWEL, "") : word.replace(VOWEL, "");
}

function read(words: readonly string[], firstsStay: boolean): string[] {
  const { commonest, pairs } = tablesOf(firstsStay);
  const found: Array<readonly [Pair, number]> = [];
  for (let at = 0; at + 1 < words.length; at++) {
    const pair = pairs.get(`${words[at]!} ${words[at + 1]!}`);
    if (pair !== undefined) found.push([pair, at]);
  }
  found.sort((a, b) => a[0][0] - b[0][0] || a[1] - b[1]);
  const chosen = new Map<number, string>();
  for (const [[, first, second], at] of found) {
    if ((chosen.get(at) ?? first) === first && (chosen.get(at + 1) ?? second) === second) {
      chosen.set(at, first).set(at + 1, second);
    }
  }
  return words.map((word, at) => chosen.get(at) ?? commonest.get(word) ?? word);
}

function isEnglish(words: readonly string[], different: ReadonlySet<string>): boolean {
  const unknown = [...different].filter((word) => !correctWords().has(word));
  const long = unknown.filter((word) => word.length > 2).length;
  const grammar = [...different].filter((word) => BARE.has(word));
  if (grammar.length >= LEAST_GRAMMAR) return long > 0;
  const proven = grammar.length > 0 || words.some((word) => SAME.has(word)) || long > LEAST_UNKNOWN;
  const either = new Set([...unknown, ...grammar]);
  return proven && long >= LEAST_UNKNOWN && 2 * either.size >= different.size;
}

function isWhole(word: string): boolean {
  if (LATIN.test(word)) return withoutVowels(word, true) !== word;
  return !NUMBER.test(word);
}

function tablesOf(firstsStay: boolean): Tables {
  const known = tables.get(firstsStay);
  if (known !== undefined) return known;
  const commonest = new Map<string, string>([...VOWELS].map((letter) => [letter, letter]));
  for (const word of commonestFirst()) {
    const bare = withoutVowels(word, firstsStay);
    const counts = bare.length > 1 || ENGLISH.has(word) || ANY_LANGUAGE.has(word);
    if (counts && !commonest.has(bare)) commonest.set(bare, word);
  }
  const pairs = new Map<string, Pair>();
  for (const [rank, [first, second]] of commonPairs().entries()) {
    const key = `${withoutVowels(first, firstsStay)} ${withoutVowels(second, firstsStay)}`;
    if (!pairs.has(key)) pairs.set(key, [rank, first, second]);
  }
  tables.set(firstsStay, { commonest, pairs });
  return { commonest, pairs };
}
