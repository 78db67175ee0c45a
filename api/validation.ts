import type { ValidationError } from "elysia";
import { Fault, type FaultPlace } from "../fault.ts";

const maxTold = 20;

/** Whether Elysia says that a request or an answer is not as its schema describes. */
export function isValidation(code: unknown, error: unknown): error is ValidationError {
  return code === "VALIDATION" && error instanceof Error && "all" in error;
}

/** The fault of a request that is not as described, with every wrong place; an answer that is not is our own mistake. */
export function readValidation(error: ValidationError, request: Request): Fault {
  const type: string = error.type;
  if (type === "response")
    return new Fault("internal", "Something went wrong here: the answer is not as described", { cause: error });
  const places = error.all.slice(0, maxTold).map((item) => findCause(item));
  if (type === "body") {
    const errors: FaultPlace[] = places.map(({ path, message }) => ({ pointer: path, detail: message }));
    const where = errors.map(({ pointer }) => pointer).join(", ");
    return new Fault("invalid", `Cannot accept the body: ${where || "it"} is not as described`, { errors });
  }
  // A number is read after the rest was checked, and then Elysia does not say which parameter it was.
  const names = new Map([...new URL(request.url).searchParams].map(([name, value]) => [value, name]));
  const errors: FaultPlace[] = places.map(({ path, message, value }) => ({
    parameter: path.slice(1) || names.get(String(value)) || "",
    detail: message,
  }));
  if (type === "params") return new Fault("not-found", "There is nothing at this address", { errors });
  const where = errors.map(({ parameter }) => parameter).join(", ");
  return new Fault("malformed", `Cannot accept the request: ${where || "a parameter"} is unknown or not as described`, {
    errors,
  });
}

type Place = { path: string; message: string; value: unknown };

/** The place that is wrong; of something that may be one of several, in the one that fits best. */
function findCause(item: unknown): Place {
  const place = readPlace(item);
  if (typeof item !== "object" || item === null || !("errors" in item) || !Array.isArray(item.errors)) return place;
  const variants = item.errors.map((errors: Iterable<unknown>) => [...errors].map(findCause));
  const [best = []] = variants.filter((found) => found.length > 0).sort((one, other) => one.length - other.length);
  const [deeper] = best;
  return deeper && deeper.path.length > place.path.length ? deeper : place;
}

function readPlace(item: unknown): Place {
  const { path, message, value } = { path: "", message: "", value: undefined, ...(typeof item === "object" && item) };
  return { path: String(path), message: String(message) || "is not valid", value };
}
