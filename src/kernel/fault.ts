/** Everything that only an operator can mend. What a caller must handle is a returned outcome, not one of these. */
export type FaultCode =
  | "CONFIG_INVALID"
  | "DB_UNAVAILABLE"
  | "DB_REFUSED"
  | "DB_NEWER"
  | "DB_START_FAILED"
  | "DATABASE_UNKNOWN"
  | "KEYHOLDER_UNAVAILABLE"
  | "KEYHOLDER_REFUSED"
  | "SEALED_UNREADABLE"
  | "MAIL_UNAVAILABLE"
  | "WEBHOOK_UNAVAILABLE"
  | "BUSY"
  | "MEDIA_UNREADABLE"
  | "MEDIA_TOOL_MISSING"
  | "DISK_FULL"
  | "IMPOSSIBLE";

/**
 * Something is broken, as opposed to a request we decline. `code` is stable; `message` is for operators and carries
 * no secret and no personal data. What leaves the process is decided in `http/problem.ts`.
 */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** More work waits than can be served soon. Nothing is broken: whoever came is told when to come again. */
export class Crowded extends Fault {
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number) {
    super("BUSY", message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** For the branch that the types say cannot be reached. */
export function impossible(what: string): never {
  throw new Fault("IMPOSSIBLE", what);
}

/** The text of anything thrown, for a log line. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
