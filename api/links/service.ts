import { Type as t } from "@sinclair/typebox";
import { insertLink, type LinkRow, listLinks, revokeLink } from "../../db/link.ts";
import { lockPack } from "../../db/pack.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { getPackAs } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Link, Links, MadeLink, NewLink } from "./model.ts";

const Cursor = t.Tuple([CursorId]);
const mostLinks = 100;

type Asked = { caller: Caller; slug: string };

/**
 * Makes a share link. Its token is in the answer and nowhere else: only the hash is kept. For maintainers, since whoever has
 * the link reads the pack: publishers do not say who may.
 */
export async function makeLink(
  { db, publicUrl }: Pick<Api, "db" | "publicUrl">,
  { caller, slug, name = "", channel, expiresAt }: NewLink & Asked,
): Promise<MadeLink> {
  const pack = await getPackAs({ db }, { slug, caller, role: "maintainer" });
  const until = expiresAt === undefined ? null : new Date(expiresAt);
  if (until !== null && until.getTime() <= Date.now())
    throw new Fault("invalid", "Cannot make the link: it would have expired already", {
      errors: [{ pointer: "/expiresAt", detail: "is past" }],
    });
  const token = makeSecret();
  const link = { id: Bun.randomUUIDv7(), packId: pack.id, tokenHash: hashToken(token), name, expiresAt: until };
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    // One at a time, so that they are counted.
    await lockPack(tx, pack.id);
    const made = { ...link, channel: channel ?? null, createdBy: caller.userId, most: mostLinks };
    if ((await insertLink(tx, made)) === 0)
      throw new Fault("conflict", `Cannot make the link: "${slug}" has ${mostLinks}. Revoke those that are not needed`);
  });
  return { id: link.id, token, url: `${publicUrl()}/p/t/${token}/${slug}` };
}

/** A pack's links, newest first, ended ones too. */
export async function searchLinks(
  { db }: Pick<Api, "db">,
  { caller, slug, limit = 50, cursor }: Asked & { limit?: number; cursor?: string },
): Promise<typeof Links.static> {
  const pack = await getPackAs({ db }, { slug, caller, role: "maintainer" });
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listLinks(db, { packId: pack.id, before, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeLink), nextCursor: last ? writeCursor([last.id]) : null };
}

/** Ends a link and every address beneath it, within a second everywhere. */
export async function endLink(
  { db, bus }: Pick<Api, "db" | "bus">,
  { caller, slug, id }: Asked & { id: string },
): Promise<void> {
  const pack = await getPackAs({ db }, { slug, caller, role: "maintainer" });
  const ended = await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    return revokeLink(tx, { id, packId: pack.id });
  });
  if (ended === 0) throw new Fault("not-found", "There is no such link that is not revoked");
  bus.publish("link.ended", id, { now: true });
}

function describeLink({ createdAt, expiresAt, revokedAt, usedAt, ...row }: LinkRow): Link {
  const time = (value: Date | null) => value?.toISOString() ?? null;
  return {
    ...row,
    createdAt: createdAt.toISOString(),
    expiresAt: time(expiresAt),
    revokedAt: time(revokedAt),
    usedAt: time(usedAt),
  };
}
