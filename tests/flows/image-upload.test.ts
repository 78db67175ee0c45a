import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { openCall, type System, startSystem, type TestUser, waitFor, waitForJob } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { openStorageOf } from "../traces.ts";

const limit = 1024 ** 2;
let system: System;
let user: TestUser;

beforeAll(async () => {
  system = await startSystem({ apis: 2, environment: { LIMIT_IMAGE_BYTES: String(limit), LIMIT_USER_IMAGES: "40" } });
  user = await system.signUp();
});
afterAll(() => system?.stop());

const query = async (name: string, text: string, values: unknown[] = []): Promise<any[]> =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows;

/** What a form may leave behind: objects that wait, temporary files, rows, room. */
async function look(login = "%") {
  const storage = openStorageOf(system);
  const objects: string[] = [];
  for (const prefix of ["staging/", "tmp/"]) for await (const { key } of storage.list(prefix)) objects.push(key);
  const openParts: string[] = [];
  for await (const { key } of storage.listOpenParts()) openParts.push(key);
  const [left] = await query(
    "form_traces",
    `select (select count(*) from image.image i join account."user" u on u.id = i.owner_id where i.state in ('waiting', 'processing') and u.login like $1) as images,
      coalesce(sum(q.images), 0)::int as charged, coalesce(sum(q.size_bytes), 0)::int as bytes
      from image.quota q join account."user" u on u.id = q.user_id where u.login like $1`,
    [login],
  );
  return { objects, openParts, ...left };
}

const boundary = "----a-boundary";
const head = (disposition: string, type = "image/png") =>
  `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
const file = (bytes: Uint8Array | string, name = "a.png") =>
  Buffer.concat([Buffer.from(head(`name="file"; filename="${name}"`)), Buffer.from(bytes), Buffer.from("\r\n")]);
const form = (...parts: (Buffer | string)[]) =>
  Buffer.concat([...parts.map((part) => Buffer.from(part)), Buffer.from(`--${boundary}--\r\n`)]);
const field = (name: string, value: string) =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const random = (size: number) => Buffer.alloc(size, `noise ${size}`);

const send = (body: Buffer, headers: Record<string, string> = {}, by = user) =>
  fetch(`${system.url}/v1/upload`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${by.token}`,
      "content-type": `multipart/form-data; boundary=${boundary}`,
      ...headers,
    },
    body: new Blob([Buffer.from(body)]),
  });

/** Sends raw bytes as a request, and answers with the status line; empty when the connection was closed without one. */
function sendRaw(
  headers: Record<string, string>,
  pieces: Buffer[],
  { dies, url = system.url, by = user }: { dies?: Promise<unknown>; url?: string; by?: TestUser } = {},
): Promise<string> {
  const { hostname, port, host } = new URL(url);
  const lines = Object.entries({
    Host: host,
    Authorization: `Bearer ${by.token}`,
    "Content-Type": `multipart/form-data; boundary=${boundary}`,
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  return new Promise((resolve) => {
    let told = "";
    const socket = connect(Number(port), hostname, () => {
      socket.write(`POST /v1/upload HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      for (const piece of pieces) socket.write(piece);
      void dies?.then(() => socket.write("", () => socket.destroy()));
    });
    socket.on("data", (data) => {
      told += data;
      if (told.includes("\r\n")) socket.destroy();
    });
    socket.on("error", () => undefined).on("close", () => resolve(told.split("\r\n")[0] ?? ""));
  });
}
const chunk = (bytes: Buffer) =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);

describe("a form with an image", () => {
  test("is taken from simple clients, and found again at the addresses they know", async () => {
    const sent = new FormData();
    sent.set("file", new File([Buffer.from(makePng({ width: 40 }))], "Снимок 1.png", { type: "text/html" }));
    sent.set("title", "nobody reads it");
    const authorization = `Bearer ${user.token}`;
    const answer = await fetch(`${system.url}/v1/upload`, { method: "POST", headers: { authorization }, body: sent });
    const told: any = await answer.json();
    expect([answer.status, told.state]).toEqual([202, "processing"]);
    expect(answer.headers.get("deprecation")).toMatch(/^@\d+$/);
    expect(answer.headers.get("link")).toBe('</v1/images>; rel="successor-version"');
    expect(told.fileName).toBe(`${told.id}.webp`);
    expect((await waitForJob(user, told.job.id)).state).toBe("completed");

    const image = (await user.call("GET", `/v1/images/${told.id}`)).json;
    expect(image).toMatchObject({ state: "ready", name: "Снимок 1.png", width: 40, visibility: "private" });
    expect((await query("quota_of_form", `select images, size_bytes as bytes from image.quota`))[0]).toEqual({
      images: 1,
      bytes: image.size,
    });
    const shown = await user.call("GET", told.url);
    expect([shown.status, shown.headers.get("deprecation")]).toEqual([307, expect.stringMatching(/^@\d+$/)]);
    const bytes = await fetch(shown.headers.get("location") ?? "");
    expect([bytes.status, bytes.headers.get("content-type")]).toEqual([200, "image/webp"]);
    const listed = await user.call("GET", "/me/photos?limit=1");
    expect(listed.json).toEqual((await user.call("GET", "/v1/me/images?limit=1")).json);
    for (const path of [`/me/photos/${told.id}`, `/users/${user.login}/photos/${told.id}`]) {
      const found = await user.call("GET", path);
      expect([found.status, found.json]).toEqual([200, image]);
      expect(found.headers.get("link")).toContain(`</v1/images/${told.id}>; rel="successor-version"`);
    }

    // The old addresses let in whom the new ones do, and nobody else; a user's have no other's images.
    const stranger = await system.signUp();
    const tag = { "if-none-match": (await user.call("GET", `/v1/images/${told.id}`)).headers.get("etag") ?? "" };
    for (const headers of [{}, tag])
      for (const [name, status] of [
        [image.owner.toUpperCase(), 200],
        [(await user.call("GET", "/v1/me")).json.id, 200],
        [stranger.login, 404],
        ["nobody-at-all", 404],
        ["a%20b", 404],
      ]) {
        const found = await user.call("GET", `/users/${name}/photos/${told.id}`, { headers });
        expect([name, found.status]).toEqual([name, status]);
      }
    for (const { call } of [stranger, system])
      for (const path of [told.url, `/users/${user.login}/photos/${told.id}`])
        expect((await call("GET", path)).status).toBe(404);
    expect((await stranger.call("DELETE", `/me/photos/${told.id}`)).status).toBe(404);
    for (const path of ["/v1/user/x.webp", `/v1/user/${told.id}.webp.webp`, "/v1/user/..%2f..%2fme"])
      expect([path, (await user.call("GET", path)).status]).toEqual([path, 404]);
    expect((await user.call("DELETE", `/me/photos/${told.id}`)).status).toBe(204);
    expect((await user.call("GET", told.url)).status).toBe(404);
  });

  test.each([
    ["%22%3B%0D%0ASet-Cookie%3Ax.png", "%22%3B%0D%0ASet-Cookie%3Ax.png"],
    ['a\\";x.png', 'a";x.png'],
    ["gnp.\u202eexe", "gnp.\u202eexe"],
    [`${"д".repeat(300)}.png`, "д".repeat(120)],
    ["🎉 party 🎉.png", "🎉 party 🎉.png"],
    ["..\\..\\etc/passwd", "passwd"],
    ["", "image"],
  ])("keeps the name %j harmless", async (name, kept) => {
    const answer = await send(form(file(makePng(), name)));
    const told: any = await answer.json();
    expect([answer.status, told.fileName]).toEqual([202, `${told.id}.webp`]);
    await waitForJob(user, told.job.id);
    expect((await user.call("GET", `/v1/images/${told.id}`)).json.name).toBe(kept);
    const { headers } = await user.call("GET", told.url);
    const shown = await fetch(headers.get("location") ?? "");
    expect(shown.headers.getSetCookie()).toEqual([]);
    expect(shown.headers.get("content-disposition")).toMatch(
      /^inline; filename="[\x20-\x7e]+\.webp"; filename\*=UTF-8''[\w.%!~*-]+\.webp$/,
    );
    expect(shown.headers.get("content-disposition")).not.toContain("%E2%80%AE");
    await user.call("DELETE", `/v1/images/${told.id}`);
  });
});

describe("a form that is refused leaves nothing", () => {
  const bytes = makePng();
  test.each<[what: string, body: Buffer, status: number, headers: Record<string, string>]>([
    ["a byte over the limit", form(file(random(limit + 1))), 413, {}],
    ["much over the limit", form(file(random(2 * limit))), 413, {}],
    ["two files", form(file(bytes), file(bytes)), 422, {}],
    ["no file", form(field("title", "x")), 422, {}],
    ["a file of another name", form(head('name="photo"; filename="a.png"'), Buffer.from(bytes), "\r\n"), 422, {}],
    ["an empty file", form(file("")), 422, {}],
    ["nothing", Buffer.alloc(0), 400, {}],
    ["an end that is missing", form(file(bytes)).subarray(0, -20), 400, {}],
    ["a file that breaks off", form(file(bytes)).subarray(0, 150), 400, {}],
    [
      "hundreds of fields",
      form(...Array.from({ length: 300 }, (_, index) => field(`f${index}`, "x")), file(bytes)),
      400,
      {},
    ],
    [
      "hundreds of fields behind",
      form(file(bytes), ...Array.from({ length: 300 }, (_, index) => field(`f${index}`, "x"))),
      400,
      {},
    ],
    ["a compressed form", Buffer.from(Bun.gzipSync(form(file(bytes)))), 400, { "content-encoding": "gzip" }],
    ["no boundary", form(file(bytes)), 400, { "content-type": "multipart/form-data" }],
    ["another boundary", form(file(bytes)), 400, { "content-type": "multipart/form-data; boundary=x" }],
    ["JSON", Buffer.from("{}"), 400, { "content-type": "application/json" }],
  ])("%s", async (_what, body, status, headers) => {
    const before = await look();
    const answer = await send(body, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await look()).toEqual(before);
  });

  test("while one of exactly the limit is taken", async () => {
    const answer = await send(form(file(random(limit))));
    expect(answer.status).toBe(202);
    const told: any = await answer.json();
    await waitForJob(user, told.job.id);
    const { state, size } = (await user.call("GET", `/v1/images/${told.id}`)).json;
    expect([state, size]).toEqual(["rejected", limit]); // noise is no image
  });

  test("in chunks without a length: ended at the byte past the limit, not when all has come", async () => {
    const before = await look();
    const start = [chunk(Buffer.from(head('name="file"; filename="a.png"'))), chunk(random(limit + 1))];
    expect(await sendRaw({ "Transfer-Encoding": "chunked" }, start)).toMatch(/^HTTP\/1.1 413/);
    await waitFor(async () => Bun.deepEquals(await look(), before), "nothing to be left");
    const whole = [chunk(form(file(bytes))), Buffer.from("0\r\n\r\n")];
    expect(await sendRaw({ "Transfer-Encoding": "chunked" }, whole)).toMatch(/^HTTP\/1.1 202/);
  });

  test("of a length that is too much: refused before its bytes come", async () => {
    expect(await sendRaw({ "Content-Length": String(40 * limit) }, [])).toMatch(/^HTTP\/1.1 413/);
  });

  test("of a length that is wrong: too short breaks it off, too long waits for bytes that a dead client never sends", async () => {
    await waitFor(async () => (await look()).images === 0, "the image before to be rendered");
    const before = await look();
    const body = form(file(bytes));
    // What is too much begins another request, which is none: the connection ends.
    expect(await sendRaw({ "Content-Length": String(body.length - 30) }, [body])).toMatch(/^HTTP\/1.1 [45]/);
    // It dies once it was let in: what comes in later would count as there before the next test.
    const admitted = waitFor(async () => (await look()).charged > before.charged, "the image to be admitted");
    expect(await sendRaw({ "Content-Length": String(body.length + 30) }, [body], { dies: admitted })).toBe("");
    await waitFor(async () => Bun.deepEquals(await look(), before), "nothing to be left");
  });

  test("of a client that dies half-way: gone at once, with its row and its room", async () => {
    const by = await system.signUp(); // of whom nothing else is on its way
    const before = await look(by.login);
    const body = form(file(random(limit - 1)));
    const admitted = waitFor(async () => (await look(by.login)).charged > before.charged, "the image to be admitted");
    const half = body.subarray(0, body.length / 2);
    expect(await sendRaw({ "Content-Length": String(body.length) }, [half], { dies: admitted, by })).toBe("");
    await admitted;
    await waitFor(async () => Bun.deepEquals(await look(by.login), before), "nothing to be left");
  });

  test("as the fifth of one user that is on its way to one process: it waits for the others", async () => {
    const by = await system.signUp(); // of whom nothing else is on its way
    const before = await look(by.login);
    const [url = ""] = system.apiUrls;
    const body = form(file(random(limit - 1)));
    const half = body.subarray(0, body.length / 2);
    const enough = Promise.withResolvers<void>();
    const others = Array.from({ length: 4 }, () =>
      sendRaw({ "Content-Length": String(body.length) }, [half], { dies: enough.promise, url, by }),
    );
    await waitFor(async () => (await look(by.login)).charged === before.charged + 4, "four to be admitted");
    // It is refused before its body is looked at: what was still being sent could take the answer down with the connection.
    const fifth = await sendRaw({ "Content-Length": String(body.length) }, [], { url, by });
    expect(fifth).toMatch(/^HTTP\/1.1 429/);
    enough.resolve();
    await Promise.all(others);
    await waitFor(async () => Bun.deepEquals(await look(by.login), before), "nothing to be left");
    // The row goes a moment before the process counts one less.
    await waitFor(
      async () =>
        (await sendRaw({ "Content-Length": String(body.length) }, [body], { url, by })).startsWith("HTTP/1.1 202"),
      "another to be taken",
    );
  });

  test("by a user whose quota has room for one: of eight at once, over two processes, one is taken", async () => {
    const poor = await system.signUp();
    await query(
      "fill_quota",
      `insert into image.quota (user_id, images) select id, 39 from account."user" where login = $1`,
      [poor.login],
    );
    const posts = system.apiUrls.flatMap((url) => Array.from({ length: 4 }, () => `${url}/v1/upload`));
    const statuses = await Promise.all(
      posts.map(async (url) => {
        const headers = {
          authorization: `Bearer ${poor.token}`,
          "content-type": `multipart/form-data; boundary=${boundary}`,
        };
        return (await fetch(url, { method: "POST", headers, body: new Blob([form(file(makePng()))]) })).status;
      }),
    );
    expect(statuses.toSorted()).toEqual([202, ...Array(7).fill(403)]);
    expect((await openCall(system.url, poor.token)("GET", "/v1/me/images")).json.items).toHaveLength(1);
  });
});

test.each([0, 1, 7 * 1024 ** 2])(
  "what a form brings is written in parts of 5 MiB and %d bytes, and is the same bytes",
  async (more) => {
    const storage = openStorageOf(system);
    const [key, signal] = [`staging/${Bun.randomUUIDv7()}`, AbortSignal.timeout(60_000)];
    const bytes = crypto.getRandomValues(Buffer.alloc(5 * 1024 ** 2 + more));
    async function* chunks() {
      for (let start = 0; start < bytes.length; start += 100_000) yield bytes.subarray(start, start + 100_000);
    }
    await storage.write(key, chunks(), { sparing: true, signal });
    const read = await Array.fromAsync(await storage.read(key, { signal }));
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    await storage.remove([key]);
    expect((await look()).openParts).toEqual([]);
  },
);
