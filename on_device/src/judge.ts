/** Port of app/postern/judging: exchange -> segments -> windows -> logits -> verdict, on one thread. */
import { readArtifact, type Artifact, type OnProgress } from "./artifact.js";
import { categoriesOf, pointOf, type Category } from "./decision.js";
import { readableDisguise, secondReading } from "./disguises/triggers.js";
import { GuardError } from "./errors.js";
import { Identifier } from "./languages/identifier.js";
import { LanguageReader } from "./languages/reader.js";
import { MODEL } from "./manifest.js";
import { deltaOf } from "./parity.js";
import { harmfulProbability } from "./probability.js";
import { marginOf, Session, type Row } from "./session.js";
import { SELF_TEST } from "./tables.js";
import { expandedLength, segments, sliceOf, type Exchange } from "./text.js";
import { isWellFormed, length, requireUnicode } from "./unicode.js";
import { Windows, type Encoding } from "./windows.js";
import { BertTokenizer } from "./wordpiece.js";

/** What a caller can ask for, as in `POST /classify`. */
export interface ClassifyOptions {
  readonly operating_point?: string;
  readonly threshold?: number;
  /** `reject`: refuse text of more than one window with `text_too_long`. */
  readonly on_overflow?: "window" | "reject";
  readonly categories?: "applying" | "all";
}

export interface SpanOut {
  readonly start: number;
  readonly end: number;
  readonly tokens: number;
}

/** The most harmful window, the first of equals, and the text that it covers, in tokens. */
export interface WorstWindow {
  readonly index: number;
  readonly prompt: SpanOut;
  readonly response: SpanOut | null;
}

/** The fields of a result of `POST /classify` that have a meaning without a server. */
export interface Verdict {
  readonly model: { readonly name: string; readonly version: string; readonly sha256: string };
  readonly operating_point: string;
  readonly harmful: boolean;
  /**
   * False if the server may have decided otherwise: the margin is within the measured difference of
   * its threshold, this engine was not measured, or so was not the student for the language, so that
   * a server may ask a teacher, take another student or block. Also where the language is nearly
   * another one.
   */
  readonly sure: boolean;
  readonly probability: number;
  readonly threshold: number;
  readonly deferral_band: readonly [number, number];
  readonly decided_by: "student";
  /** The student was not measured for the language, so the probability may mean nothing. */
  readonly degraded: boolean;
  readonly tokens: number;
  readonly windows: number;
  /** Absent if there is only one window. */
  readonly worst_window?: WorstWindow;
  readonly triggers?: readonly string[];
  /** A BCP 47 tag; `und` if the text is too short or too mixed to tell. */
  readonly language: string;
  /** As a server says it that has this student alone. `und` is supported, unless the text surely is in none of its languages. */
  readonly language_supported: boolean;
  readonly categories?: readonly Category[];
  readonly timings_ms: { readonly inference: number; readonly total: number };
}

export interface Model {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly operating_points: readonly string[];
  readonly default_operating_point: string;
  readonly languages: readonly string[];
  /** The largest measured difference of margin to the server on this engine; null: not measured. */
  readonly delta: number | null;
}

// The server's defaults.
const MAX_CHARS = 100_000;
const MAX_TOKENS = 16_384;
const TOLERANCE = 0.05;

interface Scored {
  readonly encoding: Encoding;
  readonly rows: readonly Row[];
}

export class Judge {
  private constructor(
    private readonly artifact: Artifact,
    private readonly windows: Windows,
    private readonly session: Session,
    private readonly languages: LanguageReader,
    readonly model: Model,
  ) {}

  static async load(base: URL, offline: boolean, onProgress: OnProgress): Promise<Judge> {
    requireUnicode();
    const artifact = await readArtifact(base, offline, onProgress);
    const { manifest } = artifact;
    const windows = new Windows(new BertTokenizer(artifact.tokenizer), manifest);
    const languages = new LanguageReader(await Identifier.open(artifact.languages), manifest.languages);
    const session = await Session.open(artifact.model, manifest.padId, manifest.labels.length);
    const { policy } = manifest;
    const judge = new Judge(artifact, windows, session, languages, {
      name: manifest.name,
      version: manifest.version,
      sha256: artifact.sha256,
      operating_points: Object.keys(policy.operating_points),
      default_operating_point: policy.default_operating_point,
      languages: manifest.languages,
      delta: deltaOf(manifest.files.get(MODEL)!.sha256),
    });
    await judge.#selfTest();
    return judge;
  }

  /** As the server does: an engine that computes the graph wrongly must not start. */
  async #selfTest(): Promise<void> {
    const expected = this.artifact.manifest.selfTest;
    for (const [index, exchange] of SELF_TEST.entries()) {
      const [window] = this.windows.encode(segments(exchange)).windows;
      const { logits } = await this.session.run(window!);
      const wanted = expected[index];
      if (wanted !== undefined && logits.some((logit, at) => Math.abs(logit - wanted[at]!) > TOLERANCE)) {
        throw new GuardError("self_test_failed", "the self-test gave other logits than the manifest");
      }
    }
  }

  /** Raises a GuardError for whatever cannot be judged. */
  async classify(exchange: Exchange, options: ClassifyOptions): Promise<Verdict> {
    const started = performance.now();
    const { manifest } = this.artifact;
    const { policy } = manifest;
    const name = options.operating_point ?? policy.default_operating_point;
    const point = pointOf(policy, sliceOf(exchange), name, options.threshold ?? null);
    checkSize(exchange);
    const disguise = readableDisguise(exchange);
    const plain = segments(exchange);
    if (plain.reduce((sum, text) => sum + length(text), 0) > MAX_CHARS) throw tooLong("characters", MAX_CHARS);
    const first = this.windows.encode(plain, MAX_TOKENS);
    const decoded = secondReading(plain, disguise);
    if (first.promptTokens === 0) throw new GuardError("empty_prompt", "the prompt has no token");
    if (options.on_overflow === "reject" && first.windows.length > 1) {
      throw tooLong("tokens in one window", manifest.windowTokens);
    }
    const computing = performance.now();
    const scored = [await this.#score(first)];
    if (decoded !== null) scored.push(await this.#score(this.windows.encode(decoded)));
    const finished = performance.now();
    const counted = (disguise?.certain ? scored.slice(-1) : scored).flatMap((one) => one.rows);
    const row = highest(counted);
    const probability = harmfulProbability(marginOf(row), policy.calibration[sliceOf(exchange)]);
    const harmful = probability >= point.threshold;
    const reading = this.languages.read(decoded ?? plain);
    const categories = categoriesOf(manifest.labels, row.categories, probability, harmful);
    const shown = options.categories === "all" ? categories : categories.filter((one) => one.applies);
    const worst = scored[0]!.rows.includes(row) ? worstWindow(scored[0]!) : null;
    return {
      model: { name: manifest.name, version: manifest.version, sha256: this.artifact.sha256 },
      operating_point: name,
      harmful,
      sure: reading.supported && reading.clear && this.#sure(marginOf(row), sliceOf(exchange), point.threshold),
      probability: rounded(probability),
      threshold: rounded(point.threshold),
      deferral_band: [rounded(point.deferral_band[0]), rounded(point.deferral_band[1])],
      decided_by: "student",
      degraded: !reading.supported,
      tokens: first.tokens,
      windows: first.windows.length,
      ...(worst === null ? {} : { worst_window: worst }),
      ...(disguise === null ? {} : { triggers: disguise.triggers }),
      language: reading.language,
      language_supported: reading.supported,
      ...(manifest.labels.length === 0
        ? {}
        : { categories: shown.map((one) => ({ ...one, probability: rounded(one.probability) })) }),
      timings_ms: { inference: finished - computing, total: performance.now() - started },
    };
  }

  /** Logits of every window of the text as it came, for measurements of parity. */
  async logits(exchange: Exchange): Promise<(readonly [number, number])[]> {
    const { rows } = await this.#score(this.windows.encode(segments(exchange)));
    return rows.map((row) => row.logits);
  }

  async close(): Promise<void> {
    await this.session.close();
  }

  async #score(encoding: Encoding): Promise<Scored> {
    const rows: Row[] = [];
    for (const window of encoding.windows) rows.push(await this.session.run(window));
    return { encoding, rows };
  }

  /** Whether every margin that the same student may have on a server gives the same verdict. */
  #sure(margin: number, slice: "prompt" | "pair", threshold: number): boolean {
    const { delta } = this.model;
    if (delta === null) return false;
    const calibration = this.artifact.manifest.policy.calibration[slice];
    const harmful = [margin - delta, margin + delta].map((one) => harmfulProbability(one, calibration) >= threshold);
    return harmful[0] === harmful[1];
  }
}

function checkSize(exchange: Exchange): void {
  const texts = exchange.response === null ? [exchange.prompt] : [exchange.prompt, exchange.response];
  // Code points are at least half of the units, so this is known before anything is counted.
  if (texts.reduce((sum, text) => sum + text.length, 0) > 2 * MAX_CHARS) throw tooLong("characters", MAX_CHARS);
  if (!texts.every(isWellFormed)) {
    throw new GuardError("text_not_unicode", "the text holds half of a surrogate pair");
  }
  if (texts.reduce((sum, text) => sum + length(text), 0) > MAX_CHARS) throw tooLong("characters", MAX_CHARS);
  if (texts.reduce((sum, text) => sum + expandedLength(text), 0) > MAX_CHARS) throw tooLong("characters", MAX_CHARS);
}

function tooLong(what: string, limit: number): GuardError {
  return new GuardError("text_too_long", `the exchange has more ${what} than ${limit}`);
}

/** The row of the largest margin, the first of equals. */
function highest(rows: readonly Row[]): Row {
  return rows.reduce((best, row) => (marginOf(row) > marginOf(best) ? row : best));
}

function worstWindow(scored: Scored): WorstWindow | null {
  const { encoding, rows } = scored;
  if (encoding.spans.length === 0) return null;
  const index = rows.indexOf(highest(rows));
  const totals = [encoding.promptTokens, encoding.tokens - encoding.promptTokens];
  const held = encoding.spans[index]!.map(([start, end], i) => ({ start, end, tokens: totals[i]! }));
  return { index, prompt: held[0]!, response: held[1] ?? null };
}

function rounded(probability: number): number {
  return Math.round(probability * 1e6) / 1e6;
}
