import { listSeriesToExtend, lockSeries, setLastEnd } from "../db/event-series.ts";
import { findLastEnd, settleTimes } from "../db/event-times.ts";
import type { Handle } from "../queues/actor.ts";
import type { ExtendEvents } from "../queues/extend-events.ts";

const atOnce = 100;

/** Each series in a transaction of its own that holds its row: whoever changes it meanwhile waits, or was first. */
export const handle: Handle<ExtendEvents, "db"> = async ({ deps: { db }, signal, log }) => {
  const now = new Date();
  let extended = 0;
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const ids = await listSeriesToExtend(db, { after, limit: atOnce });
    for (const id of ids) {
      signal.throwIfAborted();
      try {
        await db.transaction(async (tx) => {
          const series = await lockSeries(tx, id);
          if (!series) return;
          await settleTimes(tx, { event: series, before: series, now });
          const end = findLastEnd(series, now);
          if (end) await setLastEnd(tx, { id, end });
          extended += 1;
        });
      } catch (error) {
        log.error({ err: error, event: id }, "a series could not be extended");
      }
    }
    const last = ids.at(-1);
    if (last === undefined || ids.length < atOnce) return { extended };
    after = last;
  }
};
