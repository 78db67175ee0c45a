import { insertActivity } from "../../db/activity.ts";
import {
  deleteSolderKeys,
  insertSolderKey,
  listSolderKeys,
  type SolderKeyOwner,
  type SolderKeyRow,
  useSolderKey,
} from "../../db/solder-key.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { SolderKey } from "./model.ts";

const mostKeys = 20;
const form = /^[A-Za-z0-9_-]{43}$/;

type Keys = Pick<Api, "db">;

/**
 * Makes a key, which is shown once: only its hash is kept. 403 for a limited token, which could give more than it has.
 */
export async function createSolderKey(
  { db }: Keys,
  { caller, name }: { caller: Caller; name: string },
): Promise<SolderKey & { key: string }> {
  if (caller.sessionId === null || caller.scopes !== null)
    throw new Fault(
      "not-allowed",
      "Not allowed: a limited token cannot make keys. Sign in with your password for this",
    );
  const key = makeSecret();
  const made = await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const { userId } = caller;
    const row = await insertSolderKey(tx, {
      id: Bun.randomUUIDv7(),
      userId,
      name,
      keyHash: hashToken(key),
      most: mostKeys,
    });
    if (row) await insertActivity(tx, { userId, kind: "solder-key-created", subject: name });
    return row;
  });
  if (!made) throw new Fault("conflict", `Cannot make a key: you have ${mostKeys}, delete one first`);
  return { ...describeKey(made), key };
}

export async function showSolderKeys({ db }: Keys, { userId }: Caller): Promise<SolderKey[]> {
  return (await listSolderKeys(db, userId)).map(describeKey);
}

/** Ends a key at once. 404 when the caller has none of that id. */
export async function endSolderKey({ db }: Keys, { caller, id }: { caller: Caller; id: string }): Promise<void> {
  const { userId } = caller;
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const [gone] = await deleteSolderKeys(tx, { userId, only: id });
    if (!gone) throw new Fault("not-found", "There is no such key of yours");
    await insertActivity(tx, { userId, kind: "solder-key-deleted", subject: gone.name });
  });
}

/** Whose key it is, asked of the database each time; undefined when it is none. */
export async function findKey({ db }: Keys, key: string): Promise<SolderKeyOwner | undefined> {
  return form.test(key) ? useSolderKey(db, hashToken(key)) : undefined;
}

/**
 * The owner of a key as a caller who may read packs. A key stands in addresses, so it never makes an admin: it shows what its
 * owner sees as one among others.
 */
export async function findKeyOwner(keys: Keys, key: string | null): Promise<Caller | undefined> {
  const owner = key === null ? undefined : await findKey(keys, key);
  if (!owner) return undefined;
  const { userId, login, ver } = owner;
  const roles = owner.roles.filter((role) => role !== "admin" && role !== "ops");
  return { userId, login, roles, ver, sessionId: null, tokenId: null, scopes: ["packs:read"] };
}

function describeKey({ id, name, createdAt, usedAt }: SolderKeyRow): SolderKey {
  return { id, name, createdAt: createdAt.toISOString(), usedAt: usedAt?.toISOString() ?? null };
}
