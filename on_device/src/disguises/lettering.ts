/** Port of app/postern/disguises/lettering.py. */
import * as tables from "../tables.js";
import { COMMON } from "./ciphers.js";
import { ANY_LANGUAGE, ENGLISH, isListed } from "./misspelt.js";
import { correctWords, placeOf, wordsIn } from "./words.js";
import { nfkc } from "../text.js";
import { COMBINING, D, isAlnum, isAscii, isUpper, length, normalizeForm, S, splitWords, W, WORD } from "../unicode.js";

// Python's IGNORECASE: four more characters match [a-z].
const ANY = "A-Za-z\\u0130\\u0131\\u017f\\u212a";
const LEET = new Map([..."0134578@$!+|9"].map((sign, i) => [sign, "oieastbasitlg"[i]!]));
const LEET_INSIDE = new RegExp(`[${ANY}][0134578@$!|]+[${ANY}]`, "gu");
const LEAST_LEET = 2;
const PIPES_AFTER = new RegExp(`[${ANY}]\\|+`, "u");
const I_OR_L = /[1|!]/g;
const MOST_I_OR_L = 4;
const COMMON_PLACES = 5000;
const AT_THE_END = /[!+|]+$/;
const TOKEN = new RegExp(`[^${S}]+`, "gu");
const LEET_WORD = /[A-Za-z0134578@$!+|9]+/g;
const IS_LEET_WORD = /^[A-Za-z0134578@$!+|9]+$/;
const ORDINAL_OR_UNIT =
  /^(?:\d*(?:1st|2nd|3rd)|\d+(?:th|s|x|k|m|g|b|d|p|km|cm|mm|kg|mg|ml|gb|mb|tb|kb|hz|am|pm|h|min|px|em|v|w|a|ft|in))$/i;

const PLAIN_LETTERS = new Map(Object.entries(tables.PLAIN_LETTERS));
const STYLED = new Set(tables.STYLED);
const FOREIGN = new RegExp(`[${tables.OF_OTHER_SCRIPTS}]`, "u");
const STYLED_RUN = new RegExp(
  "(?:[\\u{1d400}-\\u{1d6a3}\\u24b6-\\u24e9\\u{1f130}-\\u{1f189}][ \\u200b-\\u200d\\ufe0f]{0,3}){5,}" +
    "|(?:[\\u{1f1e6}-\\u{1f1ff}][ \\u200b-\\u200d\\ufe0f]{1,3}){4,}[\\u{1f1e6}-\\u{1f1ff}]?",
  "gu",
);
const SMALL = "ᴀʙᴄᴅᴇғɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ";
const SMALL_CAPITAL = new RegExp(`[${SMALL}]`, "u");
const SMALL_CAPITALS = new RegExp(`[${SMALL}]{3,}`, "u");
const UPSIDE_DOWN = /[ǝɥʇʎʞ]/gu;
const INVISIBLE = "\\u00ad\\u034f\\u061c\\u180b-\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff";
const HIDDEN_INSIDE = new RegExp(`[A-Za-z][${INVISIBLE}]+[A-Za-z]`, "gu");
export const HIDDEN = new RegExp(`[${INVISIBLE}]`, "gu");
const TAGS = /(?<!\u{1f3f4})[\u{e0020}-\u{e007e}]{6,}/u;
const HEAPS = /[A-Za-z][\u0300-\u036f\u0489\u20d0-\u20ff]{2,}/gu;
const LATIN = /[A-Za-z]/u;
const WORDS = new RegExp(`[${W}]+`, "gu");

// A letter: Python's [^\W\d_]. A letter or a digit: [^\W_].
const LETTER = `(?:(?![${D}_])[${W}])`;
const APART = new RegExp(
  `(?<!(?!_)[${W}])${LETTER}(?:([ .*_|~+\\-\\u00b7\\u2022])\\1{0,3}${LETTER}(?!(?!_)[${W}])){3,}`,
  "gu",
);
const OTHER_SPACE = new RegExp(`(?![ \\n\\r])[${S}]`, "gu");
const WIDE_GAP = / {2,}/;
const LONGEST_WORD = 17;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

function translated(text: string, table: ReadonlyMap<string, string>): string {
  return [...text].map((char) => table.get(char) ?? char).join("");
}

function count(pattern: RegExp, text: string): number {
  return (text.match(pattern) ?? []).length;
}

export function fromLeetspeak(text: string): string | null {
  if (count(LEET_INSIDE, text) < LEAST_LEET) return null;
  const words = (text.match(TOKEN) ?? []).filter((token) => LATIN.test(token));
  const strange = words.filter(isLeet).length;
  if (strange < LEAST_LEET || strange * 6 < words.length) return null;
  return text.replace(LEET_WORD, unleet);
}

export function leetIsClear(text: string): boolean {
  if (PIPES_AFTER.test(text)) return false;
  const bare = (text.match(LEET_WORD) ?? []).map((word) => word.replace(AT_THE_END, ""));
  return bare.filter(isLeetPart).every((word) => {
    const read = readLeet(word);
    return word.toLowerCase() === read || isRead(read);
  });
}

function isLeet(word: string): boolean {
  const bare = word.replace(/^[.,;:!?'"()[\]]+|[.,;:!?'"()[\]]+$/g, "");
  if (!IS_LEET_WORD.test(bare) || ORDINAL_OR_UNIT.test(bare)) return false;
  if (count(LEET_INSIDE, bare) === 0) return false;
  const signs = [...bare].filter((char) => LEET.has(char)).length;
  const rest = bare.slice(1);
  return bare.length <= 6 * signs && !(rest.toLowerCase() !== rest && bare.toUpperCase() !== bare);
}

function unleet(word: string): string {
  const bare = word.replace(AT_THE_END, "");
  return isLeetPart(bare) ? readLeet(bare) + word.slice(bare.length) : word;
}

function isLeetPart(bare: string): boolean {
  return !ORDINAL_OR_UNIT.test(bare) && (/^[0-9]{1,2}$/.test(bare) || LATIN.test(bare));
}

function readLeet(bare: string): string {
  const usual = translated(bare.toLowerCase(), LEET);
  const signs = [...bare.matchAll(I_OR_L)].map((found) => found.index);
  if (signs.length === 0 || signs.length > MOST_I_OR_L) return usual;
  let best = usual;
  let place = Infinity;
  for (let choice = 0; choice < 1 << signs.length; choice++) {
    const read = [...usual];
    signs.forEach((at, i) => (read[at] = (choice >> (signs.length - 1 - i)) & 1 ? "l" : "i"));
    const found = placeOf().get(read.join(""));
    if (found !== undefined && found < place) [best, place] = [read.join(""), found];
  }
  return best;
}

export function fromLookalikes(text: string): string | null {
  if (isAscii(text) || !isDressedUp(text)) return null;
  let bare = nfkc(text.replace(HIDDEN, ""));
  bare = bare.replace(STYLED_RUN, joinedRun).replace(WORDS, latin);
  return [...normalizeForm(bare, "NFD")].filter((char) => !COMBINING.hasChar(char)).join("");
}

function isDressedUp(text: string): boolean {
  const words = text.match(WORDS) ?? [];
  const mixed = words.filter((word) => FOREIGN.test(word) && LATIN.test(word)).length;
  return (
    (mixed >= 2 && mixed * 12 >= words.length) ||
    (mixed > 0 && words.length <= 6) ||
    count(HIDDEN_INSIDE, text) >= 3 ||
    TAGS.test(text) ||
    text.search(STYLED_RUN) >= 0 ||
    SMALL_CAPITALS.test(text) ||
    count(HEAPS, text) >= 4 ||
    count(UPSIDE_DOWN, text) >= 4
  );
}

function latin(word: string): string {
  if (LATIN.test(word) || SMALL_CAPITAL.test(word) || length(word) === 1) {
    return translated(word, PLAIN_LETTERS);
  }
  return word;
}

function joinedRun(run: string): string {
  return run
    .split(WIDE_GAP)
    .map((part) => {
      const kept = [...part].filter((char) => isAlnum(char) || STYLED.has(char));
      return translated(kept.join(""), PLAIN_LETTERS);
    })
    .join(" ");
}

function onlyAlnum(text: string): string {
  return [...text].filter((char) => char !== "_" && WORD.hasChar(char)).join("");
}

export function fromLettersApart(text: string): string | null {
  let found = false;
  const joined = withPlainSpaces(text).replace(APART, (run) => {
    if (!spellsWords(run)) return run;
    found = true;
    const words = wordsOf(run);
    const bounded = areBounded(run, words);
    return words.flatMap((word) => partsOf(word, bounded)).join(" ");
  });
  return found ? joined : null;
}

function withPlainSpaces(text: string): string {
  return text.replace(HIDDEN, "").replace(OTHER_SPACE, " ");
}

function spellsWords(run: string): boolean {
  const letters = onlyAlnum(run);
  const lower = letters.toLowerCase();
  if (ALPHABET.includes(lower) || new Set(lower).size < 3) return false;
  return !isUpper(letters) || length(letters) >= 7;
}

const SIGN_BETWEEN = new RegExp(`[^${W} ]|_`, "u");

function wordsOf(run: string): string[] {
  const words = SIGN_BETWEEN.test(run) ? splitWords(run) : run.split(WIDE_GAP);
  return words.map(onlyAlnum);
}

export function wordsAreClear(text: string): boolean {
  const runs = (withPlainSpaces(text).match(APART) ?? []).filter(spellsWords);
  return runs.every((run) => {
    const words = wordsOf(run).map((word) => word.toLowerCase());
    const bounded = areBounded(run, words);
    return words.every((word) => isKnown(word) || (bounded && length(word) <= LONGEST_WORD));
  });
}

function areBounded(run: string, words: readonly string[]): boolean {
  return words.length > 1 || SIGN_BETWEEN.test(run);
}

function isKnown(word: string): boolean {
  return isListed(word) || ANY_LANGUAGE.has(word);
}

function isRead(word: string): boolean {
  if (word.length > 3) return isListed(word);
  return isPart(word) || COMMON.has(word) || (placeOf().get(word) ?? COMMON_PLACES) < COMMON_PLACES;
}

function partsOf(word: string, bounded: boolean): string[] {
  if (isKnown(word.toLowerCase())) return [word];
  const parts = wordsIn(word);
  const lowered = parts.map((part) => part.toLowerCase());
  const areWords = lowered.every(isPart) && (!bounded || lowered.some((part) => COMMON.has(part)));
  return areWords ? parts : [word];
}

function isPart(word: string): boolean {
  return word.length > 3 ? correctWords().has(word) : ENGLISH.has(word) || ANY_LANGUAGE.has(word);
}
