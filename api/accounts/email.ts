import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { findAddressee, findLink, useLinks, verifyEmail } from "../../db/mail-link.ts";
import { isDuplicate } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { requireFreshCaller } from "../sessions/service.ts";
import { addressAllowance } from "../sign-in-limits.ts";
import type { Caller } from "../tokens.ts";
import { postMail, writeMail } from "./mails.ts";
import { Email, LinkToken } from "./model.ts";

const Verify = t.Object({ token: LinkToken }, { additionalProperties: false });
const Verified = t.Object({ login: t.String(), email: t.String() });
const Send = t.Object({ email: t.Optional(Email) }, { additionalProperties: false });
const Sent = t.Object({ email: t.String({ description: "Where the link goes" }) });

/** Proving that an e-mail address is one's own. */
export function email(api: Api) {
  return new Elysia({ prefix: "/v1/auth/email", tags: ["accounts"] })
    .use(callers(api))
    .onBeforeHandle(async ({ request, server, set }) => {
      set.headers["cache-control"] = "no-store";
      const address = api.addressOf(request, server?.requestIP(request)?.address);
      await api.rateLimits.take([addressAllowance(api.config, address)], set.headers);
    })
    .post("/verify", ({ body }) => verifyAddress(api, body.token), {
      body: Verify,
      response: { 200: Verified },
      detail: { summary: "Confirm an e-mail address with the token of the link that was mailed to it" },
    })
    .post(
      "/send",
      async ({ body, caller, status }) => status(202, await sendLink(api, requireCaller(caller), body.email)),
      {
        body: Send,
        response: { 202: Sent },
        detail: {
          summary: "Have a link mailed that confirms your address, or a new one (after a fresh sign-in) in its place",
        },
      },
    );
}

/** The fault of a link that does not hold, whyever. */
export function refusedLink(): Fault {
  return new Fault("invalid", "Cannot use this link: it is wrong, expired, or was used. Ask for another one", {
    errors: [{ pointer: "/token", detail: "is not one that holds" }],
    extra: { reason: "link" },
  });
}

async function verifyAddress(api: Api, token: string): Promise<{ login: string; email: string }> {
  const link = await findLink(api.db, { tokenHash: hashToken(token), purpose: "verify" });
  if (!link) throw refusedLink();
  const { userId, login, email } = link;
  try {
    const notice = await api.db.transaction(async (tx) => {
      if (!(await useLinks(tx, { userId, purpose: "verify" })).includes(link.id)) throw refusedLink();
      const known = await verifyEmail(tx, { userId, email });
      if (!known) throw refusedLink();
      const { before, locale } = known;
      if (before === null || before === email) return undefined;
      const params = { userId };
      return writeMail(tx, { base: api.publicUrl(), kind: "email-changed", recipient: before, locale, params });
    });
    await postMail(api, notice);
  } catch (error) {
    if (isDuplicate(error))
      throw new Fault("conflict", "Cannot confirm the address: it belongs to another account of yours. Sign in there", {
        cause: error,
      });
    throw error;
  }
  return { login, email };
}

// A new address takes the place of the present one when its link is used, not before.
async function sendLink(api: Api, caller: Caller, wanted: string | undefined): Promise<{ email: string }> {
  const { userId } = caller;
  const user = await findAddressee(api.db, userId);
  if (!user) throw new Fault("not-signed-in", "Sign in first: this account is gone");
  const email = wanted?.toLowerCase() ?? user.email;
  if (email === null)
    throw new Fault("conflict", "Cannot send a link: this account has no e-mail address. Give one as email");
  if (email === user.email && user.verified)
    throw new Fault("conflict", "Cannot send a link: the address is confirmed already");
  if (email !== user.email) await requireFreshCaller(api, caller);
  const { locale } = user;
  const message = await api.db.transaction((tx) =>
    writeMail(tx, { base: api.publicUrl(), kind: "verify", recipient: email, locale, params: { userId } }),
  );
  await postMail(api, message);
  return { email };
}
