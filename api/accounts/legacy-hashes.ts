import { pbkdf2, timingSafeEqual } from "node:crypto";

/** Hashes that an imported user base may bring along: argon2 of any parameters, bcrypt, and PBKDF2 as Django writes it. */
const shapes = {
  argon2: /^\$argon2(id|i|d)\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$[\w+/]{8,100}\$[\w+/]{16,200}$/,
  bcrypt: /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/,
  pbkdf2: /^pbkdf2_(sha1|sha256|sha512)\$(\d{1,7})\$([^$]{1,200})\$([A-Za-z0-9+/]{20,100}={0,2})$/,
} as const;

/** What verifying a hash may cost: whoever writes the import file must not be able to stop the server. */
const most = { argonKiB: 1_048_576, argonPasses: 20, bcryptRounds: 15, pbkdf2Iterations: 3_000_000 } as const;
/** bcrypt reads so many bytes of a password, and no more; Bun would hash longer ones first, which nobody else does. */
const bcryptBytes = 72;

/** Whether a hash is one that can be verified, at a cost that can be borne. */
export function isKnownHash(hash: string): boolean {
  const argon2 = shapes.argon2.exec(hash);
  if (argon2) return Number(argon2[2]) <= most.argonKiB && Number(argon2[3]) <= most.argonPasses;
  const bcrypt = shapes.bcrypt.exec(hash);
  if (bcrypt) return Number(bcrypt[1]) >= 4 && Number(bcrypt[1]) <= most.bcryptRounds;
  const iterations = Number(shapes.pbkdf2.exec(hash)?.[2] ?? 0);
  return iterations > 0 && iterations <= most.pbkdf2Iterations;
}

/** Whether a password is the one of a hash, of whatever kind; false for a hash that is none. */
export async function verifyHash(password: string, hash: string): Promise<boolean> {
  if (!isKnownHash(hash)) return false;
  if (shapes.bcrypt.test(hash)) {
    const bytes = Buffer.from(password).subarray(0, bcryptBytes);
    if (bytes.length === 0) return false; // Bun refuses to ask
    // $2y is PHP's name for what others call $2b.
    return Bun.password.verify(bytes, hash.replace(/^\$2y\$/, "$2b$"), "bcrypt");
  }
  const [, digest = "", iterations = "", salt = "", expected = ""] = shapes.pbkdf2.exec(hash) ?? [];
  if (digest === "") return Bun.password.verify(password, hash);
  const right = Buffer.from(expected, "base64");
  const derived = await new Promise<Buffer>((resolve, reject) =>
    pbkdf2(password, salt, Number(iterations), right.length, digest, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );
  return timingSafeEqual(derived, right);
}
