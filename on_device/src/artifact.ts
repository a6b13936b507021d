/** Reads and verifies an artifact. The bytes that were hashed are the bytes that are loaded. */
import { GuardError } from "./errors.js";
import { MANIFEST, MANIFEST_LIMIT_BYTES, MODEL, parseManifest, TOKENIZER, type FileEntry, type Manifest } from "./manifest.js";
import { Kept } from "./kept.js";
import { readerOf, type Read } from "./places.js";
import { LANGUAGES_FILE } from "./tables.js";

// It belongs to this package and not to an artifact: the server has one for all of its students.
const LANGUAGES = "languages.bin";
const PACKAGE = new URL("./", import.meta.url);

export interface Artifact {
  readonly manifest: Manifest;
  /** SHA-256 of `manifest.json`, by which a server names the artifact. */
  readonly sha256: string;
  readonly model: Uint8Array;
  readonly tokenizer: Uint8Array;
  /** The identifier of languages, packed. */
  readonly languages: Uint8Array;
}

/** Bytes that were read so far, and of all files. */
export type OnProgress = (read: number, total: number) => void;

export async function sha256(content: Uint8Array): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new GuardError("runtime_unsupported", "hashes need a secure context: HTTPS, or localhost");
  }
  const digest = await crypto.subtle.digest("SHA-256", content as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The artifact, and the identifier of languages that comes with this package.
 *
 * Raises `artifact_unreachable`, `artifact_invalid`, `manifest_unknown`, `storage_full`.
 *
 * offline: keep the files in the browser, and use them where the network is away.
 */
export async function readArtifact(base: URL, offline: boolean, onProgress: OnProgress): Promise<Artifact> {
  const kept = offline ? await Kept.open(base) : null;
  const read = readerOf(base);
  const [content, fresh] = await manifestOf(read, kept);
  const manifest = parseManifest(content);
  const total = [...manifest.files.values()].reduce((sum, entry) => sum + entry.size_bytes, LANGUAGES_FILE.size_bytes);
  const files = new Map<string, Uint8Array>();
  const languages = await verified(LANGUAGES, LANGUAGES_FILE, readerOf(PACKAGE), kept);
  let done = LANGUAGES_FILE.size_bytes;
  onProgress(done, total);
  for (const [name, entry] of manifest.files) {
    files.set(name, await verified(name, entry, read, kept));
    done += entry.size_bytes;
    onProgress(done, total);
  }
  // Only now: what is kept is whole.
  if (kept !== null && fresh) await kept.putManifest(content, [...manifest.files.values(), LANGUAGES_FILE]);
  const [model, tokenizer] = [files.get(MODEL)!, files.get(TOKENIZER)!];
  return { manifest, sha256: await sha256(content), model, tokenizer, languages };
}

/** The manifest, and whether it came from its place rather than from what is kept. */
async function manifestOf(read: Read, kept: Kept | null): Promise<[Uint8Array, boolean]> {
  try {
    const content = await read(MANIFEST, MANIFEST_LIMIT_BYTES);
    if (content.length > MANIFEST_LIMIT_BYTES) throw new GuardError("artifact_invalid", `${MANIFEST} is too long`);
    return [content, true];
  } catch (thrown) {
    const away = thrown instanceof GuardError && thrown.code === "artifact_unreachable";
    const old = away ? await kept?.manifest() : undefined;
    if (old === undefined) throw thrown;
    return [old, false];
  }
}

async function verified(name: string, entry: FileEntry, read: Read, kept: Kept | null): Promise<Uint8Array> {
  const before = await kept?.file(entry);
  if (before !== undefined && (await matches(before, entry))) return before;
  const content = await read(name, entry.size_bytes, entry.sha256);
  if (!(await matches(content, entry))) {
    throw new GuardError("artifact_invalid", `${name} does not have the hash that it must have`);
  }
  await kept?.putFile(entry, content);
  return content;
}

async function matches(content: Uint8Array, entry: FileEntry): Promise<boolean> {
  return content.length === entry.size_bytes && (await sha256(content)) === entry.sha256;
}
