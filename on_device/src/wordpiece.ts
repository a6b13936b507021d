/**
 * BERT's tokenizer: text -> token ids, without special tokens.
 *
 * The library cuts words into pieces. What comes before, BERT's normalizer and its pre-tokenizer,
 * asks JavaScript's engine for Unicode categories in the library and Rust's tables on the server.
 * So both are read from tables here, which Python asked of the server's tokenizer.
 */
import { WordPiece } from "@huggingface/tokenizers";
import * as tables from "./tables.js";
import { GuardError } from "./errors.js";
import { PointSet } from "./unicode.js";

const REMOVED = new PointSet(tables.BERT_REMOVED);
const SPACED = new PointSet(tables.BERT_SPACED);
const SET_APART = new PointSet(tables.BERT_SET_APART);
const PUNCTUATION = new PointSet(tables.BERT_PUNCTUATION);
const MAPPED = new Map(
  tables.BERT_MAPPED.map((entry) => {
    const char = String.fromCodePoint(entry.codePointAt(0)!);
    return [char, entry.slice(char.length)] as const;
  }),
);

function inHangul(point: number): boolean {
  return point >= 0xac00 && point < 0xd7a4;
}

/** The words of a normalized text, with punctuation as words of its own. */
export function bertWords(text: string): string[] {
  const words: string[] = [];
  let word = "";
  const end = (): void => {
    if (word !== "") words.push(word);
    word = "";
  };
  const add = (written: string): void => {
    for (const char of written) {
      if (SPACED.hasChar(char)) end();
      else if (PUNCTUATION.hasChar(char)) {
        end();
        words.push(char);
      } else word += char;
    }
  };
  for (const char of text) {
    const point = char.codePointAt(0)!;
    if (point < 0x80 && point > 0x20 && point < 0x7f) {
      add(point >= 0x41 && point <= 0x5a ? String.fromCharCode(point + 32) : char);
    } else if (REMOVED.has(point)) continue;
    else if (SPACED.has(point)) end();
    else if (SET_APART.has(point)) {
      end();
      words.push(char);
    } else if (inHangul(point)) add(char.normalize("NFD"));
    else add(MAPPED.get(char) ?? char);
  }
  end();
  return words;
}

/** Special tokens around the segments: ids before, between and after them, with their type ids. */
export interface Frame {
  readonly special: readonly (readonly number[])[];
  readonly specialTypes: readonly (readonly number[])[];
  readonly segmentTypes: readonly number[];
}

type Json = { [key: string]: unknown };

/** What this package reads of a `tokenizer.json`. */
export class BertTokenizer {
  readonly frames: readonly [Frame, Frame];
  readonly #model: WordPiece;
  readonly #ids: Map<string, number>;
  readonly #known = new Map<string, readonly number[]>();

  /** Raises `artifact_invalid` for anything but BERT's tokenizer in lower case. */
  constructor(content: Uint8Array) {
    let raw: Json;
    try {
      raw = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content)) as Json;
      requireBert(raw);
      this.#model = new WordPiece(raw["model"] as unknown as ConstructorParameters<typeof WordPiece>[0]);
      this.#ids = this.#model.tokens_to_ids;
      const template = raw["post_processor"] as Json;
      this.frames = [frameOf(template, "single"), frameOf(template, "pair")];
    } catch (thrown) {
      if (thrown instanceof GuardError) throw thrown;
      throw new GuardError("artifact_invalid", "tokenizer.json cannot be read");
    }
  }

  /** Token ids of a normalized text. */
  ids(text: string): number[] {
    const found: number[] = [];
    for (const word of bertWords(text)) found.push(...this.#pieces(word));
    return found;
  }

  #pieces(word: string): readonly number[] {
    const known = this.#known.get(word);
    if (known !== undefined) return known;
    const ids = this.#model.encode([word]).map((token) => this.#ids.get(token)!);
    if (this.#known.size > 4096) this.#known.clear();
    this.#known.set(word, ids);
    return ids;
  }
}

const NORMALIZER: Json = { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true };

function requireBert(raw: Json): void {
  const normalizer = raw["normalizer"] as Json | null;
  const same = Object.entries(NORMALIZER).every(([key, value]) => normalizer?.[key] === value);
  const model = raw["model"] as Json | undefined;
  const added = (raw["added_tokens"] ?? []) as Json[];
  const fits =
    same &&
    (raw["pre_tokenizer"] as Json | null)?.["type"] === "BertPreTokenizer" &&
    model?.["type"] === "WordPiece" &&
    typeof model["unk_token"] === "string" &&
    Number.isInteger((model["vocab"] as Json | undefined)?.[model["unk_token"]]) &&
    added.every((one) => one["special"] === true);
  if (!fits) {
    throw new GuardError("artifact_invalid", "tokenizer.json is not BERT's in lower case, which alone is read here");
  }
}

/** As the server reads it by tokenizing a letter: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`. */
function frameOf(template: Json, name: "single" | "pair"): Frame {
  const known = template["special_tokens"] as { [id: string]: { ids: number[] } };
  const special: number[][] = [[]];
  const specialTypes: number[][] = [[]];
  const segmentTypes: number[] = [];
  for (const part of template[name] as Json[]) {
    const token = part["SpecialToken"] as { id: string; type_id: number } | undefined;
    if (token !== undefined) {
      const ids = known[token.id]!.ids;
      special.at(-1)!.push(...ids);
      specialTypes.at(-1)!.push(...ids.map(() => token.type_id));
    } else {
      segmentTypes.push((part["Sequence"] as { type_id: number }).type_id);
      special.push([]);
      specialTypes.push([]);
    }
  }
  if (special.length !== (name === "single" ? 2 : 3)) {
    throw new GuardError("artifact_invalid", "tokenizer.json does not tell its segments apart");
  }
  return { special, specialTypes, segmentTypes };
}
