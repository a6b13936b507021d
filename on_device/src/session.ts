/** Windows -> logits, by ONNX Runtime in WebAssembly on one thread, without relaxed SIMD. */
import * as ort from "onnxruntime-web/wasm";
import { GuardError } from "./errors.js";
import { IN_NODE } from "./places.js";
import { paddedLength, type Window } from "./windows.js";

const RUNTIME = new URL("./vendor/ort-wasm-simd-threaded.wasm", import.meta.url);
const CATEGORIES = "categories";
// (module (func (result v128) (i8x16.popcnt (i8x16.splat (i32.const 0)))))
const WITH_SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

/** Output for one window. categories: logits of the further output, if it was asked for. */
export interface Row {
  readonly logits: readonly [number, number];
  readonly categories: Float32Array;
}

/** Raises `runtime_unsupported` without WebAssembly or its SIMD: without it, ONNX Runtime is wrong. */
export function requireSimd(): void {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(Uint8Array.from(WITH_SIMD))) {
    throw new GuardError("runtime_unsupported", "this engine has no WebAssembly with SIMD");
  }
}

let prepared: Promise<void> | undefined;

async function runtimeBytes(): Promise<Uint8Array> {
  if (IN_NODE) return (await import("node:fs/promises")).readFile(RUNTIME);
  const response = await fetch(RUNTIME);
  if (!response.ok) throw new TypeError("not there");
  return new Uint8Array(await response.arrayBuffer());
}

async function prepare(): Promise<void> {
  let binary: Uint8Array;
  try {
    binary = await runtimeBytes();
  } catch {
    prepared = undefined;
    throw new GuardError("runtime_unsupported", "the runtime's WebAssembly cannot be read");
  }
  // One thread and plain SIMD: the same numbers on every engine and processor.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.simd = true;
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = binary as Uint8Array<ArrayBuffer>;
  ort.env.logLevel = "fatal";
}

export class Session {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly padId: number,
    private readonly labels: number,
  ) {}

  /** labels: columns of the further output; 0: it is not computed. Raises `artifact_invalid`. */
  static async open(model: Uint8Array, padId: number, labels: number): Promise<Session> {
    requireSimd();
    prepared ??= prepare();
    await prepared;
    let session: ort.InferenceSession;
    try {
      session = await ort.InferenceSession.create(model, {
        executionProviders: ["wasm"],
        enableMemPattern: false,
        logSeverityLevel: 4,
      });
    } catch {
      throw new GuardError("artifact_invalid", "the model cannot be loaded");
    }
    const inputs = new Set(session.inputNames);
    const known = ["input_ids", "attention_mask", "token_type_ids"];
    if (!inputs.has(known[0]!) || !inputs.has(known[1]!) || session.inputNames.some((name) => !known.includes(name))) {
      throw new GuardError("artifact_invalid", "the model takes other inputs");
    }
    if (labels > 0 && !session.outputNames.includes(CATEGORIES)) {
      throw new GuardError("artifact_invalid", "the model has no output for the manifest's categories");
    }
    return new Session(session, padId, labels);
  }

  /** Raises `inference_failed` if the model raises or gives numbers that are not finite. */
  async run(window: Window): Promise<Row> {
    const size = paddedLength(window.ids.length);
    const ids = new BigInt64Array(size).fill(BigInt(this.padId));
    const mask = new BigInt64Array(size);
    const types = new BigInt64Array(size);
    window.ids.forEach((id, at) => {
      ids[at] = BigInt(id);
      mask[at] = 1n;
      types[at] = BigInt(window.typeIds[at]!);
    });
    const shape = [1, size];
    const given: Record<string, ort.Tensor> = {
      input_ids: new ort.Tensor("int64", ids, shape),
      attention_mask: new ort.Tensor("int64", mask, shape),
      token_type_ids: new ort.Tensor("int64", types, shape),
    };
    const feeds = Object.fromEntries(this.session.inputNames.map((name) => [name, given[name]!]));
    const first = this.session.outputNames[0]!;
    const wanted = this.labels > 0 ? [first, CATEGORIES] : [first];
    let outputs: ort.InferenceSession.OnnxValueMapType;
    try {
      outputs = await this.session.run(feeds, wanted);
    } catch {
      throw new GuardError("inference_failed", "the model raised an error");
    }
    const logits = outputs[first]!.data as Float32Array;
    const categories = this.labels > 0 ? (outputs[CATEGORIES]!.data as Float32Array) : new Float32Array();
    const fits = logits.length === 2 && categories.length === this.labels;
    if (!fits || ![...logits, ...categories].every(Number.isFinite)) {
      throw new GuardError("inference_failed", "the model gave other than finite numbers");
    }
    return { logits: [logits[0]!, logits[1]!], categories };
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

/** Harmful minus unharmful logit, in nats. */
export function marginOf(row: Row): number {
  return row.logits[1] - row.logits[0];
}
