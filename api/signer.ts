import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";
import type { Keys } from "../keys.ts";
import type { OpenSession } from "./sessions/service.ts";
import { accessLifetimeSeconds, accessType, audience, issuer } from "./tokens.ts";

/** Gives handlers `signAccess`, which makes the access token of a session (RFC 9068): ten minutes, Ed25519. */
export function signing(keys: Keys) {
  return new Elysia({ name: "signing" })
    .use(
      jwt({
        name: "signer",
        secret: keys.signingKey,
        alg: "EdDSA",
        typ: accessType,
        ...(keys.signingKey.kid && { kid: keys.signingKey.kid }),
        iss: issuer,
        aud: audience,
        iat: true,
        exp: `${accessLifetimeSeconds}s`,
      }),
    )
    .derive(({ signer }) => ({
      signAccess: ({ userId, sessionId, login, roles, ver, scopes }: OpenSession): Promise<string> =>
        signer.sign({
          sub: userId,
          sid: sessionId,
          jti: crypto.randomUUID(),
          login,
          roles,
          ver,
          ...(scopes && { scopes }),
        }),
    }))
    .as("scoped");
}
