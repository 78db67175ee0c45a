import { Fault } from "../../fault.ts";
import { findSigner, type ManifestKey, readSignatureHeader } from "../../manifest-signature.ts";
import type { Origin, SignedBytes } from "./origin.ts";

type Trusting = {
  /** The manifest as it came from a server that may sign. */
  signed: SignedBytes;
  /** The keys that were known when this folder was installed. */
  pinned: ManifestKey[];
  /** Whether whoever runs this says that the server's keys are others now. */
  newKeys: boolean;
  signal: AbortSignal;
};

/**
 * The keys to know a server's manifests by from now on. What was signed once has to be signed by the same key ever after; a key
 * that signs beside it is believed with it, so that keys can be rotated. Faults: conflict (signed by no key that is known),
 * invalid (signed by none of the keys that the server shows).
 */
export async function trustManifest(origin: Origin, { signed, pinned, newKeys, signal }: Trusting) {
  const bytes = new TextEncoder().encode(signed.text);
  const signatures = readSignatureHeader(signed.signature);
  const known = newKeys ? [] : pinned;
  if (known.length > 0 && findSigner(bytes, { signatures, keys: known }) === undefined) {
    const ids = known.map(({ id }) => id).join(", ");
    const state = signatures.length === 0 ? "not signed any more" : "signed by a key that was not known here";
    throw new Fault(
      "conflict",
      `Cannot install: the manifest is ${state}, and this folder knows ${origin.url} by ${ids}; ask who runs it, and if ` +
        "the key was changed, run this again with --new-keys",
    );
  }
  const unknown = signatures.some(({ keyId }) => !known.some(({ id }) => id === keyId));
  if (!unknown || origin.readKeys === undefined) return known;
  const shown = await origin.readKeys({ signal }).catch((error) => {
    // Who is known already needs no list: it only tells of new keys.
    if (known.length > 0 && error instanceof Fault) return [];
    throw error;
  });
  const proven = shown.filter((key) => findSigner(bytes, { signatures, keys: [key] }) !== undefined);
  if (known.length === 0 && proven.length === 0)
    throw new Fault("invalid", `Cannot install: the manifest is signed by none of the keys that ${origin.url} shows`);
  // Those of before that are shown no more have been taken back.
  return proven.length > 0 ? proven : known;
}
