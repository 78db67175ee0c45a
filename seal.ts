import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";

/** What is kept in the database but must be of no use to whoever reads only that. */
export type Seal = {
  /** Encrypts a text for one owner, such as "totp <user id>": for another it cannot be opened. */
  close: (text: string, owner: string) => string;
  /** The text again; throws when it was changed, was closed for another owner, or with another key. */
  open: (sealed: string, owner: string) => string;
  /** A secret that belongs to `from` and a purpose, always the same: 256 bits, base64url. */
  derive: (purpose: string, from: string) => string;
};

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM (NIST SP 800-38D) and HMAC-SHA-256 with keys of their own, derived by HKDF (RFC 5869) from the token secret. */
export function openSeal(tokenSecret: string): Seal {
  const keyFor = (purpose: string) => Buffer.from(hkdfSync("sha256", tokenSecret, "", `sunduk ${purpose}`, 32));
  const [sealing, deriving] = [keyFor("seal"), keyFor("derive")];
  return {
    close: (text, owner) => {
      const nonce = crypto.getRandomValues(Buffer.alloc(nonceBytes));
      const cipher = createCipheriv(algorithm, sealing, nonce).setAAD(Buffer.from(owner));
      const bytes = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), bytes]).toString("base64url");
    },
    open: (sealed, owner) => {
      const bytes = Buffer.from(sealed, "base64url");
      const decipher = createDecipheriv(algorithm, sealing, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
        .setAAD(Buffer.from(owner))
        .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString("utf8");
    },
    derive: (purpose, from) => createHmac("sha256", deriving).update(`${purpose} ${from}`).digest("base64url"),
  };
}
