import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import type { Keys } from "../../keys.ts";
import { site } from "../analytics/recorder.ts";
import type { Api } from "../api.ts";
import { originOf } from "../origin.ts";
import { addressAllowance, beginAllowance, refreshAllowance } from "../sign-in-limits.ts";
import { signing } from "../signer.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import { clientTokenSeconds, giveClientToken } from "../yggdrasil/client-token.ts";
import { authorizePages } from "./authorize.ts";
import { makeIdToken } from "./claims.ts";
import { openClients } from "./clients.ts";
import { joinsServers } from "./code.ts";
import { beginDeviceGrant } from "./device.ts";
import { devicePage } from "./device-page.ts";
import { readForm } from "./form.ts";
import { logoutPages } from "./logout.ts";
import { describeServer } from "./metadata.ts";
import { BeginDocument, DiscoveryDocument, MetadataDocument, RevokeDocument, TokenDocument } from "./model.ts";
import { answerOauth, forPages } from "./refusal.ts";
import { grantTokens, revokeToken } from "./token.ts";
import { userinfo } from "./userinfo.ts";

/**
 * OAuth and OpenID Connect for launchers and services: codes and tokens (RFC 6749, 7636), device grant (RFC 8628), revocation
 * (RFC 7009), metadata (RFC 8414).
 */
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
  /** It changes with the configuration only. */
  const describe = () =>
    Response.json(describeServer(api.publicUrl(), clients), {
      headers: { "cache-control": "public, max-age=300", ...forPages },
    });
  return new Elysia({ tags: ["oauth"] })
    .use(devicePage(api, clients))
    .use(authorizePages(api, clients))
    .use(logoutPages(api, clients))
    .use(userinfo(api))
    .use(signing(keys))
    .derive(({ request, server }) => ({ address: api.addressOf(request, server?.requestIP(request)?.address) }))
    .get("/.well-known/oauth-authorization-server", () => describe(), { detail: MetadataDocument })
    .get("/.well-known/openid-configuration", () => describe(), { detail: DiscoveryDocument })
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
          if (["refresh_token", "authorization_code"].includes(asked.form.get("grant_type") ?? ""))
            await rateLimits.take([refreshAllowance(config, address)], set.headers);
          const { refreshable, ...granted } = await grantTokens(api, asked);
          const { session } = granted;
          const { client } = asked;
          if (!["refresh_token", "client_credentials"].includes(asked.form.get("grant_type") ?? ""))
            await api.analytics.record({ kind: "sign-in", subject: site, request, from: address, caller: null });
          const joins = joinsServers(session.scopes);
          const accessToken = joins ? await giveClientToken(api, granted) : await signAccess(session);
          const openId = session.scopes?.includes("openid");
          return {
            access_token: accessToken,
            token_type: "Bearer",
            expires_in: joins ? clientTokenSeconds : accessLifetimeSeconds,
            ...(refreshable && { refresh_token: session.refreshToken }),
            ...(openId && { id_token: await makeIdToken(api, { ...granted, client, accessToken }) }),
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
