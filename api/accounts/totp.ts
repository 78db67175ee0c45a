import { createHmac } from "node:crypto";

const stepSeconds = 30;
const digits = 6;
/** How many steps a clock may be ahead or behind (RFC 6238, 5.2 and 6). */
const windowSteps = 1;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new shared secret: 160 random bits (RFC 4226, 4), base32 without padding. */
export function makeTotpSecret(): string {
  return encodeBase32(crypto.getRandomValues(new Uint8Array(20)));
}

/** The time step of a moment in milliseconds since 1970 (RFC 6238, 4.2: T0 = 0, X = 30 s). */
export function stepAt(timeMs: number): number {
  return Math.floor(timeMs / 1000 / stepSeconds);
}

/** The code of a step: six digits of HMAC-SHA-1 (RFC 4226, 5.3). */
export function codeAt(secret: string, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", decodeBase32(secret)).update(counter).digest();
  const offset = mac.readUInt8(mac.length - 1) & 0x0f;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits).padStart(digits, "0");
}

/** The step that a code belongs to, the present one or a neighbour; undefined for any other code. Looks at all of them, always. */
export function findStep(secret: string, { code, timeMs }: { code: string; timeMs: number }): number | undefined {
  const now = stepAt(timeMs);
  let found: number | undefined;
  for (let step = now - windowSteps; step <= now + windowSteps; step++) if (codeAt(secret, step) === code) found = step;
  return found;
}

/** What an authenticator app reads, mostly as a QR code (Google Authenticator, Key Uri Format). */
export function describeKey({ secret, login, host }: { secret: string; login: string; host: string }): string {
  const label = `${encodeURIComponent(`Sunduk ${host}`)}:${encodeURIComponent(login)}`;
  const query = new URLSearchParams({
    secret,
    issuer: `Sunduk ${host}`,
    digits: String(digits),
    period: String(stepSeconds),
  });
  return `otpauth://totp/${label}?${query.toString().replaceAll("+", "%20")}`;
}

/** Base32 (RFC 4648, 6) without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? [])
    .map((group) => alphabet.charAt(Number.parseInt(group.padEnd(5, "0"), 2)))
    .join("");
}

function decodeBase32(text: string): Buffer {
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((group) => Number.parseInt(group, 2)));
}
