import { endAccessTokens, insertAccessToken, type ListedToken, listAccessTokens } from "../../db/access-token.ts";
import { insertActivity } from "../../db/activity.ts";
import type { Db } from "../../db/query.ts";
import { insertRevocation, type Revocation } from "../../db/revocation.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { accessTokenPrefix } from "../access-tokens.ts";
import type { Api } from "../api.ts";
import { confirmCaller, requireFreshCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Token } from "./model.ts";

const mostTokens = 100;

type NewToken = { name: string; scopes: string[]; expiresInDays: number };

/**
 * Makes a personal access token. It is shown once: what is kept is its SHA-256, which is enough for 256 random bits.
 * 403 for a limited token, which could give more than it has, and when the password was given too long ago.
 */
export async function createToken(
  api: Api,
  { caller, name, scopes, expiresInDays }: NewToken & { caller: Caller },
): Promise<Token & { token: string }> {
  if (caller.sessionId === null || caller.scopes !== null)
    throw new Fault(
      "not-allowed",
      "Not allowed: a limited token cannot make tokens. Sign in with your password for this",
    );
  if (scopes.includes("admin") && !caller.roles.some((role) => role === "admin" || role === "ops"))
    throw new Fault("not-allowed", "Not allowed: the scope admin is for admins and operators");
  await requireFreshCaller(api, caller);
  const token = `${accessTokenPrefix}${makeSecret()}`;
  const { userId } = caller;
  const made = await api.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const row = await insertAccessToken(tx, {
      id: Bun.randomUUIDv7(),
      userId,
      name,
      tokenHash: hashToken(token),
      scopes,
      lifetimeDays: expiresInDays,
      most: mostTokens,
    });
    if (row) await insertActivity(tx, { userId, kind: "token-created", subject: name });
    return row;
  });
  if (!made) throw new Fault("conflict", `Cannot make a token: you have ${mostTokens}, delete one first`);
  return { ...describeToken(made), token };
}

export async function listTokens({ db }: Pick<Api, "db">, { userId }: Caller): Promise<Token[]> {
  return (await listAccessTokens(db, userId)).map(describeToken);
}

/** Ends a token everywhere. 404 when the caller has none of that id. */
export async function deleteToken(api: Api, { caller, id }: { caller: Caller; id: string }): Promise<void> {
  const { userId } = caller;
  const ended = await api.db.transaction(async (tx) => {
    const revocations = await endTokensIn(tx, { userId, only: id });
    for (const { name } of revocations) await insertActivity(tx, { userId, kind: "token-deleted", subject: name });
    return revocations;
  });
  if (ended.length === 0) throw new Fault("not-found", "There is no such token of yours");
  for (const revocation of ended) api.revocations.tell(revocation);
}

/** Ends one or all of somebody's tokens, in the transaction of the caller, who tells what it answers after the commit. */
export async function endTokensIn(
  tx: Db,
  { userId, only }: { userId: string; only?: string },
): Promise<(Revocation & { name: string })[]> {
  const ended = await endAccessTokens(tx, { userId, ...(only !== undefined && { only }) });
  const revocations = ended.map(({ id, name }) => ({ kind: "token" as const, subject: id, ver: null, name }));
  for (const revocation of revocations) await insertRevocation(tx, revocation);
  return revocations;
}

function describeToken({ id, name, scopes, createdAt, expiresAt, usedAt }: ListedToken): Token {
  return {
    id,
    name,
    scopes,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    usedAt: usedAt?.toISOString() ?? null,
  };
}
