/** Port of app/postern/languages/pieces.py: a text in pieces of a sentence or so, without what is no prose. */
import { PIECES } from "../tables.js";
import { S, W } from "../unicode.js";
import { roundHalfEven } from "./rounding.js";

const LATIN = PIECES.latin;
const ENDS = PIECES.ends;
// A lookahead whose capture is read again takes the place of a possessive repetition: nothing is
// given back, so this stays linear.
const WORD = new RegExp(
  `[${LATIN}${ENDS}](?:` +
    `(?<=[${ENDS}])(?=[${S}])` +
    `|(?<=[${LATIN}])(?<![${W}@/\\\\#$<.\\-].)(?=([${LATIN}]*))\\1(?=((?:['\\u2019\\-][${LATIN}]+){0,3}))\\2` +
    `(?![${W}@/\\\\(=<]|[.:][${W}/\\\\]))`,
  "gu",
);
const END = new RegExp(`^[${ENDS}]$`, "u");

/** The Latin words of a text, in pieces that end with a sentence where possible. */
export function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let words: string[] = [];
  let letters = 0;
  for (const [word] of text.matchAll(WORD)) {
    const ends = END.test(word);
    if (!ends && word.length <= PIECES.longest_word) {
      words.push(word);
      letters += word.length;
    }
    if (letters >= (ends ? PIECES.least_letters : PIECES.most_letters)) {
      pieces.push(words.join(" "));
      words = [];
      letters = 0;
    }
  }
  if (words.length > 0) pieces.push(words.join(" "));
  return pieces;
}

/** At most so many of the pieces, evenly spread, the last one included. */
export function spread(pieces: readonly string[], atMost: number): readonly string[] {
  if (pieces.length <= atMost) return pieces;
  const step = (pieces.length - 1) / (atMost - 1);
  return Array.from({ length: atMost }, (_, index) => pieces[roundHalfEven(index * step)]!);
}
