import type { ReadableBlob } from "../../db/blob.ts";
import type { Bus } from "../../db/bus.ts";

/** Where bytes are: kept here (and who may read them besides whoever has asked), or at an address of somebody else's. */
export type Location = Pick<ReadableBlob, "key" | "access"> | { url: string };

export type KnownBlobs = {
  /**
   * Where bytes are for everybody who asks by this name: remembered, or looked up once for all who wait for it. Failures are not
   * remembered.
   */
  ask: (name: string, look: () => Promise<Location>) => Promise<Location>;
};

type Settings = { bus: Pick<Bus, "subscribe">; keepMs?: number; most?: number };

/**
 * Remembers where bytes are for callers without a token and for holders of a share link, for at most `keepMs` from when the database
 * was asked: a stampede of launchers asks for the same files at once. Whatever changes in any pack forgets all of it.
 */
export function openKnownBlobs({ bus, keepMs = 1_000, most = 50_000 }: Settings): KnownBlobs {
  const kept = new Map<string, { location: Location; untilMs: number }>();
  const asking = new Map<string, { location: Promise<Location>; untilMs: number }>();
  bus.subscribe("pack.changed", () => {
    kept.clear();
    asking.clear();
  });
  return {
    ask: (name, look) => {
      const known = kept.get(name);
      if (known && performance.now() < known.untilMs) return Promise.resolve(known.location);
      const running = asking.get(name);
      // Who asks later than that would be told what was so before.
      if (running && performance.now() < running.untilMs) return running.location;
      // Not all of a pack's files at the same moment again.
      const untilMs = performance.now() + keepMs * (0.7 + 0.3 * Math.random());
      const flight = { location: look(), untilMs };
      asking.set(name, flight);
      const settle = (location?: Location) => {
        if (asking.get(name) !== flight) return; // forgotten meanwhile
        asking.delete(name);
        kept.delete(name);
        if (location) kept.set(name, { location, untilMs });
        for (const [oldest, entry] of kept) {
          if (kept.size <= most && performance.now() < entry.untilMs) break;
          kept.delete(oldest);
        }
      };
      flight.location.then(settle, () => settle());
      return flight.location;
    },
  };
}
