/** Where files come from: a URL, or in Node a folder. */
import { GuardError } from "./errors.js";

export const IN_NODE = typeof process !== "undefined" && process.versions?.node !== undefined;

/**
 * Reads a file: more than `limit` bytes mean that it is too long. sha256: what it should have, so
 * that a server can let caches keep it for ever.
 */
export type Read = (name: string, limit: number, sha256?: string) => Promise<Uint8Array>;

/** The address of an artifact, ending in a slash. Raises `bad_request`. */
export async function baseOf(source: string | URL): Promise<URL> {
  try {
    const text = String(source);
    const slashed = text.endsWith("/") ? text : `${text}/`;
    if (/^[a-z][a-z0-9+.-]+:/i.test(slashed)) return new URL(slashed);
    if (IN_NODE) {
      const { pathToFileURL } = await import(/* only in Node */ "node:url");
      return pathToFileURL(slashed);
    }
    return new URL(slashed, globalThis.document?.baseURI ?? globalThis.location.href);
  } catch {
    throw new GuardError("bad_request", "the artifact's address is no URL");
  }
}

export function readerOf(base: URL): Read {
  return base.protocol === "file:" && IN_NODE ? (name, limit) => fromDisk(base, name, limit) : (name, limit, sha256) => fromNetwork(base, name, limit, sha256);
}

async function fromDisk(base: URL, name: string, limit: number): Promise<Uint8Array> {
  const { open } = await import("node:fs/promises");
  try {
    const file = await open(new URL(name, base));
    try {
      const { size } = await file.stat();
      const buffer = new Uint8Array(Math.min(size, limit + 1));
      let at = 0;
      while (at < buffer.length) {
        const { bytesRead } = await file.read(buffer, at, buffer.length - at, at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return buffer.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch {
    throw new GuardError("artifact_unreachable", `${name} cannot be read`);
  }
}

async function fromNetwork(base: URL, name: string, limit: number, sha256?: string): Promise<Uint8Array> {
  const url = new URL(name, base);
  if (sha256 !== undefined) url.searchParams.set("sha256", sha256);
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin" });
  } catch {
    throw new GuardError("artifact_unreachable", `${name} cannot be fetched`);
  }
  if (!response.ok || response.body === null) {
    throw new GuardError("artifact_unreachable", `${name}: the server answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
      if (size > limit) {
        await reader.cancel();
        break;
      }
    }
  } catch {
    throw new GuardError("artifact_unreachable", `${name}: the connection broke`);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
