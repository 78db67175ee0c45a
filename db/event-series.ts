import type { Series } from "../plan-occurrences.ts";
import { type Db, many, one, run } from "./query.ts";

/** Series that go on and have no occurrence a year ahead, in the order of their ids. */
export async function listSeriesToExtend(
  db: Db,
  { after, limit }: { after: string; limit: number },
): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "series_list_to_extend",
    text: `select e.id from event.event e where e.rrule is not null and e.ends_last_at is null and e.deleted_at is null and e.state <> 'cancelled' and e.id > $1
      and not exists (select from event.occurrence o where o.event_id = e.id and o.starts_at > now() + interval '390 days')
      order by e.id limit $2`,
    values: [after, limit],
  });
  return rows.map(({ id }) => id);
}

/** A series that goes on, locked until the transaction ends. */
export function lockSeries(
  tx: Db,
  id: string,
): Promise<(Series & { id: string; capacity: number | null }) | undefined> {
  return one(tx, {
    name: "series_lock",
    text: `select id, starts_at as "startsAt", ends_at as "endsAt", time_zone as "timeZone", rrule, capacity from event.event
      where id = $1 and rrule is not null and ends_last_at is null and deleted_at is null and state <> 'cancelled' for no key update`,
    values: [id],
  });
}

/** Notes when a series ends, once that is known: nobody extends it any more. */
export function setLastEnd(tx: Db, { id, end }: { id: string; end: Date }): Promise<number> {
  return run(tx, {
    name: "series_set_last_end",
    text: `update event.event set ends_last_at = $2 where id = $1`,
    values: [id, end],
  });
}
