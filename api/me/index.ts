import { Elysia } from "elysia";
import type { ProfileRow } from "../../db/profile.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged, requireRevision, shownTag } from "../etag.ts";
import { linkNext } from "../pages.ts";
import { addressAllowance, signInAllowances } from "../sign-in-limits.ts";
import type { Caller } from "../tokens.ts";
import { pageActivity } from "./activity.ts";
import { deleteAccount } from "./deletion.ts";
import {
  Activities,
  ActivityQuery,
  Deleted,
  Deletion,
  MadeToken,
  NewToken,
  Preferences,
  PreferencesChange,
  Profile,
  ProfileChange,
  TokenParams,
  Tokens,
} from "./model.ts";
import { changePreferences, changeProfile, getPreferences, getProfile, showProfile } from "./profile.ts";
import { createToken, deleteToken, listTokens } from "./tokens.ts";

const closed = { "cache-control": "private, no-store" };

/** What somebody sees and changes of himself. */
export function me(api: Api) {
  const { config } = api;
  return new Elysia({ prefix: "/v1/me", tags: ["me"] })
    .use(callers(api))
    .get(
      "",
      async ({ caller, request }) => {
        const signedIn = requireCaller(caller);
        return answer(api, { caller: signedIn, row: await getProfile(api, signedIn), request });
      },
      { detail: { summary: "Your profile", responses: describe({ 200: Profile }) } },
    )
    .patch(
      "",
      async ({ body, caller, request }) => {
        const signedIn = requireCaller(caller);
        // `*` (RFC 9110, 13.1.1) is whatever it is now: for clients that know nothing of revisions.
        const revision = request.headers.get("if-match")?.trim() === "*" ? undefined : requireRevision(request);
        const row = await changeProfile(api, { caller: signedIn, revision, change: body });
        return answer(api, { caller: signedIn, row, request });
      },
      {
        body: ProfileChange,
        detail: { summary: "Change your profile (If-Match)", responses: describe({ 200: Profile }) },
      },
    )
    .delete(
      "",
      async ({ body, caller, request, server, set }) => {
        const signedIn = requireCaller(caller);
        const address = api.addressOf(request, server?.requestIP(request)?.address);
        // Whoever has somebody's token guesses at the password like anybody else.
        const guess = signInAllowances(config, { login: signedIn.login, address });
        await api.rateLimits.take([addressAllowance(config, address), ...guess], set.headers);
        Object.assign(set.headers, closed);
        const { eraseAfter, organizations } = await deleteAccount(api, {
          caller: signedIn,
          password: body.password,
        });
        return { eraseAfter: eraseAfter.toISOString(), organizations };
      },
      {
        body: Deletion,
        response: { 200: Deleted },
        detail: { summary: "Delete your account: hidden at once, erased later" },
      },
    )
    .get(
      "/preferences",
      async ({ caller, set }) => {
        Object.assign(set.headers, closed);
        return getPreferences(api, requireCaller(caller));
      },
      { response: { 200: Preferences }, detail: { summary: "Your preferences" } },
    )
    .patch(
      "/preferences",
      async ({ body, caller, set }) => {
        Object.assign(set.headers, closed);
        return changePreferences(api, { caller: requireCaller(caller), change: body });
      },
      {
        body: PreferencesChange,
        response: { 200: Preferences },
        detail: { summary: "Change some of your preferences" },
      },
    )
    .get(
      "/activity",
      async ({ query, caller, request, set }) => {
        const page = await pageActivity(api, { caller: requireCaller(caller), ...query });
        Object.assign(set.headers, linkNext(request, page.nextCursor), closed);
        return page;
      },
      { query: ActivityQuery, response: { 200: Activities }, detail: { summary: "Your history, newest first" } },
    )
    .get(
      "/tokens",
      async ({ caller, set }) => {
        Object.assign(set.headers, closed);
        return { items: await listTokens(api, requireCaller(caller)) };
      },
      { response: { 200: Tokens }, detail: { summary: "Your personal access tokens" } },
    )
    .post(
      "/tokens",
      async ({ body, caller, set, status }) => {
        // No Idempotency-Key: an answer that is kept for being repeated would keep the token.
        const made = await createToken(api, { caller: requireCaller(caller), ...body });
        Object.assign(set.headers, closed, { location: `/v1/me/tokens/${made.id}` });
        return status(201, made);
      },
      {
        body: NewToken,
        response: { 201: MadeToken },
        detail: { summary: "Make a personal access token, shown once" },
      },
    )
    .delete(
      "/tokens/:id",
      async ({ params, caller, status }) => {
        await deleteToken(api, { caller: requireCaller(caller), id: params.id });
        return status(204, undefined);
      },
      { params: TokenParams, detail: { summary: "End a personal access token, everywhere at once" } },
    );
}

type Answered = { caller: Caller; row: ProfileRow; request: Request };

async function answer(api: Api, { caller, row, request }: Answered): Promise<Response> {
  const shown = await showProfile(api, { caller, row });
  const headers = { etag: shownTag(row.revision, shown), "cache-control": "private, no-cache" };
  if (request.method === "GET" && isUnchanged(request, headers.etag))
    return new Response(null, { status: 304, headers });
  return Response.json(shown, { headers });
}
