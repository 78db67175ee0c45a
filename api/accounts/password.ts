import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { changePassword, findUser } from "../../db/account.ts";
import { insertActivity } from "../../db/activity.ts";
import { denyDeviceGrants } from "../../db/device-grant.ts";
import { findLink, useLinks } from "../../db/mail-link.ts";
import { insertFact } from "../../db/outbox.ts";
import type { Revocation } from "../../db/revocation.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Message } from "../../queues/actor.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { pickLanguage } from "../html-page.ts";
import { confirmCaller, endSessionsIn } from "../sessions/service.ts";
import { addressAllowance, signInAllowances } from "../sign-in-limits.ts";
import type { Caller } from "../tokens.ts";
import { refusedLink } from "./email.ts";
import { postMail, writeMail } from "./mails.ts";
import { LinkToken, Password } from "./model.ts";
import { refuseWeakPassword } from "./weak-passwords.ts";

const Forgot = t.Object(
  { login: t.String({ minLength: 1, maxLength: 254, description: "Login or confirmed e-mail address" }) },
  { additionalProperties: false },
);
const Accepted = t.Object({ accepted: t.Literal(true) });
const Reset = t.Object(
  {
    token: LinkToken,
    password: Password,
    endSessions: t.Optional(t.Boolean({ default: true, description: "End every session; false lets them go on" })),
  },
  { additionalProperties: false },
);
const Change = t.Object(
  {
    current: t.String({ minLength: 1, maxLength: 256 }),
    password: Password,
    endOthers: t.Optional(t.Boolean({ default: false, description: "End all your sessions but this one" })),
  },
  { additionalProperties: false },
);
const Changed = t.Object({ login: t.String(), ended: t.Integer({ description: "How many sessions" }) });
type Changed = typeof Changed.static;

/** Forgotten passwords, and new ones. */
export function password(api: Api) {
  const { config } = api;
  return new Elysia({ prefix: "/v1", tags: ["accounts"] })
    .use(callers(api))
    .onBeforeHandle(async ({ request, server, caller, set }) => {
      set.headers["cache-control"] = "no-store";
      const address = api.addressOf(request, server?.requestIP(request)?.address);
      // Whoever has somebody's token guesses at the password like anybody else.
      const guess = caller ? signInAllowances(config, { login: caller.login, address }) : [];
      await api.rateLimits.take([addressAllowance(config, address), ...guess], set.headers);
    })
    .post(
      "/auth/password/forgot",
      async ({ body: { login }, request, status }) => {
        await askForReset(api, { name: login.toLowerCase(), locale: pickLanguage(request) });
        return status(202, { accepted: true });
      },
      {
        body: Forgot,
        response: { 202: Accepted },
        detail: {
          summary:
            "Have a link mailed that sets a new password. Answers the same whether there is such an account or not",
        },
      },
    )
    .post("/auth/password/reset", ({ body }) => resetPassword(api, body), {
      body: Reset,
      response: { 200: Changed },
      detail: { summary: "Set a new password with the token of the link that was mailed" },
    })
    .put("/me/password", ({ body, caller }) => replacePassword(api, requireCaller(caller), body), {
      body: Change,
      response: { 200: Changed },
      detail: { summary: "Change your password" },
    });
}

// The same work for everybody: whether there is somebody to write to is found out by the worker.
async function askForReset(api: Api, { name, locale }: { name: string; locale: string }): Promise<void> {
  const message = await api.db.transaction((tx) =>
    writeMail(tx, { base: api.publicUrl(), kind: "forgot", locale, params: { name } }),
  );
  await postMail(api, message);
}

async function resetPassword(
  api: Api,
  { token, password, endSessions = true }: { token: string; password: string; endSessions?: boolean },
): Promise<Changed> {
  const link = await findLink(api.db, { tokenHash: hashToken(token), purpose: "reset" });
  if (!link) throw refusedLink();
  await refuseWeakPassword(password, link);
  const passwordHash = await api.passwords.hash(password);
  const { userId: id, passwordChanges, login } = link;
  return settle(api, login, async (tx) => {
    if (!(await useLinks(tx, { userId: id, purpose: "reset" })).includes(link.id)) throw refusedLink();
    const changed = await changePassword(tx, { id, passwordChanges, passwordHash });
    if (!changed) throw refusedLink();
    await insertActivity(tx, { userId: id, kind: "password-changed" });
    await denyDeviceGrants(tx, id); // whichever sessions may go on: none begins that the former password approved
    const ended = endSessions ? await endSessionsIn(tx, { userId: id, reason: "the password was reset" }) : [];
    return { ended, notice: await writeNotice(tx, { api, id, ...changed }) };
  });
}

async function replacePassword(
  api: Api,
  caller: Caller,
  { current, password, endOthers = false }: { current: string; password: string; endOthers?: boolean },
): Promise<Changed> {
  const user = await findUser(api.db, caller.userId);
  const { right } = await api.passwords.verify(current, user?.passwordHash ?? undefined);
  if (!user || !right)
    throw new Fault("not-allowed", "Cannot change the password: the current one is wrong", {
      errors: [{ pointer: "/current", detail: "is not your password" }],
      extra: { reason: "wrong-password" },
    });
  await refuseWeakPassword(password, user);
  const passwordHash = await api.passwords.hash(password);
  const { id, login, passwordChanges } = user;
  return settle(api, login, async (tx) => {
    await useLinks(tx, { userId: id, purpose: "reset" });
    const changed = await changePassword(tx, { id, passwordChanges, passwordHash });
    if (!changed) throw new Fault("conflict", "Cannot change the password: it was changed at this moment");
    await insertActivity(tx, { userId: id, kind: "password-changed" });
    await denyDeviceGrants(tx, id); // whichever sessions may go on: none begins that the former password approved
    await confirmCaller(tx, caller);
    const except = caller.sessionId === null ? {} : { except: caller.sessionId };
    const ended = endOthers
      ? await endSessionsIn(tx, { userId: id, reason: "the password was changed", ...except })
      : [];
    return { ended, notice: await writeNotice(tx, { api, id, ...changed }) };
  });
}

type Tx = Parameters<typeof writeMail>[0];
type Settled = { ended: Revocation[]; notice: Message | undefined };

/** Does the work in one transaction, then tells everybody. */
async function settle(api: Api, login: string, work: (tx: Tx) => Promise<Settled>): Promise<Changed> {
  const { ended, notice } = await api.db.transaction(work);
  for (const revocation of ended) api.revocations.tell(revocation);
  await postMail(api, notice);
  return { login, ended: ended.length };
}

type Notice = { api: Api; id: string; email: string | null; locale: string };

/** States that the password is another now, and writes a note to the proved address, if there is one. */
async function writeNotice(tx: Tx, { api, id, email, locale }: Notice): Promise<Message | undefined> {
  await insertFact(tx, { kind: "user.sign-in-changed", payload: { userId: id } });
  if (email === null) return undefined;
  const params = { userId: id };
  return writeMail(tx, { base: api.publicUrl(), kind: "password-changed", recipient: email, locale, params });
}
