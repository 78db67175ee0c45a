import { Value } from "@sinclair/typebox/value";
import { Fault } from "../../fault.ts";
import { readText } from "../limits.ts";
import { CodeForm } from "./model.ts";

const maxBytes = 4_096;

/** The ticket and the code that somebody sends, from our page (a form) or as JSON. Throws 422 for anything else. */
export async function readCode(request: Request): Promise<CodeForm> {
  const text = await readText(request, maxBytes);
  const isForm = (request.headers.get("content-type") ?? "").startsWith("application/x-www-form-urlencoded");
  const given: unknown = isForm ? Object.fromEntries(new URLSearchParams(text)) : readJson(text);
  if (Value.Check(CodeForm, given)) return given;
  throw new Fault("invalid", "Cannot accept the code: send ticket and code", {
    errors: [{ pointer: "", detail: "is not {ticket, code}, or the code is too short" }],
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("malformed", "Cannot read the body: it is neither a form nor JSON", { cause });
  }
}
