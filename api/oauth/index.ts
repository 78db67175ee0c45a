import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Keys } from "../../keys.ts";
import { site } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { originOf } from "../origin.ts";
import { scopes } from "../scopes.ts";
import { addressAllowance, beginAllowance, refreshAllowance } from "../sign-in-limits.ts";
import { signing } from "../signer.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import { openClients } from "./clients.ts";
import { beginDeviceGrant } from "./device.ts";
import { devicePage } from "./device-page.ts";
import { readForm } from "./form.ts";
import { BeginDocument, MetadataDocument, RevokeDocument, TokenDocument } from "./model.ts";
import { answerOauth } from "./refusal.ts";
import { deviceGrantType, grantTokens, revokeToken } from "./token.ts";

/** OAuth for launchers and services: device grant (RFC 8628), tokens (RFC 6749), revocation (RFC 7009), metadata (RFC 8414). */
export function oauth(api: Api, keys: Keys) {
  const clients = openClients(api.config);
  const { config, rateLimits } = api;
  /** Reads who asks for what; a wrong secret counts as a sign-in that failed. */
  const read = async (request: Request, address: string) => {
    const form = await readForm(request);
    try {
      return { form, client: clients.authenticate(request, form), origin: originOf(request, address) };
    } catch (error) {
      if (error instanceof Fault && error.code === "not-signed-in")
        await rateLimits.take([addressAllowance(config, address)]);
      throw error;
    }
  };
  return new Elysia({ tags: ["oauth"] })
    .use(devicePage(api, clients))
    .use(signing(keys))
    .derive(({ request, server }) => ({ address: api.addressOf(request, server?.requestIP(request)?.address) }))
    .get(
      "/.well-known/oauth-authorization-server",
      () => Response.json(describeServer(api.publicUrl()), { headers: { "cache-control": "public, max-age=300" } }),
      { detail: MetadataDocument },
    )
    .post(
      "/oauth/device_authorization",
      ({ request, address, set }) =>
        answerOauth(async () => {
          await rateLimits.take([beginAllowance(config, address)], set.headers);
          return beginDeviceGrant(api, await read(request, address));
        }),
      { detail: BeginDocument },
    )
    .post(
      "/oauth/token",
      ({ request, address, signAccess, set }) =>
        answerOauth(async () => {
          const asked = await read(request, address);
          // Polls have a pace of their own.
          if (asked.form.get("grant_type") === "refresh_token")
            await rateLimits.take([refreshAllowance(config, address)], set.headers);
          const { session, refreshable } = await grantTokens(api, asked);
          if (asked.form.get("grant_type") === deviceGrantType)
            await api.analytics.record({ kind: "sign-in", subject: site, request, from: address, caller: null });
          return {
            access_token: await signAccess(session),
            token_type: "Bearer",
            expires_in: accessLifetimeSeconds,
            ...(refreshable && { refresh_token: session.refreshToken }),
            scope: session.scopes?.join(" "),
          };
        }),
      { detail: TokenDocument },
    )
    .post(
      "/oauth/revoke",
      ({ request, address }) =>
        answerOauth(async () => {
          await revokeToken(api, await read(request, address));
          return {};
        }),
      { detail: RevokeDocument },
    );
}

/** RFC 8414, 2. There is no authorization endpoint: browsers sign in by themselves, devices by code. */
function describeServer(issuer: string) {
  const authentication = ["none", "client_secret_basic", "client_secret_post"];
  return {
    issuer,
    token_endpoint: `${issuer}/oauth/token`,
    device_authorization_endpoint: `${issuer}/oauth/device_authorization`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: scopes,
    response_types_supported: [],
    grant_types_supported: [deviceGrantType, "refresh_token", "client_credentials"],
    token_endpoint_auth_methods_supported: authentication,
    revocation_endpoint_auth_methods_supported: authentication,
    ui_locales_supported: ["en", "ru"],
    service_documentation: `${issuer}/openapi`,
  };
}
