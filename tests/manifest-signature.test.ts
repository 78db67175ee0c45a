import { expect, test } from "bun:test";
import { makeSigningKey, parseSigningKeys } from "../keys.ts";
import { findSigner, openManifestSigner, readSignatureHeader, writeSignatureHeader } from "../manifest-signature.ts";

const bytes = new TextEncoder().encode('{"formatVersion":1}');
const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
const makeKeys = async () => parseSigningKeys(await makeSigningKey());

test("while keys are rotated both sign, so that who knows either believes the manifest", async () => {
  const [former, fresh] = [await makeKeys(), await makeKeys()];
  const signer = openManifestSigner([...fresh, ...former]);
  const header = writeSignatureHeader(signer.sign({ bytes, sha256 })) ?? null;
  const signatures = readSignatureHeader(header);
  expect(signatures).toEqual(signer.sign({ bytes, sha256 }));
  expect(signer.publicKeys.map(({ id }) => id)).toEqual([fresh[0]?.kid ?? "", former[0]?.kid ?? ""]);
  for (const keys of [former, fresh]) {
    const known = openManifestSigner(keys).publicKeys;
    expect(findSigner(bytes, { signatures, keys: known })).toEqual(known[0]);
  }
  expect(openManifestSigner(former).sign({ bytes, sha256 })[0]).toEqual(signatures[1]);
});

test("other bytes, another key under the same id, and what is no signature are not believed", async () => {
  const keys = await makeKeys();
  const signer = openManifestSigner(keys);
  const signatures = signer.sign({ bytes, sha256 });
  const stranger = openManifestSigner(
    (await makeKeys()).map((key) => ({ ...key, kid: keys[0]?.kid ?? "" })),
  ).publicKeys;
  const proof = { signatures, keys: signer.publicKeys };
  expect(findSigner(new Uint8Array([...bytes, 32]), proof)).toBeUndefined();
  expect(findSigner(bytes, { signatures, keys: stranger })).toBeUndefined();
  expect(findSigner(bytes, { signatures: [], keys: signer.publicKeys })).toBeUndefined();
  const broken = signatures.map((signature) => ({ ...signature, signature: "no" }));
  expect(findSigner(bytes, { signatures: broken, keys: signer.publicKeys })).toBeUndefined();
  const noKeys = signer.publicKeys.map((key) => ({ ...key, publicKey: "no" }));
  expect(findSigner(bytes, { signatures, keys: noKeys })).toBeUndefined();
});

test("a header that is none holds no signatures; without a key there is no header", () => {
  for (const value of [null, "", " , ", "key", "key signature more"]) expect(readSignatureHeader(value)).toEqual([]);
  expect(writeSignatureHeader(openManifestSigner([]).sign({ bytes, sha256 }))).toBeUndefined();
});
