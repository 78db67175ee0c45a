import { type Static, Type as t } from "@sinclair/typebox";

/** Providers that speak OAuth 2.0 only: their addresses and the form of their profiles are known here. */
export const plainKinds = ["discord", "github", "vk", "yandex"] as const;
export type PlainKind = (typeof plainKinds)[number];

const Address = t.String({ pattern: "^https?://[^\\s?#@]+$" });

/** Somebody else who knows who people are: an OpenID Connect provider by its issuer, or one of the plain kinds. */
export const Provider = t.Object(
  {
    id: t.String({
      pattern: "^[a-z0-9][a-z0-9-]{0,31}$",
      description: "In addresses, such as /v1/auth/oidc/{id}/start",
    }),
    name: t.Optional(t.String({ minLength: 1, maxLength: 60, description: "As people read it; the id when not set" })),
    kind: t.Optional(
      t.Union([t.Literal("oidc"), ...plainKinds.map((kind) => t.Literal(kind))], {
        description: "When not set: oidc with an issuer, else as the id says",
      }),
    ),
    issuer: t.Optional(Address),
    clientId: t.String({ minLength: 1, maxLength: 300 }),
    clientSecret: t.Optional(t.String({ minLength: 1, maxLength: 1_000 })),
    clientSecretFile: t.Optional(t.String({ minLength: 1, description: "A file that holds the secret" })),
    scopes: t.Optional(t.Array(t.String({ minLength: 1, maxLength: 100 }))),
    linkVerifiedEmail: t.Boolean({
      default: false,
      description: "Whether an address verified there and here signs in to the account that has it",
    }),
    endpoints: t.Optional(
      t.Object(
        { authorization: Address, token: Address, profile: Address },
        { additionalProperties: false, description: "Of a plain kind, where it is hosted elsewhere" },
      ),
    ),
  },
  { additionalProperties: false },
);
export type Provider = Static<typeof Provider>;

/** What a provider is: as it says, by its issuer, or by its id. Undefined when none of these tells. */
export function kindOf({ kind, issuer, id }: Provider): "oidc" | PlainKind | undefined {
  return kind ?? (issuer === undefined ? plainKinds.find((plain) => plain === id) : "oidc");
}

/** What is wrong with a list of providers, besides its shape. Secrets are not repeated. */
export function findProviderProblems(providers: Provider[]): string[] {
  return providers.flatMap((provider, index) => {
    const { id, issuer, endpoints, clientSecret, clientSecretFile } = provider;
    const kind = kindOf(provider);
    const named: string[] = [issuer ?? [], endpoints ? Object.values(endpoints) : []].flat();
    const open = named.filter((address) => !isTrusted(address));
    const twice = providers.findIndex((other) => other.id === id) < index;
    const both = clientSecret !== undefined && clientSecretFile !== undefined;
    return [
      ...(twice ? [`OIDC_PROVIDERS: "${id}" is there twice`] : []),
      ...(kind === undefined ? [`OIDC_PROVIDERS: "${id}" needs an issuer, or a kind: ${plainKinds.join(", ")}`] : []),
      ...((kind === "oidc") === (issuer !== undefined)
        ? []
        : [`OIDC_PROVIDERS: "${id}": an issuer is for OpenID Connect, and needed there`]),
      ...(both ? [`OIDC_PROVIDERS: "${id}" has a clientSecret and a clientSecretFile, one of them is enough`] : []),
      ...open.map((address) => `OIDC_PROVIDERS: "${id}": ${address} must be https, except on this machine`),
    ];
  });
}

function isTrusted(address: string): boolean {
  return (
    address.startsWith("https://") || /^http:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(\/|$)/.test(address)
  );
}
