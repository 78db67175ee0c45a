import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readConfig } from "../../config.ts";
import { type Db, many, one, run } from "../../db/query.ts";
import { type Deps, openDeps } from "../../deps.ts";
import { readSweepRules } from "../../sweep-rules.ts";
import type { Sweep } from "../../workers/sweep-batches.ts";
import { collectBlobs } from "../../workers/sweep-blobs.ts";
import { removeDue } from "../../workers/sweep-objects.ts";
import { long, sha256, testEnvironment, testLog, waitFor } from "../harness.ts";
import { addPack, addUser, age, listKeys, runSweep } from "../storage-rows.ts";
import { publishOnce } from "./publish-side.ts";

const pairs = long ? 10_000 : 100;
const kills = long ? 60 : 4;
const lanes = 8;

let environment: Record<string, string>;
let deps: Deps;
let author: { userId: string; slug: string; packId: string };

beforeAll(async () => {
  environment = await testEnvironment({
    SWEEP_GRACE_SECONDS: "0",
    SWEEP_DOOMED_SECONDS: "0",
    SWEEP_MAX_SHARE: "1",
    DATABASE_POOL: "20",
  });
  const config = readConfig({ environment });
  deps = await openDeps({ config, log: testLog, name: "race", publicUrl: () => "http://127.0.0.1:1" });
  const userId = await addUser(deps.db);
  const packId = await addPack(deps.db, userId);
  author = { userId, packId, slug: `p-${packId}` };
}, 120_000);
afterAll(() => deps?.close());

/** Files of published versions whose bytes are not there, or are others: what must never be. */
async function listBroken(): Promise<string[]> {
  const files = await many<{ version: string; sha256: string; key: string | null }>(deps.db, {
    name: "test_published_files",
    text: `select v.version, f.sha256, b.key from pack.version v join pack.version_file f on f.version_id = v.id
      left join blob.blob b on b.id = f.blob_id where v.state = 'published'`,
  });
  const broken: string[] = [];
  for (const { version, sha256: digest, key } of files) {
    const stored = key === null ? undefined : await readObject(key).catch(() => undefined);
    if (stored === undefined || sha256(stored) !== digest) broken.push(version);
  }
  return broken;
}

async function readObject(key: string): Promise<Uint8Array> {
  const chunks = await Array.fromAsync(await deps.storage.read(key, { signal: AbortSignal.timeout(10_000) }));
  return Buffer.concat(chunks);
}

function openSweep(): Sweep {
  const signal = AbortSignal.timeout(600_000);
  return {
    db: deps.db,
    storage: deps.storage,
    rules: readSweepRules(deps.config),
    force: true,
    signal,
    log: testLog,
    onBlown: () => undefined,
  };
}

/** Waits as long as so many round trips to the database take. */
async function trips(db: Db, count: number): Promise<void> {
  for (let trip = 0; trip < count; trip++) await one(db, { name: "test_trip", text: `select 1` });
}

async function inLanes(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

describe("with a grace time of 0, so that only rows and locks protect", () => {
  test(`${pairs} times a version is published while the collector runs: no file of a published version is lost`, async () => {
    const outcomes = { published: 0, missing: 0 };
    const sweep = openSweep();
    await inLanes(pairs, async (index) => {
      let collecting: Promise<unknown> = Promise.resolve();
      const collect = async () => {
        await trips(deps.db, (index / 4) % 24);
        await collectBlobs(sweep);
        await removeDue(sweep);
      };
      // A collector takes what all lanes have: with one for each pair, hardly any version would be published.
      const meanwhile = () => {
        if (index % 4 === 0) collecting = collect();
      };
      outcomes[await publishOnce(deps, { author, version: `${index}`, meanwhile })] += 1;
      await collecting;
    });
    expect(await listBroken()).toEqual([]);
    // Both won often enough for it to have been a race.
    expect(outcomes.published).toBeGreaterThan(pairs / 20);
    expect(outcomes.missing).toBeGreaterThan(pairs / 20);
  }, 1_200_000);

  test(`the same between processes, ${kills} of which are killed on the way, leaves nothing broken and nothing behind`, async () => {
    const sides = ["publish", "collect", "publish"];
    const outcomes = { published: 0, missing: 0 };
    const start = async (side: string) => {
      const child = Bun.spawn(
        [process.execPath, join(import.meta.dir, "side.ts"), side, author.userId, author.slug, author.packId],
        {
          env: { PATH: process.env.PATH ?? "", ...environment },
          stdin: "ignore",
          stdout: "pipe",
          stderr: "inherit",
        },
      );
      const ready = Promise.withResolvers<void>();
      const reading = (async () => {
        for await (const chunk of child.stdout)
          for (const line of new TextDecoder().decode(chunk).split("\n")) {
            if (line === "ready") ready.resolve();
            if (line === "published" || line === "missing") outcomes[line] += 1;
          }
      })();
      await ready.promise;
      return { child, reading };
    };
    const running = await Promise.all(sides.map(start));
    for (let kill = 0; kill < kills; kill++) {
      const before = outcomes.published + outcomes.missing;
      await waitFor(() => outcomes.published + outcomes.missing >= before + 3, "the race to go on");
      const index = kill % sides.length;
      running[index]?.child.kill("SIGKILL");
      await running[index]?.child.exited;
      running[index] = await start(sides[index] ?? "");
    }
    for (const { child } of running) child.kill("SIGKILL");
    for (const { child, reading } of running) await Promise.all([child.exited, reading]);
    expect(await listBroken()).toEqual([]);
    // What the killed ones left half done goes: drafts, attempts, copies. What is published stays.
    await age(deps.db, 8 * 24 * 3600);
    await waitFor(async () => (await runSweep(deps, { force: true })) && (await hasOnlyNamed()), "the leftovers to go");
    expect(await listBroken()).toEqual([]);
  }, 600_000);
});

async function hasOnlyNamed(): Promise<boolean> {
  const keys = await many<{ key: string }>(deps.db, {
    name: "test_keys",
    text: `select key from blob.blob order by key collate "C"`,
  });
  return JSON.stringify(await listKeys(deps)) === JSON.stringify(keys.map(({ key }) => key));
}

describe("the same race with a weaker protocol, in tables of its own, does lose references", () => {
  beforeAll(async () => {
    for (const [name, text] of Object.entries({
      test_mutant_schema: `create schema mutant`,
      test_mutant_blob: `create table mutant.blob (id integer primary key, state text not null default 'live')`,
      test_mutant_file: `create table mutant.version_file (blob_id integer not null references mutant.blob (id) on delete restrict)`,
    }))
      await run(deps.db, { name, text });
  });

  /** References to bytes that the collector took: the oracle of the race above. */
  const countDangling = async () =>
    (
      await one<{ count: number }>(deps.db, {
        name: "test_mutant_dangling",
        text: `select count(*) as count from mutant.version_file f left join mutant.blob b on b.id = f.blob_id where b.state is distinct from 'live'`,
      })
    )?.count;

  type Protocol = { publisherLocks: boolean; collect: (db: Deps["db"], id: number) => Promise<unknown> };
  async function race({ publisherLocks, collect }: Protocol): Promise<void> {
    await run(deps.db, { name: "test_mutant_clear", text: `truncate mutant.blob, mutant.version_file` });
    await inLanes(100, async (id) => {
      await run(deps.db, { name: "test_mutant_add", text: `insert into mutant.blob (id) values ($1)`, values: [id] });
      const publishing = deps.db.transaction(async (tx) => {
        const live = await one(
          tx,
          publisherLocks
            ? {
                name: "test_mutant_lock",
                text: `select id from mutant.blob where id = $1 and state = 'live' for share`,
                values: [id],
              }
            : {
                name: "test_mutant_look",
                text: `select id from mutant.blob where id = $1 and state = 'live'`,
                values: [id],
              },
        );
        if (!live) return;
        await run(tx, { name: "test_mutant_name", text: `insert into mutant.version_file values ($1)`, values: [id] });
        await trips(tx, 4);
      });
      const collecting = trips(deps.db, id % 5).then(() => collect(deps.db, id));
      await Promise.allSettled([publishing, collecting]);
    });
  }

  test("a state column instead of DELETE, with a foreign key and without FOR SHARE", async () => {
    await race({
      publisherLocks: false,
      collect: (db, id) =>
        run(db, {
          name: "test_mutant_mark",
          text: `update mutant.blob b set state = 'deleting' where id = $1 and not exists (select from mutant.version_file f where f.blob_id = b.id)`,
          values: [id],
        }),
    });
    expect(await countDangling()).toBeGreaterThan(0);
  });

  test("and with DELETE under the foreign key, or with both locks and a second look, none", async () => {
    await race({
      publisherLocks: false,
      collect: (db, id) =>
        run(db, {
          name: "test_mutant_delete",
          text: `delete from mutant.blob b where id = $1 and not exists (select from mutant.version_file f where f.blob_id = b.id)`,
          values: [id],
        }),
    });
    expect(await countDangling()).toBe(0);
    await race({
      publisherLocks: true,
      collect: (db, id) =>
        db.transaction(async (tx) => {
          await run(tx, {
            name: "test_mutant_take",
            text: `select id from mutant.blob where id = $1 for update`,
            values: [id],
          });
          await run(tx, {
            name: "test_mutant_mark",
            text: `update mutant.blob b set state = 'deleting' where id = $1 and not exists (select from mutant.version_file f where f.blob_id = b.id)`,
            values: [id],
          });
        }),
    });
    expect(await countDangling()).toBe(0);
  });
});
