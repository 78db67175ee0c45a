import { timingSafeEqual } from "node:crypto";
import { isKind, type Kind, type Medium, media } from "./notification-kinds.ts";
import type { Seal } from "./seal.ts";

/** What a link switches off: one kind, or all that may be, by one medium. */
export type Unsubscription = { userId: string; kind: Kind | "all"; medium: Medium };

const purpose = "unsubscribe";
const text = ({ userId, kind, medium }: Unsubscription) => `${userId}.${kind}.${medium}`;

/** The token of a link that unsubscribes without signing in (RFC 8058): what it is for and a MAC of that, good for nothing else. */
export function writeUnsubscribeToken(seal: Seal, unsubscription: Unsubscription): string {
  return `${text(unsubscription)}.${seal.derive(purpose, text(unsubscription))}`;
}

/** What a token of ours switches off; undefined for any other. */
export function readUnsubscribeToken(seal: Seal, token: string): Unsubscription | undefined {
  const [, userId, kind, medium, mac] = /^([0-9a-f-]{36})\.([a-z.-]+)\.([a-z]+)\.([\w-]{43})$/.exec(token) ?? [];
  const known = media.find((name) => name === medium);
  if (userId === undefined || kind === undefined || known === undefined || mac === undefined) return undefined;
  const named = kind === "all" ? "all" : isKind(kind) ? kind : undefined;
  if (named === undefined) return undefined;
  const unsubscription: Unsubscription = { userId, kind: named, medium: known };
  const right = Buffer.from(seal.derive(purpose, text(unsubscription)));
  return timingSafeEqual(right, Buffer.from(mac)) ? unsubscription : undefined;
}
