import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { t } from "elysia";
import { Fault } from "../fault.ts";

/** `limit` and `cursor` of a list. */
export const PageQuery = {
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 100, default: 50 })),
  cursor: t.Optional(t.String({ maxLength: 3000 })),
};

/** An id in a cursor. */
export const CursorId = t.String({ pattern: "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" });

/** A cursor is opaque to callers: base64url JSON of where the page before ended. */
export function writeCursor(values: (string | number)[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

/** What a cursor of ours holds, as its schema says; 400 for any other. */
export function readCursor<Schema extends TSchema>(
  cursor: string | undefined,
  schema: Schema,
): Static<Schema> | undefined {
  if (cursor === undefined) return undefined;
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Value.Check(schema, values)) return values;
  } catch {
    // told below, like any other cursor that is not ours
  }
  throw new Fault("malformed", "Cannot read the cursor: take it from nextCursor of the page before", {
    errors: [{ parameter: "cursor", detail: "is not from here" }],
  });
}

/** `Link: <…>; rel="next"` (RFC 8288) for the page after this one. */
export function linkNext(request: Request, nextCursor: string | null): Record<string, string> {
  if (nextCursor === null) return {};
  const url = new URL(request.url);
  url.searchParams.set("cursor", nextCursor);
  return { link: `<${url.pathname}${url.search}>; rel="next"` };
}
