import { findUser, type UserRow } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { deleteAppPasswords } from "../../db/app-password.ts";
import { listHeirs } from "../../db/erase-community.ts";
import { findHiddenUserByName, hideUser, listOwnedSlugs, restoreUser } from "../../db/hidden-user.ts";
import { findOtherAdmin, lockAdministration } from "../../db/managed-user.ts";
import { insertFact } from "../../db/outbox.ts";
import type { Db } from "../../db/query.ts";
import { insertRevocation, type Revocation } from "../../db/revocation.ts";
import { deleteSolderKeys } from "../../db/solder-key.ts";
import { Fault } from "../../fault.ts";
import type { Message } from "../../queues/actor.ts";
import { postMail, writeMail } from "../accounts/mails.ts";
import { requireSecondFactor } from "../accounts/second-factor.ts";
import type { Api } from "../api.ts";
import {
  confirmCaller,
  endSessionsIn,
  type OpenSession,
  type Origin,
  openSession,
  requireFreshCaller,
} from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Deleted } from "./model.ts";
import { endTokensIn } from "./tokens.ts";

/**
 * Hides the caller's account and all that is his at once, everywhere, and ends his sessions and tokens. Answers when it is
 * erased, until which it can be undone, and who then owns his organizations. 403 for a wrong password; 409 for the last admin.
 */
export async function deleteAccount(
  api: Api,
  { caller, password }: { caller: Caller; password: string | undefined },
): Promise<Omit<typeof Deleted.static, "eraseAfter"> & { eraseAfter: Date }> {
  const { userId } = caller;
  if (caller.sessionId === null)
    throw new Fault("not-allowed", "Not allowed: an account is deleted by whoever signed in, not by a token");
  await requireOwnPassword(api, { caller, password });
  const { eraseAfter, told, notice, organizations } = await api.db.transaction(async (tx) => {
    await lockAdministration(tx); // before any row: also the same request at the same time waits here
    await confirmCaller(tx, caller);
    if (caller.roles.includes("admin") && !(await findOtherAdmin(tx, userId))) throw isLastAdmin("delete the account");
    const hidden = await hideUser(tx, { id: userId, eraseAfterDays: api.config.ACCOUNT_ERASE_DAYS });
    if (!hidden) throw new Fault("conflict", "Cannot delete the account: it is deleted already");
    const told = await endAllIn(tx, { userId, reason: "account deleted", ver: hidden.ver });
    await insertActivity(tx, { userId, kind: "deleted" });
    await insertFact(tx, { kind: "user.hidden", payload: { userId } });
    const organizations = await listHeirs(tx, userId);
    return {
      eraseAfter: hidden.eraseAfter,
      organizations,
      told,
      notice: await writeNotice(tx, { api, userId, ...hidden }),
    };
  });
  await postMail(api, notice);
  for (const revocation of told) api.revocations.tell(revocation);
  await tellChanged(api, userId);
  return { eraseAfter, organizations };
}

type Notice = { api: Api; userId: string; email: string | null; locale: string; eraseAfter: Date };

/** A note to the proved address, if there is one: somebody else may have deleted the account. */
async function writeNotice(tx: Db, { api, userId, email, locale, eraseAfter }: Notice): Promise<Message | undefined> {
  if (email === null) return undefined;
  const params = { userId, until: eraseAfter.toISOString().slice(0, 10) };
  return writeMail(tx, { base: api.publicUrl(), kind: "account-deleted", recipient: email, locale, params });
}

/** Brings a deleted account back and signs it in. 401 for everything else, as for a wrong password. */
export async function undeleteAccount(
  api: Api,
  { login, password, code }: { login: string; password: string; code?: string },
  origin: Origin,
): Promise<OpenSession> {
  const user = await findHiddenUserByName(api.db, login.toLowerCase());
  const hash = user?.passwordHash ?? undefined;
  const { right } = await api.passwords.verify(password, hash);
  if (!user || !right) throw isNotHidden();
  await requireSecondFactor(api, { user, code });
  const session = await api.db.transaction(async (tx) => {
    const restored = await restoreIn(tx, user.id);
    if (!restored) throw isNotHidden();
    return openSession({ ...api, db: tx }, { user: { ...user, ver: restored.ver }, origin });
  });
  await tellChanged(api, user.id);
  return session;
}

/** Brings a hidden account back in the transaction of the caller, who calls `tellChanged` after it. */
export async function restoreIn(tx: Db, userId: string): Promise<{ ver: number } | undefined> {
  const restored = await restoreUser(tx, userId);
  if (restored) await insertActivity(tx, { userId, kind: "restored" });
  return restored;
}

/** Ends all sessions, tokens, app passwords and keys for Solder of somebody whose counter is now `ver`, in the transaction of the caller, who tells them. */
export async function endAllIn(
  tx: Db,
  { userId, reason, ver }: { userId: string; reason: string; ver: number },
): Promise<Revocation[]> {
  const sessions = await endSessionsIn(tx, { userId, reason });
  const tokens = await endTokensIn(tx, { userId });
  await deleteAppPasswords(tx, { userId });
  await deleteSolderKeys(tx, { userId });
  const user: Revocation = { kind: "user", subject: userId, ver };
  await insertRevocation(tx, user);
  return [user, ...sessions, ...tokens];
}

/** Tells those who remember something of somebody or of his packs to look again. */
export async function tellChanged({ db, bus }: Pick<Api, "db" | "bus">, userId: string): Promise<void> {
  bus.publish("user.changed", userId, { now: true });
  for (const slug of await listOwnedSlugs(db, userId)) bus.publish("pack.changed", slug);
}

export function isLastAdmin(action: string): Fault {
  return new Fault("conflict", `Cannot ${action}: this is the last admin. Give somebody else the role first`);
}

/** The password of an account that has one; of others, that they signed in within the last ten minutes. */
async function requireOwnPassword(
  api: Api,
  { caller, password }: { caller: Caller; password: string | undefined },
): Promise<void> {
  const user: UserRow | undefined = await findUser(api.db, caller.userId);
  if (!user) throw new Fault("not-found", "There is no account of yours: this token is for a service");
  if (user.passwordHash === null) return requireFreshCaller(api, caller);
  if (password === undefined)
    throw new Fault("invalid", "Cannot delete the account: repeat your password in the body", {
      errors: [{ pointer: "/password", detail: "is missing" }],
    });
  const { right } = await api.passwords.verify(password, user.passwordHash);
  if (!right)
    throw new Fault("not-allowed", "Cannot delete the account: the password is wrong", {
      extra: { reason: "wrong-password" },
    });
}

function isNotHidden(): Fault {
  return new Fault("not-signed-in", "Cannot bring the account back: login or password is wrong, or its time is over");
}
