import { t } from "elysia";
import { Fault } from "../fault.ts";

/** `limit` and `cursor` of a list. */
export const PageQuery = {
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 100, default: 50 })),
  cursor: t.Optional(t.String({ maxLength: 500 })),
};

/** A cursor is opaque to callers: base64url JSON of where the page before ended. */
export function writeCursor(values: (string | number)[]): string {
  return Buffer.from(JSON.stringify(values)).toString("base64url");
}

export function readCursor(cursor: string | undefined): (string | number)[] | undefined {
  if (cursor === undefined) return undefined;
  try {
    const values: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(values) && values.every((value) => typeof value === "string" || typeof value === "number"))
      return values;
  } catch {
    // told below, like any other cursor that is not ours
  }
  throw new Fault("malformed", "Cannot read the cursor: take it from nextCursor of the page before");
}

/** `Link: <…>; rel="next"` (RFC 8288) for the page after this one. */
export function linkNext(request: Request, nextCursor: string | null): Record<string, string> {
  if (nextCursor === null) return {};
  const url = new URL(request.url);
  url.searchParams.set("cursor", nextCursor);
  return { link: `<${url.pathname}${url.search}>; rel="next"` };
}
