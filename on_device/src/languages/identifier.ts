/**
 * py3langid's model as `scripts/on_device/languages.py` writes it: features of the bytes of a text,
 * found by an automaton of Aho and Corasick, and a naive Bayes classifier over them.
 */
import { GuardError } from "../errors.js";
import { isUpper, normalizeForm } from "../unicode.js";

interface Header {
  readonly states: number;
  readonly features: number;
  readonly codes: readonly string[];
  readonly prior: readonly number[];
  readonly sizes: readonly number[];
}

/** States in breadth-first order: children stand together, and each begins after those before it. */
interface Trie {
  /** The first child of each state, and at the end the number of states. */
  readonly children: Uint32Array;
  /** The byte that leads to a state. */
  readonly labels: Uint8Array;
  /** The state of the longest suffix that is one. */
  readonly suffixes: Uint32Array;
  /** The feature that ends in a state, or -1. */
  readonly features: Int32Array;
}

/** Log-probabilities above the least one of their column. */
interface Table {
  readonly starts: Uint32Array;
  readonly columns: Uint8Array;
  readonly ranks: Uint16Array;
  /** By column and rank. */
  readonly above: Float32Array;
  readonly begins: Uint32Array;
  readonly least: Float64Array;
}

/** Takes arrays from the front of a file. */
class Sections {
  #at = 0;

  constructor(private readonly content: Uint8Array) {}

  take(bytes: number): Uint8Array {
    const end = this.#at + bytes;
    if (!(end <= this.content.length)) throw new RangeError("the content is too short");
    const found = this.content.subarray(this.#at, end);
    this.#at = end;
    return found;
  }

  header(): Header {
    const [a, b, c, d] = this.take(4);
    const size = a! | (b! << 8) | (c! << 16) | (d! << 24);
    return JSON.parse(new TextDecoder().decode(this.take(size)));
  }

  /** Low bytes, then high bytes. */
  numbers(count: number): Uint16Array {
    const low = this.take(count);
    const high = this.take(count);
    const found = new Uint16Array(count);
    for (let at = 0; at < count; at++) found[at] = low[at]! | (high[at]! << 8);
    return found;
  }
}

function bit(bits: Uint8Array, at: number): number {
  return (bits[at >> 3]! >> (7 - (at & 7))) & 1;
}

/** Calls with the place of each bit that is set, in their order. Most are not. */
function eachSet(bits: Uint8Array, call: (at: number) => void): void {
  for (let at = 0; at < bits.length; at++) {
    for (let left = bits[at]!; left !== 0; ) {
      const first = Math.clz32(left) - 24;
      call(at * 8 + first);
      left ^= 0x80 >> first;
    }
  }
}

/** A number of IEEE 754 in 16 bits. */
function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits >> 15 ? -size : size;
}

function trieOf({ states }: Header, sections: Sections): Trie {
  const counts = sections.take(states);
  const labels = new Uint8Array(states);
  labels.set(sections.take(states - 1), 1);
  const own = sections.take(Math.ceil(states / 8));
  const children = new Uint32Array(states + 1);
  children[0] = 1;
  for (let state = 0; state < states; state++) children[state + 1] = children[state]! + counts[state]!;
  const trie = { children, labels, suffixes: new Uint32Array(states), features: new Int32Array(states).fill(-1) };
  let feature = 0;
  // A suffix is shorter than its state, so it comes before it.
  for (let state = 0; state < states; state++) {
    trie.features[state] = bit(own, state) ? feature++ : trie.features[trie.suffixes[state]!]!;
    for (let child = children[state]!; child < children[state + 1]!; child++) {
      trie.suffixes[child] = state === 0 ? 0 : next(trie, trie.suffixes[state]!, labels[child]!);
    }
  }
  return trie;
}

function childOf({ children, labels }: Trie, state: number, byte: number): number {
  let low = children[state]!;
  let high = children[state + 1]!;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (labels[middle]! < byte) low = middle + 1;
    else high = middle;
  }
  return low < children[state + 1]! && labels[low] === byte ? low : 0;
}

function next(trie: Trie, state: number, byte: number): number {
  for (let from = state; ; from = trie.suffixes[from]!) {
    const child = childOf(trie, from, byte);
    if (child !== 0 || from === 0) return child;
  }
}

function tableOf({ features, codes, sizes }: Header, sections: Sections): Table {
  const begins = new Uint32Array(codes.length + 1);
  sizes.forEach((size, column) => (begins[column + 1] = begins[column]! + size));
  const values = sections.numbers(begins[codes.length]!);
  const masks = codes.map(() => sections.take(Math.ceil(features / 8)));
  const starts = new Uint32Array(features + 1);
  for (const mask of masks) eachSet(mask, (at) => void starts[at + 1]!++);
  for (let at = 0; at < features; at++) starts[at + 1]! += starts[at]!;
  const told = sections.numbers(starts[features]!);
  const free = starts.slice();
  const columns = new Uint8Array(told.length);
  const ranks = new Uint16Array(told.length);
  let read = 0;
  masks.forEach((mask, column) => {
    eachSet(mask, (at) => {
      const place = free[at]!++;
      columns[place] = column;
      ranks[place] = told[read++]!;
    });
  });
  const least = Float64Array.from(codes, (_, column) => float16(values[begins[column]!]!));
  const above = new Float32Array(values.length);
  least.forEach((lowest, column) => {
    for (let at = begins[column]!; at < begins[column + 1]!; at++) above[at] = float16(values[at]!) - lowest;
  });
  return { starts, columns, ranks, above, begins, least };
}

async function unpacked(content: Uint8Array): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined") {
    throw new GuardError("runtime_unsupported", "this engine cannot unpack gzip");
  }
  const stream = new Blob([content as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export class Identifier {
  private constructor(
    private readonly header: Header,
    private readonly trie: Trie,
    private readonly table: Table,
  ) {}

  /** content: of `languages.bin`, verified. Raises `artifact_invalid`, `runtime_unsupported`. */
  static async open(content: Uint8Array): Promise<Identifier> {
    try {
      const sections = new Sections(await unpacked(content));
      const header = sections.header();
      return new Identifier(header, trieOf(header, sections), tableOf(header, sections));
    } catch (thrown) {
      if (thrown instanceof GuardError) throw thrown;
      throw new GuardError("artifact_invalid", "the identifier of languages cannot be read");
    }
  }

  /** Probability of each code, as `LanguageIdentifier.rank` of py3langid with `norm_probs` gives it. */
  shares(text: string): Map<string, number> {
    const { codes } = this.header;
    const written = normalizeForm(isUpper(text) ? text.toLowerCase() : text, "NFC");
    const bytes = new TextEncoder().encode(written);
    const scores = this.#scores(bytes);
    // So that probabilities mean the same at every length.
    const scale = 1 / Math.sqrt(bytes.length || 1);
    const best = scores.reduce((most, one) => Math.max(most, one), -Infinity);
    const weights = scores.map((score) => Math.exp((score - best) * scale));
    const total = weights.reduce((sum, one) => sum + one, 0);
    const found = new Map<string, number>();
    // A language in two scripts has two columns.
    codes.forEach((code, column) => found.set(code, (found.get(code) ?? 0) + weights[column]! / total));
    return found;
  }

  /** Log-posterior of each column; zeros where no feature is in the text. */
  #scores(bytes: Uint8Array): Float64Array {
    const { starts, columns, ranks, above, begins, least } = this.table;
    const counts = new Map<number, number>();
    let state = 0;
    for (const byte of bytes) {
      state = next(this.trie, state, byte);
      const feature = this.trie.features[state]!;
      if (feature >= 0) counts.set(feature, (counts.get(feature) ?? 0) + 1);
    }
    if (counts.size === 0) return new Float64Array(least.length);
    const scores = Float64Array.from(this.header.prior);
    let weighed = 0;
    for (const [feature, count] of counts) {
      const weight = Math.fround(Math.log1p(count)); // the server's is a float of 32 bits
      weighed += weight;
      for (let at = starts[feature]!; at < starts[feature + 1]!; at++) {
        const column = columns[at]!;
        scores[column]! += weight * above[begins[column]! + ranks[at]!]!;
      }
    }
    // In 64 bits the order of adding does not show in the 32 bits of the server's sums.
    return scores.map((score, column) => score + weighed * least[column]!);
  }
}
