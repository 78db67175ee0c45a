import { findUser } from "../../db/account.ts";
import { type FoundFlow, findProviderFlow, insertProviderFlow, takeProviderFlow } from "../../db/provider-flow.ts";
import { advanceSession, findSession } from "../../db/session.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { requireSecondFactor } from "../accounts/second-factor.ts";
import type { Api } from "../api.ts";
import { type OpenSession, type Origin, openSession } from "../sessions/service.ts";
import { explainFailure } from "./failures.ts";
import { findOrCreateUser, linkIdentity } from "./people.ts";
import { cleanProfile } from "./presets.ts";
import type { Checks, OpenProvider } from "./providers.ts";

/** A browser that signs in through a provider; `binding` is the cookie by which it is known again. */
export type Visit = { provider: OpenProvider; binding: string | undefined };

/** What came of the answer that a browser brought. `ticket`: good once together with the code of a second factor. */
export type Outcome =
  | { kind: "signed-in"; session: OpenSession; returnTo: string }
  | { kind: "linked"; returnTo: string }
  | { kind: "second-factor"; ticket: string; returnTo: string };

const lifetimeSeconds = 600;

/** Where the provider sends the browser back to; to be registered there. */
export function redirectUriOf({ publicUrl }: Pick<Api, "publicUrl">, { id }: OpenProvider): string {
  return `${publicUrl()}/v1/auth/oidc/${id}/callback`;
}

type Begin = {
  provider: OpenProvider;
  binding: string;
  returnTo: string;
  link?: { userId: string; sessionId: string };
};

/** Begins to sign in, or to link to whoever is signed in, within ten minutes. Answers where the browser is to be sent; 503 when the provider is away. */
export async function beginFlow(api: Api, { provider, binding, returnTo, link }: Begin): Promise<URL> {
  const state = makeSecret();
  const url = await provider
    .startUrl({ ...checksOf(api, state), redirectUri: redirectUriOf(api, provider) })
    .catch((error) => explainFailure(error, { provider, log: api.log }));
  await keepFlow(api, { provider, binding, returnTo, state, purpose: link ? "link" : "sign-in", ...link });
  return url;
}

/** Takes the flow of an answer, once and in the browser that began it, and does what it was begun for. */
export async function endFlow(
  api: Api,
  { provider, binding, query, origin }: Visit & { query: URLSearchParams; origin: Origin },
): Promise<Outcome> {
  const state = query.get("state") ?? "";
  const flow = binding === undefined ? undefined : await takeProviderFlow(api.db, keyOf(provider, { state, binding }));
  if (!flow || flow.purpose === "second-factor" || binding === undefined) throw unknownFlow();
  const answer = new URL(`${redirectUriOf(api, provider)}?${query}`);
  const profile = await provider
    .redeem(answer, checksOf(api, state))
    .then(cleanProfile)
    .catch((error) => explainFailure(error, { provider, log: api.log }));
  const { returnTo, userId, sessionId } = flow;
  if (flow.purpose === "link") {
    if (userId === null || sessionId === null) throw unknownFlow();
    await linkIdentity(api, { provider, profile, userId, sessionId });
    return { kind: "linked", returnTo };
  }
  const user = await findOrCreateUser(api, { provider, profile });
  if (!user.secondFactor)
    return { kind: "signed-in", returnTo, session: await openSession(api, { user, origin: toWeb(origin) }) };
  const ticket = makeSecret();
  await keepFlow(api, { provider, binding, returnTo, state: ticket, purpose: "second-factor", userId: user.id });
  return { kind: "second-factor", ticket, returnTo };
}

/** Signs in whoever came with a profile and now gives the code of his second factor. 401 when it is wrong: then again. */
export async function endWithCode(
  api: Api,
  { provider, binding, ticket, code, origin }: Visit & { ticket: string; code: string; origin: Origin },
): Promise<Outcome> {
  if (binding === undefined) throw unknownFlow();
  const key = keyOf(provider, { state: ticket, binding });
  const flow = await findProviderFlow(api.db, key);
  if (flow?.purpose !== "second-factor" || flow.userId === null) throw unknownFlow();
  const user = await findUser(api.db, flow.userId);
  if (!user) throw unknownFlow();
  await requireSecondFactor(api, { user, code });
  if (!(await takeProviderFlow(api.db, key))) throw unknownFlow();
  return {
    kind: "signed-in",
    returnTo: flow.returnTo,
    session: await openSession(api, { user, origin: toWeb(origin) }),
  };
}

/** The tokens of a session that a callback opened for a page, once. 401 when they were fetched, or after ten minutes. */
export async function redeemHandover(api: Api, sessionId: string | undefined): Promise<OpenSession> {
  const session = sessionId === undefined ? undefined : await findSession(api.db, sessionId);
  const fetched =
    session?.fresh && session.counter === 0 && (await advanceSession(api.db, { id: session.id, counter: 0 }));
  if (!session || !fetched)
    throw new Fault("not-signed-in", "Nobody has signed in here, or the tokens were fetched: begin again");
  const { id, userId, login, roles, ver, scopes, salt } = session;
  const refreshToken = api.tokens.makeRefresh({ id, salt, counter: fetched.counter });
  return { userId, login, roles, ver, scopes, sessionId: id, refreshToken };
}

/** Nonce and PKCE verifier belong to the state: who reads the database has neither. */
function checksOf({ seal }: Pick<Api, "seal">, state: string): Checks {
  return { state, nonce: seal.derive("provider nonce", state), verifier: seal.derive("provider verifier", state) };
}

function keyOf({ id }: OpenProvider, { state, binding }: { state: string; binding: string }) {
  return { provider: id, stateHash: hashToken(state), bindingHash: hashToken(binding) };
}

type Kept = { provider: OpenProvider; binding: string; state: string; userId?: string; sessionId?: string } & Pick<
  FoundFlow,
  "purpose" | "returnTo"
>;

async function keepFlow({ db }: Api, { provider, binding, state, userId, sessionId, ...rest }: Kept): Promise<void> {
  const flow = {
    ...keyOf(provider, { state, binding }),
    userId: userId ?? null,
    sessionId: sessionId ?? null,
    ...rest,
  };
  await insertProviderFlow(db, flow, lifetimeSeconds);
}

function toWeb(origin: Origin): Origin {
  return { ...origin, kind: "web" };
}

function unknownFlow(): Fault {
  return new Fault(
    "malformed",
    "Cannot sign in: this was not begun in this browser within ten minutes, or was used already. Begin again",
    { extra: { reason: "begin-again" } },
  );
}
