import { jwt } from "@elysiajs/jwt";
import { Elysia } from "elysia";
import type { Keys, SigningKey } from "../keys.ts";
import { accessType, openAccessKeys } from "./access-keys.ts";
import type { OpenSession } from "./sessions/service.ts";
import { accessLifetimeSeconds, audience, issuer } from "./tokens.ts";

/** Gives handlers `signAccess`, which makes the access token of a session (RFC 9068): ten minutes, Ed25519. */
export function signing(keys: Keys) {
  const accessKeys = openAccessKeys(keys);
  const signers = new WeakMap<SigningKey, ReturnType<typeof openSigner>>();
  const currentSigner = () => {
    const key = accessKeys.signing();
    const signer = signers.get(key) ?? openSigner(key);
    signers.set(key, signer);
    return signer;
  };
  return new Elysia({ name: "signing" })
    .derive(() => ({
      signAccess: ({ userId, sessionId, login, roles, ver, scopes }: OpenSession): Promise<string> =>
        currentSigner().sign({
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

/** The plugin carries one key: there is one for each. */
function openSigner(key: SigningKey) {
  const { kty, crv, x, d, kid } = key;
  const plugin = jwt({
    name: "signer",
    secret: { kty, crv, x, d },
    alg: "EdDSA",
    typ: accessType,
    kid,
    iss: issuer,
    aud: audience,
    iat: true,
    exp: `${accessLifetimeSeconds}s`,
  });
  return plugin.decorator.signer;
}
