/** Port of app/postern/disguises/encodings.py. */
import * as tables from "../tables.js";
import { ALPHA, DIGIT, length, PRINTABLE, S, splitWords } from "../unicode.js";
import { HIDDEN } from "./lettering.js";

const BASE64 = /[A-Za-z0-9+/_-]{16,}={0,2}/gu;
const HEX = /(?:(?:\\x|0x|%|\\u00|&#x)?[0-9A-Fa-f]{2}[ ,;:\n]{0,2}){8,}/gu;
const HEX_PREFIX = /\\x|0x|%|\\u00|&#x|[ ,;:\n]/gu;
const HEX_LETTER = /[A-Fa-f]|\\x|%|0x/u;
const PLAIN = new Set(" \n\r\t.,;:!?'\"()-/");
const LEAST_DECODED = 8;
const BROKEN = "\ufffd";
const SPACE = new RegExp(`[${S}]`, "u");
const LEAST_LETTERS_OF_MORSE = 4;
const MOST_UNKNOWN = 1 / 8;

const MORSE = new Map(Object.entries(tables.MORSE));
const DOTS_AND_DASHES = new Map([..."·•∙‧–—−_‐‑"].map((char, i) => [char, i < 4 ? "." : "-"]));
const MORSE_RUN = /(?:[.\-·•∙‧–—−_‐‑]{1,7}(?:[ \t\n/|]+|(?=\n?$))){6,}/gu;
const MORSE_WORD_BREAK = /[ \t]*[/|\n]+[ \t]*|[ \t]{2,}/u;

/** A byte order mark is a character, as for Python. Null if it is not UTF-8 and that is asked for. */
export function utf8(bytes: Uint8Array, strict = false): string | null {
  try {
    return new TextDecoder("utf-8", { ignoreBOM: true, fatal: strict }).decode(bytes);
  } catch {
    return null;
  }
}

/** Decoded text if it is writing, without odd characters; see Python. */
export function writing(decoded: string, strict = false): string | null {
  const seen = decoded.replace(HIDDEN, "");
  const kept = [...seen].map(shown).filter((char) => char !== "");
  const total = length(seen);
  let letters = 0;
  let others = 0;
  for (const char of kept) {
    const point = char.codePointAt(0)!;
    if (ALPHA.has(point)) letters++;
    if (DIGIT.has(point) || PLAIN.has(char)) others++;
  }
  const reads = letters + others >= 0.9 * total && letters >= 0.5 * total;
  const whole = kept.length === total || !strict;
  return reads && whole && kept.length >= LEAST_DECODED ? kept.join("") : null;
}

function shown(char: string): string {
  if ("\n\r\t".includes(char)) return char;
  if (SPACE.test(char)) return " ";
  const point = char.codePointAt(0)!;
  if (point >= 0xe0020 && point <= 0xe007e) return String.fromCodePoint(point - 0xe0000);
  return PRINTABLE.has(point) && char !== BROKEN ? char : "";
}

export function textOf(bytes: Uint8Array, strict = false): string | null {
  const marked = bytes.length > 1 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  const bare = marked ? bytes.slice(2) : bytes;
  for (const [codec, first] of [["utf-16le", 1], ["utf-16be", 0]] as const) {
    const zeros = bare.filter((_, at) => at % 2 === first);
    if (zeros.length > 0 && zeros.every((byte) => byte === 0)) {
      const text = writing(new TextDecoder(codec, { ignoreBOM: true }).decode(bare), strict);
      const letters = (text ?? "").match(/[A-Za-z]/g) ?? [];
      return letters.length * 2 >= length(text ?? "") ? text : null;
    }
  }
  if (strict) {
    const text = utf8(bytes, true);
    return text === null ? null : writing(text, true);
  }
  return writing(utf8(bytes.filter((byte) => byte !== 0))!);
}

/** The text with each match replaced by what `decode` makes of it; null if it makes nothing. */
export function spelledOut(pattern: RegExp, text: string, decode: (part: string) => string | null): string | null {
  let found = false;
  const spelled = text.replace(pattern, (part) => {
    const decoded = decode(part);
    if (decoded === null) return part;
    found = true;
    return ` ${decoded} `;
  });
  return found ? spelled : null;
}

export function fromBase64(text: string, strict = false): string | null {
  return spelledOut(BASE64, text, (part) => base64Part(part, strict));
}

export function fromHex(text: string, strict = false): string | null {
  return spelledOut(HEX, text, (part) => hexPart(part, strict));
}

export function fromMorse(text: string): string | null {
  return spelledOut(MORSE_RUN, text, morsePart);
}

function base64Part(part: string, strict: boolean): string | null {
  const bare = part.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  for (let start = 0; start < 4; start++) {
    let blob = bare.slice(start);
    if (blob.length % 4 === 1) blob = blob.slice(0, -1);
    const decoded = textOf(bitsOf(blob, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6), strict);
    if (decoded !== null) return start ? `${bare.slice(0, start)} ${decoded}` : decoded;
  }
  return null;
}

/** Bytes of digits of so many bits each; what is left over at the end is dropped. */
export function bitsOf(text: string, alphabet: string, width: number): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * width) / 8));
  let kept = 0;
  let held = 0;
  let at = 0;
  for (const char of text) {
    held = ((held << width) | alphabet.indexOf(char)) & 0xffff;
    kept += width;
    if (kept >= 8) {
      kept -= 8;
      bytes[at++] = (held >> kept) & 0xff;
    }
  }
  return bytes;
}

function hexPart(part: string, strict: boolean): string | null {
  if (!HEX_LETTER.test(part)) return null;
  const digits = part.replace(HEX_PREFIX, "");
  return hexText(digits, strict) ?? hexText(digits.slice(1), strict);
}

function hexText(digits: string, strict: boolean): string | null {
  const bytes = new Uint8Array(digits.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return textOf(bytes, strict);
}

function morsePart(part: string): string | null {
  const plain = [...part].map((char) => DOTS_AND_DASHES.get(char) ?? char).join("");
  const words = plain
    .replace(/^[ \t\n/|]+|[ \t\n/|]+$/g, "")
    .split(MORSE_WORD_BREAK)
    .map((word) => splitWords(word).map((code) => MORSE.get(code)));
  const letters = words.flat();
  const known = letters.filter((letter) => letter !== undefined);
  if (letters.length - known.length > MOST_UNKNOWN * letters.length) return null;
  if (new Set(known).size < LEAST_LETTERS_OF_MORSE) return null;
  return words.map((word) => word.join("")).join(" ");
}
