import type { Config } from "../config.ts";
import { findLastMade, insertMade, type MadeBackup, settleMade } from "../db/backup.ts";
import type { Db } from "../db/query.ts";
import { hasCode } from "../fault.ts";
import type { Log } from "../log.ts";
import { type Created, createBackup, type Step } from "./create.ts";
import { collectSecrets } from "./secrets.ts";
import { type Objects, openStore, placeOf } from "./store.ts";

type Run = {
  config: Config;
  db: Db;
  url: string;
  from: Objects;
  to?: string | undefined;
  encrypt?: boolean | undefined;
  keep: number;
  why: string;
  onStep?: (step: Step) => void;
  signal: AbortSignal;
};

/** Makes a backup as the settings say, encrypted where BACKUP_KEY is set, and writes down how it went. */
export async function runBackup({
  config,
  db,
  url,
  from,
  to,
  keep,
  why,
  onStep,
  signal,
  ...more
}: Run): Promise<Created> {
  const encrypt = more.encrypt || config.BACKUP_KEY !== undefined;
  const store = await openStore({ config, to, encrypt });
  const id = Bun.randomUUIDv7();
  await insertMade(db, { id, place: store.place }).catch((error) => {
    if (!hasCode(error, "42P01")) throw error; // tables of an older version, which is about to be replaced
  });
  try {
    const secrets = encrypt ? await collectSecrets(config) : {};
    const created = await createBackup({
      url,
      from,
      store,
      encrypt,
      secrets,
      why,
      keep,
      signal,
      ...(onStep && { onStep }),
    });
    const { name, objects, tables } = created.manifest;
    const sizeBytes = tables.reduce((sum, table) => sum + table.sizeBytes, objects.sizeBytes);
    await settleMade(db, { id, name, sizeBytes, damaged: objects.damaged.length, problem: null }).catch(
      () => undefined,
    );
    return created;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    await settleMade(db, { id, name: null, sizeBytes: 0, damaged: 0, problem }).catch(() => undefined);
    throw error;
  }
}

/** "off": nothing is scheduled. "waiting": it was, just now. "late": the last whole backup is older than one and a half periods. "damaged": it lacks objects. */
export type BackupCondition = {
  state: "off" | "waiting" | "ok" | "late" | "damaged";
  place: string;
  last: MadeBackup | undefined;
  wholeAt: Date | undefined;
};

/** Whether backups are made as scheduled, for whoever watches. */
export async function findCondition(db: Db, config: Config): Promise<BackupCondition> {
  const place = placeOf(config);
  const found = await findLastMade(db, place);
  const everyMs = config.BACKUP_EVERY_HOURS * 3_600_000;
  const damaged = (found.last?.damaged ?? 0) > 0;
  const since = found.wholeAt ?? found.last?.beganAt;
  const late = since !== undefined && Date.now() - since.getTime() > everyMs * 1.5;
  const failed = found.wholeAt === undefined && found.last?.problem;
  const state = !since ? "waiting" : late || failed ? "late" : damaged ? "damaged" : found.wholeAt ? "ok" : "waiting";
  return { state: everyMs === 0 ? "off" : state, place, ...found };
}

/** Whether the next scheduled backup is to be made now. */
export async function isDue(db: Db, config: Config): Promise<boolean> {
  if (config.BACKUP_EVERY_HOURS === 0) return false;
  const { wholeAt } = await findLastMade(db, placeOf(config));
  return wholeAt === undefined || Date.now() - wholeAt.getTime() >= config.BACKUP_EVERY_HOURS * 3_600_000;
}

/** What to call before a migration: makes a restore point of what is there; nothing where BACKUP_BEFORE_MIGRATION is off. */
export function beforeMigration({ config, url, log }: { config: Config; url: string; log: Log }) {
  if (config.BACKUP_BEFORE_MIGRATION === "off") return {};
  return {
    before: async (pending: string[]) => {
      try {
        const name = await makeRestorePoint({ config, url, why: `before ${pending.join(", ")}` });
        log.info({ name, pending }, "made a restore point before the migrations");
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new Error(
          `Cannot migrate: no restore point could be made (${reason}). Name a place for it with BACKUP_TO, or do without: BACKUP_BEFORE_MIGRATION=off`,
          { cause },
        );
      }
    },
  };
}

const keptPoints = 3;

/** The rows of this moment, to go back to; objects stay where they are. The last three are kept. */
export async function makeRestorePoint({
  config,
  url,
  why,
}: {
  config: Config;
  url: string;
  why: string;
}): Promise<string> {
  const encrypt = config.BACKUP_KEY !== undefined;
  const store = await openStore({ config, encrypt });
  const secrets = encrypt ? await collectSecrets(config) : {};
  const signal = new AbortController().signal;
  const { manifest } = await createBackup({
    url,
    from: undefined,
    store,
    encrypt,
    secrets,
    why,
    keep: keptPoints,
    signal,
  });
  return manifest.name;
}
