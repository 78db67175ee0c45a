import { type AvailabilityRow, findAvailability, findNextAvailability } from "../../db/occurrence.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

export type Availabilities = {
  /** Seats of an occurrence, or of the next one; 404 for those who may not see the event. */
  find: (asked: { slug: string; occurrence: string | undefined; caller: Caller | null }) => Promise<AvailabilityRow>;
};

type Settings = Pick<Deps, "db" | "bus"> & { keepMs?: number; most?: number };
type Known = { slug: string; until: number; row: Promise<AvailabilityRow | undefined> };

/**
 * Seats as everybody may see them, remembered for at most `keepMs`, and forgotten as soon as `seats.changed` or
 * `event.changed` comes by the bus; those who ask meanwhile wait for one look. Others are looked up for who asks.
 */
export function openAvailabilities({ db, bus, keepMs = 1_000, most = 5_000 }: Settings): Availabilities {
  const kept = new Map<string, Known>();
  /** Under which keys an occurrence is remembered: by its id, and as the next one. */
  const keys = new Map<string, Set<string>>();
  bus.subscribe("seats.changed", (occurrenceId) => {
    for (const key of keys.get(occurrenceId) ?? []) kept.delete(key);
    keys.delete(occurrenceId);
  });
  bus.subscribe("event.changed", (slug) => {
    for (const [key, known] of kept) if (known.slug === slug) kept.delete(key);
  });
  const everybody = toReader(null);
  const look = (slug: string, id: string | undefined, reader = everybody) =>
    id === undefined ? findNextAvailability(db, { slug, reader }) : findAvailability(db, { slug, id, reader });
  const remember = (key: string, slug: string, id: string | undefined) => {
    if (kept.size >= most || keys.size >= most) {
      kept.clear();
      keys.clear();
    }
    const row = look(slug, id);
    const known = { slug, until: performance.now() + keepMs, row };
    kept.set(key, known);
    // A change that is heard of before the row is here would not find it: by id it is there from the start.
    const note = (occurrenceId: string) => keys.set(occurrenceId, (keys.get(occurrenceId) ?? new Set()).add(key));
    if (id !== undefined) note(id);
    row.then(
      (found) => {
        if (found && id === undefined) note(found.occurrenceId);
      },
      () => kept.get(key) === known && kept.delete(key),
    );
    return row;
  };
  return {
    find: async ({ slug, occurrence, caller }) => {
      const key = `${slug} ${occurrence ?? ""}`;
      const known = kept.get(key);
      const row =
        (await (known && known.until > performance.now() ? known.row : remember(key, slug, occurrence))) ??
        (caller && (await look(slug, occurrence, toReader(caller))));
      if (!row) throw new Fault("not-found", `There is no event "${slug}" with such an occurrence that you may see`);
      return row;
    },
  };
}
