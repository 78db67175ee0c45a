import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";
import type { Keys } from "../../keys.ts";
import type { Api } from "../api.ts";
import { openRateLimiter } from "../limits.ts";
import { accessLifetimeSeconds, accessType, audience, issuer } from "../tokens.ts";
import { Refresh, Register, SignedIn, SignIn } from "./model.ts";
import { refresh, register, type Session, signIn } from "./service.ts";

/** Registration and sign-in: the only routes that sign tokens. */
export function accounts(api: Api, keys: Keys) {
  const limiter = openRateLimiter(api.config.LIMIT_SIGN_INS_PER_MINUTE);
  return new Elysia({ prefix: "/v1/auth", tags: ["accounts"] })
    .use(
      jwt({
        name: "signer",
        secret: keys.signingKey,
        alg: "EdDSA",
        typ: accessType,
        ...(keys.signingKey.kid && { kid: keys.signingKey.kid }),
        iss: issuer,
        aud: audience,
        iat: true,
        exp: `${accessLifetimeSeconds}s`,
      }),
    )
    .derive(({ signer }) => ({
      answer: async ({ userId, login, roles, sessionId, refreshToken }: Session): Promise<SignedIn> => ({
        user: { id: userId, login, roles },
        accessToken: await signer.sign({ sub: userId, sid: sessionId, login, roles }),
        refreshToken,
        expiresInSeconds: accessLifetimeSeconds,
      }),
    }))
    .onBeforeHandle(({ request, server, set }) => {
      set.headers["cache-control"] = "no-store";
      limiter.take(api.addressOf(request, server?.requestIP(request)?.address));
    })
    .post("/register", async ({ body, answer, status }) => status(201, await answer(await register(api, body))), {
      body: Register,
      response: { 201: SignedIn },
      detail: { summary: "Make an account" },
    })
    .post("/login", async ({ body, answer }) => answer(await signIn(api, body)), {
      body: SignIn,
      response: { 200: SignedIn },
      detail: { summary: "Sign in" },
    })
    .post("/refresh", async ({ body, answer }) => answer(await refresh(api, body.refreshToken)), {
      body: Refresh,
      response: { 200: SignedIn },
      detail: { summary: "Exchange a refresh token for its successor" },
    });
}
