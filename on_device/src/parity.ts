/**
 * How far this engine's margins lie from those of the server, measured over the test sets.
 *
 * By hash of `model.onnx`, so that a recalibrated artifact keeps it. `docs/research/on-device.md`
 * says how each was measured. An engine or a model that is not here was not measured: it is never
 * sure.
 */
export type Engine = "chromium" | "firefox" | "node" | "other";

export const DELTAS: { readonly [model: string]: { readonly [engine in Engine]?: number } } = {
  // postern-minilm 2.0.0
  "3fd3afbdbab2e3c493595e55444fd55c8275687dce1b8a068984d92bdba38ef5": { chromium: 0.424, firefox: 0.424, node: 0.424 },
  // postern-minilm 1.6.0
  "8df2e2f5b86c2bbb9eb18c8b8698472ff3a1348324cfa1c00a88af7450371556": { chromium: 0.327, firefox: 0.327, node: 0.327 },
};

export function engine(): Engine {
  if (typeof process !== "undefined" && process.versions?.node !== undefined) return "node";
  const agent = globalThis.navigator?.userAgent ?? "";
  if (/Firefox\/\d/.test(agent)) return "firefox";
  return /Chrom(?:e|ium)\/\d/.test(agent) ? "chromium" : "other";
}

/** The largest difference of margin that was measured, in nats; null if it was not. */
export function deltaOf(model: string): number | null {
  return DELTAS[model]?.[engine()] ?? null;
}
