export { Guard, type ExchangeIn, type LoadOptions } from "./guard.js";
export { GuardError, type ErrorCode } from "./errors.js";
export type { ClassifyOptions, Model, SpanOut, Verdict, WorstWindow } from "./judge.js";
export type { Category } from "./decision.js";
export { DELTAS, type Engine } from "./parity.js";
