import { Fault } from "../../fault.ts";
import { readText } from "../limits.ts";
import { refuse } from "./refusal.ts";

const maxFormBytes = 16_384;

/** Parameters of a form, each there once and not empty. */
export type Form = ReadonlyMap<string, string>;

/**
 * Reads `application/x-www-form-urlencoded`. A parameter without a value counts as left out, one that is given twice is
 * refused, unknown ones are passed over (RFC 6749, 3.2). At most 16 KiB.
 */
export async function readForm(request: Request): Promise<Form> {
  const [type = ""] = (request.headers.get("content-type") ?? "").split(";");
  if (type.trim().toLowerCase() !== "application/x-www-form-urlencoded")
    throw refuse("invalid_request", "Cannot read the request: send it as application/x-www-form-urlencoded");
  const text = await readText(request, maxFormBytes).catch((cause: unknown) => {
    if (cause instanceof Fault && cause.status < 500) throw refuse("invalid_request", cause.message);
    throw cause;
  });
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (form.has(name)) throw refuse("invalid_request", "Cannot read the request: a parameter is given twice");
    if (value !== "") form.set(name, value);
  }
  return form;
}

/** A parameter that has to be there. */
export function need(form: Form, name: string): string {
  const value = form.get(name);
  if (value === undefined) throw refuse("invalid_request", `Cannot read the request: ${name} is missing`);
  return value;
}
