import {
  advanceSession,
  endSession,
  findSession,
  findUserByLogin,
  insertSession,
  insertUser,
  isRecentlyAdvanced,
} from "../../db/account.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Tokens } from "../tokens.ts";
import type { Passwords } from "./passwords.ts";

const sessionLifetimeSeconds = 90 * 24 * 3600;
/** A refresh whose answer got lost may be repeated for so long. */
const repeatSeconds = 60;

export type Session = { userId: string; login: string; roles: string[]; sessionId: string; refreshToken: string };
type Accounts = Pick<Deps, "db" | "config"> & { tokens: Tokens; passwords: Passwords };

/** Makes an account and signs it in. 409 when the login is taken. */
export async function register(
  accounts: Accounts,
  { login, email, password }: { login: string; email?: string; password: string },
): Promise<Session> {
  if (accounts.config.REGISTRATION !== "open")
    throw new Fault("not-allowed", "Registration is closed: ask the operator for an account");
  const user = { id: Bun.randomUUIDv7(), login: login.toLowerCase(), email: email?.toLowerCase() ?? null, roles: [] };
  const passwordHash = await accounts.passwords.hash(password);
  try {
    await insertUser(accounts.db, { ...user, passwordHash });
  } catch (error) {
    if (isDuplicate(error))
      throw new Fault("conflict", `Cannot register "${login}": the login is taken`, { cause: error });
    throw error;
  }
  return openSession(accounts, user);
}

/** Signs in by login and password. */
export async function signIn(
  accounts: Accounts,
  { login, password }: { login: string; password: string },
): Promise<Session> {
  const user = await findUserByLogin(accounts.db, login.toLowerCase());
  const right = await accounts.passwords.verify(password, user?.disabledAt ? undefined : user?.passwordHash);
  if (!user || !right) throw new Fault("not-signed-in", "Cannot sign in: login or password is wrong");
  return openSession(accounts, user);
}

/**
 * Exchanges a refresh token for its successor. Of concurrent callers one advances the session and all get the same
 * successor; a token older than that was stolen or leaked, and ends the session (RFC 9700, 4.14.2).
 */
export async function refresh({ db, tokens }: Pick<Accounts, "db" | "tokens">, refreshToken: string): Promise<Session> {
  const refused = () => new Fault("not-signed-in", "Cannot go on with this session: sign in again");
  const parsed = tokens.parseRefresh(refreshToken);
  const session = parsed && (await findSession(db, parsed.sessionId));
  if (!parsed || !session || !tokens.isRefreshGenuine(parsed, session.salt)) throw refused();
  const successor = (counter: number): Session => ({
    userId: session.userId,
    login: session.login,
    roles: session.roles,
    sessionId: session.id,
    refreshToken: tokens.makeRefresh({ id: session.id, salt: session.salt, counter }),
  });
  const { counter } = parsed;
  if (await advanceSession(db, { id: session.id, counter })) return successor(counter + 1);
  const now = await findSession(db, session.id);
  if (now?.counter === counter + 1 && (await isRecentlyAdvanced(db, { id: session.id, withinSeconds: repeatSeconds })))
    return successor(counter + 1);
  await endSession(db, session.id);
  throw refused();
}

async function openSession(
  { db, tokens }: Accounts,
  user: { id: string; login: string; roles: string[] },
): Promise<Session> {
  const session = {
    id: Bun.randomUUIDv7(),
    userId: user.id,
    kind: "cli",
    salt: makeSecret(),
    lifetimeSeconds: sessionLifetimeSeconds,
  };
  await insertSession(db, session);
  const refreshToken = tokens.makeRefresh({ id: session.id, salt: session.salt, counter: 0 });
  return { userId: user.id, login: user.login, roles: user.roles, sessionId: session.id, refreshToken };
}
