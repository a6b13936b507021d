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
const OTHER_SPACE = new RegExp(`(?![\\n\\r\\t])[${S}]`, "gu");
const LEAST_LETTERS_OF_MORSE = 4;
const MOST_UNKNOWN = 1 / 8;

const MORSE = new Map(Object.entries(tables.MORSE));
const DOTS_AND_DASHES = new Map([..."·•∙‧–—−_‐‑"].map((char, i) => [char, i < 4 ? "." : "-"]));
const MORSE_RUN = /(?:[.\-·•∙‧–—−_‐‑]{1,7}(?:[ \t\n/|]+|(?=\n?$))){6,}/gu;
const MORSE_WORD_BREAK = /[ \t]*[/|\n]+[ \t]*|[ \t]{2,}/u;

/** A byte order mark is a character, as for Python. */
export function utf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Decoded text if it is writing, without odd characters; see Python. */
export function writing(decoded: string): string | null {
  const seen = decoded.replace(HIDDEN, "");
  const spaced = seen.replace(OTHER_SPACE, " ");
  const kept = [...spaced].filter(isShown);
  const total = length(seen);
  let letters = 0;
  let others = 0;
  for (const char of kept) {
    const point = char.codePointAt(0)!;
    if (ALPHA.has(point)) letters++;
    if (DIGIT.has(point) || PLAIN.has(char)) others++;
  }
  const reads = letters + others >= 0.9 * total && letters >= 0.5 * total;
  return reads && kept.length >= LEAST_DECODED ? kept.join("") : null;
}

function isShown(char: string): boolean {
  return "\n\r\t".includes(char) || (PRINTABLE.hasChar(char) && char !== BROKEN);
}

export function textOf(bytes: Uint8Array): string | null {
  const zeros = bytes.filter((byte) => byte === 0).length;
  if (zeros * 3 < bytes.length) return writing(utf8(bytes));
  const even = bytes.filter((byte, at) => byte === 0 && at % 2 === 0).length;
  const codec = even * 2 > zeros ? "utf-16be" : "utf-16le";
  return writing(new TextDecoder(codec, { ignoreBOM: true }).decode(bytes));
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

export function fromBase64(text: string): string | null {
  return spelledOut(BASE64, text, base64Part);
}

export function fromHex(text: string): string | null {
  return spelledOut(HEX, text, hexPart);
}

export function fromMorse(text: string): string | null {
  return spelledOut(MORSE_RUN, text, morsePart);
}

function base64Part(part: string): string | null {
  const bare = part.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/");
  for (let start = 0; start < 4; start++) {
    let blob = bare.slice(start);
    if (blob.length % 4 === 1) blob = blob.slice(0, -1);
    const decoded = textOf(bitsOf(blob, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6));
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

function hexPart(part: string): string | null {
  if (!HEX_LETTER.test(part)) return null;
  const digits = part.replace(HEX_PREFIX, "");
  return hexText(digits) ?? hexText(digits.slice(1));
}

function hexText(digits: string): string | null {
  const bytes = new Uint8Array(digits.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return textOf(bytes);
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
