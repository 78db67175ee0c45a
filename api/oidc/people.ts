import { findUser, insertUser, type UserRow } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { findIdentityUser, findVerifiedEmail, insertIdentity, lockUser } from "../../db/identity.ts";
import { insertFact } from "../../db/outbox.ts";
import { isDuplicate } from "../../db/query.ts";
import { lockSession } from "../../db/session.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { postMail, writeSignInNotice } from "../accounts/mails.ts";
import { suggestLogin, varyLogin } from "./login-name.ts";
import type { Profile } from "./presets.ts";
import type { OpenProvider } from "./providers.ts";

type People = Pick<Deps, "db" | "config" | "publicUrl" | "mailbox">;
type Shown = { provider: OpenProvider; profile: Profile };

const maxTries = 8;

/**
 * The account that a profile stands for: the one it is linked to, else a new one. An address joins nothing to an account
 * that exists, unless it is verified on both sides and the operator has allowed that for this provider.
 */
export async function findOrCreateUser(people: People, shown: Shown): Promise<UserRow> {
  const { provider, profile } = shown;
  const key = { provider: provider.id, subject: profile.subject };
  const known = await findIdentityUser(people.db, key);
  if (known) return getUser(people, known.userId);
  const owner = profile.email !== null && profile.emailVerified ? await findOwner(people, profile.email) : undefined;
  if (owner && !provider.linkVerifiedEmail)
    throw new Fault(
      "conflict",
      `Cannot sign in through ${provider.name}: an account with your e-mail address exists. Sign in to it, then link ${provider.name} in its settings`,
      { extra: { reason: "link-first" } },
    );
  if (owner) {
    const user = await getUser(people, owner.userId);
    await linkTo(people, { ...shown, userId: user.id });
    return user;
  }
  if (people.config.REGISTRATION !== "open")
    throw new Fault(
      "not-allowed",
      `Cannot sign in through ${provider.name}: it is linked to no account, and registration is closed. Sign in, then link it, or ask the operator`,
      { extra: { reason: "registration-closed" } },
    );
  return createUser(people, shown);
}

function findOwner({ db }: People, email: string): Promise<{ userId: string } | undefined> {
  return findVerifiedEmail(db, email.toLowerCase());
}

async function getUser({ db }: People, userId: string): Promise<UserRow> {
  const user = await findUser(db, userId);
  if (user) return user;
  throw new Fault("not-allowed", "Cannot sign in: this account is disabled or deleted", {
    extra: { reason: "account-ended" },
  });
}

/** A new account without a password. Its address is kept as one that is still to be proved here. */
async function createUser(people: People, { provider, profile }: Shown): Promise<UserRow> {
  const { subject } = profile;
  const name = profile.name ?? profile.email?.split("@")[0] ?? null;
  const email = profile.email?.toLowerCase() ?? null;
  for (let tries = 0; tries < maxTries; tries++) {
    const suggested = suggestLogin(name);
    const user = {
      id: Bun.randomUUIDv7(),
      login: tries === 0 ? suggested : varyLogin(suggested, tries < 4 ? 4 : 7),
      email,
      roles: [],
    };
    const linked = await people.db
      .transaction(async (tx) => {
        await insertUser(tx, { ...user, passwordHash: null });
        if ((await insertIdentity(tx, { provider: provider.id, subject, userId: user.id, email })) === 0)
          throw new Fault("conflict", "Cannot make an account: the same was done at this moment");
        await insertActivity(tx, { userId: user.id, kind: "registered", subject: provider.name });
        await insertFact(tx, { kind: "user.registered", payload: { userId: user.id } });
        return { userId: user.id };
      })
      .catch((error: unknown) => {
        if (isDuplicate(error)) return undefined; // the login is taken
        if (error instanceof Fault) return findIdentityUser(people.db, { provider: provider.id, subject });
        throw error;
      });
    if (linked) return getUser(people, linked.userId);
  }
  throw new Fault("unavailable", "Cannot make an account: no free login was found. Try again");
}

/** Links a profile to whoever is signed in, as long as that session holds. 409 when it is somebody's, or he has another one. */
export async function linkIdentity(
  people: People,
  { userId, sessionId, ...shown }: Shown & { userId: string; sessionId: string },
): Promise<void> {
  await linkTo(people, { ...shown, userId, sessionId });
}

async function linkTo(
  { db, publicUrl, mailbox }: People,
  { provider, profile, userId, sessionId }: Shown & { userId: string; sessionId?: string },
): Promise<void> {
  const { subject, email } = profile;
  const notice = await db.transaction(async (tx) => {
    const user = await lockUser(tx, userId);
    if (!user || (sessionId !== undefined && !(await lockSession(tx, sessionId))))
      throw new Fault("not-signed-in", "Cannot link: your session has ended meanwhile. Sign in again");
    const linked = await insertIdentity(tx, { provider: provider.id, subject, userId, email });
    if (linked > 0) {
      await insertActivity(tx, { userId, kind: "provider-linked", subject: provider.name });
      return writeSignInNotice(tx, { base: publicUrl(), userId });
    }
    const owner = await findIdentityUser(tx, { provider: provider.id, subject });
    if (owner?.userId === userId) return undefined;
    throw new Fault(
      "conflict",
      owner
        ? `Cannot link: this account of ${provider.name} is linked to somebody else here`
        : `Cannot link: another account of ${provider.name} is linked already. Unlink that one first`,
      { extra: { reason: owner ? "somebody-else" : "another-linked" } },
    );
  });
  await postMail({ mailbox }, notice);
}
