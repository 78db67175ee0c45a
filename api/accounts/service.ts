import { findUserByName, insertUser, type UserRow, updatePasswordHash } from "../../db/account.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import type { Seal } from "../seal.ts";
import { type OpenSession, type Origin, openSession } from "../sessions/service.ts";
import type { Tokens } from "../tokens.ts";
import type { Passwords } from "./passwords.ts";
import { requireSecondFactor } from "./second-factor.ts";

type Accounts = Pick<Deps, "db" | "config"> & { tokens: Tokens; passwords: Passwords; seal: Seal };
type NewUser = { login: string; email?: string; password: string };

/** Makes an account and signs it in. 409 when the login is taken. */
export async function register(
  accounts: Accounts,
  { login, email, password }: NewUser,
  origin: Origin,
): Promise<OpenSession> {
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
  return openSession(accounts, { user: { ...user, ver: 0 }, origin });
}

/** Signs in by login name or proved e-mail address, password and, where the account has one, second factor. */
export async function signIn(
  accounts: Accounts,
  { code, ...given }: { login: string; password: string; code?: string },
  origin: Origin,
): Promise<OpenSession> {
  const user = await checkPassword(accounts, given);
  await requireSecondFactor(accounts, { user, code });
  return openSession(accounts, { user, origin });
}

/** The user of a login and password, or 401: the same for a wrong password, an unknown login, and one without a password. */
export async function checkPassword(
  { db, passwords }: Pick<Accounts, "db" | "passwords">,
  { login, password }: { login: string; password: string },
): Promise<UserRow> {
  const user = await findUserByName(db, login.toLowerCase());
  const hash = user?.passwordHash ?? undefined;
  const { right, rehashed } = await passwords.verify(password, hash);
  if (!user || hash === undefined || !right)
    throw new Fault("not-signed-in", "Cannot sign in: login or password is wrong");
  if (rehashed) await updatePasswordHash(db, { id: user.id, before: hash, after: rehashed });
  return user;
}
