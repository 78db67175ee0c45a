import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { parse } from "smol-toml";
import { sourceFault } from "./source.ts";

/** Reads TOML 1.0 text as a value of this shape. `where` is the file's name. Throws Fault naming the wrong line or key. */
export function parseToml<Schema extends TSchema>(
  text: string,
  { schema, where }: { schema: Schema; where: string },
): Static<Schema> {
  const value = parseText(text, where);
  if (Value.Check(schema, value)) return value;
  const [first] = Value.Errors(schema, value);
  const key = first?.path.slice(1).replaceAll("/", ".") || "the file";
  throw sourceFault(where, `${key} is ${first?.value === undefined ? "missing" : "not as it should be"}`);
}

function parseText(text: string, where: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    const [first] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    const line = cause instanceof Error && "line" in cause ? ` (line ${cause.line})` : "";
    throw sourceFault(where, `${first}${line}`, { cause });
  }
}
