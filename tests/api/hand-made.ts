import { createHash, createPrivateKey, sign } from "node:crypto";

/** A private Ed25519 JWK, as far as a test that forges tokens needs it. */
export type TestKey = { kty: "OKP"; crv: "Ed25519"; x: string; d: string; kid: string };

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
export const decode = (segment: string): any => JSON.parse(Buffer.from(segment, "base64url").toString());

/** Signs header and payload, as they are, with Ed25519. */
export function signRaw(key: TestKey, header: unknown, payload: unknown): string {
  const { kty, crv, x, d } = key;
  const input = `${encode(header)}.${encode(payload)}`;
  const signature = sign(null, Buffer.from(input), createPrivateKey({ key: { kty, crv, x, d }, format: "jwk" }));
  return `${input}.${signature.toString("base64url")}`;
}

/** The order of Ed25519's group: S and S + L are the same to whoever does not compare them (RFC 8032, 5.1.7). */
const order = 2n ** 252n + 27742317777372353535851937790883648493n;

/** The same signature with S + L in place of S: what a verifier that does not check the range accepts. */
export function toMalleable(token: string, times = 1n): string {
  const [header, payload, signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + order * times;
  if (s >= 2n ** 256n) throw new Error("no such form of this signature");
  const written = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  return `${header}.${payload}.${Buffer.concat([bytes.subarray(0, 32), written]).toString("base64url")}`;
}

export const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");
