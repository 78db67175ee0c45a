import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  compactVerify,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";
import { deleteOldIdTokenKeys, type IdTokenKeyRow, insertIdTokenKey, listIdTokenKeys } from "../../db/id-token-key.ts";
import type { Deps } from "../../deps.ts";
import type { Keys } from "../../keys.ts";
import type { Seal } from "../../seal.ts";
import { openAccessKeys } from "../access-keys.ts";
import { type IdTokenAlg, openClients } from "./clients.ts";

export type IdTokenKeys = {
  /** Public keys of ID tokens, besides those of access tokens; none where no client may ask who signs in. */
  publicKeys: () => Promise<JWK[]>;
  sign: (alg: IdTokenAlg, claims: JWTPayload) => Promise<string>;
  /** What a token of ours says, however old it is; undefined when we did not sign it, or with a key that is gone. */
  read: (token: string) => Promise<unknown>;
};

type Key = { kid: string; publicKey: JWK; privateKey: KeyObject; ageSeconds: number };

const modulusLength = 2_048;
/** Another process may have made one. */
const rereadMs = 60_000;
const day = 24 * 3600;
/** A new key is made so often, published for an hour before it signs, and the former one for a day after. */
const [rotateSeconds, leadSeconds, outliveSeconds] = [90 * day, 3600, 2 * day];
const maxTokenLength = 8_192;
const Header = t.Object({
  alg: t.Union([t.Literal("RS256"), t.Literal("EdDSA")]),
  kid: t.String(),
  typ: t.Literal("JWT"),
});

/**
 * The RSA keys of ID tokens, which every OpenID client knows. They are made when they are needed, and kept in the database for
 * all processes, sealed with a key made of TOKEN_SECRET. EdDSA is signed with the keys of access tokens: what tells the two
 * kinds of tokens apart is the header that access tokens are recognised by.
 */
export function openIdTokenKeys({
  db,
  config,
  log,
  seal,
  keys,
}: Pick<Deps, "db" | "config" | "log"> & Sealing): IdTokenKeys {
  const accessKeys = openAccessKeys(keys);
  const { identify } = openClients(config);
  let known: { keys: Key[]; at: number } | undefined;
  let loading: Promise<Key[]> | undefined;
  const load = async (): Promise<Key[]> => {
    const rows = await listIdTokenKeys(db);
    const usable = rows.flatMap((row) => open(seal, row) ?? []);
    const [newest] = usable;
    if (newest && newest.kid === rows[0]?.kid && newest.ageSeconds < rotateSeconds) return usable;
    await insertIdTokenKey(db, await makeKey(seal, (rows[0]?.number ?? 0) + 1));
    await deleteOldIdTokenKeys(db, { afterSeconds: outliveSeconds });
    return (await listIdTokenKeys(db)).flatMap((row) => open(seal, row) ?? []);
  };
  const list = async (): Promise<Key[]> => {
    if (known && performance.now() - known.at < rereadMs) return known.keys;
    loading ??= load().finally(() => {
      loading = undefined;
    });
    known = { keys: await loading, at: performance.now() };
    return known.keys;
  };
  const find = async ({ alg, kid }: { alg: IdTokenAlg; kid: string }): Promise<KeyObject | undefined> => {
    const rsa = alg === "RS256" ? (await list()).find((key) => key.kid === kid)?.publicKey : undefined;
    const jwk = rsa ?? (alg === "EdDSA" ? accessKeys.publicKeys().keys.find((key) => key.kid === kid) : undefined);
    return jwk && createPublicKey({ key: { ...jwk }, format: "jwk" });
  };
  return {
    publicKeys: async () => {
      if (!identify) return [];
      return (
        await list().catch((error: unknown) => {
          log.warn({ err: error }, "the keys of ID tokens cannot be read: those known before are shown");
          return known?.keys ?? [];
        })
      ).map(({ publicKey }) => publicKey);
    },
    sign: async (alg, claims) => {
      const own = alg === "EdDSA" ? accessKeys.signing() : undefined;
      const key = own ? undefined : pickSigning(await list());
      const kid = own?.kid ?? key?.kid;
      const privateKey = own ? createPrivateKey({ key: toJwk(own), format: "jwk" }) : key?.privateKey;
      if (!privateKey || !kid) throw new Error("Cannot sign an ID token: there is no key");
      return new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "JWT" }).sign(privateKey);
    },
    read: async (token) => {
      if (token.length > maxTokenLength) return undefined;
      try {
        const header: unknown = decodeProtectedHeader(token);
        const key = Value.Check(Header, header) ? await find(header) : undefined;
        if (!key) return undefined;
        const { payload } = await compactVerify(token, key, { algorithms: ["RS256", "EdDSA"] });
        return JSON.parse(new TextDecoder().decode(payload));
      } catch {
        return undefined;
      }
    },
  };
}

type Sealing = { seal: Seal; keys: Pick<Keys, "signingKeys"> };

const toJwk = ({ kty, crv, x, d }: { kty: string; crv: string; x: string; d: string }) => ({ kty, crv, x, d });

/** The newest that caches of the public keys know by now; where there is only a new one, that. */
function pickSigning(keys: Key[]): Key | undefined {
  return keys.find(({ ageSeconds }) => ageSeconds >= leadSeconds) ?? keys[0];
}

async function makeKey(seal: Seal, number: number): Promise<Omit<IdTokenKeyRow, "ageSeconds">> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { modulusLength, extractable: true });
  const kid = `id-${number}-${crypto.randomUUID().slice(0, 8)}`;
  const sealed = seal.close(JSON.stringify(await exportJWK(privateKey)), ownerOf(kid));
  const { n = "", e = "" } = await exportJWK(publicKey);
  return { number, kid, publicKey: { kty: "RSA", n, e, kid, alg: "RS256", use: "sig" }, sealed };
}

const ownerOf = (kid: string) => `id token ${kid}`;

/** Undefined for one that was sealed with a TOKEN_SECRET that was replaced since: its successor is made then. */
function open(seal: Seal, { kid, publicKey, sealed, ageSeconds }: IdTokenKeyRow): Key | undefined {
  try {
    const privateKey = createPrivateKey({ key: JSON.parse(seal.open(sealed, ownerOf(kid))), format: "jwk" });
    return { kid, publicKey, privateKey, ageSeconds };
  } catch {
    return undefined;
  }
}
