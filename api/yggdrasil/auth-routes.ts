import { Elysia } from "elysia";
import { site } from "../analytics/recorder.ts";
import { originOf } from "../origin.ts";
import { answerGame, readBody } from "./answer.ts";
import type { Game } from "./game.ts";
import { Authenticate, Credentials, Refresh, Validate } from "./model.ts";
import { authenticate, gameClientId, invalidate, refresh, requireGameToken, signOut } from "./sign-in.ts";

/** Signing in and out, and what a token is good for. */
export function authServer({ api, addressOf, admit }: Game) {
  return new Elysia({ prefix: "/authserver" })
    .post(
      "/authenticate",
      ({ request, server }) =>
        answerGame(async () => {
          const given = await readBody(request, Authenticate);
          const address = addressOf({ request, server });
          const { device } = originOf(request, address);
          const signedIn = await authenticate(api, given, {
            device,
            address,
            kind: "launcher",
            clientId: gameClientId,
            fresh: false,
          });
          await api.analytics.record({ kind: "sign-in", subject: site, request, from: address, caller: null });
          return signedIn;
        }),
      { detail: { summary: "Sign in with name and password" } },
    )
    .post(
      "/refresh",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          return refresh(api, await readBody(request, Refresh));
        }),
      { detail: { summary: "Exchange a token for another, and choose a player" } },
    )
    .post(
      "/validate",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          await requireGameToken(api, await readBody(request, Validate));
          return undefined;
        }),
      { detail: { summary: "Whether a token is good" } },
    )
    .post(
      "/invalidate",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          await invalidate(api, await readBody(request, Validate));
          return undefined;
        }),
      { detail: { summary: "Sign out" } },
    )
    .post(
      "/signout",
      ({ request, server }) =>
        answerGame(async () => {
          const given = await readBody(request, Credentials);
          await signOut(api, { ...given, address: addressOf({ request, server }) });
          return undefined;
        }),
      { detail: { summary: "Sign out of all games, with name and password" } },
    );
}
