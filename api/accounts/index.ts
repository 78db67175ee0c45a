import { Elysia } from "elysia";
import type { Keys } from "../../keys.ts";
import { site } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { pickLanguage } from "../html-page.ts";
import { undeleteAccount } from "../me/deletion.ts";
import { originOf } from "../origin.ts";
import { type OpenSession, refreshSession } from "../sessions/service.ts";
import { addressAllowance, refreshAllowance, signInAllowances } from "../sign-in-limits.ts";
import { signing } from "../signer.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import { email } from "./email.ts";
import { invites } from "./invites.ts";
import { linkPages } from "./link-pages.ts";
import { Refresh, Register, SignedIn, SignIn } from "./model.ts";
import { password } from "./password.ts";
import { register, signIn } from "./service.ts";

/** Accounts: getting one and into it, its address and password, invites. */
export function accounts(api: Api, keys: Keys) {
  return new Elysia().use(signIns(api, keys)).use(email(api)).use(password(api)).use(invites(api)).use(linkPages());
}

/** Registration and sign-in. */
function signIns(api: Api, keys: Keys) {
  const { config, rateLimits } = api;
  const takeGuess = (guess: { login: string; address: string }, headers: Record<string, string | number>) =>
    rateLimits.take([addressAllowance(config, guess.address), ...signInAllowances(config, guess)], headers);
  return new Elysia({ prefix: "/v1/auth", tags: ["accounts"] })
    .use(signing(keys))
    .derive(({ signAccess, request, server }) => {
      const address = api.addressOf(request, server?.requestIP(request)?.address);
      return {
        address,
        origin: originOf(request, address),
        answer: async (session: OpenSession): Promise<SignedIn> => ({
          user: { id: session.userId, login: session.login, roles: session.roles },
          accessToken: await signAccess(session),
          refreshToken: session.refreshToken,
          expiresInSeconds: accessLifetimeSeconds,
        }),
        count: (kind: "sign-in" | "sign-up") =>
          api.analytics.record({ kind, subject: site, request, from: address, caller: null }),
      };
    })
    .onBeforeHandle(({ set }) => {
      set.headers["cache-control"] = "no-store";
    })
    .post(
      "/register",
      async ({ body, answer, count, origin, status, request, address, set }) => {
        await rateLimits.take([addressAllowance(config, address)], set.headers);
        const session = await register(api, { ...body, locale: pickLanguage(request) }, origin);
        await count("sign-up");
        return status(201, await answer(session));
      },
      {
        body: Register,
        response: { 201: SignedIn },
        detail: { summary: "Make an account" },
      },
    )
    .post(
      "/login",
      async ({ body, answer, count, origin, address }) => {
        const session = await signIn(api, body, origin);
        // A right password is no guess.
        await rateLimits.giveBack(signInAllowances(config, { login: body.login, address }));
        await count("sign-in");
        return answer(session);
      },
      {
        beforeHandle: ({ body, address, set }) => takeGuess({ login: body.login, address }, set.headers),
        body: SignIn,
        response: { 200: SignedIn },
        detail: { summary: "Sign in" },
      },
    )
    .post("/undelete", async ({ body, answer, origin }) => answer(await undeleteAccount(api, body, origin)), {
      beforeHandle: ({ body, address, set }) => takeGuess({ login: body.login, address }, set.headers),
      body: SignIn,
      response: { 200: SignedIn },
      detail: { summary: "Bring your deleted account back, before it is erased, and sign in" },
    })
    .post("/refresh", async ({ body, answer }) => answer(await refreshSession(api, body.refreshToken)), {
      beforeHandle: ({ address, set }) => rateLimits.take([refreshAllowance(config, address)], set.headers),
      body: Refresh,
      response: { 200: SignedIn },
      detail: { summary: "Exchange a refresh token for its successor" },
    });
}
