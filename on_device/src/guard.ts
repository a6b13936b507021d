/** The public class: the student in a worker of the browser, or in this thread of Node. */
import type { OnProgress } from "./artifact.js";
import { GuardError, type ErrorCode } from "./errors.js";
import type { ClassifyOptions, Model, Verdict } from "./judge.js";
import type { Answer, Asked } from "./messages.js";
import { baseOf, IN_NODE } from "./places.js";

export interface LoadOptions {
  /** Keep the artifact in the browser, so that it loads without a network. Default: false. */
  readonly offline?: boolean;
  readonly onProgress?: OnProgress;
  /** Milliseconds without an answer after which the worker counts as lost. Default: 120,000. */
  readonly timeout_ms?: number;
}

/** A prompt and, if the response is to be judged, the response to it. Empty is not absent. */
export interface ExchangeIn {
  readonly prompt: string;
  readonly response?: string | null | undefined;
}

interface Engine {
  readonly model: Model;
  classify(exchange: { prompt: string; response: string | null }, options: ClassifyOptions): Promise<Verdict>;
  close(): Promise<void>;
}

export class Guard {
  private constructor(private engine: Engine | null, readonly model: Model) {}

  /**
   * Loads and verifies the artifact below a URL or, in Node, in a folder, and runs its self-test.
   *
   * Raises a GuardError: `artifact_unreachable`, `artifact_invalid`, `manifest_unknown`,
   * `self_test_failed`, `runtime_unsupported`, `storage_full`, `worker_lost`, `bad_request`.
   */
  static async load(source: string | URL, options: LoadOptions = {}): Promise<Guard> {
    const base = await baseOf(source);
    const engine = IN_NODE ? await inThisThread(base, options) : await InWorker.load(base, options);
    return new Guard(engine, engine.model);
  }

  /**
   * The verdict on an exchange. Raises a GuardError: `empty_prompt`, `text_too_long`,
   * `text_not_unicode`, `unknown_operating_point`, `bad_request`, `inference_failed`,
   * `worker_lost`, `guard_closed`.
   */
  async classify(exchange: ExchangeIn, options: ClassifyOptions = {}): Promise<Verdict> {
    if (this.engine === null) throw new GuardError("guard_closed", "the guard was closed");
    const { prompt, response = null } = exchange;
    if (typeof prompt !== "string" || (response !== null && typeof response !== "string")) {
      throw new GuardError("bad_request", "prompt must be a string, and response one or absent");
    }
    return this.engine.classify({ prompt, response }, checked(options));
  }

  /** Ends the worker and frees the model. What waits for a verdict gets `guard_closed`. */
  async close(): Promise<void> {
    const engine = this.engine;
    this.engine = null;
    await engine?.close();
  }
}

function checked(options: ClassifyOptions): ClassifyOptions {
  const { operating_point: point, threshold, on_overflow: overflow, categories } = options;
  const fits =
    (point === undefined || typeof point === "string") &&
    (threshold === undefined || (typeof threshold === "number" && threshold >= 0 && threshold <= 1)) &&
    (overflow === undefined || overflow === "window" || overflow === "reject") &&
    (categories === undefined || categories === "applying" || categories === "all");
  if (!fits) throw new GuardError("bad_request", "an option has a value that it may not have");
  return options;
}

/** Imported only here: a page leaves all of this to its worker. */
async function inThisThread(base: URL, options: LoadOptions): Promise<Engine> {
  const { Judge } = await import("./judge.js");
  return Judge.load(base, options.offline ?? false, options.onProgress ?? (() => {}));
}

interface Waiting {
  readonly settle: (value: never) => void;
  readonly fail: (error: GuardError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly onProgress?: OnProgress | undefined;
}

/** What is asked, without its number. */
type Question = Asked extends infer One ? (One extends Asked ? Omit<One, "id"> : never) : never;

class InWorker implements Engine {
  model!: Model;
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #watch = new AbortController();
  readonly #lock = `postern-guard-${crypto.randomUUID()}`;
  #last = 0;
  #ended: GuardError | null = null;

  private constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    if (typeof Worker === "undefined") throw new GuardError("runtime_unsupported", "this engine has no workers");
    this.#worker = new Worker(scriptUrl(), { type: "module", name: "postern-guard" });
    this.#worker.onmessage = (event: MessageEvent<Answer>) => this.#hear(event.data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end("worker_lost", "the worker ended with an error");
    };
    this.#worker.onmessageerror = () => this.#end("worker_lost", "the worker's answer cannot be read");
  }

  static async load(base: URL, options: LoadOptions): Promise<InWorker> {
    const made = new InWorker(options.timeout_ms ?? 120_000);
    const asked: Question = { what: "load", base: base.href, offline: options.offline ?? false, lock: made.#lock };
    try {
      made.model = await made.#ask<Model>(asked, options.onProgress);
    } catch (thrown) {
      await made.close();
      throw thrown;
    }
    return made;
  }

  classify(exchange: { prompt: string; response: string | null }, options: ClassifyOptions): Promise<Verdict> {
    return this.#ask<Verdict>({ what: "classify", exchange, options });
  }

  async close(): Promise<void> {
    this.#end("guard_closed", "the guard was closed");
  }

  #ask<T>(question: Question, onProgress?: OnProgress): Promise<T> {
    return new Promise<T>((settle, fail) => {
      if (this.#ended !== null) return fail(this.#ended);
      const id = ++this.#last;
      this.#waiting.set(id, { settle, fail, timer: this.#timer(), onProgress });
      this.#worker.postMessage({ ...question, id });
    });
  }

  #timer(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#end("worker_lost", "the worker did not answer in time"), this.#timeoutMs);
  }

  #hear(answer: Answer): void {
    if ("locked" in answer) return this.#watchLock();
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    clearTimeout(waiting.timer);
    if ("progress" in answer) {
      this.#waiting.set(answer.id, { ...waiting, timer: this.#timer() });
      return waiting.onProgress?.(...answer.progress);
    }
    this.#waiting.delete(answer.id);
    if ("error" in answer) waiting.fail(new GuardError(answer.error.code, answer.error.message));
    else waiting.settle(answer.value as never);
  }

  /** The worker holds the lock for as long as it lives. */
  #watchLock(): void {
    const lost = (): void => this.#end("worker_lost", "the worker was ended");
    navigator.locks.request(this.#lock, { signal: this.#watch.signal }, lost).catch(() => {});
  }

  #end(code: ErrorCode, message: string): void {
    if (this.#ended !== null) return;
    this.#ended = new GuardError(code, message);
    this.#watch.abort();
    this.#worker.terminate();
    for (const { fail, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      fail(this.#ended);
    }
    this.#waiting.clear();
  }
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): unknown };
}

/** The worker's address, as a page wants it that requires Trusted Types for scripts. */
function scriptUrl(): URL {
  const url = new URL("./worker.js", import.meta.url);
  const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (trusted === undefined) return url;
  policy ??= trusted.createPolicy("postern-guard", {
    createScriptURL: (given) => {
      if (given !== url.href) throw new TypeError("only the worker of postern-guard");
      return given;
    },
  });
  return policy.createScriptURL(url.href) as URL;
}

let policy: ReturnType<TrustedTypes["createPolicy"]> | undefined;
