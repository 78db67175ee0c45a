import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { keepBlobs } from "../../db/blob.ts";
import { findImageQuota, reserveImageQuota } from "../../db/image-quota.ts";
import { many, one, run } from "../../db/query.ts";
import { backupLock, blobReferences } from "../../db/sweep.ts";
import { countImageLeftovers } from "../../db/sweep-images.ts";
import { listUnnamed } from "../../db/sweep-leftovers.ts";
import { findQuota, releaseQuota } from "../../db/upload.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { blobKey, stagingKey } from "../../storage/keys.ts";
import { openTestDeps, parts, waitFor } from "../harness.ts";
import {
  addBlob,
  addDraft,
  addPack,
  addPublishing,
  addUpload,
  addUser,
  age,
  count,
  listKeys,
  runSweep,
} from "../storage-rows.ts";

const hourSeconds = 3600;
const daySeconds = 24 * hourSeconds;
let deps: Deps;
let ownerId: string;

beforeAll(async () => {
  deps = await openTestDeps();
  ownerId = await addUser(deps.db);
}, 120_000);
afterAll(() => deps?.close());

const put = (key: string, bytes = "abc") =>
  deps.storage.write(key, new Blob([bytes]).stream(), { sizeBytes: bytes.length, signal: AbortSignal.timeout(10_000) });
const exists = async (key: string) => (await deps.storage.stat(key)) !== undefined;
const isAlive = async (sha256: string) => (await keepBlobs(deps.db, [sha256])).length > 0;
let texts = 0;
const fresh = () => `bytes ${++texts} ${crypto.randomUUID()}`;

test("every column that names a blob restricts, and the collector knows it", async () => {
  const rows = await many<{ name: string; rule: string }>(deps.db, {
    name: "test_references",
    text: `select c.conrelid::regclass::text || '.' || a.attname as name, c.confdeltype as rule from pg_constraint c
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
      where c.contype = 'f' and c.confrelid = 'blob.blob'::regclass order by 1`,
  });
  expect(rows.map(({ name }) => name.replaceAll('"', ""))).toEqual([...blobReferences].sort());
  expect(rows.filter(({ rule }) => rule !== "r")).toEqual([]);
});

describe("blobs", () => {
  test("one that nothing names goes after the grace time, its object a doomed time later", async () => {
    const blob = await addBlob(deps, fresh());
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(true);
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(false);
    expect(await exists(blob.key)).toBe(true);
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect(await exists(blob.key)).toBe(false);
    expect(await count(deps.db, "blob.doomed")).toBe(0);
  });

  test("one that is touched lives on", async () => {
    const blob = await addBlob(deps, fresh());
    await age(deps.db, daySeconds + 1);
    expect(await isAlive(blob.sha256)).toBe(true);
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(true);
  });

  test("keepBlobs() writes a row at most once an hour", async () => {
    const blob = await addBlob(deps, fresh());
    const touchedAt = async () =>
      (
        await one<{ at: Date }>(deps.db, {
          name: "test_touched",
          text: `select touched_at as at from blob.blob where id = $1`,
          values: [blob.id],
        })
      )?.at.getTime();
    const first = await touchedAt();
    await keepBlobs(deps.db, [blob.sha256]);
    expect(await touchedAt()).toBe(first);
    await age(deps.db, hourSeconds + 1);
    await keepBlobs(deps.db, [blob.sha256]);
    expect(await touchedAt()).toBeGreaterThanOrEqual(first ?? 0);
  });

  const named: [string, (blob: { id: string; sha256: string; sizeBytes: number }) => Promise<unknown>][] = [
    [
      "a draft",
      async (blob) =>
        addDraft(deps.db, {
          packId: await addPack(deps.db, ownerId),
          ownerId,
          version: "1",
          files: [{ path: "a", ...blob }],
        }),
    ],
    [
      "an archive",
      async (blob) => {
        const versionId = await addDraft(deps.db, {
          packId: await addPack(deps.db, ownerId),
          ownerId,
          version: "1",
          files: [],
        });
        return run(deps.db, {
          name: "test_archive",
          text: `insert into pack.archive (version_id, format, side, base, blob_id) values ($1, 'zip', 'both', '', $2)`,
          values: [versionId, blob.id],
        });
      },
    ],
    [
      "an icon",
      async (blob) =>
        run(deps.db, {
          name: "test_icon",
          text: `update pack.pack set icon_blob_id = $2 where id = $1`,
          values: [await addPack(deps.db, ownerId), blob.id],
        }),
    ],
    [
      "a file",
      async (blob) =>
        run(deps.db, {
          name: "test_file",
          text: `insert into file.file (id, owner_id, name, blob_id) values ($1, $2, 'f', $3)`,
          values: [Bun.randomUUIDv7(), ownerId, blob.id],
        }),
    ],
  ];
  test.each(named)("one that %s names stays, however old", async (_what, name) => {
    const blob = await addBlob(deps, fresh());
    await name(blob);
    await run(deps.db, {
      name: "test_age_one",
      text: `update blob.blob set touched_at = now() - interval '1 year', created_at = now() - interval '1 year' where id = $1`,
      values: [blob.id],
    });
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(true);
    expect(await exists(blob.key)).toBe(true);
  });

  test("a verified upload keeps its bytes for the grace time; then its owner gets the room back", async () => {
    const blob = await addBlob(deps, fresh());
    const userId = await addUser(deps.db);
    await addUpload(deps.db, { ownerId: userId, state: "verified", blob, sizeBytes: blob.sizeBytes });
    await addUpload(deps.db, { ownerId: userId, state: "waiting", sizeBytes: 5 });
    await run(deps.db, {
      name: "test_age_blobs_only",
      text: `update blob.blob set touched_at = now() - interval '2 days', created_at = now() - interval '2 days'`,
    });
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(true);
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 2, sizeBytes: 5 + blob.sizeBytes });
    await age(deps.db, daySeconds * 0.9);
    await run(deps.db, {
      name: "test_age_uploads_more",
      text: `update blob.upload set updated_at = now() - interval '2 days' where owner_id = $1`,
      values: [userId],
    });
    await run(deps.db, {
      name: "test_age_blobs_more",
      text: `update blob.blob set touched_at = now() - interval '2 days' where id = $1`,
      values: [blob.id],
    });
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(false);
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 1, sizeBytes: 5 });
  });

  test("bytes that come back are another blob, under another key, and the old object still goes", async () => {
    const bytes = fresh();
    const before = await addBlob(deps, bytes);
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    const after = await addBlob(deps, bytes);
    expect(after.key).not.toBe(before.key);
    await addDraft(deps.db, {
      packId: await addPack(deps.db, ownerId),
      ownerId,
      version: "1",
      files: [{ path: "a", ...after }],
    });
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect([await exists(before.key), await exists(after.key)]).toEqual([false, true]);
  });

  test("a doomed key that a blob lives under is never removed", async () => {
    const blob = await addBlob(deps, fresh());
    await run(deps.db, {
      name: "test_doom",
      text: `insert into blob.doomed (key, reason, remove_after) values ($1, 'wrong', now())`,
      values: [blob.key],
    });
    await runSweep(deps);
    expect(await exists(blob.key)).toBe(true);
    await run(deps.db, { name: "test_undoom", text: `delete from blob.doomed where key = $1`, values: [blob.key] });
  });
});

describe("uploads", () => {
  test("one that waited past its end goes with its bytes, its parts and its charge", async () => {
    const userId = await addUser(deps.db);
    const small = await addUpload(deps.db, { ownerId: userId, state: "waiting", sizeBytes: 7 });
    await put(stagingKey(small));
    const attemptId = Bun.randomUUIDv7();
    const key = blobKey("1".repeat(64), attemptId);
    await run(deps.db, {
      name: "test_attempt",
      text: `insert into blob.attempt (id, key) values ($1, $2)`,
      values: [attemptId, key],
    });
    const partsId = await deps.storage.openParts(key);
    await addUpload(deps.db, { ownerId: userId, state: "waiting", sizeBytes: 100, partsId, attemptId });
    const verified = await addUpload(deps.db, { ownerId: userId, state: "verifying", sizeBytes: 1 });
    await run(deps.db, {
      name: "test_verifying_job",
      text: `insert into job.job (id, actor, subject, payload) values ($1, 'verify-upload', $2, '{}')`,
      values: [Bun.randomUUIDv7(), verified],
    });
    await runSweep(deps);
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 3, sizeBytes: 108 });
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 1, sizeBytes: 1 });
    expect(await exists(stagingKey(small))).toBe(false);
    const open = [];
    for await (const each of deps.storage.listOpenParts()) open.push(each.partsId);
    expect(open).not.toContain(partsId);
    expect(await count(deps.db, "blob.attempt")).toBe(0);
  });

  test("one whose verification was given up is rejected, once, and forgotten a week later", async () => {
    const userId = await addUser(deps.db);
    const id = await addUpload(deps.db, { ownerId: userId, state: "verifying", sizeBytes: 9 });
    await put(stagingKey(id));
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    const find = () =>
      one<{ state: string }>(deps.db, {
        name: "test_upload_state",
        text: `select state from blob.upload where id = $1`,
        values: [id],
      });
    expect((await find())?.state).toBe("rejected");
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 0, sizeBytes: 0 });
    await age(deps.db, 6 * daySeconds);
    await runSweep(deps);
    expect(await find()).toBeDefined();
    await age(deps.db, 2 * daySeconds);
    await runSweep(deps);
    expect(await find()).toBeUndefined();
    expect(await findQuota(deps.db, userId)).toEqual({ uploads: 0, sizeBytes: 0 });
    await releaseQuota(deps.db, { userId, sizeBytes: 0, uploads: 0 });
  });
});

describe("images", () => {
  /** An image in any state, charged to its owner as it is there. */
  async function addImage(ownerId: string, state: string, { kind = "picture", sizeBytes = 5 } = {}): Promise<string> {
    const id = Bun.randomUUIDv7();
    await run(deps.db, {
      name: "test_image_insert",
      text: `insert into image.image (id, owner_id, kind, state, name, rank, sha256, size_bytes, expires_at)
        values ($1, $2, $3, $4, 'a.png', 'a0', '', $5, now() + interval '1 day')`,
      values: [id, ownerId, kind, state, sizeBytes],
    });
    const charge = { userId: ownerId, sizeBytes, maxBytes: 1_000, maxImages: 100 };
    if (kind === "picture" && state !== "rejected") await reserveImageQuota(deps.db, charge);
    return id;
  }
  const stateOf = async (id: string) =>
    (
      await one<{ state: string }>(deps.db, {
        name: "test_image_state",
        text: `select state from image.image where id = $1`,
        values: [id],
      })
    )?.state;

  test("one that waited past its end goes with its bytes and its charge; one that is rendered or shown stays", async () => {
    const userId = await addUser(deps.db);
    const waiting = await addImage(userId, "waiting", { sizeBytes: 7 });
    const rendered = await addImage(userId, "processing");
    const ready = await addImage(userId, "ready");
    for (const id of [waiting, rendered]) await put(stagingKey(id));
    await run(deps.db, {
      name: "test_rendering_job",
      text: `insert into job.job (id, actor, subject, payload) values ($1, 'render-image', $2, '{}')`,
      values: [Bun.randomUUIDv7(), rendered],
    });
    await runSweep(deps);
    expect(await findImageQuota(deps.db, userId)).toEqual({ images: 3, sizeBytes: 17 });
    await age(deps.db, daySeconds + 1);
    expect(await countImageLeftovers(deps.db)).toEqual({ images: 1, imageBytes: 7, unrendered: 0, rejectedImages: 0 });
    await runSweep(deps);
    expect(await Promise.all([waiting, rendered, ready].map(stateOf))).toEqual([undefined, "processing", "ready"]);
    expect(await findImageQuota(deps.db, userId)).toEqual({ images: 2, sizeBytes: 10 });
    expect(await Promise.all([waiting, rendered].map((id) => exists(stagingKey(id))))).toEqual([false, true]);
    await deps.storage.remove([stagingKey(rendered)]);
    await run(deps.db, {
      name: "test_rendering_over",
      text: `update job.job set done = wanted where actor = 'render-image'`,
    });
  });

  test("one whose rendering was given up is rejected, once, and forgotten a week later; an avatar frees no room", async () => {
    const userId = await addUser(deps.db);
    const picture = await addImage(userId, "processing", { sizeBytes: 9 });
    const kept = await addImage(userId, "ready", { sizeBytes: 1 });
    const avatar = await addImage(userId, "processing", { kind: "avatar" });
    await age(deps.db, daySeconds + 1);
    expect((await countImageLeftovers(deps.db)).unrendered).toBeGreaterThanOrEqual(2);
    await runSweep(deps);
    const states = () => Promise.all([picture, avatar, kept].map(stateOf));
    expect(await states()).toEqual(["rejected", "rejected", "ready"]);
    expect(await findImageQuota(deps.db, userId)).toEqual({ images: 1, sizeBytes: 1 });
    await age(deps.db, 6 * daySeconds);
    await runSweep(deps);
    expect(await states()).toEqual(["rejected", "rejected", "ready"]);
    await age(deps.db, 2 * daySeconds);
    await runSweep(deps);
    expect(await states()).toEqual([undefined, undefined, "ready"]);
    expect(await findImageQuota(deps.db, userId)).toEqual({ images: 1, sizeBytes: 1 });
  });

  test("bytes that wait belong to a waiting or processing image, and to no other", async () => {
    const userId = await addUser(deps.db);
    const ids: Record<string, string> = {};
    for (const state of ["waiting", "processing", "ready", "rejected"]) ids[state] = await addImage(userId, state);
    const keys = Object.values(ids).map(stagingKey);
    const unnamed = await listUnnamed(deps.db, keys);
    expect(unnamed.sort()).toEqual([ids.ready ?? "", ids.rejected ?? ""].map(stagingKey).sort());
  });
});

describe("drafts and packs", () => {
  test("an expired draft goes and frees its blobs; one that is being published stays", async () => {
    const [kept, gone] = [await addBlob(deps, fresh()), await addBlob(deps, fresh())];
    const packId = await addPack(deps.db, ownerId);
    const publishing = await addPublishing(deps.db, { packId, ownerId, version: "1", files: [{ path: "a", ...kept }] });
    const draft = await addDraft(deps.db, { packId, ownerId, version: "2", files: [{ path: "a", ...gone }] });
    await age(deps.db, 8 * daySeconds);
    await runSweep(deps);
    const left = await many<{ id: string }>(deps.db, {
      name: "test_versions",
      text: `select id from pack.version where id = any ($1)`,
      values: [[publishing, draft]],
    });
    expect(left).toEqual([{ id: publishing }]);
    expect([await isAlive(kept.sha256), await isAlive(gone.sha256)]).toEqual([true, false]);
  });

  test("a deleted pack loses its versions and keeps its slug", async () => {
    const blob = await addBlob(deps, fresh());
    const packId = await addPack(deps.db, ownerId);
    await addPublishing(deps.db, { packId, ownerId, version: "1", files: [{ path: "a", ...blob }] });
    await run(deps.db, {
      name: "test_delete_pack",
      text: `update pack.pack set deleted_at = now() where id = $1`,
      values: [packId],
    });
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect(await count(deps.db, `pack.version where pack_id = '${packId}'`)).toBe(0);
    expect(await count(deps.db, `pack.pack where id = '${packId}'`)).toBe(1);
    expect(await isAlive(blob.sha256)).toBe(false);
  });
});

describe("the fuse and the backup", () => {
  test("too much at once is refused, told, and taken when forced", async () => {
    const own = await openTestDeps({ SWEEP_GRACE_SECONDS: "0" });
    try {
      for (let index = 0; index < 21; index++) await addBlob(own, `fuse ${index}`);
      const refused: unknown = await runSweep(own).catch((error) => error);
      if (!(refused instanceof Fault)) throw new Error("was not refused");
      expect(refused).toMatchObject({
        mayRetry: false,
        extra: { fuse: { share: 1, limit: 0.1, blown: true }, swept: { blobs: 0 } },
      });
      expect(refused.message).toContain("force");
      expect(await count(own.db, "blob.blob")).toBe(21);
      expect(await runSweep(own, { force: true })).toMatchObject({ swept: { blobs: 21 } });
      expect(await count(own.db, "blob.blob")).toBe(0);
    } finally {
      await own.close();
    }
  });

  test("objects whose rows were lost all at once are refused too", async () => {
    const own = await openTestDeps({ SWEEP_GRACE_SECONDS: "0" });
    try {
      for (let index = 0; index < 21; index++)
        await own.storage.write(`blobs/lost/${index}`, new Blob(["x"]).stream(), {
          sizeBytes: 1,
          signal: AbortSignal.timeout(5_000),
        });
      expect(await runSweep(own).catch((error) => error)).toBeInstanceOf(Fault);
      expect(await listKeys(own)).toHaveLength(21);
      expect(await runSweep(own, { force: true })).toMatchObject({ swept: { orphans: 21 } });
      expect(await listKeys(own)).toEqual([]);
    } finally {
      await own.close();
    }
  });

  test("while a backup holds its lock nothing goes", async () => {
    const blob = await addBlob(deps, fresh());
    await age(deps.db, daySeconds + 1);
    await deps.db.transaction(async (tx) => {
      await run(tx, { name: "test_backup_lock", text: `select pg_advisory_xact_lock($1)`, values: [backupLock] });
      expect(await runSweep(deps)).toEqual({ paused: "a backup runs" });
    });
    await run(deps.db, {
      name: "test_age_one_again",
      text: `update blob.blob set touched_at = now() - interval '2 days' where id = $1`,
      values: [blob.id],
    });
    expect(
      await one(deps.db, { name: "test_alive", text: `select id from blob.blob where id = $1`, values: [blob.id] }),
    ).toBeDefined();
    await runSweep(deps);
    expect(await isAlive(blob.sha256)).toBe(false);
  });
});

describe("leftovers in storage", () => {
  test("objects that no row names go; those of an upload, an attempt, a blob or of today stay", async () => {
    const own = await openTestDeps({ SWEEP_GRACE_SECONDS: "0" });
    const write = (key: string) =>
      own.storage.write(key, new Blob(["x"]).stream(), { sizeBytes: 1, signal: AbortSignal.timeout(5_000) });
    try {
      const userId = await addUser(own.db);
      const waiting = stagingKey(await addUpload(own.db, { ownerId: userId, state: "waiting" }));
      const rejected = stagingKey(await addUpload(own.db, { ownerId: userId, state: "rejected" }));
      const attemptId = Bun.randomUUIDv7();
      const attempt = blobKey("2".repeat(64), attemptId);
      await run(own.db, {
        name: "test_attempt",
        text: `insert into blob.attempt (id, key) values ($1, $2)`,
        values: [attemptId, attempt],
      });
      const lost = blobKey("3".repeat(64), Bun.randomUUIDv7());
      const stray = "staging/not-an-upload";
      for (const key of [waiting, rejected, attempt, lost, stray]) await write(key);
      const blob = await addBlob(own, "blob");
      await addDraft(own.db, {
        packId: await addPack(own.db, userId),
        ownerId: userId,
        version: "1",
        files: [{ path: "a", ...blob }],
      });
      await runSweep(own);
      expect([...(await listKeys(own)), ...(await listKeys(own, "staging/"))].sort()).toEqual(
        [attempt, blob.key, waiting].sort(),
      );
    } finally {
      await own.close();
    }
    const young = blobKey("4".repeat(64), Bun.randomUUIDv7());
    await put(young);
    await runSweep(deps);
    expect(await exists(young)).toBe(true);
    await deps.storage.remove([young]);
  });

  test("parts that no upload has any more are aborted; those of one under way stay", async () => {
    const own = await openTestDeps({ SWEEP_GRACE_SECONDS: "0", UPLOAD_EXPIRES_SECONDS: "1" });
    try {
      const key = (name: string) => blobKey("6".repeat(64), name);
      const [lost, kept] = [await own.storage.openParts(key("lost")), await own.storage.openParts(key("kept"))];
      await addUpload(own.db, { ownerId: await addUser(own.db), state: "waiting", partsId: kept });
      const open = async () => {
        await runSweep(own);
        return Array.fromAsync(own.storage.listOpenParts(), ({ partsId }) => partsId);
      };
      expect((await open()).sort()).toEqual([lost, kept].sort());
      await waitFor(async () => !(await open()).includes(lost), "the parts to be old enough and to go");
      expect(await open()).toEqual([kept]);
    } finally {
      await own.close();
    }
  });

  test("an attempt that a crash left is given up, and a run that comes late for it cannot settle", async () => {
    const id = Bun.randomUUIDv7();
    const key = blobKey("5".repeat(64), id);
    await run(deps.db, {
      name: "test_attempt",
      text: `insert into blob.attempt (id, key) values ($1, $2)`,
      values: [id, key],
    });
    await put(key);
    await runSweep(deps);
    expect(await exists(key)).toBe(true);
    await age(deps.db, daySeconds + 1);
    await runSweep(deps);
    expect(await exists(key)).toBe(false);
    const { settleAttempt } = await import("../../workers/settle-blob.ts");
    const digests = { sizeBytes: 3, sha256: "5".repeat(64), sha1: "", sha512: "", md5: "", murmur2: null, crc32: 0 };
    const late = settleAttempt(deps, {
      attempt: { id, key },
      digests,
      settle: async (_tx, blob) => Boolean(await blob()),
    });
    expect(await late.catch((error) => error)).toMatchObject({ mayRetry: true });
    expect(await isAlive(digests.sha256)).toBe(false);
  });

  if (parts === "embedded")
    test("temporary files go when they are a day old, unless parts are being joined", async () => {
      const folder = join(deps.config.DATA, "objects", "tmp");
      const [old, young, joining] = [`tmp/${Bun.randomUUIDv7()}`, `tmp/${Bun.randomUUIDv7()}`, "tmp/parts-abc/1"];
      await addUpload(deps.db, { ownerId, state: "verifying", partsId: "abc", sizeBytes: 0 });
      await run(deps.db, {
        name: "test_far",
        text: `update blob.upload set expires_at = now() + interval '1 year' where parts_id = 'abc'`,
      });
      for (const key of [old, young, joining]) await put(key);
      const yesterday = new Date(Date.now() - (daySeconds + 60) * 1000);
      for (const key of [old, joining]) await utimes(join(folder, key.slice(4)), yesterday, yesterday);
      await runSweep(deps);
      expect([await exists(old), await exists(young), await exists(joining)]).toEqual([false, true, true]);
    });
});

test("a sweep stops at its signal and the next one goes on", async () => {
  const blob = await addBlob(deps, fresh());
  await age(deps.db, daySeconds + 1);
  await expect(runSweep(deps, { signal: AbortSignal.abort(new Error("stopped")) })).rejects.toThrow("stopped");
  expect(
    await one(deps.db, { name: "test_alive", text: `select id from blob.blob where id = $1`, values: [blob.id] }),
  ).toBeDefined();
  await runSweep(deps);
  expect(await isAlive(blob.sha256)).toBe(false);
});

test("sweeps at the same time take each thing once", async () => {
  const own = await openTestDeps({ SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0", SWEEP_MAX_SHARE: "1" });
  try {
    const userId = await addUser(own.db);
    for (let index = 0; index < 30; index++) {
      const blob = await addBlob(own, `twice ${index}`);
      await addUpload(own.db, { ownerId: userId, state: "verified", blob, sizeBytes: 10 });
    }
    await addUpload(own.db, { ownerId: userId, state: "waiting", sizeBytes: 1 });
    await Promise.all(Array.from({ length: 4 }, () => runSweep(own)));
    await runSweep(own);
    expect(await findQuota(own.db, userId)).toEqual({ uploads: 1, sizeBytes: 1 });
    expect(await count(own.db, "blob.blob")).toBe(0);
    expect(await listKeys(own)).toEqual([]);
  } finally {
    await own.close();
  }
});
