/** Port of app/postern/disguises/misspelt.py. */
import { ANY_LANGUAGE_WORDS, ENGLISH_SHORT_WORDS } from "../tables.js";
import { correctWords, inCase, rareWords } from "./words.js";

const WORD = /[A-Za-z]+/gu;
const ZEROS = /(?<![A-Za-z0-9.\/_@\-])(?=0*[A-Za-z])(?=[A-Za-z]*0)[A-Za-z0]{3,24}(?![A-Za-z0-9\/_@\-]|\.[A-Za-z0-9])/gu;
const LEAST_LETTERS = 4;
const MOST_LETTERS = 20;
const LEAST_SLIPS = 3;
const MOST_TRIED = 256;
const MOST_LETTERS_TRIED = 2048;
const TRIED_FIRST = 24;
const ENDINGS = ["s", "es", "d", "ed", "ing", "er", "ly", "ers", "able"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
export const ENGLISH = new Set(ENGLISH_SHORT_WORDS.split(" "));
export const ANY_LANGUAGE = new Set(ANY_LANGUAGE_WORDS.split(" "));

export function fromMisspelt(text: string): string | null {
  const words = (text.match(WORD) ?? []).map((word) => word.toLowerCase());
  const long = words.filter((word) => word.length >= LEAST_LETTERS);
  const unknown = long.filter((word) => !isListed(word) && !has(rareWords(), word));
  const different = [...new Set(unknown)];
  if (different.length < LEAST_SLIPS || unknown.length * 3 < long.length || !isEnglish(words)) return null;
  const corrected = corrections(different.slice(0, MOST_TRIED));
  const left = unknown.filter((word) => !corrected.has(word)).length;
  if (corrected.size === 0 || left * 2 > long.length) return null;
  return text.replace(WORD, (word) => inCase(word, corrected.get(word.toLowerCase()) ?? word.toLowerCase()));
}

function corrections(words: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  let letters = 0;
  for (const [tried, word] of words.entries()) {
    letters += word.length;
    if ((tried >= TRIED_FIRST && found.size * 4 < tried) || letters > MOST_LETTERS_TRIED) break;
    const only = onlyCorrection(word);
    if (only !== null) found.set(word, only);
  }
  return found;
}

/** Whether letters were swapped, added or dropped in one changed word of three or more. */
export function slipsAreClear(text: string, corrected: string): boolean {
  const after = (corrected.match(WORD) ?? []).map((word) => word.toLowerCase());
  const changed = new Map<string, boolean>();
  for (const [place, word] of (text.match(WORD) ?? []).entries()) {
    const [from, to] = [word.toLowerCase(), after[place]!];
    if (from !== to) changed.set(from, hasReplaced(from, to));
  }
  return [...changed.values()].filter(Boolean).length * 3 <= 2 * changed.size;
}

function hasReplaced(before: string, after: string): boolean {
  return before.length === after.length && [...before].sort().join() !== [...after].sort().join();
}

export function fromZeros(text: string): string | null {
  const read = text.replace(ZEROS, (word) => {
    const found = word.replaceAll("0", word === word.toUpperCase() ? "O" : "o");
    return correctWords().has(found.toLowerCase()) ? found : word;
  });
  return read === text ? null : read;
}

function isEnglish(words: readonly string[]): boolean {
  const short = words.filter((word) => word.length < LEAST_LETTERS);
  const english = short.filter((word) => ENGLISH.has(word)).length;
  const neutral = short.filter((word) => ANY_LANGUAGE.has(word)).length;
  return english + neutral > 0 && short.length - neutral <= 2 * english;
}

export function isListed(word: string): boolean {
  return has(correctWords(), word);
}

function has(words: ReadonlySet<string>, word: string): boolean {
  if (words.has(word) || (word.endsWith("ies") && words.has(`${word.slice(0, -3)}y`))) return true;
  return ENDINGS.some((ending) => {
    const stem = word.slice(0, -ending.length);
    return word.endsWith(ending) && (words.has(stem) || words.has(`${stem}e`));
  });
}

function onlyCorrection(word: string): string | null {
  if (word.length > MOST_LETTERS) return null;
  const words = correctWords();
  let found = new Set<string>();
  const take = (candidate: string): void => {
    if (words.has(candidate)) found.add(candidate);
  };
  for (let at = 0; at + 1 < word.length; at++) {
    take(word.slice(0, at) + word[at + 1]! + word[at]! + word.slice(at + 2));
  }
  if (found.size === 0) {
    for (let at = 0; at <= word.length; at++) {
      const before = word.slice(0, at);
      const after = word.slice(at + 1);
      if (at < word.length) take(before + after);
      for (const letter of LETTERS) {
        if (at < word.length) take(before + letter + after);
        take(before + letter + word.slice(at));
      }
    }
  }
  return found.size === 1 ? [...found][0]! : null;
}
