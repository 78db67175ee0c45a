import { Type as t } from "@sinclair/typebox";
import { findAlbum } from "../../db/album.ts";
import { findShare, insertShare, listShares, noteShareUse, revokeShare, type ShareRow } from "../../db/share.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import type { Image } from "../images/model.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import { openingAllowance, sharePasswordAllowances } from "../sign-in-limits.ts";
import type { Caller } from "../tokens.ts";
import { sealGrant } from "./grants.ts";
import type { Album, MadeShare, NewShare, Share } from "./model.ts";
import { describeAlbum, listImages } from "./service.ts";

const Cursor = t.Tuple([CursorId]);
const mostShares = 100;

/** Makes a link to an album. Its token is in the answer and nowhere else: only the hash is kept. */
export async function makeShare(
  { db, passwords, publicUrl }: Pick<Api, "db" | "passwords" | "publicUrl">,
  { caller, albumId, expiresAt, password }: NewShare & { caller: Caller; albumId: string },
): Promise<typeof MadeShare.static> {
  const until = expiresAt === undefined ? null : new Date(expiresAt);
  if (until !== null && until.getTime() <= Date.now())
    throw new Fault("invalid", "Cannot make the link: it would have expired already", {
      errors: [{ pointer: "/expiresAt", detail: "is past" }],
    });
  const passwordHash = password === undefined ? null : await passwords.hash(password);
  const token = makeSecret();
  const id = Bun.randomUUIDv7();
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const share = { id, albumId, tokenHash: hashToken(token), passwordHash, expiresAt: until, most: mostShares };
    if ((await insertShare(tx, share)) === 0)
      throw new Fault(
        "conflict",
        `Cannot make the link: this album has ${mostShares}. Revoke those that are not needed`,
      );
  });
  return { id, token, url: `${publicUrl()}/share#${token}`, expiresAt: until?.toISOString() ?? null };
}

/** An album's links, newest first. */
export async function searchShares(
  { db }: Pick<Api, "db">,
  { albumId, limit = 50, cursor }: { albumId: string; limit?: number; cursor?: string },
): Promise<{ items: Share[]; nextCursor: string | null }> {
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listShares(db, { albumId, before, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeShare), nextCursor: last ? writeCursor([last.id]) : null };
}

/** Ends a link at once, also for those who have opened it. */
export async function endShare(
  { db }: Pick<Api, "db">,
  { caller, albumId, id }: { caller: Caller; albumId: string; id: string },
): Promise<void> {
  const gone = await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    return revokeShare(tx, { id, albumId });
  });
  if (gone === 0) throw new Fault("not-found", "There is no such link that is not revoked");
}

type Opening = {
  caller: Caller | null;
  token: string;
  password?: string;
  address: string;
  headers: Record<string, string | number>;
};
type Opened = { album: Album; images: Image[]; nextCursor: string | null; grant: string; grantExpiresAt: string };

/**
 * What a link shows, and a grant to look at it for an hour. 404 for every link that is not good, and for one whose password
 * is missing or wrong, which is told by `passwordNeeded`: whoever hears it has the token.
 */
export async function openShare(api: Api, { caller, token, password, address, headers }: Opening): Promise<Opened> {
  const { db, config, rateLimits, passwords, seal } = api;
  await rateLimits.take([openingAllowance(config, address)], headers);
  const share = await findShare(db, hashToken(token));
  if (!share) throw refusedShare();
  if (share.passwordHash !== null) {
    if (password === undefined) throw refusedShare({ passwordNeeded: true });
    await rateLimits.take(sharePasswordAllowances(config, { shareId: share.id, address }), headers);
    if (!(await passwords.verify(password, share.passwordHash)).right) throw refusedShare({ passwordNeeded: true });
  }
  const viewer = { ...toReader(caller), shareId: share.id };
  const row = (await noteShareUse(db, share.id)) > 0 && (await findAlbum(db, { id: share.albumId, viewer }));
  if (!row) throw refusedShare(); // revoked meanwhile
  const { items, nextCursor } = await listImages({ db }, { row, viewer });
  const { grant, expiresAt } = sealGrant(seal, share.id);
  return { album: describeAlbum(row), images: items, nextCursor, grant, grantExpiresAt: expiresAt.toISOString() };
}

function refusedShare(extra: { passwordNeeded?: true } = {}): Fault {
  return new Fault("not-found", "The link is wrong, expired or revoked, or its password is missing or wrong", {
    extra,
  });
}

function describeShare(row: ShareRow): Share {
  const time = (value: Date | null) => value?.toISOString() ?? null;
  return {
    id: row.id,
    password: row.hasPassword,
    uses: row.uses,
    createdAt: row.createdAt.toISOString(),
    expiresAt: time(row.expiresAt),
    revokedAt: time(row.revokedAt),
    usedAt: time(row.usedAt),
  };
}
