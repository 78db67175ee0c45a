import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readConfig } from "../../config.ts";
import { type Db, one, run } from "../../db/query.ts";
import { type Deps, openDeps } from "../../deps.ts";
import {
  hurry,
  long,
  openCall,
  type System,
  sha256,
  startSystem,
  type TestUser,
  testLog,
  waitFor,
} from "../harness.ts";
import { count, listKeys, runSweep } from "../storage-rows.ts";
import { meet } from "./meet.ts";

const clientCount = long ? 64 : 12;
const sizeBytes = long ? 8 * 1024 ** 2 : 64 * 1024;

let system: System;
let deps: Deps;
let users: TestUser[];

beforeAll(async () => {
  system = await startSystem({ pods: 2, environment: hurry });
  const config = readConfig({ environment: system.environment });
  deps = await openDeps({ config, log: testLog, name: "test", publicUrl: () => system.url });
  users = [];
  for (let index = 0; index <= clientCount; index++) users.push(await system.signUp());
}, 120_000);
afterAll(async () => {
  await deps?.close();
  await system?.stop();
});

type Opened = { id: string; url: string; headers: Record<string, string> };

async function open(index: number, { digest, size }: { digest: string; size: number }): Promise<Opened> {
  const call = callOf(index);
  const { status, json, text } = await call("POST", "/v1/uploads", {
    body: { sha256: digest, size, name: `file ${index}` },
  });
  if (status !== 201) throw new Error(`opening: ${text}`);
  return json;
}

/** Clients are spread over all API processes. */
function callOf(index: number) {
  return openCall(system.apiUrls[index % system.apiUrls.length] ?? system.url, users[index]?.token);
}

const put = ({ url, headers }: Opened, bytes: Uint8Array) =>
  fetch(url, { method: "PUT", headers, body: new Blob([bytes]) });

function settled(index: number, id: string): Promise<{ state: string; reason?: string }> {
  return waitFor(
    async () => {
      const { json } = await callOf(index)("GET", `/v1/uploads/${id}`);
      return (json.state === "verified" || json.state === "rejected") && json;
    },
    `upload ${id} to settle`,
    120_000,
  );
}

const liveRows = (digest: string) => count(deps.db, `blob.blob where sha256 = '${digest}'`);
const objectsOf = (digest: string) => listKeys(deps, `blobs/${digest}/`);

test(`${clientCount} clients send the same ${sizeBytes} bytes at once, and one lies: one row, one object, only the liar fails`, async () => {
  const bytes = new Uint8Array(sizeBytes).map((_, index) => index * 7);
  const lie = bytes.slice().fill(1, 0, 10);
  const digest = sha256(bytes);
  const opened = await Promise.all(users.map((_user, index) => open(index, { digest, size: sizeBytes })));
  const results = await Promise.all(
    opened.map(async (upload, index) => {
      const honest = index < clientCount;
      const sent = await put(upload, honest ? bytes : lie);
      if (!honest && !sent.ok) return "refused"; // S3 compares the signed digest itself
      expect(sent.ok).toBe(true);
      expect((await callOf(index)("POST", `/v1/uploads/${upload.id}/complete`)).status).toBe(202);
      const { state, reason } = await settled(index, upload.id);
      if (!honest) expect(reason).toContain("SHA-256");
      return state;
    }),
  );
  expect(results.slice(0, clientCount)).toEqual(Array.from({ length: clientCount }, () => "verified"));
  expect(["refused", "rejected"]).toContain(results[clientCount] ?? "");
  expect(await liveRows(digest)).toBe(1);
  await waitFor(async () => (await objectsOf(digest)).length === 1, "the spare copies to go");
  await waitFor(async () => (await listKeys(deps, "staging/")).length === 0, "staging to be empty");
  expect(await count(deps.db, "blob.attempt")).toBe(0);
  expect(await count(deps.db, "blob.doomed")).toBe(0);
  const [first] = users;
  const address = await first?.call("GET", `/v1/blobs/${digest}`);
  expect(sha256(await (await fetch(address?.headers.get("location") ?? "")).bytes())).toBe(digest);
  const liar = await users[clientCount]?.call("GET", `/v1/blobs/${digest}`);
  expect(liar?.status).toBe(404);
}, 300_000);

test("the winner is killed between its copy and its row: the next one wins, the orphan is swept", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(sizeBytes));
  const digest = sha256(bytes);
  const [first, second] = [await open(0, { digest, size: sizeBytes }), await open(1, { digest, size: sizeBytes })];
  await put(first, bytes);
  await put(second, bytes);
  await killPods();
  expect((await callOf(0)("POST", `/v1/uploads/${first.id}/complete`)).status).toBe(202);
  await deps.db.transaction(async (tx) => {
    await run(tx, {
      name: "test_hold_upload",
      text: `select id from blob.upload where id = $1 for update`,
      values: [first.id],
    });
    system.startPod();
    const waiting = "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    await waitFor(async () => (await count(deps.db, waiting)) > 0, "the first to have copied and to settle");
    expect(await objectsOf(digest)).toHaveLength(1);
    await killPods();
    system.startPod();
    expect((await callOf(1)("POST", `/v1/uploads/${second.id}/complete`)).status).toBe(202);
    expect((await settled(1, second.id)).state).toBe("verified");
  });
  expect((await settled(0, first.id)).state).toBe("verified");
  expect(await liveRows(digest)).toBe(1);
  await waitFor(
    async () => (await objectsOf(digest)).length === 2,
    "the spare copy to go: the winner and the orphan are left",
  );
  await run(deps.db, { name: "test_age", text: `update blob.attempt set created_at = now() - interval '2 days'` });
  await runSweep(deps);
  const winner = await one<{ key: string }>(deps.db, {
    name: "test_winner",
    text: `select key from blob.blob where sha256 = $1`,
    values: [digest],
  });
  expect(await objectsOf(digest)).toEqual([winner?.key ?? ""]);
  expect(await count(deps.db, "blob.attempt")).toBe(0);
}, 120_000);

async function killPods(): Promise<void> {
  for (const pod of system.pods.splice(0)) {
    pod.kill("SIGKILL");
    await pod.exited;
  }
}

describe("a weaker way of settling, in a table of its own, breaks the same oracle", () => {
  const settleWith = async (insert: (tx: Db, id: string) => Promise<unknown>) => {
    const all = meet(4);
    const settle = (id: string) =>
      deps.db.transaction(async (tx) => {
        const found = await one(tx, {
          name: "test_mutant_find",
          text: `select id from mutant.settled where sha256 = 'same'`,
        });
        await all();
        if (!found) await insert(tx, id);
      });
    await Promise.allSettled(["1", "2", "3", "4"].map(settle));
    const row = await one<{ count: number }>(deps.db, {
      name: "test_mutant_live",
      text: `select count(*) as count from mutant.settled`,
    });
    return row?.count;
  };

  test("looking first, without a unique index, settles more than once; with one it does not", async () => {
    await run(deps.db, { name: "test_mutant_schema", text: `create schema mutant` });
    await run(deps.db, {
      name: "test_mutant_table",
      text: `create table mutant.settled (id text primary key, sha256 text not null)`,
    });
    const insert = (tx: Db, id: string) =>
      run(tx, { name: "test_mutant_insert", text: `insert into mutant.settled values ($1, 'same')`, values: [id] });
    expect(await settleWith(insert)).toBeGreaterThan(1);
    await run(deps.db, { name: "test_mutant_clear", text: `truncate mutant.settled` });
    await run(deps.db, { name: "test_mutant_unique", text: `create unique index on mutant.settled (sha256)` });
    expect(await settleWith(insert)).toBe(1);
  });
});
