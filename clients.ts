import { type Static, Type as t } from "@sinclair/typebox";

const Id = t.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "What the client calls itself" });
const Scopes = t.Array(t.String({ minLength: 1, maxLength: 64 }), { description: "The most that it may be given" });
const Addresses = t.Array(t.String({ minLength: 1, maxLength: 500 }), { maxItems: 20 });

/** A program that signs people in, such as a launcher. Its id is public: it has no secret that its users would not have too. */
export const OauthClient = t.Object(
  {
    id: Id,
    name: t.String({ minLength: 1, maxLength: 80, description: "As people read it" }),
    scopes: Scopes,
    redirectUris: t.Optional(Addresses),
    postLogoutRedirectUris: t.Optional(Addresses),
    idTokenAlg: t.Optional(t.Union([t.Literal("RS256"), t.Literal("EdDSA")])),
    trusted: t.Optional(t.Boolean({ description: "The operator's own site: nobody is asked whether he wants it" })),
    shared: t.Optional(t.Boolean({ description: "The client of launchers that nobody has registered here" })),
  },
  { additionalProperties: false },
);
export type OauthClient = Static<typeof OauthClient>;

/** A program that calls the API in its own name (RFC 6749, 4.4), by a secret of 32 characters or more or its SHA-256. */
export const ServiceClient = t.Object(
  {
    id: t.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,23}$" }),
    name: t.Optional(t.String({ maxLength: 80 })),
    secret: t.Optional(t.String({ minLength: 32, maxLength: 256 })),
    secretSha256: t.Optional(t.String({ pattern: "^[0-9a-f]{64}$" })),
    scopes: Scopes,
    roles: t.Array(t.Union([t.Literal("author"), t.Literal("organizer"), t.Literal("ops")]), { default: [] }),
  },
  { additionalProperties: false },
);
export type ServiceClient = Static<typeof ServiceClient>;

/** The same client with the digest of its secret in the place of the secret, which nobody needs to keep. */
export function hideSecret({ secret, ...client }: ServiceClient): ServiceClient {
  return secret === undefined
    ? client
    : { ...client, secretSha256: new Bun.CryptoHasher("sha256").update(secret).digest("hex") };
}

/** What is wrong with lists of clients, besides their shape. */
export function findClientProblems(clients: OauthClient[], services: ServiceClient[]): string[] {
  const ids = [...clients, ...services].map(({ id }) => id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  const bare = services.filter(({ secret, secretSha256 }) => (secret === undefined) === (secretSha256 === undefined));
  const redirects = clients.flatMap(({ id, redirectUris = [], postLogoutRedirectUris = [] }) =>
    [...redirectUris, ...postLogoutRedirectUris].filter((uri) => !isRedirect(uri)).map((uri) => ({ id, uri })),
  );
  const open = clients.filter(
    ({ trusted, redirectUris = [] }) => trusted && !redirectUris.every((uri) => uri.startsWith("https://")),
  );
  return [
    ...twice.map((id) => `OAUTH_CLIENTS, SERVICE_CLIENTS: "${id}" is there twice`),
    ...bare.map(({ id }) => `SERVICE_CLIENTS: "${id}" needs a secret or a secretSha256, one of them`),
    ...redirects.map(
      ({ id, uri }) =>
        `OAUTH_CLIENTS: "${id}" cannot be sent back to ${uri}: it must be https://…, http:// on loopback, or a scheme of the program's own, without a fragment`,
    ),
    ...open.map(
      ({ id }) =>
        `OAUTH_CLIENTS: "${id}" cannot be trusted: any program may say that it is this one, unless all redirectUris are https://…`,
    ),
    ...(clients.filter(({ shared }) => shared).length > 1
      ? ["OAUTH_CLIENTS: one client at most is the shared one"]
      : []),
  ];
}

/** Schemes that belong to browsers and systems: what is sent there may run, or goes in the clear. */
const notOwn = /^(https?|wss?|ftps?|javascript|data|vbscript|file|filesystem|blob|about|view-source|mailto|tel|sms):$/;

/** Whether a browser may be sent there with a code (RFC 6749, 3.1.2; RFC 8252, 7): no fragment, no plain http but on loopback. */
function isRedirect(uri: string): boolean {
  if (!/^[a-z][a-z0-9+.-]*:[A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]+$/.test(uri) || !URL.canParse(uri)) return false;
  const { protocol, hostname, username, password } = new URL(uri);
  if (username !== "" || password !== "") return false;
  if (protocol === "http:") return ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return protocol === "https:" ? uri.toLowerCase().startsWith("https://") : !notOwn.test(protocol);
}
