import { afterAll, beforeAll, expect, test } from "bun:test";
import { run } from "../../db/query.ts";
import { type System, startSystem, type TestUser, waitForJob } from "../harness.ts";

let system: System;
let owner: TestUser;
let manager: TestUser;
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
  system = await startSystem({
    pods: 1,
    environment: {
      OUTBOUND_ALLOW: `127.0.0.1:${feed.port}`,
      LIMIT_SYNCS_PER_MINUTE: "20",
      LIMIT_EVENTS_PER_MINUTE: "3",
    },
  });
  [owner, manager, stranger] = await Promise.all([
    system.signUp("owner"),
    system.signUp("manager"),
    system.signUp("stranger"),
  ]);
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
  expect((await owner.call("POST", `${one}/sync`)).status).toBe(409); // paused
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

test("each of those who manage it reads what became of the sync that he asked for", async () => {
  const path = "/v1/organizations/team/sources";
  const { id } = (await owner.call("POST", path, { body: { url: `http://127.0.0.1:${feed.port}/shared.json` } })).json;
  await run(system.db, {
    name: "test_manager",
    text: `insert into organization.member (organization_id, user_id, role)
      select o.id, u.id, 'manager' from organization.organization o, account."user" u where o.slug = 'team' and u.login = 'manager'`,
    values: [],
  });
  for (const person of [owner, manager, owner]) {
    const { job } = (await person.call("POST", `${path}/${id}/sync`)).json;
    expect((await waitForJob(person, job.id)).result).toMatchObject({ state: "synced" });
  }
});

test("so many syncs and previews a minute are begun for an organization", async () => {
  const path = "/v1/organizations/team/sources";
  const { id } = (await owner.call("POST", path, { body: { url: `http://127.0.0.1:${feed.port}/other.json` } })).json;
  const statuses: number[] = [];
  for (let time = 0; time < 22; time++) statuses.push((await owner.call("POST", `${path}/${id}/preview`)).status);
  expect([statuses[0], statuses.at(-1)]).toEqual([202, 429]);
});

test("so many events a minute are made by one person", async () => {
  const make = () =>
    owner.call("POST", "/v1/events", {
      body: {
        ...{ title: { en: "Many" }, place: { kind: "online" }, organization: "team", timeZone: "UTC" },
        ...{ startsAt: "2126-01-01T10:00", endsAt: "2126-01-01T11:00" },
      },
    });
  const statuses = [await make(), await make(), await make(), await make()].map(({ status }) => status);
  expect(statuses).toEqual([201, 201, 201, 429]);
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
