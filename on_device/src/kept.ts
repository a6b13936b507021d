/** Files of an artifact, and the identifier of languages, in the browser's Cache Storage, by their hash, for use without a network. */
import { GuardError } from "./errors.js";
import { MANIFEST, type FileEntry } from "./manifest.js";

const CACHE = "postern-guard";

export class Kept {
  private constructor(
    private readonly cache: Cache,
    private readonly base: URL,
  ) {}

  /** Raises `runtime_unsupported` where there is no such storage, as in Node. */
  static async open(base: URL): Promise<Kept> {
    if (globalThis.caches === undefined) {
      throw new GuardError("runtime_unsupported", "nothing can be kept here: Cache Storage is missing");
    }
    try {
      return new Kept(await caches.open(CACHE), base);
    } catch (thrown) {
      throw storageError(thrown);
    }
  }

  async manifest(): Promise<Uint8Array | undefined> {
    return this.#get(this.#manifestKey());
  }

  async file(entry: FileEntry): Promise<Uint8Array | undefined> {
    return this.#get(this.#key(entry));
  }

  /** Raises `storage_full`. */
  async putFile(entry: FileEntry, content: Uint8Array): Promise<void> {
    await this.#put(this.#key(entry), content);
  }

  /** Makes what was put the kept artifact; files: all that it needs. Removes those of an older one. */
  async putManifest(content: Uint8Array, files: readonly FileEntry[]): Promise<void> {
    await this.#put(this.#manifestKey(), content);
    const wanted = new Set(files.map((entry) => this.#key(entry)));
    wanted.add(this.#manifestKey());
    for (const request of await this.cache.keys()) {
      if (request.url.startsWith(this.base.href) && !wanted.has(request.url)) await this.cache.delete(request);
    }
  }

  #manifestKey(): string {
    return new URL(`${MANIFEST}?kept`, this.base).href;
  }

  #key(entry: FileEntry): string {
    return new URL(`kept-${entry.sha256}`, this.base).href;
  }

  async #get(key: string): Promise<Uint8Array | undefined> {
    const found = await this.cache.match(key);
    return found === undefined ? undefined : new Uint8Array(await found.arrayBuffer());
  }

  async #put(key: string, content: Uint8Array): Promise<void> {
    try {
      await this.cache.put(key, new Response(content as Uint8Array<ArrayBuffer>));
    } catch (thrown) {
      throw storageError(thrown);
    }
  }
}

function storageError(thrown: unknown): GuardError {
  const kind = thrown instanceof Error ? thrown.name : "";
  return new GuardError("storage_full", `the browser does not keep the artifact (${kind || "no reason given"})`);
}
