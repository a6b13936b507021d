/** Port of app/postern/disguises/joined.py. */
import { S, splitWords } from "../unicode.js";
import { COMMON } from "./ciphers.js";

const TOKEN = new RegExp(`[^${S}]+`, "gu");
const CAMEL = /^#?[A-Z][A-Za-z0-9]*[.?!,;:]?$/u;
const CAMEL_PART = /[A-Z](?=[A-Z][a-z])|[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|[0-9]+/gu;
const SIGNED = /^#?[A-Za-z0-9']+(?:([_+.\-])[A-Za-z0-9']+)(?:\1[A-Za-z0-9']+){3,}[?!.]?$/u;
const SIGN = /[_+.\-#]/gu;
const TAG = new RegExp(`(?<![^${S}])#([A-Za-z]+)`, "gu");
const LEAST_PARTS = 4;
const LEAST_COMMON = 2;
const LEAST_COMMON_SIGNED = 3;
const LEAST_SHARE = 0.25;

export function fromJoined(text: string): string | null {
  let found = text.replace(TOKEN, parted);
  const tags = [...found.matchAll(TAG)].map((match) => match[1]!);
  if (areSentence(tags) && tags.length >= LEAST_PARTS) found = found.replace(TAG, "$1");
  return found === text ? null : found;
}

function parted(token: string): string {
  if (CAMEL.test(token)) {
    const parts = token.match(CAMEL_PART) ?? [];
    if (parts.length >= LEAST_PARTS && areSentence(parts)) {
      const last = token.at(-1)!;
      return parts.join(" ") + (".?!,;:".includes(last) ? last : "");
    }
  } else if (SIGNED.test(token)) {
    const parts = splitWords(token.replace(SIGN, " "));
    if (areSentence(parts, LEAST_COMMON_SIGNED)) return parts.join(" ");
  }
  return token;
}

function areSentence(parts: readonly string[], least = LEAST_COMMON): boolean {
  const common = parts.map((part) => part.toLowerCase()).filter((part) => COMMON.has(part));
  return new Set(common).size >= least && common.length >= LEAST_SHARE * parts.length;
}
