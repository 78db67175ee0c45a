import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../../fault.ts";
import type { Seal } from "../../seal.ts";
import { CursorId } from "../pages.ts";

/** What whoever has opened a share link shows afterwards, in the header `Share`: it names the link and ends by itself. */
export type Grant = { grant: string; expiresAt: Date };

const lifetimeMs = 3_600_000;
const purpose = "share grant";
const Sealed = t.Tuple([CursorId, t.Integer()]);

/** A grant for an hour. Whether its link is still good is asked of the database at every use. */
export function sealGrant(seal: Seal, shareId: string): Grant {
  const expiresAt = new Date(Date.now() + lifetimeMs);
  return { grant: seal.close(JSON.stringify([shareId, expiresAt.getTime()]), purpose), expiresAt };
}

/** The share link that the request's `Share` header was given for; null without one. 401 for a header that is not good. */
export function readGrant(seal: Seal, request: Request): string | null {
  const header = request.headers.get("share");
  if (header === null) return null;
  const [shareId, untilMs] = openSealed(seal, header) ?? [];
  if (shareId === undefined || untilMs === undefined || untilMs <= Date.now())
    throw new Fault(
      "not-signed-in",
      "Cannot accept the Share header: it is expired, or not from here. Open the link again",
      {
        extra: { reason: "share" },
      },
    );
  return shareId;
}

function openSealed(seal: Seal, text: string): typeof Sealed.static | undefined {
  try {
    const values: unknown = JSON.parse(seal.open(text, purpose));
    return Value.Check(Sealed, values) ? values : undefined;
  } catch {
    return undefined;
  }
}
