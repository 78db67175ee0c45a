import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chooseBackup, listNames } from "../backup/catalogue.ts";
import { writeManifest } from "../backup/manifest.ts";
import { restoreBackup } from "../backup/restore.ts";
import { beforeMigration, findCondition, isDue, runBackup } from "../backup/run.ts";
import { openStore } from "../backup/store.ts";
import { verifyBackup } from "../backup/verify.ts";
import { type Config, readConfig } from "../config.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openPostgres } from "../db/postgres.ts";
import { many, run } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import { handle as createBackup } from "../workers/create-backup.ts";
import { createTestDatabase, createTestFolder, long, openTestDeps, testLog } from "./harness.ts";
import { addBlob, addUser, age, listKeys, runSweep } from "./storage-rows.ts";

let deps: Deps;
let userId: string;
let blobs: { key: string; sha256: string }[];
/** Where the backups of one test go. */
let folder: string;

const signal = () => AbortSignal.timeout(60_000);
const backupKey = "a long passphrase for tests";

beforeAll(async () => {
  deps = await openTestDeps();
  userId = await addUser(deps.db);
  blobs = [await addBlob(deps, "first"), await addBlob(deps, "x".repeat(100_000)), await addBlob(deps, "")];
});
afterAll(() => deps?.close());
beforeEach(async () => {
  folder = await createTestFolder();
});

type Settings = Partial<Config>;
const configOf = (settings: Settings = {}): Config => ({ ...deps.config, BACKUP_TO: folder, ...settings });
const url = () => deps.config.DATABASE_URL ?? "";

async function make({
  settings = {},
  keep = 100,
  from = deps.storage,
}: {
  settings?: Settings;
  keep?: number;
  from?: Deps["storage"];
} = {}) {
  const options = { config: configOf(settings), db: deps.db, url: url(), from, keep, why: "test", signal: signal() };
  return (await runBackup(options)).manifest;
}

async function open(name = "latest", settings: Settings = {}) {
  const store = await openStore({ config: configOf(settings), encrypt: false });
  return { store, ...(await chooseBackup(store, name)) };
}

const verify = async (settings: Settings = {}) =>
  verifyBackup({ ...(await open("latest", settings)), url: url(), installed: deps.storage, signal: signal() });

/** Restores into a database and a folder of their own. */
async function restore({
  settings = {},
  target = "",
  endSessions = true,
}: {
  settings?: Settings;
  target?: string;
  endSessions?: boolean;
} = {}) {
  const other = await openTestDeps(target ? { DATABASE_URL: target } : {});
  try {
    const options = { url: other.config.DATABASE_URL ?? "", to: other.storage, endSessions, signal: signal() };
    const outcome = await restoreBackup({ ...(await open("latest", settings)), ...options });
    return {
      ...outcome,
      keys: (await listKeys(other)).sort(),
      users: await countUsers(other.config.DATABASE_URL ?? ""),
    };
  } finally {
    await other.close();
  }
}

async function query<Row>(address: string, text: string): Promise<Row[]> {
  const db = openPostgres(address, { max: 1, log: testLog, name: "test" });
  try {
    return await many<Row>(db, { name: "", text });
  } finally {
    await db.close();
  }
}
const countUsers = async (address: string) => (await query(address, `select from account."user"`)).length;

const listFiles = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

describe("a byte that is changed, cut off or missing is found", () => {
  const damages: Record<string, (path: string) => Promise<void>> = {
    changed: async (path) => {
      const bytes = await readFile(path);
      const at = Math.floor(bytes.length / 2);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await writeFile(path, bytes);
    },
    "cut off": async (path) => writeFile(path, (await readFile(path)).subarray(0, -1)),
    missing: (path) => rm(path),
  };
  for (const [what, settings] of [
    ...(long ? [["plain", {}] as const] : []),
    ["encrypted", { BACKUP_KEY: backupKey }],
  ] as const)
    test(`${what}: in an object, a table, the list of objects and the manifest`, async () => {
      const { name } = await make({ settings });
      expect(await verify(settings)).toMatchObject({ problems: [], objects: 3 });
      const files = (await listFiles()).filter((path) => !path.endsWith("key.json"));
      const large = await Promise.all(files.map(async (path) => (await readFile(path)).length > 90_000));
      const object = files.find((path, index) => large[index] && !path.includes("/backups/"));
      const places = [
        object,
        ...["account.user.", "/objects.", "manifest.json"].map((part) => files.find((path) => path.includes(part))),
      ];
      for (const [index, place] of places.entries())
        for (const [damage, apply] of Object.entries(damages)) {
          const path = place ?? "";
          const about = [path.slice(folder.length), damage];
          const isManifest = path.endsWith("manifest.json");
          if (isManifest !== (index === places.length - 1)) throw new Error("the places are others");
          // Each look takes a second; what else may happen to sealed bytes is tested with them.
          if (damage !== "changed" && !isManifest && (index > 0 || what === "encrypted")) continue;
          await copyFile(path, `${folder}.kept`);
          await apply(path);
          const found = await verify(settings).then(
            ({ problems }) => problems.length > 0,
            (error) => error.code,
          );
          expect([...about, found]).toEqual([
            ...about,
            isManifest ? (damage === "missing" ? "not-found" : "invalid") : true,
          ]);
          if (damage === "changed" && what === "plain") {
            const target = await createTestDatabase();
            const restored = await restore({ settings, target }).then(
              ({ missing }) => missing.length,
              () => "refused",
            );
            // An object is one of many; without the rest nothing makes sense.
            expect([...about, restored]).toEqual([...about, index === 0 ? 1 : "refused"]);
            if (index > 0) expect(await countUsers(target)).toBe(0);
          }
          await copyFile(`${folder}.kept`, path);
        }
      expect(await verify(settings)).toMatchObject({ problems: [] });
      expect((await open("latest", settings)).manifest.name).toBe(name);
    }, 120_000);

  test("a manifest that somebody without the key has changed is refused", async () => {
    const { name } = await make({ settings: { BACKUP_KEY: backupKey } });
    const path = join(folder, "backups", name, "manifest.json");
    const { manifest } = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, writeManifest({ ...manifest, why: "other" }, undefined));
    await expect(open("latest", { BACKUP_KEY: backupKey })).rejects.toMatchObject({ code: "invalid" });
  });

  test("a manifest cannot bring SQL of its own", async () => {
    const { name } = await make();
    const path = join(folder, "backups", name, "manifest.json");
    const { manifest } = JSON.parse(await readFile(path, "utf8"));
    const [first, ...rest] = manifest.tables;
    for (const wrong of [
      { ...manifest, tables: [{ ...first, name: "a.b; drop schema pack cascade; --" }, ...rest] },
      { ...manifest, tables: [{ ...first, columns: ["id) from stdin; --"] }, ...rest] },
      { ...manifest, partitions: [{ name: "a.b", of: "a.c", bound: "DEFAULT; drop schema pack" }] },
    ]) {
      await writeFile(path, writeManifest(wrong, undefined));
      await expect(open()).rejects.toMatchObject({ code: "invalid" });
    }
  });
});

test("an encrypted backup shows neither rows, nor digests, nor secrets, and brings the secrets back", async () => {
  const settings = { BACKUP_KEY: backupKey };
  const made = await make({ settings });
  expect(made.secrets).toBe(true);
  const [login] = await query<{ login: string }>(url(), `select login from account."user"`);
  for (const path of await listFiles()) {
    for (const { sha256 } of blobs) expect(path).not.toContain(sha256);
    const bytes = await readFile(path);
    for (const word of [login?.login ?? "?", deps.config.TOKEN_SECRET ?? "?", blobs[0]?.sha256 ?? "?"])
      expect([path, bytes.includes(word)]).toEqual([path, false]);
  }
  expect((await make()).secrets).toBe(false);
  for (const path of await listFiles())
    expect((await readFile(path)).includes(deps.config.TOKEN_SECRET ?? "?")).toBe(false);
});

test("the oldest go, with the objects that only they name; what others share stays", async () => {
  const old = await addBlob(deps, "of the first backup only");
  await make();
  await run(deps.db, { name: "test_delete", text: `delete from blob.blob where id = $1`, values: [old.id] });
  expect((await listFiles()).some((path) => path.endsWith(old.sha256))).toBe(true);
  const second = await make({ keep: 2 });
  expect((await listFiles()).some((path) => path.endsWith(old.sha256))).toBe(true);
  const third = await make({ keep: 2 });
  const { store } = await open();
  expect(await listNames(store)).toEqual({ whole: [second.name, third.name], begun: [] });
  const files = await listFiles();
  expect(files.some((path) => path.endsWith(old.sha256))).toBe(false);
  for (const { sha256 } of blobs) expect(files.some((path) => path.endsWith(sha256))).toBe(true);
  expect(await verify()).toMatchObject({ problems: [] });
});

test("an object that the storage has lost is told; the others are saved", async () => {
  const lost = await addBlob(deps, "soon gone");
  await deps.storage.remove([lost.key]);
  const { objects } = await make();
  expect(objects.damaged).toMatchObject([{ key: lost.key, sha256: lost.sha256 }]);
  expect(objects.copied).toBe(objects.count - 1);
  expect((await verify()).problems.length).toBeGreaterThan(0);
  expect((await restore()).missing).toEqual([lost.key]);
  expect(await findCondition(deps.db, configOf({ BACKUP_EVERY_HOURS: 1 }))).toMatchObject({ state: "damaged" });
  await run(deps.db, { name: "test_delete_lost", text: `delete from blob.blob where id = $1`, values: [lost.id] });
});

test("after a restore everybody is signed out, unless sessions are to be kept, and nothing is swept for a day", async () => {
  const tokens = async (address: string) => {
    const sessions = await query(address, "select from account.session where ended_at is null");
    const [row] = await query<{ ver: number }>(address, `select max(ver) as ver from account."user"`);
    const passwords = await query(address, "select from account.app_password");
    return { sessions: sessions.length, passwords: passwords.length, ver: row?.ver };
  };
  await run(deps.db, {
    name: "test_session",
    text: `insert into account.session (id, user_id, kind, salt, expires_at) values (gen_random_uuid(), $1, 'web', 's', now() + interval '1 day')`,
    values: [userId],
  });
  await run(deps.db, {
    name: "test_app_password",
    text: `insert into account.app_password (id, user_id, name, hash) values (gen_random_uuid(), $1, 'launcher', 'h')`,
    values: [userId],
  });
  await make();
  const [kept, ended] = [await createTestDatabase(), await createTestDatabase()];
  await restore({ target: kept, endSessions: false });
  expect(await tokens(kept)).toEqual({ sessions: 1, passwords: 1, ver: 0 });
  await restore({ target: ended });
  expect(await tokens(ended)).toEqual({ sessions: 0, passwords: 0, ver: 1_000_000 });
  const other = await openTestDeps({ DATABASE_URL: ended });
  try {
    await other.storage.write("blobs/unknown/1", new Blob(["x"]).stream(), { sizeBytes: 1, signal: signal() });
    await age(other.db, 48 * 3600);
    expect(await runSweep(other)).toEqual({ paused: "the database was restored" });
    await run(other.db, {
      name: "test_later",
      text: `update backup.restore set restored_at = now() - interval '2 days'`,
    });
    expect(await runSweep(other)).toMatchObject({ swept: expect.any(Object) });
  } finally {
    await other.close();
  }
});

test("months that the program made, and what counts transactions, go along to another server", async () => {
  const values = (hour: string, xid: string) =>
    `('${hour}', gen_random_uuid()::text::bytea, '${hour}', 'view', 'pack', gen_random_uuid(), '\\x00', '', '', '', '', '', '${xid}')`;
  await query(
    deps.config.DATABASE_URL ?? "",
    `create table analytics.event_2020_02 partition of analytics.event for values from ('2020-02-01 00:00:00+00') to ('2020-03-01 00:00:00+00')`,
  );
  await query(
    url(),
    `insert into analytics.event (hour, key, at, kind, subject_kind, subject_id, visitor, version, format, launcher, channel, source, xid)
    values ${values("2020-02-10", "7")}, ${values("2020-02-11", "9")} returning kind`,
  );
  const { name, xid } = await make();
  expect(Number(xid)).toBeGreaterThan(9);
  // As if that server had been further on than this one will ever be.
  const path = join(folder, "backups", name, "manifest.json");
  const { manifest } = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, writeManifest({ ...manifest, xid: String(Number(xid) + 1_000_000_000) }, undefined));
  const target = await createTestDatabase();
  await restore({ target });
  const rows = await query<{ place: string; day: string; xid: number }>(
    target,
    `select tableoid::regclass::text as place,
    to_char(hour at time zone 'UTC', 'DD') as day, xid::text::float8 as xid from analytics.event order by hour`,
  );
  expect(rows).toEqual([
    { place: "analytics.event_2020_02", day: "10", xid: 0 },
    { place: "analytics.event_2020_02", day: "11", xid: 0 },
  ]);
});

test("the schedule makes one when it is due, keeps as many as it should, and says when it is late", async () => {
  const config = configOf({ BACKUP_EVERY_HOURS: 24, BACKUP_KEEP: 1 });
  const tick = () =>
    createBackup({
      payload: { scope: "all" },
      wanted: 0,
      deps: { db: deps.db, storage: deps.storage, config },
      progress: () => undefined,
      signal: signal(),
      log: testLog,
    });
  expect(await findCondition(deps.db, config)).toMatchObject({ state: "waiting", wholeAt: undefined });
  expect(await findCondition(deps.db, configOf())).toMatchObject({ state: "off" });
  const first = await tick();
  expect(first).toMatchObject({ damaged: 0 });
  expect(first?.name).toBeString();
  expect(await findCondition(deps.db, config)).toMatchObject({ state: "ok" });
  expect(await tick()).toEqual({ due: false });
  await run(deps.db, {
    name: "test_made_old",
    text: `update backup.made set began_at = began_at - interval '25 hours' where place = $1`,
    values: [folder],
  });
  expect(await isDue(deps.db, config)).toBe(true);
  expect(await tick()).toMatchObject({ removed: [first?.name] });
  // One that fails is tried again at the next tick.
  await run(deps.db, {
    name: "test_made_older",
    text: `update backup.made set began_at = began_at - interval '40 hours' where place = $1`,
    values: [folder],
  });
  const broken = { ...deps.storage, read: () => Promise.reject(new Error("the disk is on fire")) };
  await rm(join(folder, "objects"), { recursive: true });
  await expect(make({ from: broken })).rejects.toThrow("on fire");
  expect(await findCondition(deps.db, config)).toMatchObject({
    state: "late",
    last: { problem: "the disk is on fire" },
  });
  expect(await isDue(deps.db, config)).toBe(true);
});

describe("a restore point", () => {
  const migrations = join(import.meta.dir, "../db/migrations");

  /** A database of the first release, with somebody in it. */
  async function firstRelease(): Promise<string> {
    const some = await createTestFolder();
    for (const name of ["0001_start.sql", "0002_accounts.sql"])
      await copyFile(join(migrations, name), join(some, name));
    const fresh = new URL(await createTestDatabase());
    fresh.pathname = `${fresh.pathname}_old`;
    await createDatabase(fresh.href);
    await migrate(fresh.href, { folder: some });
    return fresh.href;
  }
  const addLogin = (address: string) =>
    query(address, `insert into account."user" (id, login) values (gen_random_uuid(), 'somebody') returning id`);

  test("is made before migrations that have something to do, and brings back what was before", async () => {
    const address = await firstRelease();
    await addLogin(address);
    const before = beforeMigration({ config: configOf(), url: address, log: testLog });
    expect((await migrate(address, before)).length).toBeGreaterThan(2);
    const { store } = await open().catch(async () => ({
      store: await openStore({ config: configOf(), encrypt: false }),
    }));
    const { whole } = await listNames(store);
    expect(whole).toHaveLength(1);
    await migrate(address, before);
    expect((await listNames(store)).whole).toEqual(whole);
    await query(address, `delete from account."user" returning id`);
    const { manifest, sealing } = await chooseBackup(store, whole[0] ?? "");
    expect(manifest.kind).toBe("restore-point");
    expect(manifest.migrations.map(({ name }) => name)).toEqual(["0001_start.sql", "0002_accounts.sql"]);
    const options = { store, manifest, sealing, url: address, to: deps.storage, endSessions: false, signal: signal() };
    await restoreBackup(options);
    expect(await query(address, `select login from account."user"`)).toEqual([{ login: "somebody" }]);
    expect(await migrate(address)).toEqual([]); // at today's level, as far as migrations go
  });

  test("is not made of an empty database, nor where it is switched off; the last three are kept", async () => {
    const address = await firstRelease();
    const some = await createTestFolder();
    await migrate(address, beforeMigration({ config: configOf(), url: address, log: testLog }));
    await addLogin(address);
    const off = beforeMigration({ config: configOf({ BACKUP_BEFORE_MIGRATION: "off" }), url: address, log: testLog });
    for (const name of await readdir(migrations)) await copyFile(join(migrations, name), join(some, name));
    await writeFile(join(some, "9990_more.sql"), "create table public.more_0 ();");
    await migrate(address, { folder: some, ...off });
    const store = await openStore({ config: configOf(), encrypt: false });
    expect((await listNames(store)).whole).toEqual([]);
    for (let number = 1; number <= 5; number++) {
      await writeFile(join(some, `999${number}_more.sql`), `create table public.more_${number} ();`);
      await migrate(address, { folder: some, ...beforeMigration({ config: configOf(), url: address, log: testLog }) });
    }
    expect((await listNames(store)).whole).toHaveLength(3);
  });

  test("that cannot be made stops the migration", async () => {
    const address = await firstRelease();
    await addLogin(address);
    await writeFile(join(folder, "taken"), "");
    const config = configOf({ BACKUP_TO: join(folder, "taken", "below") });
    await expect(migrate(address, beforeMigration({ config, url: address, log: testLog }))).rejects.toThrow(
      /BACKUP_BEFORE_MIGRATION=off/,
    );
    expect(await query(address, "select name from public.migration")).toHaveLength(2);
  });
});

test("a backup of another version of the program is refused before anything is changed", async () => {
  const { name } = await make();
  const path = join(folder, "backups", name, "manifest.json");
  const { manifest } = JSON.parse(await readFile(path, "utf8"));
  const migrations = [...manifest.migrations, { name: "9999_future.sql", digest: "0".repeat(64) }];
  await writeFile(path, writeManifest({ ...manifest, migrations }, undefined));
  const target = await createTestDatabase();
  await query(target, `insert into account."user" (id, login) values (gen_random_uuid(), 'here') returning id`);
  await expect(restore({ target })).rejects.toThrow(/9999_future\.sql/);
  expect(await countUsers(target)).toBe(1);
});

test("the settings name the place of backups, the schedule and the key", () => {
  const config = readConfig({ environment: { BACKUP_EVERY_HOURS: "24", BACKUP_KEEP: "3", BACKUP_TO: "s3://a/b" } });
  expect(config).toMatchObject({ BACKUP_EVERY_HOURS: 24, BACKUP_KEEP: 3, BACKUP_BEFORE_MIGRATION: "on" });
  expect(() => readConfig({ environment: { BACKUP_EVERY_HOURS: "daily" } })).toThrow(/BACKUP_EVERY_HOURS/);
});
