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
  expect((await system.call("GET", `${path}/verify`)).json).toMatchObject({ state: "intact", stored: 2, broken: [] });

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

test("verification is for operators", async () => {
  for (const method of ["GET", "POST"]) {
    expect((await system.call(method, "/v1/ops/storage/verification")).status).toBe(401);
    expect((await author.call(method, "/v1/ops/storage/verification")).status).toBe(403);
  }
});
