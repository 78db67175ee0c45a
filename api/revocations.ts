import type { Bus } from "../db/bus.ts";
import type { Revocation, RevocationFeed } from "../db/revocation.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { waitAtMost } from "../patience.ts";

/** What a token says of itself, as far as it can be revoked. */
export type Revocable = { userId: string; sessionId: string | null; tokenId: string | null; ver: number };

export type Revocations = {
  /** Undefined while this process knows of all revocations; else a promise of one shared renewal. 503 when that fails. */
  lease: () => Promise<void> | undefined;
  /** Synchronous: to be asked after the last await before a token is believed. */
  isRevoked: (token: Revocable) => boolean;
  /** Tells this process and, by the bus, the others. The row in the database is what counts. */
  tell: (revocation: Revocation) => void;
  /** Called for each revocation that becomes known. */
  onRevoked: (listener: (revocation: Revocation) => void) => () => void;
  /** Milliseconds since the last answer was asked for. */
  ageMs: () => number;
  close: () => Promise<void>;
};

const renewEveryMs = 250;
const leaseMs = 800;
const renewalLimitMs = 1_000;
const keptMs = 3_600_000;

/**
 * Knows which sessions and tokens were revoked. The bus is only speed: what is correct is a lease. Each answer of the feed
 * proves that everything revoked before the question was sent is known, for 800 ms from then, by the monotonic and by the
 * wall clock: a process that was frozen wakes without a lease. Without one nobody is let in, and nobody told to sign in.
 */
export function openRevocations({ feed, bus, log }: { feed: RevocationFeed; bus: Bus; log: Log }): Revocations {
  const known = new Map<string, { ver: number | null; at: number }>();
  const listeners = new Set<(revocation: Revocation) => void>();
  let cursor = "0";
  let asked = { monotonic: Number.NEGATIVE_INFINITY, wall: 0 };
  let renewing: Promise<void> | undefined;

  const note = (revocation: Revocation) => {
    const key = `${revocation.kind} ${revocation.subject}`;
    const before = known.get(key);
    const ver =
      before && before.ver !== null && revocation.ver !== null
        ? Math.max(before.ver, revocation.ver)
        : before
          ? before.ver === null
            ? null
            : revocation.ver
          : revocation.ver;
    if (before && before.ver === ver) return;
    known.delete(key); // the oldest stand first
    known.set(key, { ver, at: performance.now() });
    for (const listener of listeners) listener(revocation);
  };
  const holds = () => {
    const monotonic = performance.now() - asked.monotonic;
    const wall = Date.now() - asked.wall;
    return monotonic < leaseMs && wall < leaseMs && wall > -leaseMs;
  };
  const renew = () => {
    renewing ??= (async () => {
      const answer = await feed.ask(cursor);
      if (answer.standby) throw new Error("the database is a standby");
      if (BigInt(answer.cursor) < BigInt(cursor)) {
        // Another database, such as a restored one, counts from elsewhere: what was learnt stays, all is read again.
        cursor = "0";
        throw new Error("the database counts its transactions anew");
      }
      answer.revocations.forEach(note);
      cursor = answer.cursor;
      asked = answer.sentAt;
    })().finally(() => {
      renewing = undefined;
    });
    return renewing;
  };
  const waitForRenewal = async () => {
    const deadline = performance.now() + renewalLimitMs;
    while (!holds()) {
      const leftMs = deadline - performance.now();
      const failed = await waitAtMost(
        renew().then(
          () => "",
          (error: unknown) => error,
        ),
        Math.max(0, leftMs),
      );
      if (holds()) return;
      if (performance.now() >= deadline) {
        log.debug({ err: failed || new Error("the database takes too long") }, "no lease on the revocations");
        throw new Fault("unavailable", "Cannot tell at this moment whether your session still holds: try again", {
          retryAfterSeconds: 1,
        });
      }
      await Bun.sleep(25);
    }
  };
  const timer = setInterval(() => {
    renew().catch((error) => log.debug({ err: error }, "the revocations could not be read"));
    const oldest = performance.now() - keptMs;
    for (const [key, { at }] of known) {
      if (at > oldest) break;
      known.delete(key);
    }
  }, renewEveryMs);
  const unsubscribe = bus.subscribe("revoked", (text) => {
    const [kind, subject, ver] = text.split("/");
    if ((kind === "session" || kind === "user" || kind === "token") && subject)
      note({ kind, subject, ver: ver ? Number(ver) : null });
  });

  return {
    lease: () => (holds() ? undefined : waitForRenewal()),
    isRevoked: ({ userId, sessionId, tokenId, ver }) => {
      if (sessionId !== null && known.has(`session ${sessionId}`)) return true;
      if (tokenId !== null && known.has(`token ${tokenId}`)) return true;
      const user = known.get(`user ${userId}`);
      return user !== undefined && (user.ver === null || ver < user.ver);
    },
    tell: (revocation) => {
      note(revocation);
      bus.publish("revoked", `${revocation.kind}/${revocation.subject}/${revocation.ver ?? ""}`, { now: true });
    },
    onRevoked: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ageMs: () => performance.now() - asked.monotonic,
    close: async () => {
      clearInterval(timer);
      unsubscribe();
      await feed.close();
    },
  };
}
