import { lockAccessToken } from "../../db/access-token.ts";
import { findUser } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { denyDeviceGrants } from "../../db/device-grant.ts";
import type { Db } from "../../db/query.ts";
import { insertRevocation, type Revocation } from "../../db/revocation.ts";
import {
  type Advanced,
  advanceSession,
  endSessions,
  findSession,
  insertSession,
  isRecentlyAdvanced,
  lockSession,
  type SessionKind,
} from "../../db/session.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { scopesOf } from "../oauth/clients.ts";
import type { Revocations } from "../revocations.ts";
import { accessLifetimeSeconds, type Caller, type Tokens } from "../tokens.ts";

const day = 24 * 3600;
/** A session ends so long after it began, however much it is used. */
const lifetimeSeconds: Record<SessionKind, number> = {
  web: 30 * day,
  launcher: 90 * day,
  cli: 90 * day,
  service: accessLifetimeSeconds,
};
/** A refresh whose answer got lost may be repeated for so long. */
const repeatSeconds = 60;

/** Where a sign-in comes from, as its owner recognises it. */
export type Origin = {
  device: string;
  address: string;
  kind: SessionKind;
  clientId?: string;
  scopes?: string[];
  /** False when the password was shown elsewhere: on the page where a device was let in. */
  fresh?: boolean;
  /** Of a client's session: when its user showed his password, and the player that it is for. */
  authenticatedAt?: Date | undefined;
  playerId?: string | undefined;
  /** When it ends earlier than others of its kind. */
  lifetimeSeconds?: number;
};

/** A session with what its tokens say. */
export type OpenSession = {
  userId: string;
  login: string;
  roles: string[];
  ver: number;
  sessionId: string;
  scopes: string[] | null;
  refreshToken: string;
};

type Sessions = Pick<Deps, "db" | "config"> & { tokens: Tokens; revocations: Revocations };

/** Who signs in. `passwordChanges` when it is by password: one that is changed meanwhile opens nothing (401). */
type SigningIn = { id: string; login: string; roles: string[]; ver: number; passwordChanges?: number };

/** Signs a user in. */
export async function openSession(
  { db, tokens }: { db: Db; tokens: Tokens },
  { user, origin }: { user: SigningIn; origin: Origin },
): Promise<OpenSession> {
  const { device, address, kind, clientId = null, scopes = null, fresh = true, authenticatedAt, playerId } = origin;
  const session = {
    id: Bun.randomUUIDv7(),
    userId: user.id,
    kind,
    salt: makeSecret(),
    device,
    address,
    clientId,
    scopes,
    fresh,
    lifetimeSeconds: origin.lifetimeSeconds ?? lifetimeSeconds[kind],
    passwordChanges: user.passwordChanges ?? null,
    authenticatedAt,
    playerId,
  };
  if ((await insertSession(db, session)) === 0)
    throw new Fault("not-signed-in", "Cannot sign in: the account was changed at this moment");
  await insertActivity(db, { userId: user.id, kind: "signed-in", subject: device });
  const refreshToken = tokens.makeRefresh({ id: session.id, salt: session.salt, counter: 0 });
  return {
    userId: user.id,
    login: user.login,
    roles: user.roles,
    ver: user.ver,
    sessionId: session.id,
    scopes,
    refreshToken,
  };
}

/**
 * Exchanges a refresh token for its successor. Of concurrent callers one advances the session and all get the same
 * successor; a genuine token older than that was stolen or leaked, and ends the session (RFC 9700, 4.14.2). What the operator
 * has taken from its client since is not granted again.
 */
export async function refreshSession(sessions: Sessions, refreshToken: string): Promise<OpenSession> {
  const { db, tokens } = sessions;
  const refused = () => new Fault("not-signed-in", "Cannot go on with this session: sign in again");
  const parsed = tokens.parseRefresh(refreshToken);
  const session = parsed && (await findSession(db, parsed.sessionId));
  if (!parsed || !session || !tokens.isRefreshGenuine(parsed, session.salt)) throw refused();
  const allowed = session.clientId === null ? null : scopesOf(sessions.config, session.clientId);
  if (!allowed && session.clientId !== null) {
    await revokeSessions(sessions, { userId: session.userId, reason: "its client was removed", only: session.id });
    throw refused();
  }
  const { counter } = parsed;
  const successor = ({ userId, login, roles, ver, scopes }: Omit<Advanced, "counter">): OpenSession => ({
    userId,
    login,
    roles,
    ver,
    scopes: allowed ? (scopes?.filter((scope) => allowed.includes(scope)) ?? null) : scopes,
    sessionId: session.id,
    refreshToken: tokens.makeRefresh({ id: session.id, salt: session.salt, counter: counter + 1 }),
  });
  const advanced = await advanceSession(db, { id: session.id, counter });
  if (advanced) return successor(advanced);
  const now = await findSession(db, session.id);
  if (!now) throw refused();
  if (now.counter === counter + 1 && (await isRecentlyAdvanced(db, { id: session.id, withinSeconds: repeatSeconds })))
    return successor(now);
  if (counter < now.counter)
    await revokeSessions(sessions, {
      userId: session.userId,
      reason: "an old refresh token was used",
      only: session.id,
    });
  throw refused();
}

type End = { userId: string; reason: string; only?: string; except?: string };

/** Ends sessions everywhere: one, all others, or all. Answers with how many. */
export async function revokeSessions(
  { db, revocations }: Pick<Sessions, "db" | "revocations">,
  end: End,
): Promise<number> {
  const ended = await db.transaction((tx) => endSessionsIn(tx, end));
  for (const revocation of ended) revocations.tell(revocation);
  return ended.length;
}

/** The same inside a transaction of the caller's, who tells what it answers after the commit. */
export async function endSessionsIn(tx: Db, end: End): Promise<Revocation[]> {
  // Before the sessions: a device that fetches its tokens at this moment does so first, or not at all.
  if (end.only === undefined) await denyDeviceGrants(tx, end.userId);
  const ids = await endSessions(tx, end);
  const ended = ids.map((subject): Revocation => ({ kind: "session", subject, ver: null }));
  for (const revocation of ended) await insertRevocation(tx, revocation);
  return ended;
}

/**
 * Looks again, inside the transaction of a privileged write, whether the caller still is who his token says: 401 when his
 * session has ended, his roles have changed, or he was disabled since.
 */
export async function confirmCaller(tx: Db, caller: Caller): Promise<void> {
  const { sessionId, tokenId, userId } = caller;
  const now =
    sessionId !== null
      ? await lockSession(tx, sessionId)
      : tokenId !== null
        ? await lockAccessToken(tx, tokenId)
        : await findUser(tx, userId);
  if (now?.ver !== caller.ver)
    throw new Fault("not-signed-in", "Your session has ended or your rights have changed meanwhile: sign in again");
}

/** The caller when he has shown his password (or provider) within the last ten minutes; else 403 that says so. */
export async function requireFreshCaller({ db }: Pick<Sessions, "db">, caller: Caller): Promise<void> {
  const session = caller.sessionId === null ? undefined : await findSession(db, caller.sessionId);
  if (!session?.fresh)
    throw new Fault(
      "not-allowed",
      "Sign in once more for this: your password has to have been given within the last ten minutes",
      { extra: { reason: "stale-session" } },
    );
}
