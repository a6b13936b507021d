/** Port of app/postern/disguises/stretched.py. */

// Python's IGNORECASE lets four more characters match a letter, and compares a repeat by its
// simple lower case: a dotted capital I repeats an i, a Kelvin sign a k.
const LETTER = "A-Za-z\\u0130\\u0131\\u017f\\u212a";
const LETTERS = new RegExp(`[${LETTER}]`, "u");
const NO_WORD = /^(?:[IVXLCDM]+|(.)\1*|https?|www)$/i;
const WORD = /[A-Za-z]+/gu;
const VOWELS = new Set("aeiou");
const NEVER_DOUBLED = new Set("aiu");
const LEAST_VOWELS = 6;
const LEAST_WORDS = 3;

function lowered(char: string): string {
  return char === "\u0130" ? "i" : char.toLowerCase();
}

/** `re.sub` of `([A-Za-z])\1{least - 1,}` in any case. */
function replaceRuns(text: string, least: number, change: (run: string[]) => string): string {
  const chars = [...text];
  let found = "";
  for (let at = 0; at < chars.length; ) {
    let end = at + 1;
    if (LETTERS.test(chars[at]!)) {
      while (end < chars.length && lowered(chars[end]!) === lowered(chars[at]!)) end++;
    }
    const run = chars.slice(at, end);
    found += LETTERS.test(run[0]!) && run.length >= least ? change(run) : run.join("");
    at = end;
  }
  return found;
}

export function fromStretched(text: string): string | null {
  const times = timesOf(text);
  if (times > 1) return replaceRuns(text, 1, (run) => divided(run, times));
  const words = text.match(WORD) ?? [];
  const stretched = words.filter((word) => /([A-Za-z])\1{2,}/i.test(word) && !NO_WORD.test(word)).length;
  if (stretched < LEAST_WORDS || stretched * 3 < words.length) return null;
  return replaceRuns(text, 3, (run) => run[0]!);
}

export function stretchIsClear(text: string): boolean {
  return timesOf(text) > 1;
}

function timesOf(text: string): number {
  const times = timesAsWritten(text.toLowerCase());
  return times > 1 ? times : timesAsWritten(text);
}

function timesAsWritten(text: string): number {
  const words = new Set(text.match(WORD) ?? []);
  let vowels = 0;
  let tells = false;
  let divisor = 0;
  for (const word of words) {
    for (const run of word.match(/(.)\1*/g) ?? []) {
      if (!VOWELS.has(run[0]!)) continue;
      vowels++;
      tells ||= NEVER_DOUBLED.has(run[0]!);
      divisor = gcd(divisor, run.length);
    }
  }
  return vowels < LEAST_VOWELS || !tells ? 1 : divisor;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

function divided(run: string[], times: number): string {
  const whole = run.length % times === 0;
  const stretched = VOWELS.has(run[0]!.toLowerCase()) || run.length > 2;
  return whole && stretched ? run.filter((_, index) => index % times === 0).join("") : run.join("");
}
