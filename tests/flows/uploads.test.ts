import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import {
  type Answer,
  long,
  parts,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { openStorageOf, readTraces } from "../traces.ts";

const mebibyte = 1024 ** 2;
const limits = {
  SINGLE_PUT_BYTES: String(mebibyte),
  PART_BYTES: String(5 * mebibyte),
  LIMIT_USER_UPLOADS: "8",
  LIMIT_USER_BYTES: String(64 * mebibyte),
};
/** What a storage answers to a request that its signature does not cover. */
const refusals = [400, 401, 403, 404];

let system: System;
let user: TestUser;

beforeAll(async () => {
  system = await startSystem({ environment: limits });
});
afterAll(() => system?.stop());

const sizeOf = (bytes: string | Uint8Array) => new Blob([bytes]).size;

function open(by: TestUser, bytes: string | Uint8Array): Promise<Answer> {
  return by.call("POST", "/v1/uploads", { body: { sha256: sha256(bytes), size: sizeOf(bytes), name: "a.jar" } });
}

const put = (to: { url: string; headers: Record<string, string> }, body: string | Blob) =>
  fetch(to.url, { method: "PUT", headers: to.headers, body });

/** Hands an upload over and waits until it is settled. */
async function settle(by: TestUser, id: string): Promise<any> {
  const completed = await by.call("POST", `/v1/uploads/${id}/complete`);
  expect(completed.status).toBe(202);
  await waitForJob(by, completed.json.job.id);
  return (await by.call("GET", `/v1/uploads/${id}`)).json;
}

async function download(by: TestUser, digest: string): Promise<string> {
  const answer = await by.call("GET", `/v1/blobs/${digest}`);
  expect(answer.status).toBe(307);
  return (await fetch(answer.headers.get("location") ?? "")).text();
}

/** Bytes that do not repeat, the same for the same seed. */
function makeBytes(sizeBytes: number, seed: string): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  const line = new TextEncoder().encode(`${seed} ${sha256(seed)} `);
  for (let at = 0; at < sizeBytes; at += line.length) bytes.set(line.subarray(0, sizeBytes - at), at);
  return bytes;
}

describe("bytes that are not what was announced never become a file", () => {
  test("other bytes of the same size", async () => {
    user = await system.signUp();
    const before = await readTraces(system);
    const { json } = await open(user, "right bytes");
    const sent = await put(json, "wrong bytes");
    if (parts === "cluster") {
      expect(refusals).toContain(sent.status); // S3 compares the signed digest
      const completed = await user.call("POST", `/v1/uploads/${json.id}/complete`);
      expect([completed.status, completed.json.code]).toEqual([409, "conflict"]);
    } else {
      const settled = await settle(user, json.id);
      expect(settled).toMatchObject({ state: "rejected", reason: expect.stringContaining(sha256("wrong bytes")) });
      const after = await readTraces(system);
      expect(after.objects).toEqual(before.objects);
      expect(after.rows).toMatchObject({
        blobs: before.rows.blobs,
        attempts: 0,
        doomed: 0,
        quotaBytes: before.rows.quotaBytes,
      });
    }
    for (const bytes of ["right bytes", "wrong bytes"])
      expect((await user.call("GET", `/v1/blobs/${sha256(bytes)}`)).status).toBe(404);
  });

  test("too few, too many, and without a length", async () => {
    user = await system.signUp();
    const { json } = await open(user, "exactly these");
    const before = await readTraces(system);
    for (const [body, headers] of [
      ["exactly", { "content-length": "7" }],
      ["exactly these and more", { "content-length": "22" }],
      ["", { "content-length": "0" }],
    ] as const)
      expect(refusals).toContain((await put({ url: json.url, headers: { ...json.headers, ...headers } }, body)).status);
    for (const text of ["exactly", "exactly these and more"]) {
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(text));
          controller.close();
        },
      });
      const { "content-length": _, ...headers } = json.headers;
      const { status } = await fetch(json.url, { method: "PUT", headers, body: stream });
      expect([...refusals, 411, 422]).toContain(status);
    }
    expect(await readTraces(system)).toEqual(before);
    expect((await user.call("POST", `/v1/uploads/${json.id}/complete`)).status).toBe(409);
    expect((await user.call("GET", `/v1/uploads/${json.id}`)).json.state).toBe("waiting");
    // It is still good for the right bytes.
    expect((await put(json, "exactly these")).status).toBe(200);
    expect((await settle(user, json.id)).state).toBe("verified");
    expect(await download(user, sha256("exactly these"))).toBe("exactly these");
  });

  test("a client that dies half-way leaves nothing, and can send again at once", async () => {
    user = await system.signUp();
    const bytes = makeBytes(mebibyte, "dies");
    const { json } = await open(user, bytes);
    const before = await readTraces(system);
    const { hostname, port, pathname, search, host } = new URL(json.url);
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        const headers = Object.entries({ host, ...json.headers }).map(([name, value]) => `${name}: ${value}`);
        socket.write(`PUT ${pathname}${search} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
        socket.write(bytes.subarray(0, bytes.length / 2), () => socket.destroy());
      });
      socket.on("close", () => resolve()).on("error", reject);
    });
    await waitFor(async () => {
      const { objects } = await readTraces(system);
      return JSON.stringify(objects) === JSON.stringify(before.objects);
    }, "half of the bytes to be gone");
    expect((await put(json, new Blob([bytes]))).status).toBe(200);
    expect((await settle(user, json.id)).state).toBe("verified");
  });

  test("a large file whose parts are other bytes", async () => {
    user = await system.signUp();
    const bytes = makeBytes(6 * mebibyte, "promised");
    const { json } = await open(user, bytes);
    for (const part of json.parts)
      expect((await put(part, new Blob([makeBytes(part.sizeBytes, "else")]))).status).toBe(200);
    const settled = await settle(user, json.id);
    expect([settled.state, settled.reason]).toEqual(["rejected", expect.stringContaining("SHA-256")]);
    const { rows, objects, openParts } = await readTraces(system);
    expect(objects.filter((key) => key.includes(sha256(bytes)))).toEqual([]);
    expect([rows.attempts, rows.doomed, openParts]).toEqual([0, 0, []]);
  });

  test("bytes that an admin blocks meanwhile", async () => {
    user = await system.signUp();
    const { json } = await open(user, "a known virus");
    await put(json, "a known virus");
    await system.db.query({
      name: "test_block",
      text: "insert into blob.blocked (sha256, reason) values ($1, 'a virus')",
      values: [sha256("a known virus")],
    });
    expect(await settle(user, json.id)).toMatchObject({
      state: "rejected",
      reason: expect.stringContaining("a virus"),
    });
    const again = await open(user, "a known virus");
    expect([again.status, again.json.code]).toEqual([403, "not-allowed"]);
    expect((await user.call("GET", `/v1/blobs/${sha256("a known virus")}`)).status).toBe(404);
  });
});

test("a file of no bytes is a file", async () => {
  user = await system.signUp();
  const { json } = await open(user, "");
  expect((await put(json, "")).status).toBe(200);
  expect((await settle(user, json.id)).state).toBe("verified");
  expect(await download(user, sha256(""))).toBe("");
});

describe("a signed address", () => {
  test("changes nothing any more once its bytes are verified", async () => {
    user = await system.signUp();
    const { json } = await open(user, "first bytes");
    expect((await put(json, "first bytes")).status).toBe(200);
    const completed = await user.call("POST", `/v1/uploads/${json.id}/complete`);
    await put(json, "other bytes"); // while it is being verified, or just before
    await waitForJob(user, completed.json.job.id);
    const settled = (await user.call("GET", `/v1/uploads/${json.id}`)).json;
    // Whatever was hashed is what stays: either the first bytes, or a rejection of the others.
    expect(["verified", "rejected"]).toContain(settled.state);
    await upload(user, "first bytes");
    const keys = async () => (await readTraces(system)).objects.filter((key) => key.startsWith("blobs/"));
    const before = await keys();
    for (const bytes of ["other bytes", "first bytes"]) await put(json, bytes);
    const again = await user.call("POST", `/v1/uploads/${json.id}/complete`);
    expect(again.status).toBe(202);
    expect(again.json.job.id).toBe(completed.json.job.id);
    expect(await download(user, sha256("first bytes"))).toBe("first bytes");
    expect((await user.call("GET", `/v1/blobs/${sha256("other bytes")}`)).status).toBe(404);
    expect(await keys()).toEqual(before);
  });

  test("is refused when any part of it is changed or left out", async () => {
    user = await system.signUp();
    const secret = `secret of ${user.login}`;
    const digest = await upload(user, secret, "secret.zip");
    const file = await user.call("POST", "/v1/files", { body: { sha256: digest, name: "secret.zip" } });
    const signed = (await user.call("GET", file.json.content)).headers.get("location") ?? "";
    const head = (await user.call("HEAD", file.json.content)).headers.get("location") ?? "";
    const waiting = (await open(user, "not sent yet")).json;
    expect(await (await fetch(signed)).text()).toBe(secret);

    const flip = (text: string) => {
      const at = text.length - 2;
      return text.slice(0, at) + (text[at] === "1" ? "2" : "1") + text.slice(at + 1);
    };
    const variants = (address: string) => {
      const changed: [what: string, url: string][] = [];
      for (const name of new URL(address).searchParams.keys()) {
        const [altered, without] = [new URL(address), new URL(address)];
        altered.searchParams.set(name, flip(`0${altered.searchParams.get(name)}`).slice(1));
        without.searchParams.delete(name);
        changed.push([`${name} changed`, altered.href], [`${name} left out`, without.href]);
      }
      const elsewhere = new URL(address);
      elsewhere.pathname = flip(elsewhere.pathname);
      const bare = new URL(address);
      bare.search = "";
      return [...changed, ["another key", elsewhere.href], ["no signature", bare.href]] as const;
    };
    for (const [what, url] of variants(signed)) {
      const response = await fetch(url);
      expect([what, refusals.includes(response.status)]).toEqual([what, true]);
      expect(await response.text()).not.toContain(secret);
    }
    const before = await readTraces(system);
    for (const [what, url] of variants(waiting.url)) {
      const { status } = await put({ url, headers: waiting.headers }, "not sent yet");
      expect([what, refusals.includes(status)]).toEqual([what, true]);
    }
    // One method each: reading writes nothing, a head shows no bytes, and nobody deletes.
    for (const [method, url, body] of [
      ["PUT", signed, secret],
      ["DELETE", signed, undefined],
      ["POST", signed, secret],
      ["GET", head, undefined],
      ["GET", waiting.url, undefined],
      ["PUT", signed.replace(digest, sha256("x")), "x"],
    ] as const) {
      const response = await fetch(url, { method, ...(body !== undefined && { body }) });
      expect([method, [...refusals, 405].includes(response.status)]).toEqual([method, true]);
      if (method === "GET") expect(await response.text()).not.toContain(secret);
    }
    expect(await readTraces(system)).toEqual(before);
  });

  test("ends: 5 minutes for what is private, 15 for what is public", async () => {
    user = await system.signUp();
    const bytes = `ends ${user.login}`;
    const digest = await upload(user, bytes);
    const { rows } = await system.db.query({
      name: "test_key",
      text: "select key from blob.blob where sha256 = $1",
      values: [digest],
    });
    const { key } = rows[0] as { key: string };
    const storage = openStorageOf(system);
    const sign = (agoSeconds: number) =>
      storage.signGet({
        key,
        method: "GET",
        cacheControl: "no-store",
        expiresSeconds: 300,
        signedAt: new Date(Date.now() - agoSeconds * 1000),
      });
    expect((await fetch(await sign(290))).status).toBe(200);
    expect((await fetch(await sign(301))).status).toBe(403);
    const endOf = (address: string) => {
      const query = new URL(address).searchParams;
      const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get("X-Amz-Date") ?? "");
      if (!date) return Number(query.get("expires"));
      const [, year, month, day, hour, minute, second] = date.map(Number);
      const signedAt = Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second) / 1000;
      return signedAt + Number(query.get("X-Amz-Expires"));
    };
    const told = await user.call("POST", "/v1/blobs/urls", { body: { sha256: [digest] } });
    const left = endOf(told.json.urls[digest]) - Date.now() / 1000;
    expect(left).toBeGreaterThan(200);
    expect(left).toBeLessThanOrEqual(300);
  });

  test("is no way around the storage's own keys", async () => {
    user = await system.signUp();
    const { url } = (await open(user, "anything")).json;
    const { origin, pathname } = new URL(url);
    const root = pathname.split("/")[1];
    for (const path of [
      `/${root}/`,
      `/${root}`,
      `/${root}/blobs/`,
      `/${root}/../etc/passwd`,
      `/${root}/%2e%2e/%2e%2e/etc/passwd`,
      `/${root}//etc/passwd`,
    ]) {
      const response = await fetch(`${origin}${path}`);
      expect([path, refusals.includes(response.status)]).toEqual([path, true]);
      expect(await response.text()).not.toMatch(/root:|ListBucketResult|staging/);
    }
  });
});

describe("a large file", () => {
  test("goes up in parts, says which are missing, is resumed, and its addresses end with it", async () => {
    user = await system.signUp();
    const bytes = makeBytes(11 * mebibyte + 7, "large");
    const opened = (await open(user, bytes)).json;
    expect(opened.url).toBeUndefined();
    expect(opened.parts.map((part: any) => [part.number, part.offset, part.sizeBytes])).toEqual([
      [1, 0, 5 * mebibyte],
      [2, 5 * mebibyte, 5 * mebibyte],
      [3, 10 * mebibyte, mebibyte + 7],
    ]);
    const sendPart = (part: any) => put(part, new Blob([bytes.subarray(part.offset, part.offset + part.sizeBytes)]));
    for (const part of [opened.parts[2], opened.parts[0]]) expect((await sendPart(part)).status).toBe(200);
    const [, second] = opened.parts;
    const short = { ...second, headers: { ...second.headers, "content-length": "3" } };
    expect(refusals).toContain((await put(short, "abc")).status);

    const early = await user.call("POST", `/v1/uploads/${opened.id}/complete`);
    expect([early.status, early.json.code, early.json.missingParts]).toEqual([409, "conflict", [2]]);
    expect((await user.call("GET", `/v1/uploads/${opened.id}`)).json.state).toBe("waiting");
    const resumed = (await open(user, bytes)).json; // as after a crash: asked for anew
    expect(resumed.id).toBe(opened.id);
    expect(resumed.parts.map(({ number }: { number: number }) => number)).toEqual([2]);
    expect((await sendPart(resumed.parts[0])).status).toBe(200);
    expect((await user.call("GET", `/v1/uploads/${opened.id}`)).json.parts).toEqual([]);
    expect((await settle(user, opened.id)).state).toBe("verified");

    for (const part of opened.parts)
      expect(refusals).toContain((await put(part, new Blob([new Uint8Array(part.sizeBytes)]))).status);
    const { json } = await user.call("GET", `/v1/blobs/${sha256(bytes)}`, { headers: { accept: "application/json" } });
    const tail = await fetch(json.url, { headers: { range: `bytes=${10 * mebibyte}-` } });
    expect(tail.status).toBe(206);
    expect(sha256(await tail.bytes())).toBe(sha256(bytes.subarray(10 * mebibyte)));
    expect(sha256(await (await fetch(json.url)).bytes())).toBe(sha256(bytes));
    const { openParts, rows } = await readTraces(system);
    expect([openParts, rows.attempts]).toEqual([[], 0]);
  });
});

describe("a quota is exact", () => {
  const callers = long ? 400 : 100;

  test("in number: of many at the last place one is let in, and a rejected one makes room again", async () => {
    user = await system.signUp();
    for (let index = 0; index < 7; index++) expect((await open(user, `quota ${user.login} ${index}`)).status).toBe(201);
    const tries = Array.from({ length: callers }, (_, index) => `last place ${user.login} ${index}`);
    const answers = await Promise.all(tries.map((bytes) => open(user, bytes)));
    const admitted = answers.filter(({ status }) => status === 201);
    expect(admitted.length).toBe(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect([answer.status, answer.json.code]).toEqual([403, "quota-exceeded"]);
      expect(answer.headers.get("content-type")).toBe("application/problem+json");
    }
    const { rows } = await system.db.query({
      name: "test_quota",
      text: `select q.uploads, (select count(*) from blob.upload x where x.owner_id = u.id) as rows
        from blob.quota q join account."user" u on u.id = q.user_id where u.login = $1`,
      values: [user.login],
    });
    expect(rows).toEqual([{ uploads: 8, rows: 8 }]);

    const winner = admitted[0]?.json;
    await spoil(winner);
    expect((await settle(user, winner.id)).state).toBe("rejected");
    expect((await open(user, "there is room again")).status).toBe(201);
    expect((await open(user, "but for one only")).status).toBe(403);
  });

  /** Puts other bytes where an upload's own were to lie, as nobody without the storage's keys can. */
  async function spoil({ id, size }: { id: string; size: number }) {
    const wrong = async function* () {
      yield new Uint8Array(size);
    };
    await openStorageOf(system).write(`staging/${id}`, wrong(), {
      sizeBytes: size,
      signal: AbortSignal.timeout(10_000),
    });
  }

  test("in bytes, also for files in parts, of which nothing is left at the storage", async () => {
    user = await system.signUp();
    const ask = (name: string, size: number) =>
      user.call("POST", "/v1/uploads", { body: { sha256: sha256(`${user.login} ${name}`), size, name } });
    expect((await ask("base", 60 * mebibyte)).status).toBe(201);
    const before = await readTraces(system);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`part ${index}`, 4 * mebibyte)));
    expect(answers.filter(({ status }) => status === 201).length).toBe(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 403]));
    const after = await readTraces(system);
    expect(after.openParts.length).toBe(before.openParts.length + 1);
    expect(after.rows.attempts).toBe((before.rows.attempts ?? 0) + 1);
    expect(after.rows.uploads).toBe((before.rows.uploads ?? 0) + 1);
    expect((await ask("one byte", 1)).status).toBe(403);
    expect((await ask("nothing", 0)).status).toBe(201);
  });

  test("in bytes that the caller may read already, which are not sent again and cost nothing", async () => {
    user = await system.signUp();
    const countStaged = async () =>
      (await readTraces(system)).objects.filter((key) => key.startsWith("staging/")).length;
    const staged = await countStaged();
    await upload(user, `mine ${user.login}`);
    // What was sent goes a moment after it is verified.
    await waitFor(async () => (await countStaged()) === staged, "nothing to be left of it");
    const before = await readTraces(system);
    for (let index = 0; index < 12; index++) {
      const again = await open(user, `mine ${user.login}`);
      expect([again.status, again.json.state]).toEqual([200, "verified"]);
    }
    expect(await readTraces(system)).toEqual(before);
  });
});
