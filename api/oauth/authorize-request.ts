import type { Client, Clients } from "./clients.ts";
import { pickScopes } from "./clients.ts";
import { isRegistered, writeAnswer } from "./redirects.ts";

/** What a client asks a person for, when all of it is in order (RFC 6749, 4.1.1; OpenID Connect Core 1.0, 3.1.2.1). */
export type AuthorizeRequest = {
  client: Client;
  redirectUri: string;
  state?: string | undefined;
  scopes: string[];
  nonce?: string | undefined;
  /** PKCE, S256. */
  challenge: string;
  prompts: ReadonlySet<string>;
  maxAgeSeconds?: number | undefined;
  loginHint: string;
  idTokenHint?: string | undefined;
  locales: string;
  /** As it came. */
  query: string;
};

/** `shown`: to the person, since nobody can be told where to send him back to. `sent-back`: to the client, with an error. */
export type ReadRequest =
  | { kind: "asked"; asked: AuthorizeRequest }
  | { kind: "shown"; problem: "unknown-client" | "wrong-redirect" | "malformed" }
  | { kind: "sent-back"; location: string };

const maxQueryLength = 3_000;
const prompts = ["none", "login", "consent", "select_account"];
/** Ways to send a request that nobody needs here (OpenID Connect Core 1.0, 3.1.2.6). */
const unsupported: Record<string, string> = {
  request: "request_not_supported",
  request_uri: "request_uri_not_supported",
  registration: "registration_not_supported",
};

/** Reads an authorization request. A parameter without a value counts as left out; one that is given twice is refused (RFC 6749, 3.1). */
export function readAuthorizeRequest(
  clients: Clients,
  { query, issuer }: { query: string; issuer: string },
): ReadRequest {
  if (query.length > maxQueryLength) return { kind: "shown", problem: "malformed" };
  const all = [...new URLSearchParams(query)].filter(([, value]) => value !== "");
  const given = new Map(all);
  const twice = all.map(([name]) => name).filter((name, index, names) => names.indexOf(name) !== index);
  if (twice.includes("client_id")) return { kind: "shown", problem: "unknown-client" };
  const client = clients.find(given.get("client_id"));
  if (!client) return { kind: "shown", problem: "unknown-client" };
  const redirectUri = given.get("redirect_uri") ?? "";
  if (twice.includes("redirect_uri") || !isRegistered(client.redirectUris, redirectUri))
    return { kind: "shown", problem: "wrong-redirect" };
  const state = twice.includes("state") ? undefined : given.get("state");
  const refuse = (error: string, error_description: string): ReadRequest => ({
    kind: "sent-back",
    location: writeAnswer(redirectUri, { error, error_description, state, iss: issuer }),
  });

  if (twice.length > 0) return refuse("invalid_request", `the parameter ${twice[0]} is given twice`);
  const foreign = Object.keys(unsupported).find((name) => given.has(name));
  if (foreign) return refuse(unsupported[foreign] ?? "invalid_request", `the parameter ${foreign} is not supported`);
  if (!given.has("response_type")) return refuse("invalid_request", "response_type is missing");
  if (given.get("response_type") !== "code") return refuse("unsupported_response_type", "response_type must be code");
  if ((given.get("response_mode") ?? "query") !== "query")
    return refuse("invalid_request", "response_mode must be query");
  const challenge = given.get("code_challenge") ?? "";
  if (given.get("code_challenge_method") !== "S256" || !/^[\w-]{43}$/.test(challenge))
    return refuse("invalid_request", "PKCE is needed: a code_challenge with code_challenge_method=S256");
  const asked = new Set((given.get("prompt") ?? "").split(" ").filter(Boolean));
  if ([...asked].some((prompt) => !prompts.includes(prompt)) || (asked.has("none") && asked.size > 1))
    return refuse("invalid_request", "prompt must be none, or some of login, consent and select_account");
  const maxAge = given.get("max_age");
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge))
    return refuse("invalid_request", "max_age is not a number of seconds");
  const nonce = given.get("nonce");
  if (nonce?.includes("\0")) return refuse("invalid_request", "nonce holds U+0000");
  const scopes = findScopes(given.get("scope"), client);
  if (!scopes) return refuse("invalid_scope", `this may be asked for: ${client.scopes.join(" ")}`);
  return {
    kind: "asked",
    asked: {
      client,
      redirectUri,
      state,
      scopes,
      nonce,
      challenge,
      prompts: asked,
      maxAgeSeconds: maxAge === undefined ? undefined : Number(maxAge),
      loginHint: (given.get("login_hint") ?? "").slice(0, 254),
      idTokenHint: given.get("id_token_hint"),
      locales: given.get("ui_locales") ?? "",
      query,
    },
  };
}

function findScopes(scope: string | undefined, client: Client): string[] | undefined {
  try {
    return pickScopes(scope, client.scopes);
  } catch {
    return undefined;
  }
}
