import { takeDueSources } from "../db/source.ts";
import type { Handle } from "../queues/actor.ts";
import { wantAll } from "../queues/mailbox.ts";
import type { StartSyncs } from "../queues/start-syncs.ts";
import { syncFeed } from "../queues/sync-feed.ts";

const atOnce = 100;

/** In one transaction the sources are due later, and their syncs are asked for. */
export const handle: Handle<StartSyncs, "db" | "mailbox"> = async ({ deps: { db, mailbox } }) => {
  const messages = await db.transaction(async (tx) => {
    const payloads = (await takeDueSources(tx, atOnce)).map((sourceId) => ({ sourceId, dryRun: false }));
    return wantAll(tx, syncFeed, { payloads });
  });
  for (const message of messages) await mailbox.send(syncFeed.name, message);
  return { started: messages.length };
};
