import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Elysia } from "elysia";
import { listPlayers } from "../../db/player.ts";
import { isSameSecret } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { requireSecondFactor } from "../accounts/second-factor.ts";
import { checkPassword } from "../accounts/service.ts";
import type { Api } from "../api.ts";
import { type Language, pickLanguage } from "../html-page.ts";
import { requireSameOrigin } from "../ops/operators.ts";
import { originOf } from "../origin.ts";
import { addressAllowance, codeAllowance, signInAllowances } from "../sign-in-limits.ts";
import { type AuthorizeProblem, consentPage, refusedPage, signInPage } from "./authorize-pages.ts";
import { type AuthorizeRequest, type ReadRequest, readAuthorizeRequest } from "./authorize-request.ts";
import { type Browser, findBrowser, signInBrowser } from "./browser-session.ts";
import type { Clients } from "./clients.ts";
import { issueCode } from "./code.ts";
import { type Form, readForm } from "./form.ts";
import { AuthorizeDocument } from "./model.ts";
import { sendTo, writeAnswer } from "./redirects.ts";

const hidden = { detail: { hide: true } };
/** How long a question may stand open. */
const consentSeconds = 600;

type Asking = { request: Request; asked: AuthorizeRequest };

/**
 * The authorization endpoint (RFC 6749, 4.1; OpenID Connect Core 1.0, 3.1.2) and its forms. Somebody is asked every time: a
 * client without a secret may be any program that says its id (RFC 8252, 8.6); but not for the operator's own sites. What he is asked is bound to his browser's
 * session, and an answer comes from our own page only (CSRF).
 */
export function authorizePages(api: Api, clients: Clients) {
  const providers = api.config.OIDC_PROVIDERS.map(({ id, name = id }) => ({ id, name }));
  return new Elysia()
    .derive(({ request, server }) => ({ address: api.addressOf(request, server?.requestIP(request)?.address) }))
    .get("/oauth/authorize", ({ request }) => ask(request), { detail: AuthorizeDocument })
    .post(
      "/oauth/authorize",
      // Asked again with GET: a form of somebody else's page brings no cookies.
      async ({ request }) => sendTo(`/oauth/authorize?${new URLSearchParams([...(await readForm(request))])}`),
      hidden,
    )
    .post(
      "/oauth/authorize/sign-in",
      ({ request, address }) => forAsked(request, (asked, form) => signIn({ request, asked }, { form, address })),
      hidden,
    )
    .post(
      "/oauth/authorize/decide",
      ({ request }) => forAsked(request, (asked, form) => decide({ request, asked }, form)),
      hidden,
    );

  function read(query: string): ReadRequest {
    return readAuthorizeRequest(clients, { query, issuer: api.publicUrl() });
  }

  async function ask(request: Request): Promise<Response> {
    const wanted = read(new URL(request.url).search.slice(1));
    if (wanted.kind !== "asked") return refuse(request, wanted);
    const { asked } = wanted;
    const browser = await findBrowser(api, request);
    const signedIn = browser && (await holdsFor(browser, asked)) ? browser : undefined;
    if (signedIn && isTrusted(asked)) return letIn({ request, asked }, { browser: signedIn, playerId: null });
    if (asked.prompts.has("none")) return sendBack(asked, { error: signedIn ? "consent_required" : "login_required" });
    return signedIn ? question({ request, asked }, signedIn) : signInPage(shown({ request, asked }));
  }

  /** Whether a browser is signed in as its client wants it: as whom, how long ago (OpenID Connect Core 1.0, 3.1.2.1). */
  async function holdsFor({ userId, ageSeconds }: Browser, { prompts, maxAgeSeconds, idTokenHint }: AuthorizeRequest) {
    if (prompts.has("login") || prompts.has("select_account") || maxAgeSeconds === 0) return false;
    if (maxAgeSeconds !== undefined && ageSeconds > maxAgeSeconds) return false;
    return idTokenHint === undefined || Value.Check(hintOf(userId), await api.idTokenKeys.read(idTokenHint));
  }

  /** A form of ours says again what was asked: it is read as if it came from outside. */
  async function forAsked(request: Request, answer: (asked: AuthorizeRequest, form: Form) => Promise<Response>) {
    requireSameOrigin(api, request);
    const form = await readForm(request);
    const wanted = read(form.get("query") ?? "");
    return wanted.kind === "asked" ? answer(wanted.asked, form) : refuse(request, wanted);
  }

  /** A refusal is the page again, not a problem document: a person reads it. */
  async function signIn(asking: Asking, { form, address }: { form: Form; address: string }): Promise<Response> {
    const { request } = asking;
    const login = form.get("login") ?? "";
    try {
      await api.rateLimits.take([
        addressAllowance(api.config, address),
        ...signInAllowances(api.config, { login, address }),
      ]);
      const user = await checkPassword(api, { login, password: form.get("password") ?? "" });
      await requireSecondFactor(api, { user, code: form.get("code") });
      const before = await findBrowser(api, request);
      const browser = await signInBrowser(api, { user, origin: originOf(request, address), before });
      return isTrusted(asking.asked) ? letIn(asking, { browser, playerId: null }) : question(asking, browser);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return signInPage({ ...shown(asking), login, problem: toProblem(error), status: error.status });
    }
  }

  async function question({ request, asked }: Asking, browser: Browser, problem?: AuthorizeProblem): Promise<Response> {
    const at = String(Math.floor(Date.now() / 1000));
    const players = asksForPlayer(asked) ? await listPlayers(api.db, browser.userId) : undefined;
    const consent = { at, mac: consentOf(browser, { at, query: asked.query }) };
    return consentPage({ language: languageOf(request, asked), asked, browser, players, consent, problem });
  }

  async function decide({ request, asked }: Asking, form: Form): Promise<Response> {
    const browser = await findBrowser(api, request);
    const at = form.get("at") ?? "";
    const inTime = /^\d{1,12}$/.test(at) && Date.now() / 1000 - Number(at) < consentSeconds;
    if (!browser || !inTime || !isSameSecret(form.get("consent") ?? "", consentOf(browser, { at, query: asked.query })))
      return gone({ request, asked });
    if (form.get("action") !== "allow")
      return sendBack(asked, { error: "access_denied", error_description: "the person said no" });
    const playerId = asksForPlayer(asked) ? await findPlayer(browser, form) : null;
    if (playerId === undefined) return question({ request, asked }, browser, "no-player");
    return letIn({ request, asked }, { browser, playerId });
  }

  /** Sends somebody back with a code. */
  async function letIn(asking: Asking, { browser, playerId }: { browser: Browser; playerId: string | null }) {
    const { asked } = asking;
    try {
      await api.rateLimits.take([codeAllowance(api.config, browser.userId)]);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (asked.prompts.has("none")) return sendBack(asked, { error: "temporarily_unavailable" });
      return signInPage({ ...shown(asking), problem: toProblem(error), status: error.status });
    }
    const code = await issueCode(api, { asked, browserSessionId: browser.id, playerId });
    return code === undefined ? gone(asking) : sendBack(asked, { code }, browser.cookies);
  }

  function gone(asking: Asking): Response {
    if (asking.asked.prompts.has("none")) return sendBack(asking.asked, { error: "login_required" });
    return signInPage({ ...shown(asking), problem: "gone", status: 403 });
  }

  /** One of his players: undefined when it is none. */
  async function findPlayer({ userId }: Browser, form: Form): Promise<string | undefined> {
    return (await listPlayers(api.db, userId)).find(({ id }) => id === form.get("player"))?.id;
  }

  function consentOf({ id }: Browser, { at, query }: { at: string; query: string }): string {
    return api.seal.derive("consent", `${id} ${at} ${query}`);
  }

  /** The answer to a client says who gives it, so that it is not taken for another server's (RFC 9207). */
  function sendBack(asked: AuthorizeRequest, answer: Record<string, string>, cookies?: string[]): Response {
    const { redirectUri, state } = asked;
    return sendTo(writeAnswer(redirectUri, { ...answer, state, iss: api.publicUrl() }), cookies);
  }

  function refuse(request: Request, refusal: Exclude<ReadRequest, { kind: "asked" }>): Response {
    if (refusal.kind === "sent-back") return sendTo(refusal.location);
    return refusedPage(pickLanguage(request), refusal.problem);
  }

  function shown({ request, asked }: Asking) {
    return { language: languageOf(request, asked), asked, issuer: api.publicUrl(), providers };
  }
}

/** Whether one of somebody's players is to be chosen for a client. */
export function asksForPlayer({ scopes }: { scopes: readonly string[] }): boolean {
  return scopes.includes("Yggdrasil.PlayerProfiles.Select");
}

/** Whether nobody is asked: for a client that is the operator's own, where nothing is to be chosen. */
function isTrusted(asked: AuthorizeRequest): boolean {
  return asked.client.trusted && !asked.prompts.has("consent") && !asksForPlayer(asked);
}

/** What an ID token of a user says. */
function hintOf(userId: string) {
  return t.Object({ sub: t.Literal(userId) });
}

/** The first that we speak of those that the client names, else of those that the browser does. */
function languageOf(request: Request, { locales }: AuthorizeRequest): Language {
  const named = locales.split(" ").map((tag) => tag.toLowerCase().split("-")[0]);
  return named.find((tag) => tag === "ru" || tag === "en") ?? pickLanguage(request);
}

function toProblem({ code, extra }: Fault): AuthorizeProblem {
  if (extra.reason === "second-factor") return "second-factor";
  return code === "not-signed-in" || code === "too-many" ? code : "failed";
}
