import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";
import { openStorageOf } from "../traces.ts";

let system: System;
let author: TestUser;
let operator: TestUser;
const slug = "kept";
const files = { "mods/a.jar": "the bytes of a", "config/b.txt": "the bytes of b" };

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
  operator = await system.signUp("operator", ["ops"]);
  await publishPack(author, { slug, version: "1.0.0", files, visibility: "public" });
});
afterAll(() => system?.stop());

async function verify(full: boolean) {
  const asked = await operator.call("POST", "/v1/ops/storage/verification", { body: { full } });
  expect(asked.status).toBe(202);
  return waitForJob(operator, asked.json.job.id);
}

test("a lost object flags its version, is told to its author, is served to nobody, and comes back when it is sent again", async () => {
  const path = `/v1/packs/${slug}/versions/1.0.0`;
  const digest = sha256(files["mods/a.jar"]);
  expect((await verify(true)).result).toMatchObject({ missing: 0, changed: 0 });
  expect((await system.call("GET", `${path}/verify`)).json).toMatchObject({
    state: "intact",
    stored: 2,
    references: 0,
    broken: [],
  });

  const { rows } = await system.db.query({
    name: "test_key_of",
    text: "select key from blob.blob where sha256 = $1",
    values: [digest],
  });
  await openStorageOf(system).remove(rows.map(({ key }: any) => key));
  expect((await verify(false)).result).toMatchObject({ missing: 1 });

  const report = await system.call("GET", `${path}/verify`);
  expect(report.json).toMatchObject({
    state: "broken",
    broken: [{ path: "mods/a.jar", sha256: digest, reason: "missing" }],
  });
  expect((await author.call("GET", path)).json.broken).toBe(1);
  const statuses = async () => [
    (await system.call("GET", `/v1/blobs/${digest}`)).status,
    (await system.call("GET", `/p/${slug}/blobs/${digest}`)).status,
    (await author.call("GET", `/v1/blobs/${digest}`)).status,
    (await system.call("GET", `/v1/blobs/${sha256(files["config/b.txt"])}`)).status,
  ];
  await waitFor(async () => (await statuses()).join() === "404,503,404,307", "the file to be served to nobody");
  const { items } = (await operator.call("GET", "/v1/ops/storage/verification")).json;
  expect(items).toMatchObject([{ sha256: digest, reason: "missing", versions: [`${slug} 1.0.0`] }]);
  for (const archive of [`/p/${slug}/1.0.0.mrpack`, `${path}/archive?format=zip`]) {
    const { status, headers } = await system.call("GET", archive);
    expect([archive, status, headers.get("retry-after")]).toEqual([archive, 503, "3600"]);
  }
  const before = new Date();
  await verify(true);
  const { verifiedAt } = (await operator.call("GET", "/v1/ops/storage/verification")).json;
  expect(Date.parse(verifiedAt)).toBeGreaterThan(before.getTime());
  await waitFor(
    async () =>
      (await author.call("GET", "/v1/me/notifications")).json.items.some((item: any) => item.kind === "version.broken"),
    "the author to be told",
  );

  await upload(author, files["mods/a.jar"], "a.jar");
  expect((await system.call("GET", `${path}/verify`)).json.state).toBe("intact");
  await waitFor(async () => (await statuses()).join() === "307,307,307,307", "the file to be served again");
  expect((await fetch(`${system.url}/v1/blobs/${digest}`)).status).toBe(200);
});

test("files that stand alone, pictures and skins are not served either when their bytes are damaged", async () => {
  const digest = await upload(author, "stands alone", "alone.txt");
  const file = (await author.call("POST", "/v1/files", { body: { name: "alone.txt", sha256: digest } })).json.id;
  const image = await uploadImage(author);
  const player = (await author.call("POST", "/v1/me/players", { body: { name: "Author" } })).json.id;
  const skin = await fetch(`${system.url}/v1/me/players/${player}/skin`, {
    method: "PUT",
    headers: { authorization: `Bearer ${author.token}`, "content-type": "image/png" },
    body: makePng({ width: 64, height: 64 }),
  });
  expect(skin.status).toBe(200);
  const manual = { redirect: "manual" } as const;
  const statuses = async () => [
    (await author.call("GET", `/v1/files/${file}/content`, manual)).status,
    (await author.call("GET", `/v1/images/${image}/thumb`, manual)).status,
  ];
  expect(await statuses()).toEqual([307, 307]);
  await system.db.query({
    name: "test_damage",
    text: "update blob.blob set broken = 'changed', broken_at = now()",
    values: [],
  });
  expect(await statuses()).toEqual([503, 404]);
  expect((await author.call("GET", `/v1/images/${image}`)).json.variants).toEqual({});
  const { skin: worn } = (await author.call("GET", `/v1/me/players/${player}`)).json;
  expect(worn).toBeNull();
  const [texture] = (
    await system.db.query({
      name: "test_skin",
      text: "select b.sha256 from player.player p join blob.blob b on b.id = p.skin_blob_id",
      values: [],
    })
  ).rows as { sha256: string }[];
  expect((await system.call("GET", `/textures/${texture?.sha256}`)).status).toBe(404);
  expect((await verify(false)).result).toMatchObject({ missing: 0, changed: 0 });
  expect(await statuses()).toEqual([307, 307]);
});

test("verification is for operators", async () => {
  for (const method of ["GET", "POST"]) {
    expect((await system.call(method, "/v1/ops/storage/verification")).status).toBe(401);
    expect((await author.call(method, "/v1/ops/storage/verification")).status).toBe(403);
  }
});
