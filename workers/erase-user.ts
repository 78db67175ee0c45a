import { eraseAnalytics } from "../db/analytics-schedule.ts";
import { eraseAccount, eraseFiles, eraseImages, erasePacks, eraseTraces, eraseUploads } from "../db/erase.ts";
import { eraseEvents, eraseMemberships } from "../db/erase-community.ts";
import { eraseNotifications } from "../db/erase-notifications.ts";
import { findDoomedUser, listOwnedSlugs } from "../db/hidden-user.ts";
import { erasePlayers } from "../db/player.ts";
import type { Deps } from "../deps.ts";
import type { Handle } from "../queues/actor.ts";
import type { EraseUser } from "../queues/erase-user.ts";
import { stagingKey } from "../storage/keys.ts";

const uploadsAtOnce = 500;

/**
 * Erases an account module by module; each step may be killed anywhere and run again. The account's own row comes last, so
 * that whoever looks for what is left finds it until nothing is. Objects of uploads go at once; stored bytes go with the
 * next sweep, unless somebody else names them.
 */
export const handle: Handle<EraseUser, "db" | "storage" | "bus"> = async ({ payload, deps, signal }) => {
  const { db, bus } = deps;
  const { userId } = payload;
  const user = await findDoomedUser(db, userId);
  if (!user) return { state: "kept" };
  const uploads = await removeUploads(deps, { userId, signal });
  const slugs = await listOwnedSlugs(db, userId);
  const erased = await db.transaction(async (tx) => {
    await eraseMemberships(tx, userId); // first: what an organization leaves that ends with him is his
    const files = await eraseFiles(tx, userId);
    const images = await eraseImages(tx, userId);
    const packs = await erasePacks(tx, userId);
    const events = await eraseEvents(tx, userId);
    await eraseNotifications(tx, userId);
    await eraseAnalytics(tx, userId);
    const players = await erasePlayers(tx, userId);
    await eraseTraces(tx, userId);
    await eraseAccount(tx, { userId, ...user });
    return { files, images, packs, events, players };
  });
  for (const slug of slugs) bus.publish("pack.changed", slug);
  bus.publish("user.changed", userId);
  return { state: "erased", uploads, ...erased };
};

/** Deletes rows first: what a crash leaves in storage then has no name, and the sweep takes it. */
async function removeUploads(
  { db, storage }: Pick<Deps, "db" | "storage">,
  { userId, signal }: { userId: string; signal: AbortSignal },
): Promise<number> {
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const gone = await db.transaction((tx) => eraseUploads(tx, { userId, limit: uploadsAtOnce }));
    if (gone.length === 0) return total;
    total += gone.length;
    await storage.remove(gone.map(({ id }) => stagingKey(id)));
    for (const { partsId, attemptKey } of gone)
      if (partsId && attemptKey) await storage.abortParts(attemptKey, partsId);
  }
}
