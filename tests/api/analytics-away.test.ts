import { afterAll, beforeAll, expect, test } from "bun:test";
import { waitFor } from "../harness.ts";
import { openTestApi, type TestApi, testPassword } from "./open-test-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ LIMIT_ANALYTICS_PER_MINUTE: "3" });
});
afterAll(() => api?.close());

const run = (text: string) => api.deps.db.query({ name: "", text, values: [] });
const dropped = async () => Number(/outcome="dropped"\} (\d+)/.exec((await api.call("GET", "/metrics")).text)?.[1]);

test("without analytics people register, sign in and look at pages, and what was lost is told when it is back", async () => {
  await run("alter table analytics.event rename to away");
  const { login, token } = await api.signUp("somebody");
  const signedIn = await api.call("POST", "/v1/auth/login", { body: { login, password: testPassword } });
  expect(signedIn.status).toBe(200);
  const headers = { authorization: `Bearer ${token}` };
  const made = await api.call("POST", "/v1/packs", {
    headers,
    body: { slug: "open-pack", name: "Pack", visibility: "public" },
  });
  expect(made.status).toBe(201);
  expect((await api.call("GET", "/v1/packs/open-pack")).status).toBe(200);
  await waitFor(async () => (await dropped()) >= 4, "what was lost to be counted");
  const before = await dropped();
  await run("alter table analytics.away rename to event");
  await api.call("GET", "/v1/packs/open-pack", { headers: { "user-agent": "Later/1" } });
  const told = async () => (await run("select from analytics.dropped")).rowCount;
  await waitFor(async () => ((await told()) ?? 0) > 0, "the count to be told");
  const { rows } = await run("select sum(count)::integer as count from analytics.dropped");
  expect(rows).toEqual([{ count: before }]);
});

test("launchers are told to send again what could not be written, and wait when they send too much", async () => {
  const { token } = await api.signUp("launcher");
  const headers = { authorization: `Bearer ${token}` };
  await run(
    `insert into pack.version (id, pack_id, version, channel, minecraft, state, number, manifest, published_at, created_by, content_digest)
      select gen_random_uuid(), p.id, '1.0.0', 'release', '1.21.1', 'published', 1, '{}', now(), p.owner_id, '' from pack.pack p where p.slug = 'open-pack'`,
  );
  const events = [{ kind: "launch", pack: "open-pack", version: "1.0.0" }];
  const send = async () => (await api.call("POST", "/v1/analytics/events", { headers, body: { events } })).status;
  await run("alter table analytics.event rename to away");
  expect(await send()).toBe(503);
  await run("alter table analytics.away rename to event");
  expect([await send(), await send(), await send()]).toEqual([200, 200, 429]);
  const { rows } = await run("select count(*) as count from analytics.event where kind = 'launch'");
  expect(rows).toEqual([{ count: 1 }]);
});
