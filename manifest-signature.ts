import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { SigningKey } from "./keys.ts";

/** A public key of manifests, as /.well-known/sunduk.json shows it: the 32 bytes of RFC 8032, base64url. */
export type ManifestKey = { id: string; algorithm: "Ed25519"; publicKey: string };

/** A signature over the bytes of a manifest (RFC 8032, 5.1), base64url, and the id of its key. */
export type ManifestSignature = { keyId: string; algorithm: "Ed25519"; signature: string };

/** The header that comes with a manifest: `<keyId> <signature>`, and more of them after commas while keys are rotated. */
export const signatureHeader = "x-manifest-signature";

export type ManifestSigner = {
  /** Newest first; none where the operator has set none. */
  publicKeys: ManifestKey[];
  /** By each key, in that order. The same bytes have the same signatures; `sha256` is theirs. */
  sign: (manifest: { bytes: Uint8Array; sha256: string }) => ManifestSignature[];
};

const most = 2_000;

/** Signs manifests by each of these keys, and remembers the signatures that were asked for last. */
export function openManifestSigner(keys: readonly SigningKey[]): ManifestSigner {
  const signers = keys.map(({ kty, crv, x, d, kid }) => ({
    keyId: kid,
    key: createPrivateKey({ key: { kty, crv, x, d }, format: "jwk" }),
  }));
  const kept = new Map<string, ManifestSignature[]>();
  return {
    publicKeys: keys.map(({ kid, x }) => ({ id: kid, algorithm: "Ed25519", publicKey: x })),
    sign: ({ bytes, sha256 }) => {
      const known = kept.get(sha256);
      if (known) return known;
      const signatures = signers.map(
        ({ keyId, key }): ManifestSignature => ({
          keyId,
          algorithm: "Ed25519",
          signature: sign(null, bytes, key).toString("base64url"),
        }),
      );
      kept.set(sha256, signatures);
      for (const oldest of kept.keys()) {
        if (kept.size <= most) break;
        kept.delete(oldest);
      }
      return signatures;
    },
  };
}

/** The header's value; undefined where nothing is signed. */
export function writeSignatureHeader(signatures: readonly ManifestSignature[]): string | undefined {
  return signatures.length === 0
    ? undefined
    : signatures.map(({ keyId, signature }) => `${keyId} ${signature}`).join(", ");
}

/** Reads the header's value; what is not as it should be is left out. */
export function readSignatureHeader(value: string | null): ManifestSignature[] {
  return (value ?? "").split(",").flatMap((part): ManifestSignature[] => {
    const [keyId, signature, ...rest] = part.trim().split(" ");
    return keyId && signature && rest.length === 0 ? [{ keyId, algorithm: "Ed25519", signature }] : [];
  });
}

type Proof = { signatures: readonly ManifestSignature[]; keys: readonly ManifestKey[] };

/** The first of these keys that has signed exactly these bytes; undefined when none has. Never throws. */
export function findSigner(bytes: Uint8Array, { signatures, keys }: Proof): ManifestKey | undefined {
  return keys.find(({ id, publicKey }) =>
    signatures.some(({ keyId, signature }) => keyId === id && isSigned(bytes, { signature, publicKey })),
  );
}

function isSigned(bytes: Uint8Array, { signature, publicKey }: { signature: string; publicKey: string }): boolean {
  try {
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" });
    return verify(null, bytes, key, Buffer.from(signature, "base64url"));
  } catch {
    return false; // no key, or no signature
  }
}
