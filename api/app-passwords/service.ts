import { randomInt } from "node:crypto";
import { insertActivity } from "../../db/activity.ts";
import {
  type AppPasswordRow,
  type AppPasswordUse,
  deleteAppPasswords,
  insertAppPassword,
  listAppPasswords,
  useAppPassword,
} from "../../db/app-password.ts";
import { lockUser } from "../../db/identity.ts";
import type { Db } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { postMail, writeSignInNotice } from "../accounts/mails.ts";
import type { Api } from "../api.ts";
import { confirmCaller, requireFreshCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { endGameSessionsIn } from "../yggdrasil/end.ts";
import type { AppPassword, NewAppPassword } from "./model.ts";

const mostAppPasswords = 20;
/** Nothing that is taken for something else. 24 of these 24 letters are 110 random bits. */
const alphabet = "abcdefghijkmnpqrstuvwxyz";
const groups = 4;
const groupLetters = 6;

/**
 * Makes an app password. It is shown once: what is kept is its SHA-256, which is enough for 110 random bits. A note of it
 * goes to the proved address. 403 for a limited token, and when the password was given too long ago; 409 at twenty.
 */
export async function createAppPassword(
  api: Api,
  { caller, name, expiresAt }: NewAppPassword & { caller: Caller },
): Promise<AppPassword & { password: string }> {
  if (caller.sessionId === null || caller.scopes !== null)
    throw new Fault(
      "not-allowed",
      "Not allowed: a limited token cannot make app passwords. Sign in with your password for this",
    );
  const until = expiresAt === undefined ? null : new Date(expiresAt);
  if (until && until.getTime() <= Date.now())
    throw new Fault("invalid", "Cannot make an app password: its time would be over", {
      errors: [{ pointer: "/expiresAt", detail: "is not in the future" }],
    });
  await requireFreshCaller(api, caller);
  const password = makeAppPassword();
  const { userId } = caller;
  const { row, notice } = await api.db.transaction(async (tx) => {
    await lockUser(tx, userId); // of two at once the second sees the first
    await confirmCaller(tx, caller);
    const row = await insertAppPassword(tx, {
      id: Bun.randomUUIDv7(),
      userId,
      name,
      hash: hashAppPassword(password),
      expiresAt: until,
      most: mostAppPasswords,
    });
    if (!row)
      throw new Fault("conflict", `Cannot make an app password: you have ${mostAppPasswords}, delete one first`);
    await insertActivity(tx, { userId, kind: "app-password-created", subject: name });
    return { row, notice: await writeSignInNotice(tx, { base: api.publicUrl(), userId }) };
  });
  await postMail(api, notice);
  return { ...describeAppPassword(row), password };
}

export async function listOwnAppPasswords({ db }: Pick<Api, "db">, { userId }: Caller): Promise<AppPassword[]> {
  return (await listAppPasswords(db, userId)).map(describeAppPassword);
}

/** Deletes an app password, and ends what was opened with it. 404 when the caller has none of that id. */
export async function removeAppPassword(api: Api, { caller, id }: { caller: Caller; id: string }): Promise<void> {
  const { userId } = caller;
  const ended = await api.db.transaction(async (tx) => {
    await lockUser(tx, userId); // whoever signs in with it at this moment does so first, or not at all
    const opened = await endGameSessionsIn(tx, { userId, appPasswordId: id, reason: "the app password was deleted" });
    const [gone] = await deleteAppPasswords(tx, { userId, only: id });
    if (!gone) throw new Fault("not-found", "There is no such app password of yours");
    await insertActivity(tx, { userId, kind: "app-password-deleted", subject: gone.name });
    return opened;
  });
  for (const revocation of ended) api.revocations.tell(revocation);
}

/**
 * Whose app password this is, when it holds and `login` names its account: a login, a proved e-mail address or a player, in
 * any case. For launchers that know only names and passwords; nothing else lets anybody in with one.
 */
export async function verifyAppPassword(
  db: Db,
  { login, password }: { login: string; password: string },
): Promise<AppPasswordUse | undefined> {
  const letters = readAppPassword(password);
  if (letters.length !== groups * groupLetters) return undefined; // somebody's real password: no need to ask
  return useAppPassword(db, { hash: hashToken(letters), name: login.trim().toLowerCase() });
}

function makeAppPassword(): string {
  const makeGroup = () => Array.from({ length: groupLetters }, () => alphabet[randomInt(alphabet.length)]).join("");
  return Array.from({ length: groups }, makeGroup).join("-");
}

const readAppPassword = (typed: string) => typed.toLowerCase().replace(/[\s\p{Pd}]/gu, "");
const hashAppPassword = (password: string) => hashToken(readAppPassword(password));

function describeAppPassword({ id, name, createdAt, expiresAt, usedAt }: AppPasswordRow): AppPassword {
  return {
    id,
    name,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    usedAt: usedAt?.toISOString() ?? null,
  };
}
