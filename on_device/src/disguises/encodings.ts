/** Port of app/postern/disguises/encodings.py. */
import * as tables from "../tables.js";
import { ALPHA, DIGIT, length, PRINTABLE, splitWords } from "../unicode.js";

const BASE64 = /[A-Za-z0-9+/_-]{16,}={0,2}/gu;
const HEX = /(?:(?:\\x|0x|%|\\u00|&#x)?[0-9A-Fa-f]{2}[ ,;:\n]{0,2}){8,}/gu;
const HEX_PREFIX = /\\x|0x|%|\\u00|&#x|[ ,;:\n]/gu;
const HEX_LETTER = /[A-Fa-f]|\\x|%|0x/u;
const PLAIN = new Set(" \n\r\t.,;:!?'\"()-/");
const LEAST_DECODED = 8;

const MORSE = new Map(Object.entries(tables.MORSE));
const DOTS_AND_DASHES = new Map([..."·•∙‧–—−_‐‑"].map((char, i) => [char, i < 4 ? "." : "-"]));
const MORSE_RUN = /(?:[.\-·•∙‧–—−_‐‑]{1,6}(?:[ \t\n/|]+|(?=\n?$))){6,}/gu;
const MORSE_WORD_BREAK = /[ \t]*[/|\n]+[ \t]*|[ \t]{2,}/u;

/** Strict, and a byte order mark is a character, as for Python. */
export function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Whether decoded bytes are writing: printable, mostly letters, with plain punctuation. */
export function readsLikeText(text: string): boolean {
  const total = length(text);
  if (total < LEAST_DECODED) return false;
  let letters = 0;
  let others = 0;
  for (const char of text) {
    const point = char.codePointAt(0)!;
    if (!PRINTABLE.has(point) && char !== "\n" && char !== "\r" && char !== "\t") return false;
    if (ALPHA.has(point)) letters++;
    if (DIGIT.has(point) || PLAIN.has(char)) others++;
  }
  return letters + others >= 0.9 * total && letters >= 0.5 * total;
}

export function textOf(bytes: Uint8Array): string | null {
  const text = utf8(bytes);
  return text !== null && readsLikeText(text) ? text : null;
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
  if (letters.includes(undefined) || new Set(letters).size < 4) return null;
  return words.map((word) => word.join("")).join(" ");
}
