/** What this package reads of `manifest.json`; anything it does not know, it refuses. */
import type { CategoryLabel, OperatingPoint, Policy } from "./decision.js";
import { GuardError } from "./errors.js";
import type { Calibration } from "./probability.js";
import { TEXT_FORMAT } from "./tables.js";

export interface FileEntry {
  readonly sha256: string;
  readonly size_bytes: number;
}

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly windowTokens: number;
  readonly overlapTokens: number;
  readonly padId: number;
  readonly files: ReadonlyMap<string, FileEntry>;
  readonly policy: Policy;
  readonly selfTest: readonly (readonly [number, number])[];
  readonly languages: readonly string[];
  readonly labels: readonly CategoryLabel[];
}

export const MODEL = "model.onnx";
export const TOKENIZER = "tokenizer.json";
export const MANIFEST = "manifest.json";
export const MANIFEST_LIMIT_BYTES = 4 << 20;
const SCHEMA_VERSION = 1;
// A page has less memory than a server: a larger file is not meant for it.
const LARGEST_FILE_BYTES = 1 << 30;

const KEYS = new Set(
  (
    "schema_version name version text_format label_order window_tokens overlap_tokens pad_id files policy self_test " +
    "teacher licence run_config commit metrics probability_reference certificate languages categories"
  ).split(" "),
);
const POLICY_KEYS = new Set(
  "calibration operating_points default_operating_point on_teacher_failure fusion".split(" "),
);

type Json = { readonly [key: string]: unknown };

function unknown(what: string): GuardError {
  return new GuardError("manifest_unknown", `${MANIFEST}: ${what}`);
}

function invalid(what: string): GuardError {
  return new GuardError("artifact_invalid", `${MANIFEST}: ${what}`);
}

function object(value: unknown, where: string): Json {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(`${where} is not an object`);
  return value as Json;
}

function only(value: Json, keys: ReadonlySet<string>, where: string): void {
  const strange = Object.keys(value).some((key) => !keys.has(key));
  if (strange) throw unknown(`${where} has a field that this package does not know`);
}

function text(value: unknown, where: string, pattern = /./u): string {
  if (typeof value !== "string" || !pattern.test(value)) throw invalid(`${where} is not a fitting text`);
  return value;
}

function number(value: unknown, where: string, least = -Infinity, most = Infinity): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < least || value > most) {
    throw invalid(`${where} is not a fitting number`);
  }
  return value;
}

function whole(value: unknown, where: string, least: number, most: number): number {
  const found = number(value, where, least, most);
  if (!Number.isInteger(found)) throw invalid(`${where} is not a whole number`);
  return found;
}

function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`${where} is not a list`);
  return value;
}

/** Raises `manifest_unknown` for another format, and `artifact_invalid` for a broken one. */
export function parseManifest(content: Uint8Array): Manifest {
  let raw: Json;
  try {
    raw = object(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content)), "it");
  } catch (thrown) {
    throw thrown instanceof GuardError ? thrown : invalid("it is not JSON");
  }
  if (raw["schema_version"] !== SCHEMA_VERSION) throw unknown(`its schema version is not ${SCHEMA_VERSION}`);
  only(raw, KEYS, "it");
  if (raw["text_format"] !== TEXT_FORMAT) throw unknown(`its text format is not ${TEXT_FORMAT}`);
  if (JSON.stringify(raw["label_order"]) !== '["unharmful","harmful"]') throw unknown("its label order is another");
  return {
    name: text(raw["name"], "name", /^[a-z0-9][a-z0-9._-]*$/),
    version: text(raw["version"], "version", /^[0-9][A-Za-z0-9._+-]*$/),
    windowTokens: whole(raw["window_tokens"], "window_tokens", 1, 1 << 16),
    overlapTokens: whole(raw["overlap_tokens"], "overlap_tokens", 0, 1 << 16),
    padId: whole(raw["pad_id"], "pad_id", 0, 2 ** 31),
    files: filesOf(object(raw["files"], "files")),
    policy: policyOf(object(raw["policy"], "policy")),
    selfTest: list(raw["self_test"] ?? [], "self_test").map((row) => {
      const [a, b] = list(row, "self_test");
      return [number(a, "self_test"), number(b, "self_test")] as const;
    }),
    languages: list(raw["languages"] ?? ["en"], "languages").map((one) => text(one, "languages", /^[a-z]{2,3}$/)),
    labels: labelsOf(raw["categories"] ?? null),
  };
}

function filesOf(raw: Json): Map<string, FileEntry> {
  const files = new Map<string, FileEntry>();
  for (const [name, value] of Object.entries(raw)) {
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name)) throw invalid("files holds a name that is not plain");
    const entry = object(value, `files.${name}`);
    files.set(name, {
      sha256: text(entry["sha256"], `files.${name}.sha256`, /^[0-9a-f]{64}$/),
      size_bytes: whole(entry["size_bytes"], `files.${name}.size_bytes`, 0, LARGEST_FILE_BYTES),
    });
  }
  for (const name of [MODEL, TOKENIZER]) if (!files.has(name)) throw invalid(`files does not list ${name}`);
  return files;
}

function policyOf(raw: Json): Policy {
  only(raw, POLICY_KEYS, "policy");
  const points = object(raw["operating_points"], "operating_points");
  const calibration = object(raw["calibration"], "calibration");
  const name = text(raw["default_operating_point"], "default_operating_point");
  if (!Object.hasOwn(points, name)) throw invalid("the default operating point is missing");
  return {
    calibration: bySlice(calibration, "calibration", calibrationOf),
    operating_points: Object.fromEntries(
      Object.entries(points).map(([key, value]) => [key, bySlice(object(value, key), key, pointIn)]),
    ),
    default_operating_point: name,
  };
}

function bySlice<T>(raw: Json, where: string, read: (value: Json, where: string) => T): { prompt: T; pair: T } {
  only(raw, new Set(["prompt", "pair"]), where);
  return {
    prompt: read(object(raw["prompt"], where), where),
    pair: read(object(raw["pair"], where), where),
  };
}

const CALIBRATION_KEYS = new Set(["temperature", "bias", "temperature_unharmful"]);

function calibrationOf(raw: Json, where: string): Calibration {
  only(raw, CALIBRATION_KEYS, where);
  const positive = (value: unknown): number => number(value, where, Number.MIN_VALUE);
  const unharmful = raw["temperature_unharmful"] ?? null;
  return {
    temperature: positive(raw["temperature"]),
    bias: number(raw["bias"] ?? 0, where),
    temperature_unharmful: unharmful === null ? null : positive(unharmful),
  };
}

const POINT_KEYS = new Set(["threshold", "deferral_band"]);

function pointIn(raw: Json, where: string): OperatingPoint {
  only(raw, POINT_KEYS, where);
  const threshold = number(raw["threshold"], where, 0, 1);
  const [low, high] = list(raw["deferral_band"], where).map((edge) => number(edge, where, 0, 1));
  if (low === undefined || high === undefined || low > threshold || threshold > high) {
    throw invalid(`${where}: deferral_band must contain threshold`);
  }
  return { threshold, deferral_band: [low, high] };
}

const HEAD_KEYS = new Set(["labels"]);
const LABEL_KEYS = new Set(["name", "covers", "scale", "bias", "threshold"]);

function labelsOf(raw: unknown): CategoryLabel[] {
  if (raw === null) return [];
  const head = object(raw, "categories");
  only(head, HEAD_KEYS, "categories");
  return list(head["labels"], "categories").map((value) => {
    const label = object(value, "categories");
    only(label, LABEL_KEYS, "categories");
    return {
      name: text(label["name"], "categories"),
      scale: number(label["scale"], "categories", Number.MIN_VALUE),
      bias: number(label["bias"], "categories"),
      threshold: number(label["threshold"], "categories", 0, 1),
    };
  });
}
