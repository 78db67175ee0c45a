import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readConfig } from "../../config.ts";
import { openPostgres } from "../../db/postgres.ts";
import { many } from "../../db/query.ts";
import { readS3Options } from "../../deps.ts";
import { createBucket } from "../../storage/s3.ts";
import {
  createTestDatabase,
  createTestFolder,
  long,
  parts,
  publishPack,
  type System,
  startSystem,
  type TestUser,
  testEnvironment,
  testLog,
} from "../harness.ts";
import { type Person, readDigests, seat } from "./sunduk.ts";

const program = join(import.meta.dir, "../../cli/index.ts");
const password = "a long test password";
const passphrase = { BACKUP_KEY: "correct horse battery staple" };

let system: System;
let author: TestUser;
let person: Person;
/** Where the backups of this file go: a bucket of its own in the cluster. */
let place: string;

const random = (size: number) => {
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += 65_536) crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  return bytes;
};
const versions: Record<string, Record<string, string | Uint8Array>> = {
  "1.0.0": { "mods/a.jar": random(200_000), "config/a.toml": "a = 1\n", "config/empty.txt": "" },
  "1.1.0": { "mods/a.jar": random(65_536), "mods/b.jar": random(3_000_000), "config/a.toml": "a = 1\n" },
};

beforeAll(async () => {
  system = await startSystem({
    environment: { SWEEP_GRACE_SECONDS: "60", SWEEP_DOOMED_SECONDS: "0", SWEEP_EVERY_SECONDS: "1" },
  });
  author = await system.signUp("author");
  person = await seat();
  for (const [version, files] of Object.entries(versions)) await publishPack(author, { slug: "saved", version, files });
  place = await createPlace("first");
});
afterAll(async () => {
  await person?.close();
  await system?.stop();
});

async function createPlace(name: string): Promise<string> {
  if (parts !== "cluster") return join(await createTestFolder(), name);
  const bucket = `backup-${name}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  await createBucket({ ...readS3Options(readConfig({ environment: system.environment })), bucket });
  return `s3://${bucket}/of/the/club`;
}

const sunduk = (words: string[], env: Record<string, string> = {}) =>
  person.sunduk([...words, "--json"], { env: { ...system.environment, ...env } });

/** An installation with nothing in it; its secrets are the former one's, where they are not to come with the backup. */
async function emptyInstallation(): Promise<Record<string, string>> {
  const fresh = await testEnvironment();
  const { SIGNING_KEY, TOKEN_SECRET, STORAGE_SECRET, NOTIFICATION_SECRET, MANIFEST_KEY } = system.environment;
  return Object.fromEntries(
    Object.entries({ ...fresh, SIGNING_KEY, TOKEN_SECRET, STORAGE_SECRET, NOTIFICATION_SECRET, MANIFEST_KEY }).flatMap(
      ([name, value]) => (value === undefined ? [] : [[name, value]]),
    ),
  );
}

/** Installs each version from a server as a player does, and compares every byte. */
async function expectInstalls(url: string, slug: string, published: typeof versions): Promise<void> {
  for (const [version, files] of Object.entries(published)) {
    const folder = join(person.folder, `install-${Bun.randomUUIDv7()}`);
    const outcome = await person.sunduk(["pack", "install", `${slug}@${version}`, folder, "--server", url, "--json"]);
    expect([version, outcome.code, outcome.stderr]).toEqual([version, 0, expect.any(String)]);
    const wanted = Object.entries(files).map(([path, bytes]) => [
      path,
      new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    ]);
    expect(await readDigests(folder)).toEqual(Object.fromEntries(wanted.sort()));
    await rm(folder, { recursive: true });
  }
}

async function countAccounts(url: string): Promise<number> {
  const db = openPostgres(url, { max: 1, log: testLog, name: "test" });
  try {
    return (await many(db, { name: "", text: `select id from account."user"` })).length;
  } finally {
    await db.close();
  }
}

test("created, destroyed, restored: every version installs byte for byte, and everybody signs in anew", async () => {
  const made = await sunduk(["backup", "create", "--to", place, "--encrypt"], passphrase);
  expect(made).toMatchObject({ code: 0, json: { ok: true, encrypted: true, objects: { damaged: [] } } });
  const again = await sunduk(["backup", "create", "--to", place], passphrase);
  expect(again).toMatchObject({ code: 0, json: { encrypted: true, objects: { copied: 0, copiedBytes: 0 } } });

  const empty = await emptyInstallation();
  const refused = await sunduk(["backup", "restore", "latest", "--from", place], { ...empty, BACKUP_KEY: "wrong" });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("another passphrase") });
  const locked = await sunduk(["backup", "restore", "latest", "--from", place], empty);
  expect(locked).toMatchObject({ code: 1, stderr: expect.stringContaining("BACKUP_KEY_FILE") });
  expect(await countAccounts(empty.DATABASE_URL ?? "")).toBe(0);
  const restored = await sunduk(["backup", "restore", "latest", "--from", place], { ...empty, ...passphrase });
  expect(restored).toMatchObject({ code: 0, json: { ok: true, missing: [], secrets: { different: [] } } });

  // `up` takes the folder for its own.
  expect(await Bun.file(join(empty.DATA ?? "", "sunduk-data.json")).exists()).toBe(true);

  const other = await startSystem({ environment: empty });
  try {
    await expectInstalls(other.url, "saved", versions);
    const acts = await many<{ action: string; subject: string }>(other.db, {
      name: "",
      text: "select action, subject from audit.act order by id",
    });
    expect(acts).toEqual([
      { action: "backup.created", subject: made.json.name }, // its line is in the second one
      { action: "backup.restored", subject: again.json.name },
    ]);
    const me = { headers: { authorization: `Bearer ${author.token}` } };
    expect((await other.call("GET", "/v1/me", me)).status).toBe(401);
    expect((await other.call("POST", "/v1/auth/refresh", { body: { refreshToken: author.refreshToken } })).status).toBe(
      401,
    );
    const signedIn = await other.call("POST", "/v1/auth/login", { body: { login: "author", password } });
    expect(signedIn.status).toBe(200);
    // Work goes on where it was.
    const token = signedIn.json.accessToken;
    const owner = {
      ...author,
      token,
      call: (method: string, path: string, options = {}) => other.call(method, path, withToken(options, token)),
    };
    await publishPack(owner, { slug: "saved", version: "2.0.0", files: { "config/new.toml": "b = 2\n" } });
    await expectInstalls(other.url, "saved", { "2.0.0": { "config/new.toml": "b = 2\n" } });

    const running = await sunduk(["backup", "restore", "latest", "--from", place, "--replace"], {
      ...empty,
      ...passphrase,
    });
    expect(running).toMatchObject({ code: 5, stderr: expect.stringContaining("Stop it first") });
  } finally {
    await other.stop();
  }
  const filled = await sunduk(["backup", "restore", "latest", "--from", place], { ...empty, ...passphrase });
  expect(filled).toMatchObject({ code: 5, stderr: expect.stringContaining("--replace") });

  // In place of what is there, and back again.
  const listVersions = async () => {
    const db = openPostgres(empty.DATABASE_URL ?? "", { max: 1, log: testLog, name: "test" });
    const rows = await many<{ version: string }>(db, {
      name: "",
      text: "select version from pack.version order by version",
    });
    await db.close();
    return rows.map(({ version }) => version);
  };
  expect(await listVersions()).toEqual(["1.0.0", "1.1.0", "2.0.0"]);
  const env = { ...empty, ...passphrase };
  const replaced = await sunduk(["backup", "restore", "latest", "--from", place, "--replace"], env);
  expect(replaced).toMatchObject({ code: 0, json: { missing: [] } });
  expect(replaced.json.point).toContain("-point-");
  expect(await listVersions()).toEqual(["1.0.0", "1.1.0"]);
  const back = await sunduk(["backup", "restore", replaced.json.point, "--replace", "--keep-sessions"], env);
  expect(back).toMatchObject({ code: 0, json: { objects: 0, missing: [] } });
  expect(await listVersions()).toEqual(["1.0.0", "1.1.0", "2.0.0"]);
}, 120_000);

const withToken = (options: { headers?: Record<string, string> }, token: string) => ({
  ...options,
  headers: { ...options.headers, authorization: `Bearer ${token}` },
});

test("a backup that is made while versions are published and sweeps run is whole: versions in it install", async () => {
  const to = await createPlace("busy");
  const published: typeof versions = {};
  let stop = false;
  const publishing = (async () => {
    for (let number = 0; !stop; number++) {
      const files = { "mods/x.jar": random(20_000), "config/x.toml": `x = ${number}\n` };
      await publishPack(author, { slug: "busy", version: `1.0.${number}`, files });
      published[`1.0.${number}`] = files;
    }
  })();
  const names: string[] = [];
  for (let round = 0; round < (long ? 20 : 3); round++) {
    const made = await sunduk(["backup", "create", "--to", to, "--keep", "2"]);
    expect(made).toMatchObject({ code: 0, json: { ok: true } });
    names.push(made.json.name);
  }
  stop = true;
  await publishing;
  const last = names.at(-1) ?? "";
  expect(await sunduk(["backup", "verify", last, "--from", to])).toMatchObject({ code: 0, json: { problems: [] } });
  const { json } = await sunduk(["backup", "list", "--from", to]);
  expect(json.backups.map(({ name }: any) => name)).toEqual(names.slice(-2));

  const empty = await emptyInstallation();
  expect(await sunduk(["backup", "restore", last, "--from", to], empty)).toMatchObject({ code: 0 });
  const other = await startSystem({ environment: empty });
  try {
    const { json: pack } = await other.call("GET", "/v1/packs/busy/versions?limit=100");
    const saved = pack.items.filter(({ state }: any) => state === "published").map(({ version }: any) => version);
    expect(saved.length).toBeGreaterThan(0);
    // An install takes half a second: the newest, which the backup met on their way, and the oldest.
    const looked: string[] = long ? saved : [...new Set([...saved.slice(0, 4), ...saved.slice(-1)])];
    await expectInstalls(
      other.url,
      "busy",
      Object.fromEntries(looked.map((version) => [version, published[version] ?? {}])),
    );
  } finally {
    await other.stop();
  }
}, 180_000);

describe("kill -9", () => {
  /** Runs a command and kills it after a moment; whether it had ended before. */
  async function killAfter(
    words: string[],
    { env, ms }: { env: Record<string, string>; ms: number },
  ): Promise<boolean> {
    const child = Bun.spawn([process.execPath, program, ...words], {
      env: { PATH: process.env.PATH ?? "", LANG: "C", ...system.environment, ...env },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), ms);
    await child.exited;
    clearTimeout(timer);
    return child.signalCode === null;
  }

  const rounds = long ? 30 : 1;

  test("of a backup leaves none that looks whole and is not; the next one is, and clears up", async () => {
    const to = await createPlace("killed");
    const startedAt = performance.now();
    expect((await sunduk(["backup", "create", "--to", to])).code).toBe(0);
    const tookMs = performance.now() - startedAt;
    for (let round = 0; round < rounds; round++)
      await killAfter(["backup", "create", "--to", to], { env: {}, ms: tookMs * (0.4 + 0.6 * Math.random()) });
    const { json: before } = await sunduk(["backup", "list", "--from", to]);
    for (const { name } of before.backups.slice(-3))
      expect(await sunduk(["backup", "verify", name, "--from", to])).toMatchObject({ code: 0, json: { problems: [] } });
    expect((await sunduk(["backup", "create", "--to", to])).code).toBe(0);
    const { json: after } = await sunduk(["backup", "list", "--from", to]);
    expect(after.begun).toEqual([]);
    expect(after.backups).toHaveLength(before.backups.length + 1);
  }, 180_000);

  test("of a restore leaves the database as it was; running it again ends it", async () => {
    const to = await createPlace("half");
    const made = await sunduk(["backup", "create", "--to", to]);
    const accounts = await countAccounts(system.environment.DATABASE_URL ?? "");
    const empty = await emptyInstallation();
    const words = ["backup", "restore", "latest", "--from", to];
    const startedAt = performance.now();
    expect((await sunduk(words, { ...empty, DATABASE_URL: await createTestDatabase() })).code).toBe(0);
    const tookMs = performance.now() - startedAt;
    for (let round = 0; round < rounds; round++) {
      const env = { ...empty, DATABASE_URL: await createTestDatabase() };
      const ended = await killAfter(words, { env, ms: tookMs * (0.3 + 0.7 * Math.random()) });
      const found = await countAccounts(env.DATABASE_URL);
      expect([0, accounts]).toContain(found);
      if (ended) expect(found).toBe(accounts);
      if (found === 0) expect(await sunduk(words, env)).toMatchObject({ code: 0, json: { name: made.json.name } });
      expect(await countAccounts(env.DATABASE_URL)).toBe(accounts);
    }
  }, 180_000);
});
