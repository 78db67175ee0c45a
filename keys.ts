import { readFile } from "node:fs/promises";
import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { exportJWK, generateKeyPair } from "jose";
import type { Config } from "./config.ts";
import { type GameKey, readGameKey } from "./game-key.ts";
import { openVault } from "./keys-vault.ts";
import type { Log } from "./log.ts";

/**
 * A private Ed25519 key as a JWK (RFC 8037). `nbf`: signs from then on; `exp`: is no longer accepted from then on
 * (seconds since 1970, named as in OpenID Federation 1.0, 5.2.1). Without them: always.
 */
export const SigningKey = t.Object({
  kty: t.Literal("OKP"),
  crv: t.Literal("Ed25519"),
  x: t.String({ pattern: "^[\\w-]{43}$" }),
  d: t.String({ pattern: "^[\\w-]{43}$" }),
  kid: t.String({ minLength: 1, maxLength: 64 }),
  nbf: t.Optional(t.Integer()),
  exp: t.Optional(t.Integer()),
});
export type SigningKey = Static<typeof SigningKey>;

/** Secrets of the processes that sign: the keys of access tokens, the key of refresh tokens and cookies, those of manifests, and that of games. */
export type Keys = {
  /** Newest first. Another list than before when the keys were changed, read anew every two seconds. */
  signingKeys: () => readonly SigningKey[];
  tokenSecret: string;
  /** What manifests are signed with, newest first; read once. None where the operator has set none. */
  manifestKeys: readonly SigningKey[];
  /** What games are signed for; undefined where the operator has set none. */
  gameKey: GameKey | undefined;
  close: () => void;
};

/** A change of the keys has been seen by every process after so long. */
export const rereadEveryMs = 2_000;

/** 256 random bits, base64url. */
export function makeSecret(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}

/** A fresh signing key, as JSON text. Its id is the time it was made, and something random. */
export async function makeSigningKey(): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const kid = `${new Date().toISOString().slice(0, 19).replace(/\D/g, "")}-${makeSecret().slice(0, 6)}`;
  return JSON.stringify({ ...(await exportJWK(privateKey)), alg: "EdDSA", use: "sig", kid });
}

/** Reads one key, or `{"keys": […]}`. Throws an Error that says what is wrong, without the text: it is secret. */
export function parseSigningKeys(text: string, name = "SIGNING_KEY"): SigningKey[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`Cannot use ${name}: it is not JSON`);
  }
  const given = Value.Check(t.Object({ keys: t.Array(t.Unknown(), { minItems: 1 }) }), value) ? value.keys : [value];
  const keys = given.map((key) => {
    if (!Value.Check(SigningKey, key))
      throw new Error(`Cannot use ${name}: it holds something that is not a private Ed25519 JWK with a kid`);
    return key;
  });
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length)
    throw new Error(`Cannot use ${name}: two keys have the same kid`);
  return keys.sort((one, other) => (other.nbf ?? 0) - (one.nbf ?? 0));
}

type Rotation = { nowSeconds: number; leadSeconds: number; drop: boolean };

/** Access tokens live so long (600 s), clocks may differ by 30 s, and processes see a change within 2 s. */
const outliveSeconds = 660;

/**
 * The keys with a new one, which signs `leadSeconds` from now, when everybody has it. The former stay until the last token
 * that they sign has expired, or go at once (`drop`: everybody's access token has to be refreshed).
 */
export async function rotateSigningKeys(text: string, { nowSeconds, leadSeconds, drop }: Rotation) {
  const signsFrom = nowSeconds + (drop ? 0 : leadSeconds);
  const formerUntil = signsFrom + outliveSeconds;
  const [fresh] = parseSigningKeys(await makeSigningKey());
  if (!fresh) throw new Error("Cannot make a key: nothing came out");
  const former = drop
    ? []
    : parseSigningKeys(text)
        .filter(({ exp }) => exp === undefined || exp > nowSeconds)
        .map((key) => ({ ...key, exp: Math.min(key.exp ?? formerUntil, formerUntil) }));
  const keys = [{ ...fresh, nbf: signsFrom }, ...former];
  return { text: JSON.stringify({ keys }), kid: fresh.kid, signsFrom, formerUntil: drop ? undefined : formerUntil };
}

/**
 * Opens the keys of this process: in HashiCorp Vault when VAULT_ADDR is set, else from SIGNING_KEY(_FILE) and
 * TOKEN_SECRET. Vault and the file are read anew every two seconds; what cannot be read then leaves the keys as they are. The
 * keys of manifests and games are read once.
 */
export async function openKeys({ config, log }: { config: Config; log: Log }): Promise<Keys> {
  const { SIGNING_KEY, SIGNING_KEY_FILE: file, TOKEN_SECRET, YGGDRASIL_KEY, MANIFEST_KEY } = config;
  const vault = openVault(config);
  const read = vault
    ? vault.read
    : async () => ({
        SIGNING_KEY: file ? (await readFile(file, "utf8")).trim() : SIGNING_KEY,
        TOKEN_SECRET,
        YGGDRASIL_KEY,
        MANIFEST_KEY,
      });
  const first = await read();
  const tokenSecret = requireSecret(first.TOKEN_SECRET);
  let text = first.SIGNING_KEY;
  if (!text) throw missing();
  let keys = parseSigningKeys(text);
  const gameKey = readGameKey(first.YGGDRASIL_KEY ?? YGGDRASIL_KEY);
  const manifestKeys = readManifestKeys(first.MANIFEST_KEY ?? MANIFEST_KEY);
  const readAgain = async () => {
    const { SIGNING_KEY: now } = await read();
    if (!now || now === text) return;
    keys = parseSigningKeys(now);
    text = now;
    log.info({ kids: keys.map(({ kid }) => kid) }, "the signing keys have changed");
  };
  let reading = false;
  const timer =
    vault || file
      ? setInterval(() => {
          if (reading) return;
          reading = true;
          readAgain()
            .catch((error) => log.warn({ err: error }, "the signing keys could not be read again: they stay"))
            .finally(() => {
              reading = false;
            });
        }, rereadEveryMs)
      : undefined;
  return { signingKeys: () => keys, tokenSecret, manifestKeys, gameKey, close: () => clearInterval(timer) };
}

/** The keys as the configuration holds them, never read again: for a process that does not live long. */
export function readKeys({ SIGNING_KEY, TOKEN_SECRET, YGGDRASIL_KEY, MANIFEST_KEY }: Config): Keys {
  const keys = parseSigningKeys(SIGNING_KEY ?? "");
  return {
    signingKeys: () => keys,
    tokenSecret: requireSecret(TOKEN_SECRET),
    manifestKeys: readManifestKeys(MANIFEST_KEY),
    gameKey: readGameKey(YGGDRASIL_KEY),
    close: () => undefined,
  };
}

const readManifestKeys = (text: string | undefined) => (text ? parseSigningKeys(text, "MANIFEST_KEY") : []);

function requireSecret(secret: string | undefined): string {
  if (!secret) throw missing();
  if (Buffer.from(secret, "base64url").length < 32)
    throw new Error("Cannot start: TOKEN_SECRET is shorter than 32 bytes");
  return secret;
}

function missing(): Error {
  return new Error(
    "Cannot start: SIGNING_KEY and TOKEN_SECRET (or SIGNING_KEY_FILE and TOKEN_SECRET_FILE) are needed. Make them with `bun main.ts secrets DIR`",
  );
}
