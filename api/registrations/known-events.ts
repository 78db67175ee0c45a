import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { findOpenEvent } from "../../db/registration.ts";
import type { Deps } from "../../deps.ts";
import { Question } from "./model.ts";

/** What a request for a seat needs of its event; dates are not over, soonest first. */
export type KnownEvent = {
  id: string;
  questions: Question[];
  occurrences: { id: string; startsAt: Date }[];
};

const keepMs = 1_000;
const most = 1_000;

/**
 * Remembers events for a second, so that a rush for one of them asks the database once. Nothing is decided by it: who may
 * register, and whether it is open, is decided under the occurrence's lock.
 */
export function openKnownEvents({ db, bus }: Pick<Deps, "db" | "bus">) {
  const kept = new Map<string, { found: Promise<KnownEvent | undefined>; until: number }>();
  bus.subscribe("event.changed", (slug) => kept.delete(slug));
  const look = async (slug: string): Promise<KnownEvent | undefined> => {
    const row = await findOpenEvent(db, slug);
    if (!row) return undefined;
    return {
      id: row.id,
      questions: Value.Parse(t.Array(Question), row.questions),
      occurrences: row.occurrences.map(({ id, startsAt }) => ({ id, startsAt: new Date(startsAt) })),
    };
  };
  return (slug: string): Promise<KnownEvent | undefined> => {
    const known = kept.get(slug);
    if (known && known.until > performance.now()) return known.found;
    const found = look(slug);
    for (const oldest of kept.size >= most ? [...kept.keys()].slice(0, most / 4) : []) kept.delete(oldest);
    kept.delete(slug);
    kept.set(slug, { found, until: performance.now() + keepMs });
    found.catch(() => kept.delete(slug));
    return found;
  };
}
