import { timingSafeEqual } from "node:crypto";
import type { OauthClient, ServiceClient } from "../../clients.ts";
import type { Config } from "../../config.ts";
import { identityScopes, scopes } from "../scopes.ts";
import type { Form } from "./form.ts";
import { refuse } from "./refusal.ts";

/** Our own command line, which every server knows. */
export const commandLine: OauthClient = {
  id: "sunduk-cli",
  name: "Sunduk CLI",
  scopes: ["packs:read", "packs:write", "files:read", "files:write", "account:read", "account:write"],
};

/** Who calls a token endpoint: a program that signs people in, or a service with roles of its own. */
export type Client = {
  id: string;
  name: string;
  scopes: string[];
  redirectUris: string[];
  postLogoutRedirectUris: string[];
  idTokenAlg: IdTokenAlg;
  /** Nobody is asked whether he wants it to know him. */
  trusted: boolean;
  service?: { roles: string[] };
};
/** Every OpenID client knows RS256 (OpenID Connect Core 1.0, 15.1); EdDSA is smaller, for those that know it too. */
export type IdTokenAlg = "RS256" | "EdDSA";

export type Clients = {
  /** The client of a request, by client_id, or by its secret where it has one (RFC 6749, 2.3). Throws `invalid_client`. */
  authenticate: (request: Request, form: Form) => Client;
  /** A client that signs people in. */
  find: (id: string | undefined) => Client | undefined;
  /** The one for launchers that nobody has registered here. */
  sharedId: string | undefined;
  /** Whether any client may learn who signs in. */
  identify: boolean;
  /** What people read in the place of a client's id. */
  nameOf: (id: string) => string;
};

/** Knows the clients of the configuration. Throws when one of them has a scope that there is not. */
export function openClients({ OAUTH_CLIENTS, SERVICE_CLIENTS }: Lists): Clients {
  const known = new Map<string, { client: Client; secretSha256?: string }>();
  for (const given of [commandLine, ...OAUTH_CLIENTS, ...SERVICE_CLIENTS]) known.set(given.id, toClient(given));
  return {
    authenticate: (request, form) => {
      const { id, secret } = readCredentials(request, form);
      const found = known.get(id);
      // Compared in any case, so that the time does not tell which ids there are.
      const right = isSecret(secret ?? "", found?.secretSha256);
      if (found && (found.client.service ? right : secret === undefined)) return found.client;
      throw refuse("invalid_client", "Cannot tell who asks: the client is unknown, or its secret is wrong");
    },
    find: (id = "") => {
      const client = known.get(id)?.client;
      return client?.service ? undefined : client;
    },
    sharedId: OAUTH_CLIENTS.find(({ shared }) => shared)?.id,
    identify: OAUTH_CLIENTS.some((client) => client.scopes.includes("openid")),
    nameOf: (id) => known.get(id)?.client.name ?? id,
  };
}

function toClient(given: OauthClient | ServiceClient): { client: Client; secretSha256?: string } {
  const possible: readonly string[] = "roles" in given ? scopes : [...scopes, ...identityScopes];
  const wrong = given.scopes.filter((scope) => !possible.includes(scope));
  if (wrong.length > 0)
    throw new Error(
      `Cannot start: the client "${given.id}" has the scope ${wrong.join(", ")}. There are ${possible.join(", ")}`,
    );
  const { id, name = id, scopes: most } = given;
  const client: Client = {
    id,
    name,
    scopes: most,
    redirectUris: [],
    postLogoutRedirectUris: [],
    idTokenAlg: "RS256",
    trusted: false,
  };
  if (!("roles" in given)) {
    const { redirectUris = [], postLogoutRedirectUris = [], idTokenAlg = "RS256", trusted = false } = given;
    return { client: { ...client, redirectUris, postLogoutRedirectUris, idTokenAlg, trusted } };
  }
  return {
    client: { ...client, service: { roles: given.roles } },
    ...(given.secretSha256 !== undefined && { secretSha256: given.secretSha256 }),
  };
}

type Lists = Pick<Config, "OAUTH_CLIENTS" | "SERVICE_CLIENTS">;

/** The most that a session's client may have today; undefined for one that the operator has removed, which ends its sessions. */
export function scopesOf({ OAUTH_CLIENTS, SERVICE_CLIENTS }: Lists, id: string): readonly string[] | undefined {
  return [commandLine, ...OAUTH_CLIENTS, ...SERVICE_CLIENTS].findLast((client) => client.id === id)?.scopes;
}

/** Whether a session's client is still there. */
export function isConfigured(lists: Lists, id: string): boolean {
  return scopesOf(lists, id) !== undefined;
}

/** The scopes that a client asks for, or all that it may be given; `invalid_scope` for any other (RFC 6749, 3.3). */
export function pickScopes(asked: string | undefined, allowed: readonly string[]): string[] {
  const wanted = [...new Set((asked ?? "").split(" ").filter(Boolean))];
  if (wanted.some((scope) => !allowed.includes(scope)))
    throw refuse("invalid_scope", `Cannot grant the scope: this may be asked for here: ${allowed.join(" ")}`);
  return wanted.length === 0 ? [...allowed] : wanted;
}

/** client_id and client_secret: in the Authorization header or in the form, never in both (RFC 6749, 2.3.1). */
function readCredentials(request: Request, form: Form): { id: string; secret?: string } {
  const header = request.headers.get("authorization");
  const [formId, formSecret] = [form.get("client_id"), form.get("client_secret")];
  if (header === null) {
    if (formId === undefined) throw refuse("invalid_request", "Cannot tell who asks: client_id is missing");
    return { id: formId, ...(formSecret !== undefined && { secret: formSecret }) };
  }
  const [, encoded = ""] = /^Basic ([\w+/=-]+)$/i.exec(header) ?? [];
  const [id = "", ...rest] = Buffer.from(encoded, "base64").toString().split(":");
  const secret = decode(rest.join(":"));
  // An empty one is none (RFC 6749, 2.3.1).
  const basic = { id: decode(id), ...(secret !== "" && { secret }) };
  if (formSecret !== undefined || (formId !== undefined && formId !== basic.id))
    throw refuse("invalid_request", "Cannot tell who asks: the client is named twice");
  return basic;
}

/** Both halves of the header are form-encoded first (RFC 6749, 2.3.1). */
function decode(text: string): string {
  return new URLSearchParams(`x=${text}`).get("x") ?? "";
}

function isSecret(given: string, secretSha256 = ""): boolean {
  const digest = new Bun.CryptoHasher("sha256").update(given).digest();
  const right = Buffer.from(secretSha256.padEnd(64, "0"), "hex");
  return timingSafeEqual(digest, right) && secretSha256 !== "";
}
