import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { many, run } from "../../db/query.ts";
import { publishPack, type System, startSystem, type TestUser } from "../harness.ts";

let system: System;
let author: TestUser;
let reader: TestUser;
let friend: TestUser;
let admin: TestUser;
let readerId: string;
let authorId: string;

const closed = "closed-pack";
const open = "open-pack";

beforeAll(async () => {
  system = await startSystem({ environment: { LIMIT_REPORTS_PER_MINUTE: "1000" } });
  [author, reader, friend, admin] = await Promise.all([
    system.signUp("author"),
    system.signUp("reader"),
    system.signUp("friend"),
    system.signUp("admin", ["admin"]),
  ]);
  readerId = (await reader.call("GET", "/v1/me")).json.id;
  authorId = (await author.call("GET", "/v1/me")).json.id;
  await publishPack(author, { slug: open, version: "1.0.0", files: { "a.txt": "open" } });
  await publishPack(author, { slug: closed, version: "1.0.0", files: { "a.txt": "closed" }, visibility: "private" });
  for (const [slug, visibility] of [
    ["open-team", "public"],
    ["closed-team", "private"],
  ])
    await author.call("POST", "/v1/organizations", { body: { slug, name: slug, visibility } });
});
afterAll(() => system?.stop());

const facts = (kind: string) =>
  many<{ payload: Record<string, string> }>(system.db, {
    name: "test_facts",
    text: `select payload from outbox.fact where kind = $1 order by id`,
    values: [kind],
  });

describe("following", () => {
  const follow = (path: string, who = reader) => who.call("PUT", `/v1/me/following/${path}`);
  const list = async (who = reader) =>
    ((await who.call("GET", "/v1/me/following")).json.items as { kind: string; id: string }[]).map(
      ({ kind, id }) => `${kind}/${id}`,
    );
  const show = (shown: boolean) =>
    author.call("PUT", `/v1/packs/${closed}/access`, { body: { users: shown ? ["friend"] : [], roles: [] } });

  test("a pack, an organization and an organizer are followed once, and let go", async () => {
    for (const path of [`pack/${open}`, "organization/open-team", `organizer/${authorId}`])
      for (const _time of [1, 2]) expect([path, (await follow(path)).status]).toEqual([path, 204]);
    expect(await list()).toEqual([`organizer/${authorId}`, "organization/open-team", `pack/${open}`]);
    expect((await reader.call("GET", `/v1/packs/${open}`)).json).toMatchObject({ followers: 1, following: true });
    expect((await system.call("GET", `/v1/packs/${open}`)).json).toMatchObject({ followers: 1, following: false });
    expect((await author.call("GET", "/v1/organizations/open-team")).json).toMatchObject({
      followers: 1,
      following: false,
    });
    const first = await reader.call("GET", "/v1/me/following?limit=2");
    const second = await reader.call("GET", `/v1/me/following?limit=2&cursor=${first.json.nextCursor}`);
    expect(second.json.items.map(({ id }: { id: string }) => id)).toEqual([open]);
    for (const _time of [1, 2]) expect((await reader.call("DELETE", `/v1/me/following/pack/${open}`)).status).toBe(204);
    expect(await list()).toEqual([`organizer/${authorId}`, "organization/open-team"]);
    expect((await friend.call("GET", `/v1/packs/${open}`)).json.followers).toBe(0);
    const kinds = (await reader.call("GET", "/v1/me/activity")).json.items.map(({ kind }: { kind: string }) => kind);
    expect(kinds.filter((kind: string) => kind.endsWith("followed"))).toEqual([
      "unfollowed",
      ...Array(3).fill("followed"),
    ]);
  });

  test.each([
    [`pack/${closed}`, 404],
    ["pack/no-such-pack", 404],
    ["organization/closed-team", 404],
    ["organizer/00000000-0000-7000-8000-000000000000", 404],
    ["organizer/author", 404],
    ["version/1", 404], // kinds of things are addresses
  ])("what is not there for the caller is not followed: %s", async (path, status) => {
    const before = await list();
    expect((await follow(path)).status).toBe(status);
    expect(await list()).toEqual(before);
  });

  test("nobody follows himself", async () => {
    expect((await follow(`organizer/${readerId}`)).status).toBe(422);
  });

  test("what he may not see any more is in the list no more, and comes back with the right to see it", async () => {
    await show(true);
    await follow(`pack/${closed}`, friend);
    await follow(`organizer/${readerId}`, friend);
    expect(await list(friend)).toEqual([`organizer/${readerId}`, `pack/${closed}`]);
    await show(false);
    const hide = (deletedAt: Date | null) =>
      run(system.db, {
        name: "test_hide_reader",
        text: `update account."user" set deleted_at = $2, erase_after = $2::timestamptz + interval '1 day' where id = $1`,
        values: [readerId, deletedAt],
      });
    await hide(new Date());
    expect(await list(friend)).toEqual([]);
    await hide(null);
    await show(true);
    expect(await list(friend)).toEqual([`organizer/${readerId}`, `pack/${closed}`]);
    // And what is not to be seen can be let go all the same.
    await show(false);
    await friend.call("DELETE", `/v1/me/following/pack/${closed}`);
    await show(true);
    expect(await list(friend)).toEqual([`organizer/${readerId}`]);
    await show(false);
  });
});

describe("reports", () => {
  const report = (kind: string, id: string, who = reader, more: object = {}) =>
    who.call("POST", "/v1/reports", { body: { kind, id, reason: "spam", text: "look", ...more } });

  test("what somebody sees he may report; an admin answers once, and he reads the answer", async () => {
    const filed = await report("pack", open);
    expect(filed.status).toBe(201);
    expect(filed.json).toMatchObject({ kind: "pack", subject: open, reason: "spam", state: "open", answer: "" });
    expect((await report("pack", open)).status).toBe(409);
    expect((await report("pack", open, friend)).status).toBe(201);
    expect((await facts("report.filed")).map(({ payload }) => payload)).toContainEqual({ reportId: filed.json.id });
    const queue = await admin.call("GET", "/v1/ops/reports");
    const shown = queue.json.items.find(({ id }: { id: string }) => id === filed.json.id);
    expect(shown).toMatchObject({ reporter: "reader", sameSubject: 2, handledBy: null });
    const answer = (state: string) =>
      admin.call("PATCH", `/v1/ops/reports/${filed.json.id}`, { body: { state, answer: "Gone, thank you" } });
    expect((await answer("resolved")).json).toMatchObject({ state: "resolved", handledBy: "admin" });
    expect((await answer("dismissed")).status).toBe(409);
    expect((await facts("report.answered")).map(({ payload }) => payload)).toEqual([{ reportId: filed.json.id }]);
    const { items } = (await reader.call("GET", "/v1/me/reports")).json;
    expect(items[0]).toMatchObject({ id: filed.json.id, state: "resolved", answer: "Gone, thank you" });
    expect(items[0]).not.toHaveProperty("handledBy");
    const settled = await admin.call("GET", "/v1/ops/reports?state=resolved");
    expect(settled.json.items.map(({ id }: { id: string }) => id)).toEqual([filed.json.id]);
    // Settled, so that he may report it again.
    expect((await report("pack", open)).status).toBe(201);
  });

  test.each([
    ["version", `${open}/1.0.0`, 201],
    ["version", `${open}/9.9.9`, 404],
    ["version", `${closed}/1.0.0`, 404],
    ["pack", closed, 404],
    ["organization", "open-team", 201],
    ["organization", "closed-team", 404],
    ["event", "no-such-event", 404],
    ["image", "00000000-0000-7000-8000-000000000000", 404],
    ["album", "not-an-id", 404],
    ["user", "author", 404],
    ["server", "open-pack", 422],
  ])("a %s named %s: %d", async (kind, id, status) => {
    expect((await report(kind, id, friend)).status).toBe(status);
  });

  test("people are reported by id; what is wrong is refused, and nobody unknown reports", async () => {
    expect((await report("user", authorId)).status).toBe(201);
    expect((await report("pack", open, friend, { reason: "dislike" })).status).toBe(422);
    expect((await report("pack", open, friend, { more: 1 })).status).toBe(422);
    const anonymous = await system.call("POST", "/v1/reports", { body: { kind: "pack", id: open, reason: "spam" } });
    expect(anonymous.status).toBe(401);
    expect((await reader.call("GET", "/v1/ops/reports")).status).toBe(403);
  });

  test("sent again under one Idempotency-Key it is one report", async () => {
    const body = { kind: "version", id: `${open}/1.0.0`, reason: "malware" };
    const send = () => reader.call("POST", "/v1/reports", { body, headers: { "idempotency-key": "once" } });
    const [first, second] = [await send(), await send()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.json.id).toBe(first.json.id);
  });

  test("many at the same moment about one thing are one", async () => {
    const before = (await facts("report.filed")).length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => report("organization", "open-team", author)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect((await facts("report.filed")).length).toBe(before + 1);
  });

  test("one person files only so many in a minute", async () => {
    const few = await startSystem({ environment: { LIMIT_REPORTS_PER_MINUTE: "2" }, pods: 0 });
    try {
      const hasty = await few.signUp();
      const statuses = [];
      for (let time = 0; time < 3; time++) statuses.push((await report("pack", "no-such-pack", hasty)).status);
      expect(statuses).toEqual([404, 404, 429]);
    } finally {
      await few.stop();
    }
  });
});
