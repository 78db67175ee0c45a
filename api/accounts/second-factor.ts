import { findUser } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { lockUser } from "../../db/identity.ts";
import type { Db } from "../../db/query.ts";
import type { Revocation } from "../../db/revocation.ts";
import {
  countTotpTry,
  deleteRecoveryCodes,
  deleteSecondFactor,
  findSecondFactor,
  insertRecoveryCodes,
  settleTotpSecret,
  updateTotpSecret,
  useRecoveryCode,
  useTotpStep,
} from "../../db/second-factor.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Seal } from "../../seal.ts";
import type { Revocations } from "../revocations.ts";
import { confirmCaller, endSessionsIn, requireFreshCaller } from "../sessions/service.ts";
import type { Caller, Tokens } from "../tokens.ts";
import { postMail, writeSignInNotice } from "./mails.ts";
import { describeKey, encodeBase32, findStep, makeTotpSecret } from "./totp.ts";

type Checking = Pick<Deps, "db"> & { seal: Seal };
type Changing = Checking & Pick<Deps, "publicUrl" | "mailbox"> & { tokens: Tokens; revocations: Revocations };

const recoveryCodes = 10;
const recoveryCodeBytes = 10;
/** Ten wrong codes in a quarter of an hour: guessing one of three valid ones in a million takes months, and needs the password. */
const maxTries = 10;
const windowSeconds = 900;

const ownerOf = (userId: string) => `totp ${userId}`;

/**
 * Asks an account that has a second factor for a code of its app or a recovery code; each is good once, also when two
 * come at the same moment. To be called when the password was right. Throws 401 with `reason: "second-factor"` when
 * the code is missing, wrong or used, and 429 after ten wrong ones in a quarter of an hour.
 */
export async function requireSecondFactor(
  { db, seal }: Checking,
  { user, code }: { user: { id: string; secondFactor: boolean }; code: string | undefined },
): Promise<void> {
  if (!user.secondFactor) return;
  if (code === undefined || code.trim() === "")
    throw refusal("Cannot sign in yet: give the code of your authenticator app, or a recovery code");
  if (!(await useCode({ db, seal }, { userId: user.id, code })))
    throw refusal("Cannot sign in: the code is wrong, too old, or was used. Wait for the next one");
}

function refusal(detail: string): Fault {
  return new Fault("not-signed-in", detail, { extra: { reason: "second-factor" } });
}

/** Whether a code is right, and used up by this. */
async function useCode({ db, seal }: Checking, { userId, code }: { userId: string; code: string }): Promise<boolean> {
  const plain = code.replace(/[\s-]/g, "");
  // Nobody guesses a recovery code: it is not counted, and lets its owner in when somebody else has used up the tries.
  if (!/^\d{6}$/.test(plain))
    return (await useRecoveryCode(db, { userId, hash: hashToken(plain.toLowerCase()) })) === 1;
  if ((await countTotpTry(db, { userId, most: maxTries, windowSeconds })) === 0)
    throw new Fault("too-many", "Too many wrong codes: wait a quarter of an hour, or use a recovery code", {
      retryAfterSeconds: windowSeconds,
    });
  const factor = await findSecondFactor(db, userId);
  if (!factor?.secret) return false;
  const step = findStep(unseal(seal, { secret: factor.secret, userId }), { code: plain, timeMs: Date.now() });
  return step !== undefined && (await useTotpStep(db, { userId, step })) === 1;
}

function unseal(seal: Seal, { secret, userId }: { secret: string; userId: string }): string {
  try {
    return seal.open(secret, ownerOf(userId));
  } catch (cause) {
    const detail =
      "Cannot check the code: the secret of this server was replaced. Use a recovery code, then set up the second factor anew";
    throw new Fault("not-signed-in", detail, { cause, extra: { reason: "second-factor" } });
  }
}

/** Begins a second factor: a secret for the app, which counts once `confirmSecondFactor` was given a code of it. 409 when there is one. */
export async function beginSecondFactor(api: Changing, caller: Caller): Promise<{ secret: string; uri: string }> {
  await requireWholeCaller(api, caller);
  const secret = makeTotpSecret();
  const { userId, login } = caller;
  if ((await updateTotpSecret(api.db, { userId, secret: api.seal.close(secret, ownerOf(userId)) })) === 0)
    throw new Fault("conflict", "Cannot begin a second factor: this account has one. Remove it first");
  return { secret, uri: describeKey({ secret, login, host: new URL(api.publicUrl()).hostname }) };
}

/** The second factor counts from now on; answers with its recovery codes, once. Ends the caller's other sessions if asked. */
export async function confirmSecondFactor(
  api: Changing,
  { caller, code, endOthers }: { caller: Caller; code: string; endOthers: boolean },
): Promise<{ recoveryCodes: string[]; ended: number }> {
  await requireWholeCaller(api, caller);
  const { userId } = caller;
  const factor = await findSecondFactor(api.db, userId);
  if (!factor?.secret || factor.confirmed)
    throw new Fault("conflict", "Cannot confirm a second factor: begin one with POST /v1/me/totp");
  const { secret } = factor;
  const step = findStep(unseal(api.seal, { secret, userId }), { code: code.replace(/\s/g, ""), timeMs: Date.now() });
  if (step === undefined)
    throw new Fault(
      "invalid",
      "Cannot confirm the second factor: the code is wrong. Is the clock of your device right?",
      {
        errors: [{ pointer: "/code", detail: "is not the code of this moment" }],
      },
    );
  const codes = Array.from({ length: recoveryCodes }, makeRecoveryCode);
  const ended = await changing(api, caller, async (tx) => {
    if ((await settleTotpSecret(tx, { userId, secret, step })) === 0)
      throw new Fault("conflict", "Cannot confirm the second factor: somebody else did it at this moment");
    await deleteRecoveryCodes(tx, userId);
    await insertRecoveryCodes(tx, { userId, hashes: codes.map((code) => hashToken(code.replaceAll("-", ""))) });
    await insertActivity(tx, { userId, kind: "second-factor-added" });
    return endOthers ? endOtherSessions(tx, caller, "a second factor was set up") : [];
  });
  return { recoveryCodes: codes, ended };
}

/** Removes the second factor and its recovery codes, for a code of either kind. Ends the caller's other sessions if asked. */
export async function removeSecondFactor(
  api: Changing,
  { caller, code, endOthers }: { caller: Caller; code: string; endOthers: boolean },
): Promise<void> {
  await requireWholeCaller(api, caller);
  const user = await findUser(api.db, caller.userId);
  if (!user?.secondFactor) throw new Fault("not-found", "Cannot remove the second factor: this account has none");
  if (!(await useCode(api, { userId: user.id, code })))
    throw new Fault("invalid", "Cannot remove the second factor: the code is wrong, too old, or was used", {
      errors: [{ pointer: "/code", detail: "is not good, or no longer" }],
    });
  await changing(api, caller, async (tx) => {
    await deleteSecondFactor(tx, user.id);
    await insertActivity(tx, { userId: user.id, kind: "second-factor-removed" });
    return endOthers ? endOtherSessions(tx, caller, "the second factor was removed") : [];
  });
}

/** What a limited token cannot do, nor one whose owner has not shown for ten minutes that it is he: change how he signs in. */
export async function requireWholeCaller(
  api: Pick<Changing, "db" | "tokens" | "revocations">,
  caller: Caller,
): Promise<void> {
  if (caller.scopes !== null)
    throw new Fault("not-allowed", "Not allowed: a limited token cannot change how its user signs in");
  await requireFreshCaller(api, caller);
}

function endOtherSessions(tx: Db, { userId, sessionId }: Caller, reason: string): Promise<Revocation[]> {
  return endSessionsIn(tx, { userId, reason, ...(sessionId !== null && { except: sessionId }) });
}

/** Changes how the caller signs in, tells him by mail, and tells everybody which sessions that ended. Answers how many. */
async function changing(
  { db, revocations, publicUrl, mailbox }: Changing,
  caller: Caller,
  work: (tx: Db) => Promise<Revocation[]>,
): Promise<number> {
  const { userId } = caller;
  const { ended, notice } = await db.transaction(async (tx) => {
    await lockUser(tx, userId); // for writing, before others lock it for reading: two would wait for each other
    await confirmCaller(tx, caller);
    const ended = await work(tx);
    return { ended, notice: await writeSignInNotice(tx, { base: publicUrl(), userId }) };
  });
  for (const revocation of ended) revocations.tell(revocation);
  await postMail({ mailbox }, notice);
  return ended.length;
}

/** 80 random bits in four groups: nothing that can be guessed, and never six digits. */
function makeRecoveryCode(): string {
  const letters = encodeBase32(crypto.getRandomValues(new Uint8Array(recoveryCodeBytes))).toLowerCase();
  return letters.match(/.{4}/g)?.join("-") ?? letters;
}
