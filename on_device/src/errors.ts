/** Why there is no verdict. A failure never looks like one. */
export type ErrorCode =
  | "artifact_unreachable"
  | "artifact_invalid"
  | "manifest_unknown"
  | "self_test_failed"
  | "runtime_unsupported"
  | "storage_full"
  | "bad_request"
  | "text_not_unicode"
  | "empty_prompt"
  | "text_too_long"
  | "unknown_operating_point"
  | "inference_failed"
  | "worker_lost"
  | "guard_closed";

/** The one class of errors of this package. Messages never hold text of a user. */
export class GuardError extends Error {
  override readonly name = "GuardError";

  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** The same error for every value that was thrown; errors of others become `fallback`. */
export function asGuardError(thrown: unknown, fallback: ErrorCode, what: string): GuardError {
  if (thrown instanceof GuardError) return thrown;
  const kind = thrown instanceof Error ? thrown.name : typeof thrown;
  return new GuardError(fallback, `${what} (${kind})`);
}
