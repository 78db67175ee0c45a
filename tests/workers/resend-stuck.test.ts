import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { readConfig } from "../../config.ts";
import { many, one, run } from "../../db/query.ts";
import { replaceFiles } from "../../db/version-file.ts";
import { type Deps, openDeps } from "../../deps.ts";
import { actors } from "../../queues/index.ts";
import { want } from "../../queues/mailbox.ts";
import { mirrorReference } from "../../queues/mirror-reference.ts";
import { publishVersion } from "../../queues/publish-version.ts";
import { verifyUpload } from "../../queues/verify-upload.ts";
import { stagingKey } from "../../storage/keys.ts";
import { openPod } from "../../workers/pod.ts";
import {
  createTestFolder,
  hurry,
  long,
  openTestDeps,
  parts,
  type System,
  sha256,
  startSystem,
  testEnvironment,
  testLog,
  waitFor,
} from "../harness.ts";
import { findServices, startRedis } from "../services/cluster.ts";
import { addBlob, addDraft, addPack, addPublishing, addUser, count, listKeys } from "../storage-rows.ts";

const waitingJobs = long ? 1_000 : 100;
let system: System;
let deps: Deps;
let ownerId: string;

beforeAll(async () => {
  system = await startSystem({ pods: 0, environment: hurry });
  const config = readConfig({ environment: system.environment });
  deps = await openDeps({ config, log: testLog, name: "test", publicUrl: () => system.url });
  ownerId = await addUser(deps.db);
}, 120_000);
afterAll(async () => {
  await deps?.close();
  await system?.stop();
});

type Settled = {
  state: string;
  result: Record<string, unknown> | null;
  problem: { code: string } | null;
  attempts: number;
};
const findJob = (id: string) =>
  one<Settled & { done: number; wanted: number }>(deps.db, {
    name: "test_job",
    text: `select state, result, problem, attempts, done, wanted from job.job where id = $1`,
    values: [id],
  });
const settled = (id: string, limitMs = 40_000): Promise<Settled> =>
  waitFor(
    async () => {
      const job = await findJob(id);
      return job !== undefined && job.done >= job.wanted && job;
    },
    `job ${id} to settle`,
    limitMs,
  );
/** A job about nothing that is there: it completes, saying so. */
const wantEmpty = () => want(deps.db, verifyUpload, { payload: { uploadId: crypto.randomUUID() } });

/** An upload whose bytes are in staging and which waits to be verified, with its job. */
async function stageUpload(bytes: string) {
  const id = Bun.randomUUIDv7();
  const sizeBytes = bytes.length;
  await deps.storage.write(stagingKey(id), new Blob([bytes]).stream(), {
    sizeBytes,
    signal: AbortSignal.timeout(10_000),
  });
  await run(deps.db, {
    name: "test_upload",
    text: `insert into blob.upload (id, owner_id, sha256, size_bytes, name, state, expires_at)
      values ($1, $2, $3, $4, 'file', 'verifying', now() + interval '1 day')`,
    values: [id, ownerId, sha256(bytes), sizeBytes],
  });
  const message = await want(deps.db, verifyUpload, { payload: { uploadId: id }, ownerId });
  return { id, sha256: sha256(bytes), message };
}

async function stageVersion() {
  const blob = await addBlob(deps, crypto.randomUUID());
  const packId = await addPack(deps.db, ownerId);
  const versionId = await addPublishing(deps.db, { packId, ownerId, version: "1", files: [{ path: "a", ...blob }] });
  const message = await want(deps.db, publishVersion, { payload: { versionId }, ownerId });
  return { packId, versionId, message };
}

const publishedCount = async (packId: string) =>
  (
    await one<{ n: number }>(deps.db, {
      name: "test_published",
      text: `select published_count as n from pack.pack where id = $1`,
      values: [packId],
    })
  )?.n;

/** Holds a row so that a handler stops in the middle of its work, until `work` is done. */
async function holding<T>(table: string, { id, work }: { id: string; work: () => Promise<T> }): Promise<T> {
  return deps.db.transaction(async (tx) => {
    await run(tx, {
      name: `test_hold_${table}`,
      text: `select id from ${table} where id = $1 for update`,
      values: [id],
    });
    return work();
  });
}
const someWait = (jobId: string) =>
  waitFor(
    async () =>
      (await findJob(jobId))?.state === "running" &&
      (await count(deps.db, "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")) > 0,
    "the handler to stop at the held row",
  );

async function killPods(): Promise<void> {
  for (const pod of system.pods.splice(0)) {
    pod.kill("SIGKILL");
    await pod.exited;
  }
}

describe("with a pod", () => {
  beforeAll(() => void system.startPod());

  test("what is wanted and was never sent is done", async () => {
    const jobs = [];
    for (let index = 0; index < 5; index++) jobs.push(await wantEmpty());
    for (const { jobId } of jobs)
      expect(await settled(jobId)).toMatchObject({ state: "completed", result: { state: "gone" } });
  });

  test("each queue's canary is seen", async () => {
    await waitFor(
      async () => (await count(deps.db, "job.canary where seen_at >= sent_at")) === actors.length,
      "all canaries",
    );
    const sent = await many<{ actor: string }>(deps.db, {
      name: "test_canaries",
      text: `select actor from job.canary order by 1`,
    });
    expect(sent.map(({ actor }) => actor)).toEqual(actors.map(({ name }) => name).sort());
  });

  test("messages that are not ours, and payloads that are not the actor's, fail alone", async () => {
    const queue = deps.mailbox.queues.find(({ name }) => name === verifyUpload.name);
    const strange = [{ nonsense: true }, { jobId: "x", wanted: -1 }, { text: "x".repeat(5 * 1024 ** 2) }];
    const sent = [];
    for (const data of strange) sent.push(await queue?.add(verifyUpload.name, data, { attempts: 3 }));
    const poison = await want(
      deps.db,
      { ...verifyUpload, subject: () => "poison" },
      { payload: { uploadId: 5 } as never },
    );
    const sibling = await wantEmpty();
    for (const message of [poison, sibling]) await deps.mailbox.send(verifyUpload.name, message);
    expect(await settled(poison.jobId)).toMatchObject({ state: "failed", problem: { code: "invalid" } });
    expect((await settled(sibling.jobId)).state).toBe("completed");
    for (const job of sent)
      await waitFor(async () => (await queue?.getJob(job?.id ?? ""))?.failedReason, "the strange one to fail");
  });

  test("a job whose runs take their pod down with them ends, and says so", async () => {
    const message = await wantEmpty();
    await run(deps.db, {
      name: "test_attempts",
      text: `update job.job set broken_off = 25, state = 'running' where id = $1`,
      values: [message.jobId],
    });
    await deps.mailbox.send(verifyUpload.name, message);
    expect(await settled(message.jobId)).toMatchObject({ state: "failed", problem: { code: "internal" } });
  });

  test("a message delivered three times at once takes effect once", async () => {
    const [upload, version] = [await stageUpload(crypto.randomUUID()), await stageVersion()];
    for (const [name, message] of [
      [verifyUpload.name, upload.message],
      [publishVersion.name, version.message],
    ] as const) {
      const queue = deps.mailbox.queues.find((opened) => opened.name === name);
      await Promise.all(Array.from({ length: 3 }, () => queue?.add(name, message)));
    }
    expect((await settled(upload.message.jobId)).result).toEqual({ state: "verified", sha256: upload.sha256 });
    expect((await settled(version.message.jobId)).state).toBe("completed");
    await waitFor(async () => {
      const counts = await Promise.all(
        deps.mailbox.queues.map((queue) => queue.getJobCounts("active", "waiting", "delayed")),
      );
      return counts.every(({ active, waiting, delayed }) => `${active} ${waiting} ${delayed}` === "0 0 0");
    }, "the queues to drain");
    expect(await count(deps.db, `blob.blob where sha256 = '${upload.sha256}'`)).toBe(1);
    expect(
      await waitFor(
        async () => (await listKeys(deps, `blobs/${upload.sha256}/`)).length === 1,
        "the spare copies to go",
      ),
    ).toBe(true);
    expect(await listKeys(deps, "staging/")).toEqual([]);
    expect(await publishedCount(version.packId)).toBe(1);
  });

  test(`${waitingJobs} jobs whose messages are lost all settle within a minute`, async () => {
    const queue = deps.mailbox.queues.find(({ name }) => name === verifyUpload.name);
    await queue?.pause();
    const jobs: string[] = [];
    for (let index = 0; index < waitingJobs; index++) {
      const message = await wantEmpty();
      await deps.mailbox.send(verifyUpload.name, message);
      jobs.push(message.jobId);
    }
    const startedAt = performance.now();
    await loseMessages();
    await queue?.resume();
    const left = () => count(deps.db, "job.job where done < wanted");
    await waitFor(async () => (await left()) === 0, "all jobs to settle", 60_000);
    if (long)
      console.info(
        `${waitingJobs} jobs: settled ${Math.round(performance.now() - startedAt)} ms after their messages were lost`,
      );
    const rows = await many<{ state: string }>(deps.db, {
      name: "test_lost",
      text: `select distinct state from job.job where id = any ($1)`,
      values: [jobs],
    });
    expect(rows).toEqual([{ state: "completed" }]);
  }, 120_000);

  test("a pod that is killed while it verifies is replaced, and the bytes are there once", async () => {
    const upload = await stageUpload(crypto.randomUUID());
    await holding("blob.upload", {
      id: upload.id,
      work: async () => {
        await deps.mailbox.send(verifyUpload.name, upload.message);
        await someWait(upload.message.jobId);
        await killPods();
      },
    });
    system.startPod();
    expect((await settled(upload.message.jobId)).result).toEqual({ state: "verified", sha256: upload.sha256 });
    expect(await count(deps.db, `blob.blob where sha256 = '${upload.sha256}'`)).toBe(1);
    expect(await listKeys(deps, "staging/")).toEqual([]);
  });

  test("a pod that is killed while it publishes is replaced, and the version is published once", async () => {
    const version = await stageVersion();
    await holding("pack.pack", {
      id: version.packId,
      work: async () => {
        await deps.mailbox.send(publishVersion.name, version.message);
        await someWait(version.message.jobId);
        await killPods();
      },
    });
    system.startPod();
    expect((await settled(version.message.jobId)).result).toMatchObject({ state: "published" });
    expect(await publishedCount(version.packId)).toBe(1);
  });

  test("a pod that is told to stop finishes what it has begun, and ends with 0 within 10 s", async () => {
    const version = await stageVersion();
    const [pod] = system.pods.splice(0);
    const startedAt = performance.now();
    await holding("pack.pack", {
      id: version.packId,
      work: async () => {
        await deps.mailbox.send(publishVersion.name, version.message);
        await someWait(version.message.jobId);
        pod?.kill("SIGTERM");
      },
    });
    expect(await pod?.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect((await findJob(version.message.jobId))?.state).toBe("completed");
    expect(await publishedCount(version.packId)).toBe(1);
  });
});

/** What FLUSHALL is to Redis. */
async function loseMessages(): Promise<void> {
  if (parts === "embedded") return void (await run(deps.db, { name: "test_lose", text: `delete from bullmq.job` }));
  const client = new Bun.RedisClient(system.environment.REDIS_URL);
  await client.send("FLUSHALL", []);
  client.close();
}

test("work that does not end is handed back when the pod stops, and another pod goes on with it", async () => {
  let answers = false;
  const slow = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () =>
      answers ? new Response("bytes") : new Response(new ReadableStream({ pull: () => new Promise(() => undefined) })),
  });
  const reference = { OUTBOUND_ALLOW: "127.0.0.1", MIRROR_HOSTS: "127.0.0.1" };
  try {
    const packId = await addPack(deps.db, ownerId);
    const versionId = await addDraft(deps.db, { packId, ownerId, version: "1", files: [] });
    const file = {
      path: "a",
      side: "both",
      optional: false,
      preserve: false,
      sha256: sha256("bytes"),
      sizeBytes: 5,
    } as const;
    const url = `http://127.0.0.1:${slow.port}/a`;
    await replaceFiles(deps.db, {
      versionId,
      files: [{ ...file, url, digests: { sha256: sha256("bytes") }, mirror: "wanted", mirrorReason: null }],
    });
    const message = await want(deps.db, mirrorReference, { payload: { versionId, path: "a" }, ownerId });
    await deps.mailbox.send(mirrorReference.name, message);
    const pod = system.startPod(reference);
    await waitFor(() => slow.pendingRequests > 0, "the fetch to begin");
    const startedAt = performance.now();
    pod.kill("SIGTERM");
    expect(await pod.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(await findJob(message.jobId)).toMatchObject({ done: 0, wanted: 1 });
    answers = true;
    system.startPod(reference);
    expect((await settled(message.jobId)).state).toBe("completed");
    expect(await count(deps.db, `pack.version_file where version_id = '${versionId}' and blob_id is not null`)).toBe(1);
  } finally {
    await slow.stop(true);
    await killPods();
  }
}, 90_000);

test("a pod whose idle worker hears nothing says so; one whose queue is paused does not", async () => {
  const own = await openTestDeps(hurry);
  const heard: string[] = [];
  const pod = await openPod(own, {
    names: ["verify-upload", "build-archive"],
    onDeaf: (queue) => void heard.push(queue),
  });
  try {
    await own.mailbox.queues.find(({ name }) => name === "build-archive")?.pause();
    await run(own.db, {
      name: "test_silent",
      text: `insert into job.canary (actor, sent_at) select unnest($1::text[]), now() - interval '1 minute'`,
      values: [["verify-upload", "build-archive"]],
    });
    await waitFor(() => heard.length > 0, "the pod to notice");
    expect(heard).toEqual(["verify-upload"]);
  } finally {
    await pod.close();
    await own.close();
  }
});

const redis = findServices().redis;
if (!redis) console.warn("skipped: a Redis that evicts, redis-server not found");
test.if(redis)("a Redis that may throw messages away is refused at the start, with what to do", async () => {
  const evicting = await startRedis(await createTestFolder(), [
    "--maxmemory-policy",
    "allkeys-lru",
    "--maxmemory",
    "50mb",
  ]);
  try {
    const environment = await testEnvironment({ REDIS_URL: evicting.url });
    for (const role of ["api", "workers"]) {
      const started = Bun.spawn([process.execPath, join(import.meta.dir, "..", "..", "main.ts"), role], {
        env: { PATH: process.env.PATH ?? "", ...environment, PORT: "0" },
        stderr: "pipe",
        stdout: "ignore",
      });
      expect(await started.exited).toBe(1);
      const told = await new Response(started.stderr).text();
      expect(told).toContain("maxmemory-policy is allkeys-lru");
      expect(told).toContain("noeviction");
      expect(told.trim().split("\n")).toHaveLength(1);
    }
  } finally {
    await evicting.stop();
  }
});
