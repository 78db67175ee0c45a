import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { Config } from "./config.ts";

/** Secrets of the processes that sign: a private Ed25519 JWK (RFC 8037) and the key of refresh tokens and cookies. */
export type Keys = { signingKey: JWK; tokenSecret: string };

/** 256 random bits, base64url. */
export function makeSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}

/** A fresh signing key, as JSON text. Its id is the time it was made. */
export async function makeSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(privateKey);
  return JSON.stringify({
    ...jwk,
    alg: "EdDSA",
    use: "sig",
    kid: new Date().toISOString().slice(0, 19).replace(/\D/g, ""),
  });
}

/** Reads the keys of this process from its configuration. Throws an Error that says how to make what is missing. */
export function readKeys(config: Config): Keys {
  const { SIGNING_KEY, TOKEN_SECRET } = config;
  if (!SIGNING_KEY || !TOKEN_SECRET) {
    throw new Error(
      "Cannot start: SIGNING_KEY and TOKEN_SECRET (or SIGNING_KEY_FILE and TOKEN_SECRET_FILE) are needed. Make them with `bun main.ts secrets DIR`",
    );
  }
  const signingKey: JWK = parseJwk(SIGNING_KEY);
  if (signingKey.crv !== "Ed25519" || !signingKey.d || !signingKey.kid)
    throw new Error("Cannot start: SIGNING_KEY is not a private Ed25519 JWK with a kid");
  if (Buffer.from(TOKEN_SECRET, "base64url").length < 32)
    throw new Error("Cannot start: TOKEN_SECRET is shorter than 32 bytes");
  return { signingKey, tokenSecret: TOKEN_SECRET };
}

function parseJwk(text: string): JWK {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error("Cannot start: SIGNING_KEY is not JSON", { cause });
  }
}
