import { afterAll, beforeAll, expect, test } from "bun:test";
import { digestImages } from "../../album-archive.ts";
import { openAlbumArchive } from "../../db/album-archive.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/build-album-archive.ts";
import { settleAttempt } from "../../workers/settle-blob.ts";
import { storeBytes } from "../../workers/store-bytes.ts";
import { handle as sweep } from "../../workers/sweep-storage.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { call, findLeftovers, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps({ SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0" });
});
afterAll(() => deps?.close());

/** The row of an `original`: its bytes need not be an image for being packed. */
async function arrangeOriginal(imageId: string, bytes: string): Promise<string> {
  const { signal } = new AbortController();
  const stored = await storeBytes(deps, { bytes: new Blob([bytes]).stream(), signal, log: deps.log });
  let blobId = "";
  await settleAttempt(deps, {
    ...stored,
    settle: async (tx, makeBlob) => {
      blobId = (await makeBlob()).id;
      await query(
        { db: { ...deps.db, query: tx.query } },
        `insert into image.variant (image_id, name, format, blob_id, width, height) values ($1, 'original', 'webp', $2, 1, 1)
          on conflict (image_id, name, format) do update set blob_id = excluded.blob_id`,
        [imageId, blobId],
      );
      return true;
    },
  });
  return blobId;
}

/** An album with images of these bytes, and the row of an archive of them all. */
async function arrangeArchive(contents: string[]): Promise<{ archiveId: string; albumId: string; imageIds: string[] }> {
  const [userId, albumId] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  await query(deps, `insert into account."user" (id, login, password_hash) values ($1, $2, '')`, [userId, userId]);
  await query(deps, `insert into image.album (id, owner_id, title) values ($1, $2, 'Album')`, [albumId, userId]);
  const images = [];
  for (const [index, bytes] of contents.entries()) {
    const id = Bun.randomUUIDv7();
    await query(
      deps,
      `insert into image.image (id, owner_id, album_id, state, name, rank, sha256, size_bytes, expires_at)
        values ($1, $2, $3, 'ready', $4, $5, $6, 1, now())`,
      [id, userId, albumId, `image ${index}.png`, `a${index}`, sha256(`source of ${bytes}`)],
    );
    images.push({ id, name: `image ${index}.png`, blobId: await arrangeOriginal(id, bytes) });
  }
  const imageIds = images.map(({ id }) => id);
  const digest = digestImages(images);
  const archiveId = await deps.db.transaction((tx) =>
    openAlbumArchive(tx, { id: Bun.randomUUIDv7(), albumId, digest, imageIds }),
  );
  return { archiveId: archiveId ?? "", albumId, imageIds };
}

const build = (archiveId: string) => call(handle, deps, { archiveId });
const findArchive = async (archiveId: string) =>
  (
    await query(
      deps,
      `select b.key, b.sha256 from image.archive a left join blob.blob b on b.id = a.blob_id where a.id = $1`,
      [archiveId],
    )
  )[0];

test("the same images are the same bytes, whoever's album they are in, and are packed once", async () => {
  const [one, two] = [await arrangeArchive(["first", "second"]), await arrangeArchive(["first", "second"])];
  expect(await build(one.archiveId)).toMatchObject({ state: "built" });
  expect(await build(two.archiveId)).toMatchObject({ state: "built" });
  const archive = await findArchive(one.archiveId);
  expect(await findArchive(two.archiveId)).toEqual(archive);
  const { signal } = new AbortController();
  const bytes = Buffer.concat(await Array.fromAsync(await deps.storage.read(archive.key, { signal }))).toString(
    "latin1",
  );
  expect(bytes.indexOf("001 image 0.webpfirst")).toBeGreaterThan(0);
  expect(bytes.indexOf("002 image 1.webpsecond")).toBeGreaterThan(0);
  expect(await build(one.archiveId)).toEqual({ state: "built" });
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("two runs at the same time leave one archive and no spare object", async () => {
  const { archiveId } = await arrangeArchive(["twice"]);
  const states = await Promise.all([build(archiveId), build(archiveId), build(archiveId)]);
  expect(states.map((settled) => settled?.state)).toEqual(["built", "built", "built"]);
  expect((await findArchive(archiveId)).key).toBeString();
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  expect(await query(deps, `select 1 from blob.attempt`)).toEqual([]);
});

test.each<[string, (arranged: Awaited<ReturnType<typeof arrangeArchive>>) => Promise<unknown>]>([
  ["was deleted", ({ imageIds }) => query(deps, `delete from image.image where id = $1`, [imageIds[0]])],
  ["was rendered anew", ({ imageIds }) => arrangeOriginal(imageIds[0] ?? "", Bun.randomUUIDv7())],
  [
    "was blocked by what was sent",
    ({ imageIds }) =>
      query(deps, `insert into blob.blocked (sha256, reason) select sha256, 'test' from image.image where id = $1`, [
        imageIds[0],
      ]),
  ],
  [
    "was blocked by what was made of it",
    ({ imageIds }) =>
      query(
        deps,
        `insert into blob.blocked (sha256, reason) select b.sha256, 'test' from image.variant v join blob.blob b on b.id = v.blob_id where v.image_id = $1`,
        [imageIds[0]],
      ),
  ],
  ["had an album that is gone", ({ albumId }) => query(deps, `delete from image.album where id = $1`, [albumId])],
])("an archive for an image that %s meanwhile is given up", async (_what, change) => {
  const arranged = await arrangeArchive([Bun.randomUUIDv7(), Bun.randomUUIDv7()]);
  await change(arranged);
  expect(await build(arranged.archiveId)).toEqual({ state: "gone" });
  expect(await findArchive(arranged.archiveId)).toBeUndefined();
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("an image that is deleted while the archive is written is in none", async () => {
  const arranged = await arrangeArchive([Bun.randomUUIDv7(), Bun.randomUUIDv7()]);
  const [gone] = arranged.imageIds;
  const storage = {
    ...deps.storage,
    write: async (...args: Parameters<Deps["storage"]["write"]>) => {
      await deps.storage.write(...args);
      await query(deps, `delete from image.image where id = $1`, [gone]);
    },
  };
  expect(await call(handle, { ...deps, storage }, { archiveId: arranged.archiveId })).toEqual({ state: "gone" });
  expect(await findArchive(arranged.archiveId)).toBeUndefined();
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("a run that is broken off leaves what the sweep takes, and the next one builds it", async () => {
  const { archiveId } = await arrangeArchive([Bun.randomUUIDv7()]);
  const broken = {
    ...deps.storage,
    write: async (...args: Parameters<Deps["storage"]["write"]>) => {
      await deps.storage.write(...args);
      throw new Error("broken off");
    },
  };
  await expect(call(handle, { ...deps, storage: broken }, { archiveId })).rejects.toThrow("broken off");
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] }); // the attempt is doomed: somebody names it
  expect(await build(archiveId)).toMatchObject({ state: "built" });
});

test("the sweep forgets an archive after a week, and its bytes", async () => {
  const [old, young] = [await arrangeArchive([Bun.randomUUIDv7()]), await arrangeArchive([Bun.randomUUIDv7()])];
  for (const { archiveId } of [old, young]) await build(archiveId);
  const { key } = await findArchive(old.archiveId);
  await query(deps, `update image.archive set created_at = now() - interval '8 days' where id = $1`, [old.archiveId]);
  const { swept } = (await call(sweep, deps, { scope: "all", force: true })) as { swept: Record<string, number> };
  expect(swept.albumArchives).toBe(1);
  expect(await findArchive(old.archiveId)).toBeUndefined();
  expect(await deps.storage.stat(key)).toBeUndefined();
  const kept = await findArchive(young.archiveId);
  expect(await deps.storage.stat(kept.key)).toBeDefined();
});
