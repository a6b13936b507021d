/** Port of app/postern/disguises/misspelt.py. */
import { ANY_LANGUAGE_WORDS, ENGLISH_SHORT_WORDS } from "../tables.js";
import { correctWords, inCase } from "./words.js";

const WORD = /[A-Za-z]+/gu;
const ZEROS = /(?<![A-Za-z0-9.\/_@\-])(?=0*[A-Za-z])(?=[A-Za-z]*0)[A-Za-z0]{3,24}(?![A-Za-z0-9\/_@\-]|\.[A-Za-z0-9])/gu;
const LEAST_LETTERS = 4;
const MOST_LETTERS = 24;
const LEAST_SLIPS = 3;
const MOST_TRIED = 256;
const ENDINGS = ["s", "es", "d", "ed", "ing", "er", "ly", "ers", "able"];
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
export const ENGLISH = new Set(ENGLISH_SHORT_WORDS.split(" "));
export const ANY_LANGUAGE = new Set(ANY_LANGUAGE_WORDS.split(" "));

export function fromMisspelt(text: string): string | null {
  const words = (text.match(WORD) ?? []).map((word) => word.toLowerCase());
  const long = words.filter((word) => word.length >= LEAST_LETTERS);
  const unknown = long.filter((word) => !isKnown(word));
  if (unknown.length < LEAST_SLIPS || unknown.length * 3 < long.length || !isEnglish(words)) return null;
  const corrected = new Map<string, string>();
  for (const word of [...new Set(unknown)].slice(0, MOST_TRIED)) {
    const only = onlyCorrection(word);
    if (only !== null) corrected.set(word, only);
  }
  const left = unknown.filter((word) => !corrected.has(word)).length;
  if (corrected.size === 0 || left * 2 > long.length) return null;
  return text.replace(WORD, (word) => inCase(word, corrected.get(word.toLowerCase()) ?? word.toLowerCase()));
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

function isKnown(word: string): boolean {
  const words = correctWords();
  if (words.has(word)) return true;
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
