/** What a page and its worker say to each other. */
import type { ErrorCode } from "./errors.js";
import type { ClassifyOptions } from "./judge.js";
import type { Exchange } from "./text.js";

export type Asked =
  | { readonly id: number; readonly what: "load"; readonly base: string; readonly offline: boolean; readonly lock: string }
  | { readonly id: number; readonly what: "classify"; readonly exchange: Exchange; readonly options: ClassifyOptions };

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } }
  | { readonly id: number; readonly progress: readonly [number, number] }
  | { readonly id: 0; readonly locked: true };
