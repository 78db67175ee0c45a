import { Fault, type FaultCode, type FaultPlace } from "../fault.ts";

const statuses = {
  invalid: 422,
  malformed: 400,
  "not-signed-in": 401,
  "not-allowed": 403,
  "not-found": 404,
  conflict: 409,
  gone: 410,
  "changed-meanwhile": 412,
  "too-large": 413,
  "precondition-required": 428,
  "too-many": 429,
  "quota-exceeded": 403,
  "key-reused": 422,
  "not-implemented": 501,
  unavailable: 503,
  "storage-full": 507,
  internal: 500,
} as const satisfies Record<FaultCode, number>;

function isFaultCode(code: unknown): code is FaultCode {
  return typeof code === "string" && Object.hasOwn(statuses, code);
}

function codeForStatus(status: number): FaultCode {
  if (status === 502 || status === 504) return "unavailable";
  for (const [code, known] of Object.entries(statuses)) if (known === status && isFaultCode(code)) return code;
  return status >= 400 && status < 500 ? "invalid" : "internal";
}

/** The failure that an answer tells (RFC 9457 problem document, else its status). `where` is the call, for people. */
export function faultFromAnswer(
  status: number,
  body: unknown,
  options: { where: string; retryAfterSeconds?: number | undefined },
): Fault {
  const problem = isObject(body) ? body : {};
  const code = isFaultCode(problem.code) ? problem.code : codeForStatus(status);
  const told = problem.detail ?? problem.title;
  const detail = typeof told === "string" && told !== "" ? told : `${options.where}: the server answered ${status}`;
  return new Fault(code, detail, {
    errors: Array.isArray(problem.errors) ? problem.errors.flatMap(readPlace) : [],
    extra: { ...problem, status },
    ...(options.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: options.retryAfterSeconds }),
  });
}

/** The exit code of a failure: 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 try later, 1 anything else. */
export function exitCodeOf(fault: Fault): number {
  if (fault.extra.usage !== undefined) return 2;
  switch (fault.status) {
    case 404:
    case 410:
      return 3;
    case 401:
    case 403:
      return 4;
    case 409:
    case 412:
      return 5;
    case 429:
    case 503:
      return 6;
    default:
      return 1;
  }
}

function readPlace(place: unknown): FaultPlace[] {
  if (!isObject(place) || typeof place.detail !== "string") return [];
  return [
    {
      detail: place.detail,
      ...(typeof place.pointer === "string" ? { pointer: place.pointer } : {}),
      ...(typeof place.parameter === "string" ? { parameter: place.parameter } : {}),
    },
  ];
}

/** Whether a value of unknown origin is an object with members to read. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
