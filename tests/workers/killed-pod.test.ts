import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readConfig } from "../../config.ts";
import { type Deps, openDeps } from "../../deps.ts";
import {
  hurry,
  long,
  type System,
  sha256,
  startSystem,
  type TestUser,
  testLog,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { arrangeVersion, findLeftovers, query } from "./arrange.ts";
import { type ByteServer, sendBytes, startByteServer } from "./byte-server.ts";

let system: System;
let author: TestUser;
let deps: Deps;
let host: ByteServer;
const rounds = long ? 10 : 1;

beforeAll(async () => {
  host = await startByteServer(() => undefined);
  const environment = { ...hurry, MIRROR_HOSTS: "127.0.0.1", OUTBOUND_ALLOW: `127.0.0.1:${host.port}` };
  system = await startSystem({ environment, pods: 1 });
  author = await system.signUp("author", ["admin"]);
  const config = readConfig({ environment: system.environment });
  deps = await openDeps({ config, log: testLog, name: "test", publicUrl: () => system.url });
});
afterAll(async () => {
  await deps?.close();
  await system?.stop();
  await host?.close();
});

/** Kills the only pod, as a crash would, and starts another. */
async function killPod(): Promise<void> {
  const pod = system.pods.at(-1);
  pod?.kill("SIGKILL");
  await pod?.exited;
  system.startPod();
}

test("a pod killed in the middle of build-archive: another builds the archive, once", async () => {
  for (let round = 0; round < rounds; round++) {
    const files = Array.from({ length: 4 }, (_, index) => ({
      path: `mods/${index}.jar`,
      bytes: randomBytes(24_000_000),
    }));
    const { versionId, packId } = await arrangeVersion(deps, { files });
    const [pack] = await query(deps, `select slug from pack.pack where id = $1`, [packId]);
    const address = `/v1/packs/${pack.slug}/versions/1.2.0/archive?format=zip`;
    const asked = await author.call("GET", address);
    expect(asked.status).toBe(202);
    const id: string = asked.json.job.id;
    await waitFor(async () => {
      const { json } = await author.call("GET", `/v1/jobs/${id}`);
      return json.state === "running" && json.progress > 0;
    }, "the archive to be on its way");
    await killPod();
    const [killed] = await query(deps, `select done, wanted from job.job where id = $1`, [id]);
    expect(killed).toEqual({ done: 0, wanted: 1 });
    expect(await waitForJob(author, id)).toMatchObject({ state: "completed", attempts: 2, result: { state: "built" } });
    expect((await author.call("GET", address)).status).toBe(307);
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toHaveLength(1);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  }
});

test("a pod killed in the middle of mirror-reference: another fetches the reference, once", async () => {
  await author.call("POST", "/v1/packs", { body: { slug: "mirrored", name: "Mirrored" } });
  for (let round = 0; round < rounds; round++) {
    const bytes = randomBytes(5_000_000);
    const first = host.asked.length;
    const half = (socket: Parameters<typeof host.reply>[0]) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes.length}\r\n\r\n`);
      socket.write(bytes.subarray(0, 2_500_000)); // and then nothing
    };
    const whole = sendBytes(bytes);
    host.reply = (socket, asked) => (host.asked.length === first + 1 ? half(socket) : whole(socket, asked));
    const reference = {
      path: "mods/a.jar",
      url: `${host.url}/a.jar`,
      digests: { sha256: sha256(bytes) },
      side: "both",
    };
    const version = { version: `1.${round}`, channel: "release", minecraft: "1.21.1", loader: null, mirror: true };
    const address = `/v1/packs/mirrored/versions`;
    const draft = await author.call("POST", address, { body: { ...version, files: [reference] } });
    expect([draft.status, draft.json.mirroring[0].state]).toEqual([201, "waiting"]);
    await waitFor(() => host.asked.length > first, "the pod to ask the host");
    await killPod();
    await waitFor(async () => {
      const { json } = await author.call("GET", `${address}/1.${round}`);
      return json.mirroring?.[0].state === "stored";
    }, "the reference to be mirrored");
    expect(host.asked.length).toBe(first + 2);
    expect(await query(deps, `select 1 from blob.blob where sha256 = $1`, [sha256(bytes)])).toHaveLength(1);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  }
});
