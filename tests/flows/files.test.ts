import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, type System, sha256, startSystem, type TestUser, upload } from "../harness.ts";

let system: System;
let owner: TestUser;
let friend: TestUser;
let builder: TestUser;
let stranger: TestUser;
let admin: TestUser;

beforeAll(async () => {
  system = await startSystem();
  [owner, friend, builder, stranger, admin] = await Promise.all([
    system.signUp("owner"),
    system.signUp("friend"),
    system.signUp("builder", ["builder"]),
    system.signUp("stranger"),
    system.signUp("admin", ["admin"]),
  ]);
});
afterAll(() => system?.stop());

let counted = 0;

/** Uploads bytes nobody else has and names them. */
async function createFile(user: TestUser, body: Record<string, unknown> = {}): Promise<Answer & { bytes: string }> {
  const bytes = `bytes ${++counted}`;
  const digest = await upload(user, bytes);
  const created = await user.call("POST", "/v1/files", { body: { sha256: digest, name: "map.zip", ...body } });
  return { ...created, bytes };
}

async function readContent(address: string): Promise<Response> {
  const answer = await owner.call("GET", address);
  expect(answer.status).toBe(307);
  return fetch(answer.headers.get("location") ?? "");
}

describe("a file that stands alone", () => {
  test("keeps its name and its bytes, and is private unless told", async () => {
    const created = await createFile(owner);
    expect(created.status).toBe(201);
    expect(created.headers.get("location")).toBe(`/v1/files/${created.json.id}`);
    expect(created.headers.get("etag")).toBe('"1"');
    expect(created.json).toMatchObject({
      name: "map.zip",
      sha256: sha256(created.bytes),
      size: created.bytes.length,
      visibility: "private",
      owner: "owner",
      access: { users: [], roles: [] },
      content: `/v1/files/${created.json.id}/content`,
    });
    const read = await owner.call("GET", `/v1/files/${created.json.id}`);
    expect(read.json).toEqual(created.json);
    const redirect = await owner.call("GET", created.json.content);
    expect([redirect.status, redirect.headers.get("cache-control")]).toEqual([307, "no-store"]);
    const bytes = await fetch(redirect.headers.get("location") ?? "");
    expect(await bytes.text()).toBe(created.bytes);
    expect(bytes.headers.get("content-disposition")).toContain('filename="map.zip"');
    expect(bytes.headers.get("content-type")).toBe("application/octet-stream");
    const head = await owner.call("HEAD", created.json.content);
    expect(head.status).toBe(307);
    const headed = await fetch(head.headers.get("location") ?? "", { method: "HEAD" });
    expect([headed.status, headed.headers.get("content-length")]).toEqual([200, String(created.bytes.length)]);
    const part = await fetch(redirect.headers.get("location") ?? "", { headers: { range: "bytes=0-4" } });
    expect([part.status, await part.text()]).toEqual([206, "bytes"]);
  });

  test("answers {url} to a caller with a token who accepts JSON, and a redirect to everybody else", async () => {
    const { json } = await createFile(owner, { visibility: "public" });
    const headers = { accept: "application/json" };
    const told = await owner.call("GET", json.content, { headers });
    expect([told.status, told.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect((await fetch(told.json.url)).status).toBe(200);
    expect((await system.call("GET", json.content, { headers })).status).toBe(307);
  });

  const readers = {
    nobody: () => system.call,
    friend: () => friend.call,
    "a builder": () => builder.call,
    stranger: () => stranger.call,
    admin: () => admin.call,
  };
  const cases: { name: string; body: Record<string, unknown>; may: (keyof typeof readers)[] }[] = [
    { name: "private", body: {}, may: ["admin"] },
    { name: "for a named user", body: { access: { users: ["Friend"], roles: [] } }, may: ["friend", "admin"] },
    { name: "for a role", body: { access: { users: [], roles: ["builder"] } }, may: ["a builder", "admin"] },
    {
      name: "public",
      body: { visibility: "public" },
      may: ["nobody", "friend", "a builder", "stranger", "admin"],
    },
  ];
  test.each(cases)("that is $name is there for those, and not there for the others", async ({ name, body, may }) => {
    const { json } = await createFile(owner, { ...body, name: `only ${name}` });
    for (const [reader, callOf] of Object.entries(readers)) {
      const call = callOf();
      const allowed = may.some((who) => who === reader);
      const statuses = [
        (await call("GET", `/v1/files/${json.id}`)).status,
        (await call("GET", json.content)).status,
        (await call("HEAD", json.content)).status,
        (await call("GET", `/v1/blobs/${json.sha256}`)).status,
      ];
      expect([reader, ...statuses]).toEqual([reader, ...(allowed ? [200, 307, 307, 307] : [404, 404, 404, 404])]);
      const listed = await call("GET", `/v1/files?query=${encodeURIComponent(`only ${name}`)}`);
      expect([reader, listed.json.items.length]).toEqual([reader, allowed ? 1 : 0]);
      if (!allowed) expect(listed.text).not.toContain(json.id);
      // Readers are told to those who decide about them.
      const shown = await call("GET", `/v1/files/${json.id}`);
      if (allowed && reader !== "admin") expect(shown.json.access).toBeUndefined();
    }
  });

  test("is changed and deleted by its owner and by admins alone", async () => {
    const { json } = await createFile(owner, { visibility: "public" });
    const address = `/v1/files/${json.id}`;
    const headers = { "if-match": '"1"' };
    for (const [call, status] of [
      [system.call, 401],
      [stranger.call, 403],
      [friend.call, 403],
    ] as const) {
      expect((await call("PATCH", address, { headers, body: { name: "x" } })).status).toBe(status);
      expect((await call("DELETE", address)).status).toBe(status);
    }
    expect((await owner.call("GET", address)).json.name).toBe("map.zip");
    const renamed = await admin.call("PATCH", address, { headers, body: { name: "world.zip" } });
    expect([renamed.status, renamed.json.name, renamed.headers.get("etag")]).toEqual([200, "world.zip", '"2"']);
    const hidden = await createFile(owner);
    expect((await stranger.call("PATCH", `/v1/files/${hidden.json.id}`, { headers, body: { name: "x" } })).status).toBe(
      404,
    );
    expect((await stranger.call("DELETE", `/v1/files/${hidden.json.id}`)).status).toBe(404);
    expect((await admin.call("DELETE", `/v1/files/${hidden.json.id}`)).status).toBe(204);
  });

  test("is not changed over somebody else's change", async () => {
    const { json } = await createFile(owner);
    const address = `/v1/files/${json.id}`;
    const change = (headers: Record<string, string>) => owner.call("PATCH", address, { headers, body: { name: "b" } });
    expect((await change({})).status).toBe(428);
    expect((await change({ "if-match": '"7"' })).status).toBe(412);
    expect((await change({ "if-match": "*" })).status).toBe(412);
    expect((await owner.call("GET", address)).json.name).toBe("map.zip");
    expect((await change({ "if-match": '"1"' })).status).toBe(200);
    expect((await change({ "if-match": '"1"' })).status).toBe(412);
    expect((await owner.call("DELETE", address, { headers: { "if-match": '"1"' } })).status).toBe(412);
    const same = await owner.call("GET", address, { headers: { "if-none-match": '"2"' } });
    expect([same.status, same.text]).toEqual([304, ""]);
    expect((await owner.call("DELETE", address, { headers: { "if-match": '"2"' } })).status).toBe(204);
    expect((await owner.call("GET", address)).status).toBe(404);
  });

  test("that was for somebody is not for him any more when its readers change", async () => {
    const { json } = await createFile(owner, { access: { users: ["friend"], roles: ["builder"] } });
    const address = `/v1/files/${json.id}`;
    const changed = await owner.call("PATCH", address, {
      headers: { "if-match": '"1"' },
      body: { access: { users: ["stranger"], roles: [] } },
    });
    expect(changed.json.access).toEqual({ users: ["stranger"], roles: [] });
    for (const [call, status] of [
      [friend.call, 404],
      [builder.call, 404],
      [stranger.call, 200],
    ] as const)
      expect((await call("GET", address)).status).toBe(status);
    const unknown = await owner.call("PATCH", address, {
      headers: { "if-match": '"2"' },
      body: { name: "half", access: { users: ["nobody-of-that-name"], roles: [] } },
    });
    expect([unknown.status, unknown.json.detail.includes("nobody-of-that-name")]).toEqual([422, true]);
    expect((await owner.call("GET", address)).json.name).toBe("map.zip"); // nothing by halves
  });

  test("cannot be made of bytes that the caller may not read, whether they are here or not", async () => {
    const { json } = await createFile(owner);
    const claims = [json.sha256, sha256("bytes that nobody has")];
    const answers = await Promise.all(
      claims.map((digest) => stranger.call("POST", "/v1/files", { body: { sha256: digest, name: "x" } })),
    );
    expect(answers.map(({ status }) => status)).toEqual([422, 422]);
    const [here, nowhere] = answers.map(({ json: { traceId, detail, ...rest } }) => ({
      ...rest,
      detail: detail.replace(/[0-9a-f]{64}/, "…"),
    }));
    expect(here).toEqual(nowhere ?? {});
    expect((await stranger.call("GET", "/v1/files")).json.items).not.toContainEqual(
      expect.objectContaining({ name: "x" }),
    );
  });

  test("that is deleted leaves the bytes to who else has them", async () => {
    const { json, bytes } = await createFile(owner, { visibility: "public" });
    expect((await owner.call("DELETE", `/v1/files/${json.id}`)).status).toBe(204);
    expect((await stranger.call("GET", json.content)).status).toBe(404);
    expect((await stranger.call("GET", `/v1/blobs/${json.sha256}`)).status).toBe(404);
    const again = await owner.call("POST", "/v1/uploads", {
      body: { sha256: json.sha256, size: bytes.length, name: "a" },
    });
    expect(again.json.state).toBe("verified");
  });
});

describe("names of files", () => {
  const refused = ["", "a\r\nSet-Cookie: x", "a\u0000b", "a/b", "a\\b", "a\u0085b", "x".repeat(256), "\t"];
  test.each(refused.map((name) => ({ name, shown: JSON.stringify(name).slice(0, 40) })))(
    "$shown is refused",
    async ({ name }) => {
      const digest = await upload(owner, "bytes for bad names");
      const before = (await owner.call("GET", "/v1/files?limit=100")).json.items.length;
      const answer = await owner.call("POST", "/v1/files", { body: { sha256: digest, name } });
      expect([answer.status, answer.json.code]).toEqual([422, "invalid"]);
      expect(answer.json.errors[0].pointer).toBe("/name");
      expect((await owner.call("GET", "/v1/files?limit=100")).json.items.length).toBe(before);
    },
  );

  const kept: { name: string; ascii: string; starred: string }[] = [
    { name: 'a";Set-Cookie:x', ascii: "a__;Set-Cookie:x".replace("__", "_"), starred: "a%22%3BSet-Cookie%3Ax" },
    { name: "gpj.\u202eexe", ascii: "gpj.exe", starred: "gpj.exe" },
    { name: "карта мира.zip", ascii: "_____ ____.zip", starred: encodeURIComponent("карта мира.zip") },
    { name: "😀 100%.zip", ascii: "__ 100_.zip", starred: encodeURIComponent("😀 100%.zip") },
    { name: "it's (1)*.zip", ascii: "it's (1)*.zip", starred: "it%27s%20%281%29%2A.zip" },
    {
      name: `${"x".repeat(251)}.zip`,
      ascii: `${"x".repeat(196)}.zip`,
      starred: `${"x".repeat(196)}.zip`,
    },
  ];
  test.each(kept.map((file) => ({ ...file, shown: JSON.stringify(file.name).slice(0, 40) })))(
    "$shown comes back in Content-Disposition (RFC 6266)",
    async ({ name, ascii, starred }) => {
      const { json } = await createFile(owner, { name });
      expect(json.name).toBe(name);
      const response = await readContent(json.content);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-disposition")).toBe(
        `attachment; filename="${ascii}"; filename*=UTF-8''${starred}`,
      );
      expect(response.headers.get("set-cookie")).toBeNull();
    },
  );

  test("a name of nothing but half characters and emoji still has an address that can be fetched", async () => {
    const { json } = await createFile(owner, { name: `a${"😀".repeat(120)}` });
    const response = await readContent(json.content);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-disposition")).toContain("%F0%9F%98%80");
  });
});

test("files are listed newest first, page by page, each once", async () => {
  const lister = await system.signUp();
  const digest = await upload(lister, "one for many names");
  const names = Array.from({ length: 7 }, (_, index) => `file ${index}`);
  for (const name of names) await lister.call("POST", "/v1/files", { body: { sha256: digest, name } });
  const seen: string[] = [];
  let next: string | null = "/v1/files?query=file%20&limit=3";
  for (let page = 0; page < 5 && next; page++) {
    const answer: Answer = await lister.call("GET", next);
    expect(answer.status).toBe(200);
    seen.push(...answer.json.items.map((file: { name: string }) => file.name));
    const link = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1] ?? null;
    expect(link === null).toBe(answer.json.nextCursor === null);
    next = link;
  }
  expect(seen).toEqual(names.toReversed());
  expect((await lister.call("GET", "/v1/files?query=%25")).json.items).toEqual([]); // no wildcard
});

test("blocked bytes are gone from a file too", async () => {
  const { json } = await createFile(owner, { visibility: "public" });
  await system.db.query({
    name: "test_block",
    text: "insert into blob.blocked (sha256, reason) values ($1, 'malware')",
    values: [json.sha256],
  });
  const answer = await owner.call("GET", json.content);
  expect([answer.status, answer.json.code, answer.json.detail.includes("malware")]).toEqual([410, "gone", true]);
});
