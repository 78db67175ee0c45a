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

/**
 * Writes public addresses as browsers, games and the headers of HTTP do: hosts in lower case and ASCII (RFC 5890, 2.3.2.1),
 * without the port of the protocol.
 */
export function writeOrigins<Given extends { PUBLIC_URL?: string; PUBLIC_URL_ALIASES: string[] }>(given: Given): Given {
  const { PUBLIC_URL, PUBLIC_URL_ALIASES } = given;
  return {
    ...given,
    ...(PUBLIC_URL !== undefined && { PUBLIC_URL: new URL(PUBLIC_URL).origin }),
    PUBLIC_URL_ALIASES: PUBLIC_URL_ALIASES.map((url) => new URL(url).origin),
  };
}
