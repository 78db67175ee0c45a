import { timingSafeEqual } from "node:crypto";
import type { OauthClient, ServiceClient } from "../../clients.ts";
import type { Config } from "../../config.ts";
import { type Scope, scopes } from "../scopes.ts";
import type { Form } from "./form.ts";
import { refuse } from "./refusal.ts";

/** Our own command line, which every server knows. */
export const commandLine: OauthClient = {
  id: "sunduk-cli",
  name: "Sunduk CLI",
  scopes: ["packs:read", "packs:write", "files:read", "files:write", "account:read", "account:write"],
};

/** Who calls a token endpoint: a program that signs people in, or a service with roles of its own. */
export type Client = { id: string; name: string; scopes: Scope[]; service?: { roles: string[] } };

export type Clients = {
  /** The client of a request, by client_id, or by its secret where it has one (RFC 6749, 2.3). Throws `invalid_client`. */
  authenticate: (request: Request, form: Form) => Client;
  /** What people read in the place of a client's id. */
  nameOf: (id: string) => string;
};

/** Knows the clients of the configuration. Throws when one of them has a scope that there is not. */
export function openClients({
  OAUTH_CLIENTS,
  SERVICE_CLIENTS,
}: Pick<Config, "OAUTH_CLIENTS" | "SERVICE_CLIENTS">): Clients {
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
    nameOf: (id) => known.get(id)?.client.name ?? id,
  };
}

function toClient(given: OauthClient | ServiceClient): { client: Client; secretSha256?: string } {
  const wrong = given.scopes.filter((scope) => !isScope(scope));
  if (wrong.length > 0)
    throw new Error(
      `Cannot start: the client "${given.id}" has the scope ${wrong.join(", ")}. There are ${scopes.join(", ")}`,
    );
  const client = { id: given.id, name: given.name ?? given.id, scopes: given.scopes.filter(isScope) };
  return "roles" in given
    ? {
        client: { ...client, service: { roles: given.roles } },
        ...(given.secretSha256 !== undefined && { secretSha256: given.secretSha256 }),
      }
    : { client };
}

function isScope(scope: string): scope is Scope {
  return scopes.some((known) => known === scope);
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
  const basic = { id: decode(id), secret: decode(rest.join(":")) };
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
