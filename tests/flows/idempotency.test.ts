import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, long, type System, sha256, startSystem, type TestUser, upload } from "../harness.ts";
import { readTraces } from "../traces.ts";

let system: System;
let author: TestUser;
let other: TestUser;

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
  other = await system.signUp("other");
  await author.call("POST", "/v1/packs", { body: { slug: "pack", name: "pack" } });
  await upload(author, "bytes");
});
afterAll(() => system?.stop());

let made = 0;
const unique = () => `${++made}-${Math.random().toString(36).slice(2)}`;
const file = { path: "a", sha256: sha256("bytes"), size: 5, side: "both" };
const version = () => ({ version: unique(), channel: "release", minecraft: "1.21.1", loader: null, files: [file] });

/** Every POST that creates: what it is sent, and the row that it counts. */
const creating: { path: string; body: () => object; counts: string }[] = [
  { path: "/v1/packs", body: () => ({ slug: unique(), name: "x" }), counts: "packs" },
  { path: "/v1/packs/pack/versions", body: version, counts: "versions" },
  { path: "/v1/uploads", body: () => ({ sha256: sha256(unique()), size: 8, name: "x" }), counts: "uploads" },
  { path: "/v1/files", body: () => ({ sha256: sha256("bytes"), name: unique() }), counts: "files" },
];

const send = (path: string, body: unknown, { key, by = author }: { key: string; by?: TestUser }): Promise<Answer> =>
  by.call("POST", path, { body, headers: { "idempotency-key": key } });
const countOf = async (what: string) => (await readTraces(system)).rows[what] ?? 0;

describe.each(creating)("POST $path with an Idempotency-Key", ({ path, body: makeBody, counts }) => {
  test("has one effect, however many send it at once", async () => {
    const [key, body, before] = [unique(), makeBody(), await countOf(counts)];
    const answers = await Promise.all(Array.from({ length: long ? 500 : 50 }, () => send(path, body, { key })));
    expect(await countOf(counts)).toBe(before + 1);
    const [created] = answers.filter(({ status }) => status === 201);
    expect(created).toBeDefined();
    for (const { status, text, json, headers } of answers) {
      if (status === 201) expect(text).toBe(created?.text ?? "");
      else expect([status, json.code, headers.get("retry-after")]).toEqual([409, "conflict", "1"]);
    }
    const later = await send(path, body, { key });
    expect([later.status, later.text, later.headers.get("idempotency-replayed")]).toEqual([
      201,
      created?.text ?? "",
      "true",
    ]);
    for (const name of ["location", "etag", "content-type", "cache-control"])
      expect(later.headers.get(name)).toBe(created?.headers.get(name) ?? null);
    expect(await countOf(counts)).toBe(before + 1);
  });

  test("is refused with another body, and another caller's is another key", async () => {
    const [key, body] = [unique(), makeBody()];
    const created = await send(path, body, { key });
    expect(created.status).toBe(201);
    const before = await countOf(counts);
    const reused = await send(path, makeBody(), { key });
    expect([reused.status, reused.json.code]).toEqual([422, "key-reused"]);
    expect(await countOf(counts)).toBe(before);
    const foreign = await send(path, makeBody(), { key, by: other });
    expect(foreign.json.code).not.toBe("key-reused");
    expect(foreign.headers.get("idempotency-replayed")).toBeNull();
    expect(foreign.text).not.toBe(created.text);
  });

  test("keeps no refusal: what was mended may be sent under the same key", async () => {
    const key = unique();
    const refused = await send(path, { ...makeBody(), unheard: 1 }, { key });
    expect(refused.status).toBe(422);
    const created = await send(path, makeBody(), { key });
    expect([created.status, created.headers.get("idempotency-replayed")]).toEqual([201, null]);
  });
});

test("a key for one route is not a key for another", async () => {
  const key = unique();
  expect((await send("/v1/packs", { slug: unique(), name: "x" }, { key })).status).toBe(201);
  const before = await readTraces(system);
  const answer = await send("/v1/uploads", { sha256: sha256(unique()), size: 1, name: "x" }, { key });
  expect([answer.status, answer.json.code]).toEqual([422, "key-reused"]);
  expect(await readTraces(system)).toEqual(before);
});

test("a conflict is not kept either", async () => {
  const key = unique();
  expect((await send("/v1/packs", { slug: "pack", name: "taken" }, { key })).status).toBe(409);
  const slug = unique();
  expect((await send("/v1/packs", { slug, name: "free" }, { key })).status).toBe(201);
  expect((await author.call("GET", `/v1/packs/${slug}`)).status).toBe(200);
});

test("a key has 1 to 255 characters", async () => {
  for (const [key, status] of [
    ["x".repeat(255), 201],
    ["x".repeat(256), 400],
  ] as const) {
    const answer = await send("/v1/packs", { slug: unique(), name: "x" }, { key });
    expect([key.length, answer.status]).toEqual([key.length, status]);
  }
});

test("a key is a new one after 24 hours, and one whose process died is taken over after a minute", async () => {
  const [key, body] = [unique(), { slug: unique(), name: "x" }];
  const age = (interval: string, fields: string) =>
    system.db.query({
      name: `test_age_${made++}`,
      text: `update api.idempotency set created_at = now() - interval '${interval}' ${fields} where key = $1`,
      values: [key],
    });
  expect((await send("/v1/packs", body, { key })).status).toBe(201);
  await age("23 hours", "");
  expect((await send("/v1/packs", body, { key })).headers.get("idempotency-replayed")).toBe("true");
  await age("25 hours", "");
  const fresh = await send("/v1/packs", { slug: unique(), name: "y" }, { key });
  expect([fresh.status, fresh.headers.get("idempotency-replayed")]).toEqual([201, null]);

  const half = { slug: unique(), name: "z" };
  await age("25 hours", "");
  expect((await send("/v1/packs", half, { key })).status).toBe(201);
  await age("30 seconds", ", status = null");
  const waits = await send("/v1/packs", half, { key });
  expect([waits.status, waits.headers.get("retry-after")]).toEqual([409, "1"]);
  await age("2 minutes", ", status = null");
  // Done anew, and so it meets what the first one left.
  expect((await send("/v1/packs", half, { key })).status).toBe(409);
  expect((await send("/v1/packs", half, { key })).json.errors[0].pointer).toBe("/slug");
});
