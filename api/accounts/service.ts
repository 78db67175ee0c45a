import { findUserByName, insertUser, type UserRow, updatePasswordHash } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { useInvite } from "../../db/invite.ts";
import { insertFact } from "../../db/outbox.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import type { Seal } from "../../seal.ts";
import { type OpenSession, type Origin, openSession } from "../sessions/service.ts";
import type { Tokens } from "../tokens.ts";
import { refusedInvite, requireInvite } from "./invites.ts";
import { postMail, writeMail } from "./mails.ts";
import type { Passwords } from "./passwords.ts";
import { requireSecondFactor } from "./second-factor.ts";
import { refuseWeakPassword } from "./weak-passwords.ts";

type Accounts = Pick<Deps, "db" | "config" | "mailbox" | "publicUrl"> & {
  tokens: Tokens;
  passwords: Passwords;
  seal: Seal;
};
type NewUser = { login: string; email?: string; password: string; invite?: string; locale?: string };

/**
 * Makes an account and signs it in. 409 when the login is taken; an address that is taken is answered like any other, and
 * belongs to whoever proves it. Where registration is by invitation, one code makes one account.
 */
export async function register(
  accounts: Accounts,
  { login, email, password, invite, locale = "en" }: NewUser,
  origin: Origin,
): Promise<OpenSession> {
  const { db, config, publicUrl } = accounts;
  if (config.REGISTRATION === "closed")
    throw new Fault("not-allowed", "Registration is closed: ask the operator for an account");
  const codeHash = config.REGISTRATION === "invite" ? await requireInvite(db, invite) : undefined;
  const user = { id: Bun.randomUUIDv7(), login: login.toLowerCase(), email: email?.toLowerCase() ?? null, roles: [] };
  await refuseWeakPassword(password, user);
  const passwordHash = await accounts.passwords.hash(password);
  const message = await db
    .transaction(async (tx) => {
      await insertUser(tx, { ...user, passwordHash, locale });
      await insertActivity(tx, { userId: user.id, kind: "registered" });
      await insertFact(tx, { kind: "user.registered", payload: { userId: user.id } });
      if (codeHash !== undefined && !(await useInvite(tx, { codeHash, userId: user.id }))) throw refusedInvite();
      if (user.email === null) return undefined;
      const params = { userId: user.id };
      return writeMail(tx, { base: publicUrl(), kind: "verify", recipient: user.email, locale, params });
    })
    .catch((error: unknown) => {
      if (isDuplicate(error))
        throw new Fault("conflict", `Cannot register "${login}": the login is taken`, { cause: error });
      throw error;
    });
  await postMail(accounts, message);
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
  accounts: Pick<Accounts, "db" | "passwords">,
  { login, password }: { login: string; password: string },
): Promise<UserRow> {
  return requirePassword(accounts, { user: await findUserByName(accounts.db, login.toLowerCase()), password });
}

/** That user when it is his password, or 401; of the same cost and answer when there is nobody. */
export async function requirePassword(
  { db, passwords }: Pick<Accounts, "db" | "passwords">,
  { user, password }: { user: UserRow | undefined; password: string },
): Promise<UserRow> {
  const hash = user?.passwordHash ?? undefined;
  const { right, stale } = await passwords.verify(password, hash);
  if (!user || hash === undefined || !right)
    throw new Fault("not-signed-in", "Cannot sign in: login or password is wrong");
  if (stale) renewHash({ db, passwords }, { id: user.id, password, before: hash });
  return user;
}

/**
 * Hashes a right password as it is done today, after the answer. Of several at once one counts; one that fails is made up
 * for by the next sign-in.
 */
function renewHash(
  { db, passwords }: Pick<Accounts, "db" | "passwords">,
  { id, password, before }: { id: string; password: string; before: string },
): void {
  passwords
    .hash(password)
    .then((after) => updatePasswordHash(db, { id, before, after }))
    .catch(() => undefined);
}
