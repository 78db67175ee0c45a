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

let system: System;
let admin: TestUser;
let operator: TestUser;
let author: TestUser;

beforeAll(async () => {
  system = await startSystem({
    environment: {
      SWEEP_GRACE_SECONDS: "0",
      SWEEP_DOOMED_SECONDS: "0",
      SWEEP_EVERY_SECONDS: "86400",
      UPLOAD_EXPIRES_SECONDS: "60",
      DRAFT_EXPIRES_SECONDS: "1",
      LIMIT_USER_BYTES: "1000",
    },
  });
  admin = await system.signUp("admin", ["admin"]);
  operator = await system.signUp("operator", ["ops"]);
  author = await system.signUp("author");
}, 120_000);
afterAll(() => system?.stop());

const look = async () => (await operator.call("GET", "/v1/ops/storage/sweep")).json;
async function sweep(user: TestUser, body?: unknown) {
  const asked = await user.call("POST", "/v1/ops/storage/sweep", body === undefined ? {} : { body });
  expect(asked.status).toBe(202);
  return waitForJob(user, asked.json.job.id);
}

test("only operators and admins look and sweep, and only admins force", async () => {
  for (const [call, status] of [
    [system.call, 401],
    [author.call, 403],
  ] as const) {
    expect((await call("GET", "/v1/ops/storage/sweep")).status).toBe(status);
    expect((await call("POST", "/v1/ops/storage/sweep", { body: {} })).status).toBe(status);
  }
  expect((await operator.call("POST", "/v1/ops/storage/sweep", { body: { force: true } })).status).toBe(403);
  expect((await operator.call("POST", "/v1/ops/storage/sweep", { body: { all: true } })).status).toBe(422);
  expect((await operator.call("GET", "/v1/ops/storage/sweep")).status).toBe(200);
  expect((await sweep(operator)).state).toBe("completed");
});

test("what nothing names is told with its reason, goes, and its owner gets the room back", async () => {
  const spent = "x".repeat(900);
  const digest = await upload(author, spent);
  expect((await author.call("HEAD", `/v1/blobs/${digest}`)).status).toBe(307);
  const second = { sha256: sha256("y".repeat(900)), size: 900, name: "y" };
  expect((await author.call("POST", "/v1/uploads", { body: second })).status).toBe(403);
  const found = (await look()).blobs.find((blob: { sha256: string }) => blob.sha256 === digest);
  expect(found).toMatchObject({ size: 900, reason: "only uploads older than the grace time name it" });
  const address = (await author.call("GET", `/v1/blobs/${digest}`)).headers.get("location") ?? "";
  expect((await sweep(operator)).result.swept.blobs).toBeGreaterThan(0);
  expect((await author.call("HEAD", `/v1/blobs/${digest}`)).status).toBe(404);
  expect((await fetch(address)).status).toBe(404);
  expect((await author.call("POST", "/v1/uploads", { body: second })).status).toBe(201);
  expect(await look()).toMatchObject({ blobs: [], doomed: [], fuse: { blown: false } });
});

test("what a published version names stays; a draft that expired frees its bytes", async () => {
  const files = { "a.txt": "kept for ever" };
  await publishPack(admin, { slug: "kept", version: "1", files });
  const draft = await upload(admin, "in a draft");
  const body = { version: "2", channel: "release", minecraft: "1.21.1", loader: null };
  const declared = await admin.call("POST", "/v1/packs/kept/versions", {
    body: { ...body, files: [{ path: "b.txt", sha256: draft, size: 10, side: "both" }] },
  });
  expect([declared.status, declared.json.missing]).toEqual([201, []]);
  await waitFor(
    async () => (await look()).drafts.some(({ version }: { version: string }) => version === "2"),
    "the draft to expire",
  );
  expect((await sweep(operator)).state).toBe("completed");
  expect((await admin.call("GET", "/v1/packs/kept/versions/2")).status).toBe(404);
  expect((await system.call("GET", `/v1/blobs/${draft}`)).status).toBe(404);
  const kept = await system.call("GET", `/v1/blobs/${sha256(files["a.txt"])}`);
  expect(await (await fetch(kept.headers.get("location") ?? "")).text()).toBe(files["a.txt"]);
});

test("a deleted pack is erased, and its slug stays taken", async () => {
  await publishPack(author, { slug: "erased", version: "1", files: { "a.txt": "erased" } });
  expect((await author.call("DELETE", "/v1/packs/erased", { body: { slug: "erased" } })).status).toBe(204);
  expect((await sweep(operator)).result.swept).toMatchObject({ versions: 1 });
  expect((await look()).blobs).toEqual([]);
  expect((await author.call("POST", "/v1/packs", { body: { slug: "erased", name: "again" } })).status).toBe(409);
});

test("more than a share at once is refused until an admin forces it", async () => {
  const many = Array.from({ length: 25 }, (_, index) => upload(admin, `many ${index}`));
  await Promise.all(many);
  expect((await look()).fuse).toMatchObject({ blown: true, limit: 0.1 });
  const refused = await sweep(operator);
  expect(refused.state).toBe("failed");
  expect(refused.problem).toMatchObject({ code: "conflict", fuse: { blown: true } });
  expect((await look()).totals.blobs).toBe(25);
  expect((await sweep(admin, { force: true })).result.swept.blobs).toBe(25);
  expect((await sweep(operator)).state).toBe("completed");
});
