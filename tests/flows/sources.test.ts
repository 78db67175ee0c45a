import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, type TestUser, waitForJob } from "../harness.ts";

let system: System;
let owner: TestUser;
let stranger: TestUser;
const startsAt = new Date(Date.now() + 86_400_000).toISOString();
const feed = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: () =>
    Response.json({
      events: [{ uid: "1", title: "Зимний сбор", startsAt }],
    }),
});

beforeAll(async () => {
  system = await startSystem({ pods: 1, environment: { OUTBOUND_ALLOW: `127.0.0.1:${feed.port}` } });
  [owner, stranger] = await Promise.all([system.signUp("owner"), system.signUp("stranger")]);
  await owner.call("POST", "/v1/organizations", { body: { slug: "team", name: "Team" } });
});
afterAll(async () => {
  await system?.stop();
  await feed.stop(true);
});

test("an organization subscribes, looks first, syncs, and has the events", async () => {
  const path = "/v1/organizations/team/sources";
  const added = await owner.call("POST", path, {
    body: { url: `http://127.0.0.1:${feed.port}/events.json`, visibility: "public", enabled: false },
  });
  expect([added.status, added.json.format, added.json.fetchedAt]).toEqual([201, "json", null]);
  const twice = await owner.call("POST", path, { body: { url: `http://127.0.0.1:${feed.port}/events.json` } });
  expect(twice.status).toBe(409);
  const one = `${path}/${added.json.id}`;
  const preview = (await owner.call("POST", `${one}/preview`)).json.job;
  expect((await waitForJob(owner, preview.id)).result).toMatchObject({
    state: "planned",
    added: 1,
    steps: [{ act: "add", title: { ru: "Зимний сбор" } }],
  });
  expect((await system.call("GET", "/v1/events/zimniy-sbor")).status).toBe(404);
  expect((await owner.call("PATCH", one, { body: { enabled: true } })).json.enabled).toBe(true);
  const { job } = (await owner.call("POST", `${one}/sync`)).json;
  expect((await waitForJob(owner, job.id)).result).toMatchObject({ state: "synced" });
  expect((await owner.call("GET", one)).json).toMatchObject({ events: 1, failures: 0, problem: null });
  const event = await system.call("GET", "/v1/events/zimniy-sbor");
  expect([event.status, event.json.title]).toEqual([200, { ru: "Зимний сбор" }]);
  const calendar = await system.call("GET", "/v1/organizations/team/calendar.ics");
  expect(calendar.text).toContain("SUMMARY:Зимний сбор");
  expect((await owner.call("DELETE", one)).status).toBe(204);
  expect((await system.call("GET", "/v1/events/zimniy-sbor")).status).toBe(200);
});

test("sources are for those who manage the organization; addresses that are none are refused", async () => {
  const path = "/v1/organizations/team/sources";
  const one = `${path}/${Bun.randomUUIDv7()}`;
  const cases: [method: string, path: string, body: unknown, expected: number[]][] = [
    ["GET", path, undefined, [401, 403, 200]],
    ["POST", path, { url: "https://calendar.example.org/a.ics" }, [401, 403, 201]],
    ["POST", path, { url: "file:///etc/passwd" }, [422, 422, 422]],
    ["POST", path, { url: "https://user:secret@example.org/" }, [401, 403, 422]],
    ["POST", path, { url: "https://example.org/b", timeZone: "Mars" }, [401, 403, 422]],
    ["GET", one, undefined, [401, 403, 404]],
    ["PATCH", one, { enabled: false }, [401, 403, 404]],
    ["DELETE", one, undefined, [401, 403, 404]],
    ["POST", `${one}/sync`, undefined, [401, 403, 404]],
    ["POST", `${one}/preview`, undefined, [401, 403, 404]],
  ];
  for (const [method, target, body, expected] of cases) {
    const got = await Promise.all(
      [system.call, stranger.call, owner.call].map(async (call) => (await call(method, target, { body })).status),
    );
    expect([method, target, got]).toEqual([method, target, expected]);
  }
});
