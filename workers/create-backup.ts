import { isDue, runBackup } from "../backup/run.ts";
import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { CreateBackup } from "../queues/create-backup.ts";

/** Asked by a tick, it makes a backup when one is due; asked by a job, at once. */
export const handle: Handle<CreateBackup, "db" | "storage" | "config"> = async ({
  deps,
  wanted,
  progress,
  signal,
  log,
}) => {
  const { db, storage, config } = deps;
  if (wanted === 0 && !(await isDue(db, config))) return { due: false };
  if (!config.DATABASE_URL) throw new Fault("internal", "Cannot make a backup: DATABASE_URL is not set");
  const { manifest, removed } = await runBackup({
    config,
    db,
    url: config.DATABASE_URL,
    from: storage,
    keep: config.BACKUP_KEEP,
    why: wanted === 0 ? "schedule" : "asked for",
    onStep: ({ part, done, of }) => progress(part === "database" ? 0.1 * (done / of) : 0.1 + 0.9 * (done / of)),
    signal,
  });
  const { count, copied, damaged } = manifest.objects;
  if (damaged.length > 0) log.error({ backup: manifest.name, damaged }, "the storage has lost objects");
  log.info({ backup: manifest.name, objects: count, copied, removed }, "made a backup");
  return { name: manifest.name, objects: count, copied, damaged: damaged.length, removed };
};
