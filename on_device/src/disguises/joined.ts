/** Port of app/postern/disguises/joined.py. */
import { S, splitWords } from "../unicode.js";
import { COMMON } from "./ciphers.js";

const TOKEN = new RegExp(`[^${S}]+`, "gu");
const CAMEL = /^#?[A-Za-z][A-Za-z0-9]*$/u;
const CAMEL_PART = /[A-Z](?=[A-Z][a-z])|[A-Z]+(?![a-z])|[A-Z][a-z]+|[a-z]+|[0-9]+/gu;
const SIGNED = /^#?[A-Za-z0-9']+(?:([_+.\-])[A-Za-z0-9']+)(?:\1[A-Za-z0-9']+){3,}$/u;
const SIGN = /[_+.\-#]/gu;
const TAG = new RegExp(`(?<![^${S}])#([A-Za-z]+)`, "gu");
const LEAST_PARTS = 4;
const LEAST_COMMON = 2;
const LEAST_COMMON_IN_NAMES = 3;
const BEGIN_NAMES = new Set("can find from get has is new on set to with".split(" "));
const AROUND = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb()[]{}<>*.,;:?!\u2026";
const LEAST_SHARE = 0.25;

export function fromJoined(text: string): string | null {
  let found = text.replace(TOKEN, parted);
  const tags = [...found.matchAll(TAG)].map((match) => match[1]!);
  if (areSentence(tags) && tags.length >= LEAST_PARTS) found = found.replace(TAG, "$1");
  return found === text ? null : found;
}

function parted(token: string): string {
  let start = 0;
  let end = token.length;
  while (start < end && AROUND.includes(token[start]!)) start++;
  while (end > start && AROUND.includes(token[end - 1]!)) end--;
  const core = token.slice(start, end);
  const first = core.charAt(0);
  if (token.slice(end).startsWith("(") && first !== first.toUpperCase()) return token;
  let parts: string[];
  let least = LEAST_COMMON;
  if (CAMEL.test(core)) {
    parts = core.match(CAMEL_PART) ?? [];
    if (parts.length < LEAST_PARTS || isName(parts)) return token;
  } else if (SIGNED.test(core)) {
    parts = splitWords(core.replace(SIGN, " "));
    least = LEAST_COMMON_IN_NAMES;
  } else {
    return token;
  }
  return areSentence(parts, least) ? token.slice(0, start) + parts.join(" ") + token.slice(end) : token;
}

function isName(parts: readonly string[]): boolean {
  const first = parts[0]!;
  const small = /^[a-z]+$/.test(first);
  const words = commonOf(parts).length + parts.filter((part) => /^[aiAI]$/.test(part)).length;
  return small && (BEGIN_NAMES.has(first) || words < LEAST_COMMON_IN_NAMES);
}

function commonOf(parts: readonly string[]): string[] {
  return parts.map((part) => part.toLowerCase()).filter((part) => COMMON.has(part));
}

function areSentence(parts: readonly string[], least = LEAST_COMMON): boolean {
  const common = commonOf(parts);
  return new Set(common).size >= least && common.length >= LEAST_SHARE * parts.length;
}
