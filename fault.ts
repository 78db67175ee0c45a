/**
 * Every failure that has a name: its HTTP status, its title, and whether the same call may succeed later.
 * Services throw `Fault`; `api/problem.ts` and `workers/run.ts` alone turn it into something else.
 */
const catalogue = {
  invalid: [422, "The request is not valid", false],
  malformed: [400, "The request cannot be read", false],
  "not-signed-in": [401, "Sign in first", false],
  "not-allowed": [403, "Not allowed", false],
  "not-found": [404, "Not found", false],
  conflict: [409, "Conflict with the current state", false],
  gone: [410, "Withdrawn", false],
  "changed-meanwhile": [412, "Changed meanwhile", false],
  "too-large": [413, "Too large", false],
  "precondition-required": [428, "If-Match is required", false],
  "too-many": [429, "Too many requests", true],
  "quota-exceeded": [403, "Quota exceeded", false],
  "key-reused": [422, "Idempotency-Key was used for another request", false],
  "not-implemented": [501, "Not possible on this server", false],
  unavailable: [503, "Try again later", true],
  "storage-full": [507, "Storage is full", true],
  internal: [500, "Something went wrong here", true],
} as const satisfies Record<string, readonly [status: number, title: string, retry: boolean]>;

export type FaultCode = keyof typeof catalogue;

/** One wrong place in a request: a JSON Pointer (RFC 6901) into the body, or the name of a parameter, and what to do. */
export type FaultPlace = { pointer?: string; parameter?: string; detail: string };

type FaultOptions = {
  /** Places in the request, told to the caller. */
  errors?: FaultPlace[];
  /** Members that the problem document carries besides (RFC 9457, 3.2). */
  extra?: Record<string, unknown>;
  /** The internal cause: logged, never told. */
  cause?: unknown;
  /** Seconds after which another try makes sense. */
  retryAfterSeconds?: number;
};

/** A failure with a name. `detail` is read by people: action, colon, state. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: FaultCode;
  readonly status: number;
  readonly title: string;
  readonly mayRetry: boolean;
  readonly errors: FaultPlace[];
  readonly extra: Record<string, unknown>;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: FaultCode, detail: string, options: FaultOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    const [status, title, retry] = catalogue[code];
    this.code = code;
    this.status = status;
    this.title = title;
    this.mayRetry = retry;
    this.errors = options.errors ?? [];
    this.extra = options.extra ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Whether an error carries one of these codes: a system error code such as ENOENT, or an SQLSTATE. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}
