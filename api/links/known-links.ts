import type { Bus } from "../../db/bus.ts";
import { findLink, type GoodLink, noteLinkUses } from "../../db/link.ts";
import type { Db } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";

/** The form of a link's token: 32 random bytes, base64url. */
export const linkTokenPattern = "^[A-Za-z0-9_-]{43}$";

export type KnownLinks = {
  /** The link of a token, when it is remembered and may still be believed without asking. */
  find: (token: string) => GoodLink | undefined;
  /** The link of a token. Throws `not-found` when it is wrong, expired or revoked. */
  ask: (token: string) => Promise<GoodLink>;
  /** Counts a use: written at once, those that come meanwhile in one statement afterwards. */
  noteUse: (id: string) => void;
};

type Settings = { db: Db; bus: Pick<Bus, "subscribe">; keepMs?: number; most?: number };

/**
 * Remembers good links for at most `keepMs` from when the database was asked, once for all who wait for it, by the hash of their
 * tokens. `link.ended` on the bus (a link's id) and `pack.changed` (a slug) make it sooner: a lost hint costs no more than `keepMs`.
 */
export function openKnownLinks({ db, bus, keepMs = 1_000, most = 10_000 }: Settings): KnownLinks {
  const kept = new Map<string, { link: GoodLink; askedAtMs: number }>();
  const asking = new Map<string, { link: Promise<GoodLink | undefined>; askedAtMs: number }>();
  const forget = (concerned: (link: GoodLink) => boolean) => {
    for (const [hash, { link }] of kept) if (concerned(link)) kept.delete(hash);
    asking.clear(); // nobody knows yet whose they are
  };
  bus.subscribe("link.ended", (id) => forget((link) => link.id === id));
  bus.subscribe("pack.changed", (slug) => forget((link) => link.slug === slug));
  const isYoung = ({ askedAtMs }: { askedAtMs: number }) => performance.now() - askedAtMs < keepMs;
  const find = (hash: string) => {
    const entry = kept.get(hash);
    return entry && isYoung(entry) ? entry.link : undefined;
  };
  const look = (hash: string) => {
    const flight = { link: findLink(db, hash), askedAtMs: performance.now() };
    asking.set(hash, flight);
    const settle = (link?: GoodLink) => {
      if (asking.get(hash) !== flight) return; // forgotten meanwhile
      asking.delete(hash);
      kept.delete(hash);
      if (link) kept.set(hash, { link, askedAtMs: flight.askedAtMs });
      for (const oldest of kept.keys()) {
        if (kept.size <= most) break;
        kept.delete(oldest);
      }
    };
    flight.link.then(settle, () => settle());
    return flight;
  };
  const uses = openUseCounts(db);
  return {
    find: (token) => find(hashToken(token)),
    ask: async (token) => {
      const hash = hashToken(token);
      const known = find(hash);
      if (known) return known;
      const running = asking.get(hash);
      const link = await (running && isYoung(running) ? running : look(hash)).link;
      if (!link) throw new Fault("not-found", "The link is wrong, expired or revoked: ask whoever gave it to you");
      return link;
    },
    noteUse: uses.note,
  };
}

/** One statement at a time for each link; what is counted meanwhile goes with the next. A count may be lost, an answer never waits. */
function openUseCounts(db: Db): { note: (id: string) => void } {
  const waiting = new Map<string, number>();
  const writing = new Set<string>();
  const write = async (id: string): Promise<void> => {
    writing.add(id);
    try {
      for (let uses = waiting.get(id); uses !== undefined; uses = waiting.get(id)) {
        waiting.delete(id);
        await noteLinkUses(db, { id, uses });
      }
    } catch {
      // the database is away: it is a number for people
    } finally {
      writing.delete(id);
    }
  };
  return {
    note: (id) => {
      waiting.set(id, (waiting.get(id) ?? 0) + 1);
      if (!writing.has(id)) void write(id);
    },
  };
}
