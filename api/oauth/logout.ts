import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Elysia } from "elysia";
import { findSession } from "../../db/session.ts";
import type { Api } from "../api.ts";
import { pickLanguage } from "../html-page.ts";
import { requireSameOrigin } from "../ops/operators.ts";
import { revokeSessions } from "../sessions/service.ts";
import { leavePage, leftPage, refusedPage } from "./authorize-pages.ts";
import { findBrowser, signOutBrowser } from "./browser-session.ts";
import type { Client, Clients } from "./clients.ts";
import { readForm } from "./form.ts";
import { LogoutDocument } from "./model.ts";
import { isRegistered, sendTo, writeAnswer } from "./redirects.ts";

const hidden = { detail: { hide: true } };
const Hint = t.Object({ aud: t.String(), sub: t.String(), sid: t.String() });

type Leaving = { client: Client | undefined; sid: string | undefined; back: string | undefined; query: string };

/**
 * The end of a session, as a client asks for it (OpenID Connect RP-Initiated Logout 1.0). The person is asked in any case, so that
 * no link of a stranger signs him out. It ends the browser's session here, and the client's that its ID token names.
 */
export function logoutPages(api: Api, clients: Clients) {
  return new Elysia()
    .get("/oauth/logout", ({ request }) => ask(request), { detail: LogoutDocument })
    .post(
      "/oauth/logout",
      async ({ request }) => sendTo(`/oauth/logout?${new URLSearchParams([...(await readForm(request))])}`),
      hidden,
    )
    .post("/oauth/logout/confirm", ({ request }) => leave(request), hidden);

  async function ask(request: Request): Promise<Response> {
    const query = new URL(request.url).search.slice(1);
    const leaving = await read(query);
    const language = pickLanguage(request);
    if (!leaving) return refusedPage(language, "wrong-hint");
    const browser = await findBrowser(api, request);
    if (!browser && leaving.sid === undefined && leaving.back !== undefined) return sendTo(leaving.back);
    const client = leaving.sid === undefined ? undefined : leaving.client?.name;
    return leavePage({ language, login: browser?.login, client, query });
  }

  async function leave(request: Request): Promise<Response> {
    requireSameOrigin(api, request);
    const leaving = await read((await readForm(request)).get("query") ?? "");
    const language = pickLanguage(request);
    if (!leaving) return refusedPage(language, "wrong-hint");
    const { client, sid, back } = leaving;
    const session = sid === undefined ? undefined : await findSession(api.db, sid);
    if (session && session.clientId === client?.id)
      await revokeSessions(api, { userId: session.userId, reason: "signed out", only: session.id });
    const cookie = await signOutBrowser(api, await findBrowser(api, request));
    return back === undefined ? leftPage(language, cookie) : sendTo(back, [cookie]);
  }

  /** Undefined when the parts do not fit: then nobody is signed out, and nobody is sent anywhere. */
  async function read(query: string): Promise<Leaving | undefined> {
    const all = new URLSearchParams(query);
    const names = [...all.keys()];
    if (names.length > new Set(names).size) return undefined;
    const [given, uri, state, named] = ["id_token_hint", "post_logout_redirect_uri", "state", "client_id"].map(
      (name) => all.get(name) || undefined,
    );
    const hint = given === undefined ? undefined : await api.idTokenKeys.read(given);
    if (given !== undefined && !Value.Check(Hint, hint)) return undefined;
    const { aud, sid } = Value.Check(Hint, hint) ? hint : { aud: undefined, sid: undefined };
    if (aud !== undefined && named !== undefined && aud !== named) return undefined;
    const client = clients.find(aud ?? named);
    if (uri === undefined) return { client, sid, back: undefined, query };
    if (!client || !isRegistered(client.postLogoutRedirectUris, uri)) return undefined;
    return { client, sid, back: writeAnswer(uri, { state }), query };
  }
}
