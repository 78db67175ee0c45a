import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { replaceFiles } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { digestStream } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { mirrorReference } from "../../queues/mirror-reference.ts";
import { handle } from "../../workers/mirror-reference.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { arrangeVersion, call, findLeftovers, query } from "./arrange.ts";
import { type ByteServer, type Reply, sendBytes, sendStatus, startByteServer } from "./byte-server.ts";

let deps: Deps;
let host: ByteServer;
let bytes: Buffer;
beforeAll(async () => {
  deps = await openTestDeps({ MIRROR_HOSTS: "127.0.0.1", OUTBOUND_ALLOW: "127.0.0.1", LIMIT_FILE_BYTES: "8000000" });
});
afterAll(() => deps?.close());
beforeEach(async () => {
  bytes = randomBytes(3_000_000);
  host = await startByteServer(sendBytes(bytes));
});
afterEach(() => host.close());

type Said = { digests?: Record<string, string>; size?: number | undefined; url?: string };

/** A draft with one reference to the host, asked to be mirrored. */
async function arrange({ digests = { sha256: sha256(bytes) }, size, url = `${host.url}/a.jar` }: Said = {}) {
  const file = { path: "mods/a.jar", url, digests, mirror: true, ...(size !== undefined && { size }) };
  const { versionId } = await arrangeVersion(deps, { published: false, files: [file] });
  return { versionId, path: file.path };
}

async function look(versionId: string) {
  const [row] = await query(
    deps,
    `select f.mirror, f.mirror_reason as reason, b.sha256, b.sha512 from pack.version_file f left join blob.blob b on b.id = f.blob_id
      where f.version_id = $1`,
    [versionId],
  );
  return row;
}

async function expectNothingLeft() {
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  expect(await query(deps, `select 1 from blob.attempt`)).toEqual([]);
  expect(await query(deps, `select 1 from blob.doomed where size_bytes > 0`)).toEqual([]);
}

async function faultOf(action: Promise<unknown>): Promise<Fault> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault was thrown, but ${error}`);
}

describe("a reference is mirrored", () => {
  test("when its bytes have every digest and the size that its author says", async () => {
    const found = await digestStream(new Blob([bytes]).stream());
    const { sha1, sha512, md5, murmur2 } = found;
    const digests = { sha1, sha256: found.sha256, sha512, md5, murmur2: String(murmur2) };
    const payload = await arrange({ digests, size: bytes.length });
    expect(await call(handle, deps, payload)).toEqual({ state: "stored", sha256: found.sha256 });
    expect(await look(payload.versionId)).toEqual({ mirror: null, reason: null, sha256: found.sha256, sha512 });
    expect(host.asked).toHaveLength(1);
    await expectNothingLeft();
    expect(await call(handle, deps, payload)).toEqual({ state: "stored" });
    expect(host.asked).toHaveLength(1);
  });

  test("without a declared size, from a host that does not say one", async () => {
    host.reply = (socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
      for (const half of [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)]) {
        socket.write(`${half.length.toString(16)}\r\n`);
        socket.write(half);
        socket.write("\r\n");
      }
      socket.end("0\r\n\r\n");
    };
    const payload = await arrange();
    expect(await call(handle, deps, payload)).toMatchObject({ state: "stored" });
  });

  test("when it is empty", async () => {
    host.reply = sendBytes(new Uint8Array());
    const payload = await arrange({ digests: { sha256: sha256("") }, size: 0 });
    expect(await call(handle, deps, payload)).toMatchObject({ state: "stored" });
  });

  test("through a redirect", async () => {
    const whole = host.reply;
    host.reply = (socket, asked) =>
      (asked.path === "/a.jar" ? sendStatus(302, `location: ${host.url}/b.jar\r\n`) : whole)(socket, asked);
    const payload = await arrange();
    expect(await call(handle, deps, payload)).toMatchObject({ state: "stored" });
    expect(host.asked.map(({ path }) => path)).toEqual(["/a.jar", "/b.jar"]);
  });

  test("once, when the same message runs three times at once", async () => {
    const payload = await arrange();
    const before = await query(deps, `select 1 from blob.blob`);
    const results = await Promise.all(Array.from({ length: 3 }, () => call(handle, deps, payload)));
    expect(results.filter((result) => result?.state === "stored").length).toBeGreaterThan(0);
    expect(await look(payload.versionId)).toMatchObject({ mirror: null, sha256: sha256(bytes) });
    expect(await query(deps, `select 1 from blob.blob`)).toHaveLength(before.length + 1);
    await expectNothingLeft();
  });
});

describe("a connection that is cut", () => {
  test("goes on with the byte that is next", async () => {
    host.reply = sendBytes(bytes, { cutAfter: 1_100_000 });
    const payload = await arrange({ size: bytes.length });
    const shares: number[] = [];
    const result = await call(handle, deps, payload, { progress: (share) => shares.push(share) });
    expect(result).toEqual({ state: "stored", sha256: sha256(bytes) });
    expect(host.asked.length).toBeGreaterThanOrEqual(3);
    expect(host.asked.length).toBeLessThanOrEqual(6);
    const starts = host.asked.map(({ range }) => Number(/\d+/.exec(range ?? "0")));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts.at(-1)).toBeGreaterThan(0);
    expect(host.asked.slice(1).every(({ ifRange }) => ifRange === '"one"')).toBe(true);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    await expectNothingLeft();
  });

  test("goes on also when the host sends the whole again", async () => {
    host.reply = (socket, asked) =>
      sendBytes(bytes, { ranges: false, cutAfter: host.asked.length < 3 ? 1_100_000 : bytes.length })(socket, asked);
    const payload = await arrange();
    expect(await call(handle, deps, payload)).toEqual({ state: "stored", sha256: sha256(bytes) });
    expect(host.asked).toHaveLength(3);
  });

  test("is not joined with another part than was asked for", async () => {
    const first = sendBytes(bytes, { cutAfter: 1_000_000 });
    const wrong = `HTTP/1.1 206 Part\r\ncontent-range: bytes 5-9/3000000\r\ncontent-length: 5\r\nconnection: close\r\n\r\nwrong`;
    host.reply = (socket, asked) => (asked.range ? socket.end(wrong) : first(socket, asked));
    const payload = await arrange();
    const fault = await faultOf(call(handle, deps, payload));
    expect([fault.code, fault.mayRetry]).toEqual(["unavailable", true]);
    expect(await look(payload.versionId)).toMatchObject({ mirror: "wanted", sha256: null });
    await expectNothingLeft();
  });
});

describe("a reference is refused for good, with a reason for its author, and its bytes are not kept", () => {
  const wrong = "0".repeat(64);
  const cases: { what: string; said?: () => Said; reply?: () => Reply; reason: RegExp }[] = [
    {
      what: "sha256 differs",
      said: () => ({ digests: { sha256: wrong } }),
      reason: /^its sha256 is [0-9a-f]{64}, 0{64}/,
    },
    {
      what: "one of two digests differs",
      said: () => ({ digests: { sha256: sha256(bytes), md5: "0".repeat(32) } }),
      reason: /^its md5 is/,
    },
    { what: "murmur2 differs", said: () => ({ digests: { murmur2: "1" } }), reason: /^its murmur2 is/ },
    { what: "it is longer than declared", said: () => ({ size: 2_999_999 }), reason: /larger than 2999999 bytes/ },
    { what: "it is shorter than declared", said: () => ({ size: 3_000_001 }), reason: /size is 3000000, 3000001/ },
    { what: "it is declared larger than allowed", said: () => ({ size: 8_000_001 }), reason: /takes up to 8000000/ },
    {
      what: "it turns out to be larger than allowed",
      reply: () => (socket) => {
        socket.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        socket.end(Buffer.alloc(8_000_001));
      },
      reason: /larger than 8000000 bytes/,
    },
    { what: "the host has no such file", reply: () => sendStatus(404), reason: /it answers 404/ },
    { what: "the host does not give it away", reply: () => sendStatus(403), reason: /it answers 403/ },
    {
      what: "the host packs it although nobody asked",
      reply: () => sendStatus(200, "content-encoding: gzip\r\n"),
      reason: /packs its answer/,
    },
    {
      what: "it redirects into the private network",
      reply: () => sendStatus(302, "location: http://10.0.0.1/x\r\n"),
      reason: /not public/,
    },
    {
      what: "its host is not among the allowed ones",
      said: () => ({ url: `http://localhost:${host.port}/a.jar` }),
      reason: /does not allow mirroring from localhost/,
    },
  ];
  test.each(cases)("$what", async ({ said, reply, reason }) => {
    if (reply) host.reply = reply();
    const payload = await arrange(said?.());
    const before = await query(deps, `select 1 from blob.blob`);
    expect(await call(handle, deps, payload)).toEqual({ state: "refused", reason: expect.stringMatching(reason) });
    expect(await look(payload.versionId)).toMatchObject({ mirror: "refused", reason: expect.stringMatching(reason) });
    expect(await query(deps, `select 1 from blob.blob`)).toHaveLength(before.length);
    await expectNothingLeft();
  });

  test("blocked bytes, whether the author gives their sha256 or not", async () => {
    await query(deps, `insert into blob.blocked (sha256, reason) values ($1, 'malware')`, [sha256(bytes)]);
    const known = await arrange();
    expect(await call(handle, deps, known)).toMatchObject({
      state: "refused",
      reason: expect.stringMatching(/malware/),
    });
    expect(host.connections()).toBe(0);
    const unknown = await arrange({ digests: { sha512: new Bun.CryptoHasher("sha512").update(bytes).digest("hex") } });
    expect(await call(handle, deps, unknown)).toMatchObject({
      state: "refused",
      reason: expect.stringMatching(/malware/),
    });
    expect(await query(deps, `select 1 from blob.blob where sha256 = $1`, [sha256(bytes)])).toEqual([]);
    await expectNothingLeft();
  });

  test("an address in the private network that the operator does not allow, without a single connection", async () => {
    const strict = { ...deps, config: { ...deps.config, OUTBOUND_ALLOW: "" } };
    const payload = await arrange();
    expect(await call(handle, strict, payload)).toMatchObject({
      state: "refused",
      reason: expect.stringMatching(/not public/),
    });
    expect(host.connections()).toBe(0);
  });

  test("what would make the version larger than a pack may be", async () => {
    const small = { ...deps, config: { ...deps.config, LIMIT_PACK_BYTES: 2_000_000 } };
    const payload = await arrange();
    expect(await call(handle, small, payload)).toMatchObject({
      state: "refused",
      reason: expect.stringMatching(/larger than 2000000/),
    });
  });
});

describe("a host that fails for now", () => {
  test.each([500, 503, 429])("with %i is asked again later", async (status) => {
    host.reply = sendStatus(status);
    const payload = await arrange();
    const fault = await faultOf(call(handle, deps, payload));
    expect([fault.code, fault.mayRetry]).toEqual(["unavailable", true]);
    expect(await look(payload.versionId)).toMatchObject({ mirror: "wanted" });
    host.reply = sendBytes(bytes);
    expect(await call(handle, deps, payload)).toMatchObject({ state: "stored" });
  });

  test("is given up after eight runs, and its author told", async () => {
    host.reply = sendStatus(503);
    const payload = await arrange();
    await query(
      deps,
      `insert into job.job (id, actor, subject, payload, attempts) values ($1, 'mirror-reference', $2, '{}', 8)`,
      [Bun.randomUUIDv7(), mirrorReference.subject(payload)],
    );
    expect(await call(handle, deps, payload)).toMatchObject({ state: "refused" });
    expect(await look(payload.versionId)).toMatchObject({ mirror: "refused", reason: expect.stringMatching(/503/) });
  });
});

describe("a draft that changed meanwhile", () => {
  const moved = (versionId: string, url: string) =>
    replaceFiles(deps.db, {
      versionId,
      files: [
        {
          path: "mods/a.jar",
          side: "both",
          optional: false,
          preserve: false,
          sha256: null,
          sizeBytes: null,
          url,
          digests: {},
          mirror: "wanted",
          mirrorReason: null,
        },
      ],
    });
  test("keeps nothing of what was fetched for it, good or bad", async () => {
    const digests = [{ sha256: sha256(bytes) }, { sha256: "0".repeat(64) }];
    for (const said of digests) {
      const payload = await arrange({ digests: said });
      const before = await query(deps, `select 1 from blob.blob`);
      const whole = sendBytes(bytes);
      host.reply = (socket, asked) =>
        void moved(payload.versionId, `${host.url}/other.jar`).then(() => whole(socket, asked));
      await call(handle, deps, payload);
      expect(await look(payload.versionId)).toMatchObject({ mirror: "wanted", sha256: null });
      expect(await query(deps, `select 1 from blob.blob`)).toHaveLength(before.length);
      await expectNothingLeft();
    }
  });

  test("is no failure when it is gone", async () => {
    const payload = await arrange();
    await query(deps, `delete from pack.version where id = $1`, [payload.versionId]);
    expect(await call(handle, deps, payload)).toEqual({ state: "gone" });
    expect(host.connections()).toBe(0);
  });
});

test("a mirror that is told to stop stops with the reason it was given", async () => {
  host.reply = (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\nsome");
  const payload = await arrange();
  const stop = new AbortController();
  const reason = new Fault("unavailable", "the pod stops");
  const running = call(handle, deps, payload, { signal: stop.signal, progress: () => stop.abort(reason) });
  expect(await faultOf(running)).toBe(reason);
  expect(await look(payload.versionId)).toMatchObject({ mirror: "wanted" });
  await expectNothingLeft();
});
