import { actor, type Static, t } from "./actor.ts";

export const CreateBackup = t.Object({ scope: t.Literal("all") });
export type CreateBackup = Static<typeof CreateBackup>;

/** Looks so often whether a backup is due: one that failed is tried again then. */
const lookEverySeconds = 600;

/** Makes a backup when BACKUP_EVERY_HOURS have passed since the last whole one. */
export const createBackup = actor({
  name: "create-backup",
  payload: CreateBackup,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 60_000 },
  concurrency: 1,
  timeoutMs: 24 * 3_600_000,
  needs: ["db", "storage", "config"],
  every: (config) => (config.BACKUP_EVERY_HOURS === 0 ? 0 : lookEverySeconds),
  handler: () => import("../workers/create-backup.ts"),
});
