/** Port of app/postern/languages/reader.py: texts -> the language that they were read as. */
import { READING, SAME_LANGUAGE, UNDETERMINED } from "../tables.js";
import type { Identifier } from "./identifier.js";
import { piecesOf, spread } from "./pieces.js";
import { roundHalfEven } from "./rounding.js";
import { scriptsOf, type Found } from "./scripts.js";

/** What an exchange was read as. */
export interface Reading {
  /** `und` if it is too short or too mixed to tell. */
  readonly language: string;
  /** Whether the student was measured for it. `und` is, unless the text surely is in none of its languages. */
  readonly supported: boolean;
  /** False if a probability lies so near a bound that the server's rounding may decide otherwise. */
  readonly clear: boolean;
}

// The server adds in floats of 32 bits, in an order that depends on its processor.
function near(probability: number, bound: number): boolean {
  return Math.abs(probability / bound - 1) < READING.rounding;
}

/** Letters of each language, in the order in which languages were found. */
class Letters extends Map<string, number> {
  add(language: string, letters: number): void {
    this.set(language, (this.get(language) ?? 0) + letters);
  }

  total(): number {
    let sum = 0;
    for (const letters of this.values()) sum += letters;
    return sum;
  }

  /** The language of most letters; `und` if it has no majority. */
  most(): string {
    let [most, count] = [UNDETERMINED, -1];
    for (const [language, letters] of this) if (letters > count) [most, count] = [language, letters];
    return this.size > 0 && count >= READING.named * this.total() ? most : UNDETERMINED;
  }
}

export class LanguageReader {
  readonly #measured: ReadonlySet<string>;

  /** measured: languages that the student was measured for. */
  constructor(
    private readonly identifier: Identifier,
    measured: readonly string[],
  ) {
    this.#measured = new Set(measured);
  }

  /** The language of the normalized texts of one exchange; a foreign one counts first. */
  read(texts: readonly string[]): Reading {
    return new Counting(this.identifier, this.#measured).read(texts);
  }
}

/** What was counted of one exchange. */
class Counting {
  readonly #own = new Letters();
  readonly #foreign = new Letters();
  #clear = true;

  constructor(
    private readonly identifier: Identifier,
    private readonly measured: ReadonlySet<string>,
  ) {}

  read(texts: readonly string[]): Reading {
    for (const text of texts) {
      const [scripts, latin] = scriptsOf(text);
      for (const found of scripts) {
        const language = this.#ofScript(found);
        const side = this.measured.has(language) ? this.#own : this.#foreign;
        side.add(language, roundHalfEven(found.letters));
      }
      if (!latin) continue;
      for (const piece of spread(piecesOf(text), READING.most_pieces)) this.#count(piece, this.#own, this.#foreign);
    }
    const unnamed = this.#foreign.size === 1 && this.#foreign.has(UNDETERMINED);
    // Lists of names look like no language at all.
    const few = unnamed && this.#foreign.total() < READING.unnamed_share * this.#own.total();
    if (few || this.#foreign.size === 0) return { language: this.#own.most(), supported: true, clear: this.#clear };
    return { language: this.#foreign.most(), supported: false, clear: this.#clear };
  }

  /** Counts a piece's letters for its language, if it has enough to tell. */
  #count(piece: string, own: Letters, foreign: Letters): void {
    const words = piece.split(" ");
    const letters = piece.length - (words.length - 1);
    if (letters < READING.least_letters) return;
    const shares = this.#shares(piece);
    let measured = 0;
    for (const one of this.measured) measured += shares.get(one) ?? 0;
    let [best, share] = ["", -1];
    for (const [language, one] of shares) if (one > share) [best, share] = [language, one];
    const name = share >= READING.named ? best : UNDETERMINED;
    if (near(measured, READING.least_probability) || near(measured, READING.clear) || near(share, READING.named)) {
      this.#clear = false;
    }
    if (measured < READING.least_probability) return foreign.add(name, letters);
    const found = new Letters();
    if (measured < READING.clear && letters >= READING.divided) {
      const middle = Math.floor(words.length / 2); // the language may change in mid-sentence
      for (const half of [words.slice(0, middle), words.slice(middle)]) this.#count(half.join(" "), new Letters(), found);
    }
    for (const [language, some] of found) foreign.add(language, some);
    own.add(this.measured.has(name) ? name : UNDETERMINED, letters - found.total());
  }

  #ofScript({ languages, words }: Found): string {
    if (languages.length === 1) return languages[0]!;
    const shares = this.#shares(words.slice(0, READING.most_chars));
    const ranked = languages
      .map((language) => ({ language, share: shares.get(language) ?? 0 }))
      .sort((a, b) => b.share - a.share); // stable: the first of equals stays first
    const [first, second] = [ranked[0]!, ranked[1]!];
    if (second.share > 0 && near(first.share, second.share)) this.#clear = false;
    return first.language;
  }

  /** Probability of each language. */
  #shares(text: string): Map<string, number> {
    const same: { readonly [code: string]: string } = SAME_LANGUAGE;
    const shares = new Map<string, number>();
    for (const [code, share] of this.identifier.shares(text)) {
      const language = same[code] ?? code;
      shares.set(language, (shares.get(language) ?? 0) + share);
    }
    return shares;
  }
}
