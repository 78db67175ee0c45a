import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { GameKey } from "../../game-key.ts";
import { openTurns } from "../turns.ts";

/** As GET …/player/certificates of games since 1.19 answers: a key pair to sign chat with, and our word that it is a player's. */
export type Certificate = {
  keyPair: { privateKey: string; publicKey: string };
  publicKeySignature: string;
  publicKeySignatureV2: string;
  expiresAt: string;
  refreshedAfter: string;
};

export type Certificates = {
  /** Of one session's player; the same until it is to be refreshed. */
  get: (asked: { sessionId: string; playerId: string }) => Promise<Certificate>;
};

const hourMs = 3_600_000;
const lifetimeMs = 48 * hourMs;
const refreshAfterMs = 40 * hourMs;
const bits = 2048;
const maxRemembered = 2_000;
const makePair = promisify(generateKeyPair);

/** Makes keys of players, two at once: each takes a tenth of a second. They are kept in memory only, for who asks again. */
export function openCertificates(requireKey: () => GameKey): Certificates {
  const inTurn = openTurns({ atOnce: 2, maxWaiting: 200, refusal: "Too many players start at this moment: try again" });
  const remembered = new Map<string, { made: Promise<Certificate>; until: number }>();
  return {
    get: ({ sessionId, playerId }) => {
      const name = `${sessionId} ${playerId}`;
      const known = remembered.get(name);
      if (known && known.until > Date.now()) return known.made;
      const key = requireKey();
      const made = inTurn(() => makeCertificate(key, { playerId, now: Date.now() }));
      if (remembered.size >= maxRemembered)
        for (const old of [...remembered.keys()].slice(0, maxRemembered / 4)) remembered.delete(old);
      remembered.set(name, { made, until: Date.now() + refreshAfterMs });
      made.catch(() => remembered.delete(name));
      return made;
    },
  };
}

/**
 * A fresh pair of keys, signed twice: over the time of its end in milliseconds and the public key as PEM (1.19), and over
 * player, the same time and the key as DER (since 1.19.1).
 */
async function makeCertificate(
  key: GameKey,
  { playerId, now }: { playerId: string; now: number },
): Promise<Certificate> {
  const { publicKey, privateKey } = await makePair("rsa", { modulusLength: bits });
  const publicDer = publicKey.export({ format: "der", type: "spki" });
  const privateDer = privateKey.export({ format: "der", type: "pkcs8" });
  const until = now + lifetimeMs;
  const publicPem = toPem("RSA PUBLIC KEY", publicDer);
  const end = Buffer.alloc(8);
  end.writeBigInt64BE(BigInt(until));
  const [publicKeySignature, publicKeySignatureV2] = await Promise.all([
    key.sign(`${until}${publicPem}`),
    key.sign(Buffer.concat([Buffer.from(playerId.replaceAll("-", ""), "hex"), end, publicDer])),
  ]);
  return {
    keyPair: { privateKey: toPem("RSA PRIVATE KEY", privateDer), publicKey: publicPem },
    publicKeySignature,
    publicKeySignatureV2,
    expiresAt: new Date(until).toISOString(),
    refreshedAfter: new Date(now + refreshAfterMs).toISOString(),
  };
}

/** With the labels that games look for, whatever is between them, in lines of 76 letters as Java writes them: the first signature is over this text. */
function toPem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,76}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
