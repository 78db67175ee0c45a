import { findObstacles, isComplete } from "../db/obstacles.ts";
import { insertFact } from "../db/outbox.ts";
import type { Db } from "../db/query.ts";
import { cancelPublishing, listDuePublishing, lockDueVersion } from "../db/schedule.ts";
import { startPublishing } from "../db/version.ts";
import type { Handle, Message } from "../queues/actor.ts";
import { want } from "../queues/mailbox.ts";
import { publishVersion } from "../queues/publish-version.ts";
import type { StartPublishing } from "../queues/start-publishing.ts";

const atOnce = 100;

/**
 * Each draft in a transaction of its own. One that is not complete by now, or whose author may no longer publish, stays a draft,
 * and those who work on the pack are told.
 */
export const handle: Handle<StartPublishing, "db" | "mailbox"> = async ({ deps: { db, mailbox }, signal }) => {
  let started = 0;
  for (const id of await listDuePublishing(db, atOnce)) {
    signal.throwIfAborted();
    const message = await db.transaction((tx) => start(tx, id));
    if (!message) continue;
    await mailbox.send(publishVersion.name, message);
    started++;
  }
  return { started };
};

async function start(tx: Db, id: string): Promise<Message | undefined> {
  const due = await lockDueVersion(tx, id);
  if (!due) return undefined; // cancelled, published or changed meanwhile, or another run has it
  if (due.mayPublish && isComplete(await findObstacles(tx, id))) {
    await startPublishing(tx, id);
    return want(tx, publishVersion, { payload: { versionId: id }, ownerId: due.publishBy });
  }
  await cancelPublishing(tx, id);
  await insertFact(tx, { kind: "version.publish-failed", payload: { packId: due.packId, versionId: id } });
  return undefined;
}
