import type { TSchema } from "@sinclair/typebox";

/** Whether a setting is a list of tables, which may hold secrets. */
export function isTables(schema: TSchema): boolean {
  return schema.type === "array" && schema.items?.type === "object";
}

/** A setting out of its text in the environment; what cannot be read stays text, for the schema to refuse. */
export function parseSetting(schema: TSchema, value: string): unknown {
  if (isTables(schema)) return JSON.parse(value);
  if (schema.type === "array")
    return value
      .split(",")
      .map((item) => item.trim())
      .filter(Boolean);
  if (schema.type === "integer" || schema.type === "number")
    return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  return value;
}
