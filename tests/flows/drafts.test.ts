import { afterAll, beforeAll, expect, test } from "bun:test";
import { long, type System, sha256, startSystem, type TestUser, upload, waitForJob } from "../harness.ts";

let system: System;
let owner: TestUser;
let helper: TestUser;
const slug = "shared-draft";
const terms = { channel: "release", minecraft: "1.21.1", loader: null };
const fileOf = (path: string, bytes: string) => ({ path, sha256: sha256(bytes), size: bytes.length, side: "both" });
const declare = (user: TestUser, version: string, files: object[]) =>
  user.call("POST", `/v1/packs/${slug}/versions`, { body: { version, ...terms, files } });

beforeAll(async () => {
  system = await startSystem();
  owner = await system.signUp("draft-owner");
  helper = await system.signUp("draft-helper");
  await owner.call("POST", "/v1/packs", { body: { slug, name: "Shared" } });
  await owner.call("PUT", `/v1/packs/${slug}/members`, { body: { login: helper.login, role: "publisher" } });
});
afterAll(() => system?.stop());

test("who rewrites another's draft fills it with what he uploads, and both see its job", async () => {
  expect((await declare(owner, "1.0.0", [fileOf("a.txt", "by the owner")])).status).toBe(201);
  const rewritten = await declare(helper, "1.0.0", [fileOf("b.txt", "by the helper")]);
  expect([rewritten.status, rewritten.json.missing.length]).toEqual([200, 1]);
  await upload(helper, "by the helper");
  const publishing = await helper.call("POST", `/v1/packs/${slug}/versions/1.0.0/publish`);
  expect(publishing.status).toBe(202);
  expect((await waitForJob(helper, publishing.json.job.id)).state).toBe("completed");
  expect((await owner.call("GET", `/v1/jobs/${publishing.json.job.id}`)).status).toBe(200);
  const stranger = await system.signUp("draft-stranger");
  expect((await stranger.call("GET", `/v1/jobs/${publishing.json.job.id}`)).status).toBe(404);
  expect((await system.call("GET", `/v1/jobs/${publishing.json.job.id}`)).status).toBe(404);
});

test("a draft that somebody else declared does not borrow the rights of whoever changes its page or uploads", async () => {
  const secret = "bytes that only the owner has";
  await upload(owner, secret);
  await declare(owner, "2.0.0", [fileOf("a.txt", "anything")]);
  await declare(helper, "2.0.0", [fileOf("stolen.txt", secret)]);
  const seen = await owner.call("GET", `/v1/packs/${slug}/versions/2.0.0`);
  const changed = await owner.call("PATCH", `/v1/packs/${slug}/versions/2.0.0`, {
    body: { changelog: "better words" },
    headers: { "if-match": seen.headers.get("etag") ?? "" },
  });
  expect([changed.status, changed.json.missing.length]).toEqual([200, 1]);
  expect((await helper.call("GET", `/v1/blobs/${sha256(secret)}`)).status).toBe(404);
  // Bytes that come after somebody else has named them: the owner's upload is for the owner's drafts.
  const later = "bytes that the owner sends later";
  await declare(helper, "2.0.0", [fileOf("stolen.txt", later)]);
  await upload(owner, later);
  expect((await helper.call("GET", `/v1/blobs/${sha256(later)}`)).status).toBe(404);
  expect((await helper.call("POST", `/v1/packs/${slug}/versions/2.0.0/publish`)).status).toBe(409);
});

test("two who declare a draft at the same time leave what one of them said", async () => {
  const one = [fileOf("one.txt", "one")];
  const two = [fileOf("one.txt", "one"), fileOf("two.txt", "two")];
  await declare(owner, "3.0.0", one);
  for (let round = 0; round < (long ? 1_000 : 10); round++) {
    await Promise.all([declare(owner, "3.0.0", one), declare(helper, "3.0.0", two)]);
    expect((await declare(owner, "3.0.0", one)).json.files).toBe(1);
  }
});

test("a version whose publishing was given up can be published again", async () => {
  const bytes = "published at the second try";
  await upload(owner, bytes);
  await declare(owner, "4.0.0", [fileOf("a.txt", bytes)]);
  // What 25 failures of ours in a row leave behind.
  await system.db.query({
    name: "test_give_up",
    text: `with stuck as (update pack.version set state = 'publishing' where version = '4.0.0' returning id, created_by)
      insert into job.job (id, actor, subject, payload, owner_id, done, state, problem)
        select gen_random_uuid(), 'publish-version', id::text, jsonb_build_object('versionId', id), created_by, 1, 'failed', '{}' from stuck`,
    values: [],
  });
  const again = await owner.call("POST", `/v1/packs/${slug}/versions/4.0.0/publish`);
  expect(again.status).toBe(202);
  const job = await waitForJob(owner, again.json.job.id);
  expect([job.state, job.result.state]).toEqual(["completed", "published"]);
});
