import { createPublicKey, type KeyObject } from "node:crypto";
import type { JWK } from "jose";
import type { Keys, SigningKey } from "../keys.ts";

export const accessType = "at+jwt";

export type AccessKeys = {
  /** What verifies a token, when its header is one of ours to the byte and its signature is written in the only right way. */
  find: (token: string) => KeyObject | undefined;
  /** The key that signs at this moment. */
  signing: () => SigningKey;
  publicKeys: () => { keys: JWK[] };
  /** Called when a key came or went. */
  onChange: (listener: () => void) => void;
};

type Live = {
  source: readonly SigningKey[];
  keys: SigningKey[];
  byHeader: Map<string, KeyObject>;
  changesAt: number;
};

/** The keys that are accepted at this moment: another list, or a time that has come, changes them. */
export function openAccessKeys({ signingKeys }: Pick<Keys, "signingKeys">): AccessKeys {
  const listeners: (() => void)[] = [];
  let live: Live | undefined;
  const look = (): Live => {
    const source = signingKeys();
    const now = Date.now() / 1000;
    if (live && live.source === source && now < live.changesAt) return live;
    const keys = source.filter(({ exp }) => exp === undefined || exp > now);
    const times = source.flatMap(({ exp }) => (exp !== undefined && exp > now ? [exp] : []));
    const byHeader = new Map(keys.map((key) => [headerOf(key), toVerifier(key)]));
    live = { source, keys, byHeader, changesAt: Math.min(...times, Number.POSITIVE_INFINITY) };
    for (const listener of listeners) listener();
    return live;
  };
  return {
    find: (token) => {
      const { byHeader } = look();
      const [header = "", payload = "", signature = "", ...rest] = token.split(".", 4);
      if (rest.length > 0 || !/^[\w-]+$/.test(payload) || !isCanonical(signature)) return undefined;
      return byHeader.get(header);
    },
    signing: () => {
      const now = Date.now() / 1000;
      const { keys } = look();
      // The newest whose time has come; where none has, the clock of this machine is behind: the oldest.
      const key = keys.find(({ nbf }) => nbf === undefined || nbf <= now) ?? keys.at(-1);
      if (!key) throw new Error("Cannot sign: every signing key has expired. Make one with `sunduk keys rotate`");
      return key;
    },
    publicKeys: () => ({ keys: look().keys.map(toPublic) }),
    onChange: (listener) => void listeners.push(listener),
  };
}

/** The protected header as @elysiajs/jwt writes it. */
function headerOf({ kid }: SigningKey): string {
  return Buffer.from(JSON.stringify({ alg: "EdDSA", kid, typ: accessType })).toString("base64url");
}

/** 64 bytes have 86 characters, and the last four bits of these mean nothing: they must be zero, or one signature has 16 forms. */
function isCanonical(signature: string): boolean {
  return /^[\w-]{86}$/.test(signature) && Buffer.from(signature, "base64url").toString("base64url") === signature;
}

function toPublic({ kty, crv, x, kid }: SigningKey): JWK {
  return { kty, crv, x, kid, alg: "EdDSA", use: "sig" };
}

function toVerifier(key: SigningKey): KeyObject {
  const { kty, crv, x } = key;
  return createPublicKey({ key: { kty, crv, x }, format: "jwk" });
}
