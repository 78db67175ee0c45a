import type { TSchema } from "@sinclair/typebox";

/** OpenAPI responses of a route that answers with a ready `Response`, which Elysia does not check. */
export function describe(responses: Record<number, TSchema>) {
  return Object.fromEntries(
    Object.entries(responses).map(([status, schema]) => [
      status,
      { description: "", content: { "application/json": { schema: JSON.parse(JSON.stringify(schema)) } } },
    ]),
  );
}
