import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { type System, startSystem, type TestUser, waitFor } from "../harness.ts";

let system: System;
let operator: TestUser;
/** What main.ts allows for a stop before it ends the process by force. */
const stopLimitMs = 9_500;

beforeAll(async () => {
  system = await startSystem({ pods: 0, apis: 1 });
  operator = await system.signUp("operator", ["ops"]);
});
afterAll(() => system?.stop());

const query = async (name: string, text: string, values: unknown[] = []) =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows as any[];

test("an API that is told to stop takes nobody new, finishes what was begun, ends streams, and closes its pools", async () => {
  const [url = ""] = system.apiUrls;
  const { hostname, port } = new URL(url);
  const id = Bun.randomUUIDv7();
  await query(
    "job",
    `insert into job.job (id, actor, subject, payload) values ($1::uuid, 'build-archive', $1::uuid::text, '{}')`,
    [id],
  );
  const stream = await fetch(`${url}/v1/jobs/${id}/events`, { headers: { authorization: `Bearer ${operator.token}` } });
  const reader = stream.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('"state":"waiting"');

  // A request whose body is half there when the signal comes.
  const body = JSON.stringify({ slug: "half-sent", name: "Half sent" });
  let answer = "";
  const slow = connect(Number(port), hostname);
  slow.on("data", (chunk) => {
    answer += chunk;
  });
  const head = [
    "POST /v1/packs HTTP/1.1",
    `Host: ${hostname}:${port}`,
    `Authorization: Bearer ${operator.token}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
  ];
  slow.write(`${head.join("\r\n")}\r\n\r\n${body.slice(0, 10)}`);
  // The server has read it by the time that it answers another request.
  await operator.call("GET", "/v1/me");
  await operator.call("GET", "/v1/me");

  const [api] = system.apis;
  const startedAt = performance.now();
  api?.kill("SIGTERM");
  const refused = () =>
    fetch(`${url}/livez`).then(
      () => false,
      () => true,
    );
  await waitFor(refused, "new connections to be refused", 5_000);
  slow.write(body.slice(10));
  await waitFor(() => answer.startsWith("HTTP/1.1 201"), "the answer to what was begun", 5_000);
  expect(await api?.exited).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(stopLimitMs);
  while (!(await reader?.read().catch(() => ({ done: true })))?.done);
  expect(await query("pack", "select slug from pack.pack")).toEqual([{ slug: "half-sent" }]);
  const open =
    "select application_name from pg_stat_activity where datname = current_database() and application_name = 'sunduk api'";
  expect(await query("open", open)).toEqual([]);
});
