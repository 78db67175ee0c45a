import { findUser } from "../../db/account.ts";
import { insertDeviceGrant, pollDeviceGrant, redeemDeviceGrant } from "../../db/device-grant.ts";
import { isDuplicate } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { type Origin, openSession } from "../sessions/service.ts";
import { type Client, commandLine, pickScopes } from "./clients.ts";
import { lifetimeOf, type Redeemed } from "./code.ts";
import { type Form, need } from "./form.ts";
import { refuse } from "./refusal.ts";
import { makeUserCode, showUserCode } from "./user-code.ts";

const intervalSeconds = 5;
const maxNameLength = 80;
const tries = 3;

type Asked = { client: Client; form: Form; origin: Origin };

/** Begins to sign a device in (RFC 8628, 3.2): a secret for the device, a code for its user, ten minutes for both. */
export async function beginDeviceGrant(api: Api, { client, form, origin }: Asked) {
  const lifetimeSeconds = api.config.DEVICE_EXPIRES_SECONDS;
  if (client.service) throw refuse("unauthorized_client", "Cannot sign people in: this client is a service");
  // Any program may say its id, and people would read the name that they trust.
  if (client.trusted) throw refuse("unauthorized_client", "Cannot let a device in: this client is a site");
  const scopes = pickScopes(form.get("scope"), client.scopes);
  const named = (form.get("device_name") ?? "").replace(/[\p{C}]/gu, "").slice(0, maxNameLength);
  const deviceCode = makeSecret();
  const userCode = await insert(0);
  return {
    device_code: deviceCode,
    user_code: showUserCode(userCode),
    verification_uri: `${api.publicUrl()}/device`,
    expires_in: lifetimeSeconds,
    interval: intervalSeconds,
  };

  async function insert(tried: number): Promise<string> {
    const code = makeUserCode();
    try {
      await insertDeviceGrant(api.db, {
        id: Bun.randomUUIDv7(),
        deviceHash: hashToken(deviceCode),
        userCodeHash: hashToken(code),
        clientId: client.id,
        scopes,
        device: named || origin.device,
        address: origin.address,
        intervalSeconds,
        lifetimeSeconds,
      });
      return code;
    } catch (error) {
      if (isDuplicate(error) && tried < tries) return insert(tried + 1);
      throw error;
    }
  }
}

/**
 * The session of a device whose user has approved it, once, or the reason why there is none yet (RFC 8628, 3.5). The
 * session is limited to the scopes that he saw, and is not fresh: his password was shown elsewhere.
 */
export async function redeemDeviceCode(api: Api, { client, form, origin }: Asked): Promise<Redeemed> {
  const redemption = { deviceHash: hashToken(need(form, "device_code")), clientId: client.id };
  const redeemed = await api.db.transaction(async (tx): Promise<Redeemed | undefined> => {
    const grant = await redeemDeviceGrant(tx, redemption);
    const user = grant && (await findUser(tx, grant.userId));
    if (!grant || !user) return undefined;
    const { device, scopes, playerId } = grant;
    const lifetimeSeconds = lifetimeOf(scopes);
    const kind = client.id === commandLine.id ? "cli" : "launcher";
    // The change of a password takes approvals back itself: its number is not asked about again here.
    const { id, login, roles, ver } = user;
    const session = await openSession(
      { db: tx, tokens: api.tokens },
      {
        user: { id, login, roles, ver },
        origin: {
          device,
          address: origin.address,
          kind,
          clientId: client.id,
          scopes,
          fresh: false,
          ...(playerId !== null && { playerId }),
          ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
        },
      },
    );
    // When he gave his password is not kept: the ID token does not say it.
    return { session, nonce: null, authenticatedAt: null, playerId };
  });
  if (redeemed) return redeemed;
  const polled = await pollDeviceGrant(api.db, redemption);
  if (!polled || polled.state === "used")
    throw refuse("invalid_grant", "Cannot sign in: the device code is unknown or was used. Begin again");
  if (polled.state === "denied") throw refuse("access_denied", "Cannot sign in: the request was denied");
  if (polled.expired) throw refuse("expired_token", "Cannot sign in: the code has expired. Begin again");
  if (polled.hasty) throw refuse("slow_down", "Cannot tell yet: ask five seconds less often from now on");
  throw refuse("authorization_pending", "Cannot tell yet: the user has not decided");
}
