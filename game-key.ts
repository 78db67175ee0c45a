import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from "node:crypto";
import { promisify } from "node:util";

/** The key that games trust: authlib-injector hands its public part to game and server. */
export type GameKey = {
  /** SubjectPublicKeyInfo as PEM. */
  publicPem: string;
  /** The same as DER. */
  publicDer: Buffer;
  /** PKCS #1 v1.5 with SHA-1, as games verify it (RFC 8017, 8.2), base64. Takes milliseconds, on another thread. */
  sign: (bytes: string | Uint8Array) => Promise<string>;
};

/** What the Yggdrasil server technical specification of authlib-injector advises. */
const bits = 4096;
const leastBits = 2048;

const makePair = promisify(generateKeyPair);
const signLater = promisify(sign);

/** A fresh RSA key of 4096 bits: PKCS #8, base64 on one line. Takes a second. */
export async function makeGameKey(): Promise<string> {
  const { privateKey } = await makePair("rsa", { modulusLength: bits });
  return privateKey.export({ format: "der", type: "pkcs8" }).toString("base64");
}

/** Reads YGGDRASIL_KEY. Throws an Error that says what is wrong, without the text: it is secret. */
export function readGameKey(text: string | undefined): GameKey | undefined {
  if (!text) return undefined;
  const key = parseKey(text.trim());
  if (key?.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < leastBits)
    throw new Error(
      `Cannot use YGGDRASIL_KEY: it is no private RSA key of ${leastBits} bits or more, as PEM or base64 of PKCS #8`,
    );
  const publicKey = createPublicKey(key);
  return {
    publicPem: publicKey.export({ format: "pem", type: "spki" }).toString(),
    publicDer: publicKey.export({ format: "der", type: "spki" }),
    sign: async (bytes) => (await signLater("sha1", Buffer.from(bytes), key)).toString("base64"),
  };
}

function parseKey(text: string): KeyObject | undefined {
  try {
    if (text.startsWith("-----BEGIN")) return createPrivateKey(text);
    return createPrivateKey({ key: Buffer.from(text, "base64"), format: "der", type: "pkcs8" });
  } catch {
    return undefined;
  }
}
