import { createHash } from "node:crypto";
import type { JWTPayload } from "jose";
import { findShownAvatar } from "../../db/avatar.ts";
import { findPlayersById } from "../../db/player.ts";
import { findProfile } from "../../db/profile.ts";
import type { Api } from "../api.ts";
import { describeAvatar } from "../avatars/service.ts";
import type { OpenSession } from "../sessions/service.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import type { Client, IdTokenAlg } from "./clients.ts";

export const claimNames = [
  ...["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid"],
  ...["name", "preferred_username", "picture", "locale", "zoneinfo", "email", "email_verified", "selectedProfile"],
];

type Who = { userId: string; scopes: readonly string[] | null; playerId: string | null };

/**
 * What a client may know of somebody by its scopes (OpenID Connect Core 1.0, 5.4); null: everything. `selectedProfile` is the
 * player that was chosen for it, as Yggdrasil writes players.
 */
export async function describePerson(api: Api, { userId, scopes, playerId }: Who): Promise<Record<string, unknown>> {
  const may = (scope: string) => scopes === null || scopes.includes(scope);
  const profile = may("profile") || may("email") ? await findProfile(api.db, userId) : undefined;
  const avatarId = profile && may("profile") ? await findShownAvatar(api.db, userId) : undefined;
  const [player] =
    playerId !== null && may("Yggdrasil.PlayerProfiles.Select") ? await findPlayersById(api.db, [playerId]) : [];
  return {
    sub: userId,
    ...(profile &&
      may("profile") && {
        name: profile.displayName || profile.login,
        preferred_username: profile.login,
        ...(avatarId && { picture: `${api.publicUrl()}${describeAvatar(avatarId)["256"]}` }),
        locale: profile.locale,
        zoneinfo: profile.timeZone,
      }),
    ...(profile &&
      may("email") &&
      profile.email !== null && { email: profile.email, email_verified: profile.emailVerified }),
    ...(player && { selectedProfile: { id: player.id.replaceAll("-", ""), name: player.name } }),
  };
}

type Making = {
  client: Client;
  session: OpenSession;
  accessToken: string;
  nonce: string | null;
  authenticatedAt: Date | null;
  playerId: string | null;
};

/** The ID token of a session (OpenID Connect Core 1.0, 2; 3.1.3.6 for at_hash), which says as much as userinfo does. */
export async function makeIdToken(api: Api, { client, session, accessToken, ...made }: Making): Promise<string> {
  const { userId, sessionId, scopes } = session;
  const now = Math.floor(Date.now() / 1000);
  const claims: JWTPayload = {
    ...(await describePerson(api, { userId, scopes, playerId: made.playerId })),
    iss: api.publicUrl(),
    aud: client.id,
    iat: now,
    exp: now + accessLifetimeSeconds,
    sid: sessionId,
    at_hash: hashHalf(accessToken, client.idTokenAlg),
    ...(made.authenticatedAt && { auth_time: Math.floor(made.authenticatedAt.getTime() / 1000) }),
    ...(made.nonce !== null && { nonce: made.nonce }),
  };
  return api.idTokenKeys.sign(client.idTokenAlg, claims);
}

/** The first half of the token's digest, by the hash of the signature: Ed25519 uses SHA-512. */
function hashHalf(token: string, alg: IdTokenAlg): string {
  const digest = createHash(alg === "RS256" ? "sha256" : "sha512")
    .update(token)
    .digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}
