import { readFileSync } from "node:fs";
import * as client from "openid-client";
import { parseOutboundAllow } from "../../outbound.ts";
import { kindOf, type Provider } from "../../providers.ts";
import { openProviderFetch, type ProviderFetch } from "./fetch.ts";
import { type Preset, type Profile, presets, toObject } from "./presets.ts";

/** What a sign-in under way is recognised by. */
export type Checks = { state: string; nonce: string; verifier: string };

export type OpenProvider = {
  id: string;
  name: string;
  linkVerifiedEmail: boolean;
  /** Where the browser is sent (RFC 6749, 4.1.1; PKCE with S256, RFC 7636). */
  startUrl: (checks: Checks & { redirectUri: string }) => Promise<URL>;
  /**
   * Exchanges the answer that the browser brought for a profile: checks state, `iss` (RFC 9207), nonce, signature and
   * audience of the id token. Throws an error of openid-client, or a Fault when the provider cannot be reached.
   */
  redeem: (answer: URL, checks: Checks) => Promise<Profile>;
};

const rememberedMs = 3_600_000;

/** Opens the providers of the configuration by id; nothing is asked before somebody signs in. Throws when a secret's file cannot be read. */
export function openProviders(providers: Provider[], outboundAllow: string): Map<string, OpenProvider> {
  const allow = parseOutboundAllow(outboundAllow);
  return new Map(
    providers.map((provider) => {
      const { id, name = id, issuer, endpoints, linkVerifiedEmail } = provider;
      const hosts = [issuer ?? [], endpoints ? Object.values(endpoints) : []]
        .flat()
        .map((address) => new URL(address).host);
      const ask = openProviderFetch({ hosts, allow });
      const kind = kindOf(provider);
      const speak =
        kind === undefined || kind === "oidc"
          ? openConnect(provider, ask)
          : openPlain(provider, { preset: { ...presets[kind], ...endpoints }, ask });
      return [id, { id, name, linkVerifiedEmail, ...speak }];
    }),
  );
}

type Speaking = Pick<OpenProvider, "startUrl" | "redeem">;

/** OpenID Connect: addresses and keys from the issuer's metadata, remembered for an hour. */
function openConnect(provider: Provider, ask: ProviderFetch): Speaking {
  const { issuer = "", clientId, scopes = ["openid", "profile", "email"] } = provider;
  const secret = readSecret(provider);
  let found: { at: number; configuration: Promise<client.Configuration> } | undefined;
  const discover = () => {
    if (found && performance.now() - found.at < rememberedMs) return found.configuration;
    const configuration = client.discovery(new URL(issuer), clientId, secret, secret ? undefined : client.None(), {
      [client.customFetch]: ask,
      execute: [client.enableNonRepudiationChecks, ...insecure(issuer)],
    });
    const current = { at: performance.now(), configuration };
    found = current;
    configuration.catch(() => {
      if (found === current) found = undefined;
    });
    return configuration;
  };
  return {
    startUrl: async (asked) =>
      client.buildAuthorizationUrl(await discover(), {
        ...(await describeQuestion(asked, scopes.includes("openid") ? scopes : ["openid", ...scopes])),
        nonce: asked.nonce,
      }),
    redeem: async (answer, { state, nonce, verifier }) => {
      const configuration = await discover();
      const tokens = await client.authorizationCodeGrant(configuration, answer, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (!claims) throw new Error("the provider sent no id token");
      const more = configuration.serverMetadata().userinfo_endpoint
        ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
        : {};
      const { email, email_verified, preferred_username, nickname, name } = { ...claims, ...toObject(more) };
      return {
        subject: claims.sub,
        email: typeof email === "string" ? email : null,
        emailVerified: email_verified === true,
        name:
          [preferred_username, nickname, name].map((text) => (typeof text === "string" ? text : "")).find(Boolean) ??
          null,
      };
    },
  };
}

/** OAuth 2.0 alone: the profile is asked for with the access token; there is no id token and no nonce. */
function openPlain(provider: Provider, { preset, ask }: { preset: Preset; ask: ProviderFetch }): Speaking {
  const { clientId, scopes = preset.scopes } = provider;
  const secret = readSecret(provider);
  const configuration = new client.Configuration(
    { issuer: preset.issuer, authorization_endpoint: preset.authorization, token_endpoint: preset.token },
    clientId,
    secret,
    secret ? client.ClientSecretPost(secret) : client.None(),
  );
  configuration[client.customFetch] = async (url, asked) => dropIdToken(await ask(url, asked));
  for (const allow of insecure(preset.token)) allow(configuration);
  return {
    startUrl: async (asked) => client.buildAuthorizationUrl(configuration, await describeQuestion(asked, scopes)),
    redeem: async (answer, { state, verifier }) => {
      const echoed = preset.echoed.map((name) => [name, answer.searchParams.get(name) ?? ""]);
      const { access_token } = await client.authorizationCodeGrant(
        configuration,
        answer,
        { expectedState: state, pkceCodeVerifier: verifier },
        Object.fromEntries(echoed),
      );
      const response = await ask(preset.profile, preset.askProfile(access_token, clientId));
      const profile = response.ok ? preset.readProfile(toObject(await response.json())) : undefined;
      if (!profile)
        throw new Error(`the provider answered ${response.status} when asked who signs in, or nothing of use`);
      return profile;
    },
  };
}

async function describeQuestion(
  { state, verifier, redirectUri }: Checks & { redirectUri: string },
  scopes: string[],
): Promise<Record<string, string>> {
  return {
    redirect_uri: redirectUri,
    scope: scopes.join(" "),
    state,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
}

/** Some send an id token all the same, in a form of their own: who signs in is asked with the access token. */
async function dropIdToken(response: Response): Promise<Response> {
  const answer: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  const { id_token, ...rest } = toObject(answer);
  return id_token === undefined ? response : Response.json(rest, { status: response.status });
}

/** Only addresses on this machine are http: the configuration has seen to that. */
function insecure(address: string): ((configuration: client.Configuration) => void)[] {
  return address.startsWith("http://") ? [client.allowInsecureRequests] : [];
}

function readSecret({ id, clientSecret, clientSecretFile }: Provider): string | undefined {
  if (clientSecretFile === undefined) return clientSecret;
  try {
    return readFileSync(clientSecretFile, "utf8").trim();
  } catch (cause) {
    throw new Error(`Cannot start: the secret of the provider "${id}" cannot be read from ${clientSecretFile}`, {
      cause,
    });
  }
}
