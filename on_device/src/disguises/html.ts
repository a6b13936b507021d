/** `html.unescape` of Python, with its tables. */
import { HTML5, HTML_INVALID_CHARREFS } from "../tables.js";

const NAMES = new Map(Object.entries(HTML5));
const REPLACED = new Map(Object.entries(HTML_INVALID_CHARREFS.replaced));
const LEFT_OUT = new Set(HTML_INVALID_CHARREFS.left_out);
const REFERENCE = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;

/** What a name without its ampersand stands for. */
export function named(name: string): string | undefined {
  return NAMES.get(name);
}

export function unescape(text: string): string {
  return text.replace(REFERENCE, (whole, inside: string) => {
    if (inside.startsWith("#")) return numbered(inside.slice(1).replace(/;$/, ""));
    const known = NAMES.get(inside);
    if (known !== undefined) return known;
    for (let end = inside.length - 1; end > 1; end--) {
      const prefix = NAMES.get(inside.slice(0, end));
      if (prefix !== undefined) return prefix + inside.slice(end);
    }
    return whole;
  });
}

function numbered(digits: string): string {
  const number = /^[xX]/.test(digits) ? parseInt(digits.slice(1), 16) : parseInt(digits, 10);
  const replaced = REPLACED.get(String(number));
  if (replaced !== undefined) return replaced;
  if ((number >= 0xd800 && number <= 0xdfff) || number > 0x10ffff) return "\ufffd";
  return LEFT_OUT.has(number) ? "" : String.fromCodePoint(number);
}
