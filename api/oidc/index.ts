import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Keys } from "../../keys.ts";
import { SignedIn } from "../accounts/model.ts";
import { site } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { describe } from "../describe.ts";
import { pickLanguage } from "../html-page.ts";
import { requireSameOrigin } from "../ops/operators.ts";
import { originOf } from "../origin.ts";
import type { OpenSession } from "../sessions/service.ts";
import { addressAllowance } from "../sign-in-limits.ts";
import { signing } from "../signer.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import { readCode } from "./code-form.ts";
import { bindBrowser, clearHandover, readBinding, readHandover, writeHandover } from "./cookies.ts";
import { beginFlow, endFlow, endWithCode, type Outcome, redeemHandover } from "./flow.ts";
import { getProvider, identities } from "./identities.ts";
import { CallbackQuery, type Linked, ProviderParams, Providers, StartQuery } from "./model.ts";
import { codePage, donePage, problemPage } from "./pages.ts";
import { openProviders } from "./providers.ts";

/** Signing in through providers, and linking them to accounts. */
export function oidc(api: Api, keys: Keys) {
  const providers = openProviders(api.config.OIDC_PROVIDERS, api.config.OUTBOUND_ALLOW);
  const signIns = new Elysia({ prefix: "/v1/auth/oidc", tags: ["accounts"] })
    .use(signing(keys))
    .get(
      "",
      () => ({
        items: [...providers.values()].map(({ id, name }) => ({ id, name, startUrl: `/v1/auth/oidc/${id}/start` })),
      }),
      { response: { 200: Providers }, detail: { summary: "The providers that people may sign in through" } },
    )
    .derive(({ request, server, signAccess }) => {
      const address = api.addressOf(request, server?.requestIP(request)?.address);
      const describeSession = async (session: OpenSession): Promise<SignedIn> => ({
        user: { id: session.userId, login: session.login, roles: session.roles },
        accessToken: await signAccess(session),
        refreshToken: session.refreshToken,
        expiresInSeconds: accessLifetimeSeconds,
      });
      return { address, origin: originOf(request, address), describeSession };
    })
    .onBeforeHandle(async ({ address, set }) => {
      set.headers["cache-control"] = "no-store";
      await api.rateLimits.take([addressAllowance(api.config, address)], set.headers);
    })
    .get(
      "/:provider/start",
      ({ params, query, request }) =>
        forPeople({ request, provider: params.provider }, async () => {
          const { value, cookie } = bindBrowser(api, request);
          const provider = getProvider(providers, params.provider);
          const url = await beginFlow(api, { provider, binding: value, returnTo: query.returnTo ?? "/" });
          const headers = { location: url.href, "set-cookie": cookie, "cache-control": "no-store" };
          return new Response(null, { status: 303, headers });
        }),
      {
        params: ProviderParams,
        query: StartQuery,
        detail: { summary: "Sign in through a provider: 303 to it, for a browser" },
      },
    )
    .get(
      "/:provider/callback",
      ({ params, request, address, origin, describeSession }) =>
        forPeople({ request, provider: params.provider }, async () => {
          const provider = getProvider(providers, params.provider);
          const query = new URL(request.url).searchParams;
          const outcome = await endFlow(api, { provider, binding: readBinding(api, request), query, origin });
          return answer({ request, address, provider: provider.id, outcome, describeSession });
        }),
      {
        params: ProviderParams,
        query: CallbackQuery,
        detail: {
          summary: "Where a provider sends the browser back to: a page, or the tokens for who accepts JSON only",
          responses: describe({ 200: SignedIn }),
        },
      },
    )
    .post(
      "/:provider/code",
      async ({ params, request, address, origin, describeSession }) => {
        requireSameOrigin(api, request);
        const form = await readCode(request);
        const page = { request, provider: params.provider, ticket: form.ticket };
        return forPeople(page, async () => {
          const provider = getProvider(providers, params.provider);
          const outcome = await endWithCode(api, { provider, binding: readBinding(api, request), ...form, origin });
          return answer({ request, address, provider: provider.id, outcome, describeSession });
        });
      },
      {
        params: ProviderParams,
        detail: {
          summary: "The code of a second factor, when a callback asked for it; a form or JSON {ticket, code}",
          responses: describe({ 200: SignedIn }),
        },
      },
    )
    .post(
      "/redeem",
      async ({ request, describeSession, set }) => {
        requireSameOrigin(api, request);
        const session = await redeemHandover(api, readHandover(api, request));
        set.headers["set-cookie"] = clearHandover(api);
        return describeSession(session);
      },
      {
        response: { 200: SignedIn },
        detail: { summary: "The tokens of who signed in through a provider, once, for a page of ours by its cookie" },
      },
    );
  return new Elysia().use(identities(api, providers)).use(signIns);

  type Answering = {
    request: Request;
    address: string;
    provider: string;
    outcome: Outcome;
    describeSession: (session: OpenSession) => Promise<SignedIn>;
  };

  /** Tokens go into a JSON body, for who asks for that; a page gets a cookie by which our own script fetches them. Never into an address. */
  async function answer({ request, address, provider, outcome, describeSession }: Answering): Promise<Response> {
    const page = { language: pickLanguage(request), provider };
    const { returnTo } = outcome;
    if (outcome.kind === "second-factor") {
      if (!wantsJson(request)) return codePage({ ...page, ticket: outcome.ticket });
      throw new Fault(
        "not-signed-in",
        "Cannot sign in yet: give the code of your authenticator app, or a recovery code",
        {
          extra: { reason: "second-factor", ticket: outcome.ticket },
        },
      );
    }
    if (outcome.kind === "linked")
      return wantsJson(request)
        ? toJson({ linked: provider } satisfies Linked)
        : donePage("linked", { ...page, returnTo });
    await api.analytics.record({ kind: "sign-in", subject: site, request, from: address, caller: null });
    if (wantsJson(request)) return toJson(await describeSession(outcome.session));
    const cookies = [writeHandover(api, outcome.session.sessionId)];
    return donePage("signed-in", { ...page, returnTo, cookies });
  }
}

type ForPeople = { request: Request; provider: string; ticket?: string };

/** A refusal is a page for a browser, which shows it to a person, and a problem document for everybody else. */
async function forPeople({ request, provider, ticket }: ForPeople, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault) || error.code === "not-found" || wantsJson(request)) throw error;
    const page = { language: pickLanguage(request), provider };
    const again = ticket !== undefined && error.extra.reason === "second-factor";
    return again ? codePage({ ...page, ticket }, error) : problemPage(page, error);
  }
}

function wantsJson(request: Request): boolean {
  const accept = request.headers.get("accept") ?? "";
  return accept.includes("application/json") && !accept.includes("text/html");
}

function toJson(body: unknown): Response {
  return Response.json(body, { headers: { "cache-control": "no-store" } });
}
