/** Port of app/postern/disguises/codes.py. */
import { nfkc } from "../text.js";
import { ALPHA, D, decodeRanges, isAlnum, isAscii, length, S } from "../unicode.js";
import { DECIMAL as DECIMAL_DIGITS, USUAL_SIGNS } from "../tables.js";
import { COMMON } from "./ciphers.js";
import { bitsOf, spelledOut, textOf, utf8, writing } from "./encodings.js";
import { named as namedReference, unescape } from "./html.js";

const NUMERIC = /&#(?:[xX][0-9A-Fa-f]{1,6}|[0-9]{1,7});?/gu;
const NAMED = /&[A-Za-z][A-Za-z0-9]{1,31};/gu;
const LEAST_LETTERS = 3;
const LEAST_SIGNS = 2;
const USUAL = new Set(USUAL_SIGNS);

const TOKEN = new RegExp(`[^${S}]+`, "gu");
const ESCAPE = /%[0-9A-Fa-f]{2}/gu;
const ESCAPES = /(?:%[0-9A-Fa-f]{2})+/gu;
const LEAST_ESCAPES = 2;
const LEAST_WORDS_OF_A_LINK = 3;
const WORD = /[A-Za-z]+/gu;

const BASE32 = /(?<![A-Za-z0-9+/])[A-Z2-7]{16,}={0,6}(?![A-Za-z0-9+/=])/gu;
const BINARY = /(?:(?:0b)?[01]{8}[ ,;_\n-]{0,2}){6,}/gu;
const BINARY_7 = /(?<![01])(?:[01]{7}[ ,;\n]{1,2}){6,}(?:[01]{7}(?![01]))?/gu;
const BYTE = /[01]{8}/gu;
const BYTE_7 = /[01]{7}/gu;
const DECIMAL = new RegExp(
  `(?<![${D}.])(?:1[0-2][${D}]|[3-9][${D}]|10|13)` +
    `(?:[ ,;:|/\\n-]{1,3}(?:1[0-2][${D}]|[3-9][${D}]|10|13)){7,}(?![${D}])`,
  "gu",
);
const NUMBER = new RegExp(`[${D}]+`, "gu");
const LEAST_DISTINCT = 5;
const LETTER_SHARE = 0.7;

function count(pattern: RegExp, text: string): number {
  return (text.match(pattern) ?? []).length;
}

export function fromEntities(text: string): string | null {
  if (!text.includes("&")) return null;
  const numeric = (text.match(NUMERIC) ?? []).filter((one) => isLetter(unescape(one))).length;
  const named = (text.match(NAMED) ?? []).map((one) => namedReference(one.slice(1)) ?? "");
  const letters = numeric + named.filter(isLetter).length;
  const signs = named.filter((char) => char !== "" && isAscii(char) && !USUAL.has(char)).length;
  if (letters < LEAST_LETTERS && signs < LEAST_SIGNS) return null;
  return unescape(text);
}

function isLetter(char: string): boolean {
  const plain = nfkc(char);
  return length(plain) === 1 && isAscii(plain) && isAlnum(plain);
}

export function fromPercent(text: string): string | null {
  if (text.split("%").length - 1 < LEAST_ESCAPES) return null;
  return spelledOut(TOKEN, text, percentPart);
}

function percentPart(part: string): string | null {
  if (count(ESCAPE, part) < LEAST_ESCAPES) return null;
  const spaced = part.split("+").length - 1 >= LEAST_ESCAPES ? part.replaceAll("+", " ") : part;
  const decoded = writing(spaced.replace(ESCAPES, unescaped));
  if (decoded === null) return null;
  const isLink = part.includes("://") || part.startsWith("www.");
  return isLink && commonWords(decoded) < LEAST_WORDS_OF_A_LINK ? null : decoded;
}

/** Escapes in a row as text; those that are no UTF-8 stay. */
function unescaped(run: string): string {
  const bytes = Uint8Array.from(run.match(ESCAPE) ?? [], (one) => parseInt(one.slice(1), 16));
  let read = "";
  for (let at = 0; at < bytes.length; ) {
    const size = [1, 2, 3, 4].find((many) => at + many <= bytes.length && utf8(bytes.slice(at, at + many), true) !== null);
    read += size === undefined ? run.slice(3 * at, 3 * at + 3) : utf8(bytes.slice(at, at + size), true)!;
    at += size ?? 1;
  }
  return read;
}

/** Number of distinct common English words in a text. */
export function commonWords(text: string): number {
  const found = (text.match(WORD) ?? []).map((word) => word.toLowerCase());
  return new Set(found.filter((word) => COMMON.has(word))).size;
}

export function fromBase32(text: string, strict = false): string | null {
  return spelledOut(BASE32, text, (part) => {
    const bare = part.replace(/=+$/, "");
    const odd = [1, 3, 6].includes(bare.length % 8);
    return textOf(bitsOf(odd ? bare.slice(0, -1) : bare, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5), strict);
  });
}

export function fromBinary(text: string, strict = false): string | null {
  return (
    spelledOut(BINARY, text, (part) => digitsPart(part, BYTE, strict)) ??
    spelledOut(BINARY_7, text, (part) => digitsPart(part, BYTE_7, strict))
  );
}

function digitsPart(part: string, digits: RegExp, strict: boolean): string | null {
  const found = part.replaceAll("0b", "").match(digits) ?? [];
  return textOf(Uint8Array.from(found, (one) => parseInt(one, 2)), strict);
}

export function fromDecimal(text: string): string | null {
  return spelledOut(DECIMAL, text, decimalPart);
}

function decimalPart(part: string): string | null {
  const codes = part.match(NUMBER) ?? [];
  const decoded = textOf(Uint8Array.from(codes, numberOf));
  if (decoded === null) return null;
  const letters = [...decoded].filter((char) => ALPHA.hasChar(char)).map((char) => char.toLowerCase());
  const vowels = letters.filter((char) => "aeiou".includes(char)).length;
  const writes =
    letters.length >= LETTER_SHARE * length(decoded) &&
    new Set(letters).size >= LEAST_DISTINCT &&
    vowels / letters.length >= 0.2 &&
    vowels / letters.length <= 0.6;
  return writes && (decoded.includes(" ") || commonWords(decoded) > 0) ? decoded : null;
}

const DIGITS = decodeRanges(DECIMAL_DIGITS);

/** `int()` of Python, which reads the digits of every script: they stand in runs of ten. */
function numberOf(digits: string): number {
  let value = 0;
  for (const char of digits) {
    const point = char.codePointAt(0)!;
    const [first] = DIGITS.find(([from, end]) => from <= point && point < end)!;
    value = value * 10 + ((point - first) % 10);
  }
  return value;
}
