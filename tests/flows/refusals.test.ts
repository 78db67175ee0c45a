import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Answer,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
} from "../harness.ts";
import { readTraces, type Traces } from "../traces.ts";

const limits = {
  LIMIT_BODY_BYTES: "65536",
  LIMIT_FILE_BYTES: "1048576",
  LIMIT_PACK_FILES: "300",
  LIMIT_PACK_BYTES: "4194304",
};

let system: System;
let author: TestUser;
let digest: string;
let fileId: string;

beforeAll(async () => {
  system = await startSystem({ environment: limits });
  author = await system.signUp("author");
  await publishPack(author, { slug: "pack", version: "1.0.0", files: { "a.jar": "bytes of a" } });
  digest = sha256("bytes of a");
  fileId = (await author.call("POST", "/v1/files", { body: { sha256: digest, name: "a" } })).json.id;
  // Built now, and not while a test looks whether anything stayed.
  const archive = () => author.call("GET", "/v1/packs/pack/versions/1.0.0/archive");
  await waitFor(async () => (await archive()).status === 307, "the archive");
});
afterAll(() => system?.stop());

type Raw = { method?: string; path: string; body?: string | ReadableStream; headers?: Record<string, string> };

async function sendRaw({ method = "POST", path, body, headers = {} }: Raw): Promise<Answer> {
  const response = await fetch(`${system.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${author.token}`, "content-type": "application/json", ...headers },
    ...(body !== undefined && { body }),
    redirect: "manual",
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: text ? JSON.parse(text) : undefined };
}

/** A problem document as RFC 9457 and the contract want it. */
function expectProblem(answer: Answer, { status, code }: { status: number; code: string }) {
  expect([answer.status, answer.json?.code, answer.json?.detail]).toEqual([status, code, expect.any(String)]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(answer.headers.get("cache-control")).toContain("no-store");
  expect(answer.json).toMatchObject({ type: "about:blank", status, title: expect.any(String) });
  expect(answer.json.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(answer.text).not.toMatch(/node_modules|\.ts:\d|at async|select |pg_|ECONN/);
}

/** Does something that is refused, and looks whether anything stayed. */
async function leavesNothing<T>(work: () => Promise<T>): Promise<T> {
  const before: Traces = await readTraces(system);
  const result = await work();
  expect(await readTraces(system)).toEqual(before);
  return result;
}

const file = (path: string, more: object = {}) => ({
  path,
  sha256: sha256("bytes of a"),
  size: 10,
  side: "both",
  ...more,
});
const version = (more: object = {}) => ({
  version: "2.0.0",
  channel: "release",
  minecraft: "1.21.1",
  loader: null,
  files: [file("a.jar")],
  ...more,
});
const versions = "/v1/packs/pack/versions";
const large = JSON.stringify({ slug: "large", name: "x".repeat(100_000) });

/** The same bytes without a length: in pieces. */
function inPieces(text: string): ReadableStream {
  const bytes = new TextEncoder().encode(text);
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(sent, sent + 8_192));
      sent += 8_192;
    },
  });
}

type Refusal = { name: string; raw: () => Raw; status: number; code: string; place?: object; says?: string };
const json =
  (path: string, body: unknown, method = "POST") =>
  () => ({ method, path, body: JSON.stringify(body) });

const refusals: Refusal[] = [
  { name: "bad JSON", raw: () => ({ path: "/v1/packs", body: '{"slug":' }), status: 400, code: "malformed" },
  { name: "no body", raw: () => ({ path: "/v1/packs" }), status: 422, code: "invalid" },
  { name: "a body that is no object", raw: json("/v1/packs", [1]), status: 422, code: "invalid" },
  {
    name: "another content type",
    raw: () => ({
      path: "/v1/packs",
      body: "slug=x&name=y",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    }),
    status: 400,
    code: "malformed",
    says: "application/json",
  },
  {
    name: "JSON called text",
    raw: () => ({ path: "/v1/packs", body: '{"slug":"ab","name":"y"}', headers: { "content-type": "text/plain" } }),
    status: 400,
    code: "malformed",
  },
  {
    name: "a compressed body",
    raw: () => ({ path: "/v1/packs", body: '{"slug":"ab","name":"y"}', headers: { "content-encoding": "gzip" } }),
    status: 400,
    code: "malformed",
    says: "Content-Encoding",
  },
  { name: "a body too large", raw: () => ({ path: "/v1/packs", body: large }), status: 413, code: "too-large" },
  {
    name: "a body too large, without its length",
    raw: () => ({ path: "/v1/packs", body: inPieces(large) }),
    status: 413,
    code: "too-large",
  },
  {
    name: "an unknown member",
    raw: json("/v1/packs", { slug: "ab", name: "x", owner: "somebody", ownerId: 1 }),
    status: 422,
    code: "invalid",
    place: { pointer: "/owner" },
  },
  {
    name: "an unknown member deep inside",
    raw: json(versions, version({ files: [file("a.jar", { blobId: "x" })] })),
    status: 422,
    code: "invalid",
  },
  {
    name: "a bad slug",
    raw: json("/v1/packs", { slug: "Ab", name: "x" }),
    status: 422,
    code: "invalid",
    place: { pointer: "/slug" },
  },
  {
    name: "a slug that is taken",
    raw: json("/v1/packs", { slug: "pack", name: "x" }),
    status: 409,
    code: "conflict",
    place: { pointer: "/slug" },
  },
  {
    name: "U+0000 in a text",
    raw: json("/v1/packs", { slug: "nul", name: "a\u0000b" }),
    status: 400,
    code: "malformed",
  },
  {
    name: "U+0000 in the name of an upload",
    raw: json("/v1/uploads", { sha256: sha256("x"), size: 1, name: "a\u0000b" }),
    status: 400,
    code: "malformed",
  },
  {
    name: "U+0000 in a query",
    raw: () => ({ method: "GET", path: "/v1/packs?query=%00" }),
    status: 400,
    code: "malformed",
  },
  {
    name: "a file over the limit",
    raw: json("/v1/uploads", { sha256: sha256("x"), size: 1_048_577, name: "x" }),
    status: 413,
    code: "too-large",
  },
  {
    name: "a negative size",
    raw: json("/v1/uploads", { sha256: sha256("x"), size: -1, name: "x" }),
    status: 422,
    code: "invalid",
  },
  {
    name: "a size that is no integer",
    raw: json("/v1/uploads", { sha256: sha256("x"), size: 1.5, name: "x" }),
    status: 422,
    code: "invalid",
  },
  {
    name: "a digest in upper case",
    raw: json("/v1/uploads", { sha256: sha256("x").toUpperCase(), size: 1, name: "x" }),
    status: 422,
    code: "invalid",
  },
  {
    name: "another size than the bytes have that the caller may read",
    raw: json("/v1/uploads", { sha256: sha256("bytes of a"), size: 9, name: "x" }),
    status: 422,
    code: "invalid",
    place: { pointer: "/size" },
  },
  {
    name: "a published version with other files",
    raw: json(versions, version({ version: "1.0.0", files: [file("b.jar")] })),
    status: 409,
    code: "conflict",
    says: "1.0.0",
  },
  ...["latest", "release", "beta", "alpha", "1.0-server"].map((name) => ({
    name: `the version name ${name}`,
    raw: json(versions, version({ version: name })),
    status: 422,
    code: "invalid",
    place: { pointer: "/version" },
  })),
  ...["", "-1", ".", "a/b", "a b", "x".repeat(65), "é"].map((name) => ({
    name: `the version name ${JSON.stringify(name).slice(0, 20)}`,
    raw: json(versions, version({ version: name })),
    status: 422,
    code: "invalid",
    place: { pointer: "/version" },
  })),
  { name: "an unknown channel", raw: json(versions, version({ channel: "nightly" })), status: 422, code: "invalid" },
  { name: "a version without files", raw: json(versions, version({ files: [] })), status: 422, code: "invalid" },
  {
    name: "more files than the limit",
    raw: json(versions, version({ files: Array.from({ length: 301 }, (_, index) => file(`${index}`)) })),
    status: 413,
    code: "too-large",
    says: "300",
  },
  {
    name: "more bytes than the limit",
    raw: json(versions, version({ files: [file("a", { size: 4_194_305 })] })),
    status: 413,
    code: "too-large",
  },
  {
    name: "one digest with two sizes",
    raw: json(versions, version({ files: [file("a"), file("b", { size: 11 })] })),
    status: 422,
    code: "invalid",
    place: { pointer: "/files/1/size" },
  },
  ...["ftp://host/x", "file:///etc/passwd", "javascript:alert(1)", "http://"].map((url) => ({
    name: `a reference to ${url}`,
    raw: json(versions, version({ files: [{ path: "a", url, digests: { sha1: "a".repeat(40) }, side: "both" }] })),
    status: 422,
    code: "invalid",
  })),
  {
    name: "a pack that is not there",
    raw: json("/v1/packs/nowhere/versions", version()),
    status: 404,
    code: "not-found",
  },
  { name: "an id that is none", raw: () => ({ method: "GET", path: "/v1/files/1" }), status: 404, code: "not-found" },
  {
    name: "a digest that is none",
    raw: () => ({ method: "GET", path: "/v1/blobs/abc" }),
    status: 404,
    code: "not-found",
  },
  {
    name: "an address that is none",
    raw: () => ({ method: "GET", path: "/v1/nothing" }),
    status: 404,
    code: "not-found",
  },
  {
    name: "a limit that is too high",
    raw: () => ({ method: "GET", path: "/v1/packs?limit=101" }),
    status: 400,
    code: "malformed",
    place: { parameter: "limit" },
  },
  {
    name: "a limit of 0",
    raw: () => ({ method: "GET", path: "/v1/packs?limit=0" }),
    status: 400,
    code: "malformed",
    place: { parameter: "limit" },
  },
  {
    name: "a parameter given twice",
    raw: () => ({ method: "GET", path: "/v1/packs?limit=1&limit=2" }),
    status: 400,
    code: "malformed",
  },
  ...["x", "W10", "WyJhIl0", "WyIyMDI2LTAxLTAxIiwieCJd", btoa('["x","y"]'), btoa("[1e999]"), btoa('{"a":1}')].flatMap(
    (cursor) =>
      ["/v1/packs", "/v1/files", versions].map((path) => ({
        name: `the cursor ${cursor} on ${path}`,
        raw: () => ({ method: "GET", path: `${path}?cursor=${encodeURIComponent(cursor)}` }),
        status: 400,
        code: "malformed",
      })),
  ),
];

describe("a request that is refused is told so as a problem, and leaves nothing behind", () => {
  test.each(refusals)("$name: $status", async ({ raw, status, code, place, says }) => {
    const answer = await leavesNothing(() => sendRaw(raw()));
    expectProblem(answer, { status, code });
    if (place) expect(answer.json.errors).toContainEqual(expect.objectContaining(place));
    if (says) expect(answer.json.detail).toContain(says);
  });

  test("a forged, cut or foreign token: 401", async () => {
    const [header, claims, signature] = author.token.split(".");
    const none = `${btoa('{"alg":"none","typ":"at+jwt"}').replaceAll("=", "")}.${claims}.`;
    for (const token of [
      `${header}.${claims}.x${signature?.slice(1)}`,
      `${header}.${claims}`,
      none,
      author.refreshToken,
      "x",
    ]) {
      const answer = await leavesNothing(() =>
        sendRaw({
          path: "/v1/packs",
          body: '{"slug":"tok","name":"x"}',
          headers: { authorization: `Bearer ${token}` },
        }),
      );
      expectProblem(answer, { status: 401, code: "not-signed-in" });
      expect(answer.headers.get("www-authenticate")).toContain("Bearer");
      // A bad token is never taken for nobody, where nobody would be answered.
      const read = await sendRaw({
        method: "GET",
        path: "/v1/packs/pack",
        headers: { authorization: `Bearer ${token}` },
      });
      expect(read.status).toBe(401);
    }
  });

  test("the trace id is the caller's, when he sends a valid one", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const ask = (traceparent: string) =>
      sendRaw({ method: "GET", path: "/v1/packs/nowhere", headers: { traceparent } });
    expect((await ask(`00-${trace}-00f067aa0ba902b7-01`)).json.traceId).toBe(trace);
    for (const bad of [`00-${"0".repeat(32)}-00f067aa0ba902b7-01`, `${trace}\tx`, "x".repeat(500)])
      expect((await ask(bad)).json.traceId).toMatch(/^(?!4bf92f)[0-9a-f]{32}$/);
  });
});

describe("unknown query parameters are a 400, with or without known ones", () => {
  const paths = [
    "/v1/packs",
    "/v1/packs/pack",
    "/v1/packs/pack/access",
    "/v1/packs/pack/members",
    "/v1/packs/pack/latest",
    "/v1/packs/pack/versions",
    "/v1/packs/pack/versions/1.0.0",
    "/v1/packs/pack/versions/1.0.0/manifest",
    "/v1/packs/pack/versions/1.0.0/archive",
    "/v1/packs/pack/diff/1.0.0/1.0.0",
    "/v1/files",
    `/v1/blobs/${sha256("bytes of a")}`,
  ];
  test.each(paths.map((path) => ({ path })))("GET $path", async ({ path }) => {
    const answer = await sendRaw({ method: "GET", path: `${path}?unheard=1` });
    expectProblem(answer, { status: 400, code: "malformed" });
    expect(answer.json.errors).toContainEqual(expect.objectContaining({ parameter: "unheard" }));
    expect((await sendRaw({ method: "GET", path })).status).toBeLessThan(400);
  });

  test("on a request that changes things, which then changes nothing", async () => {
    for (const raw of [
      { path: `${versions}/1.0.0/yank?unheard=1` },
      { path: "/v1/packs?unheard=1", body: '{"slug":"query","name":"x"}' },
      { method: "DELETE", path: `/v1/files/${fileId}?force=true` },
    ])
      expectProblem(await leavesNothing(() => sendRaw(raw)), { status: 400, code: "malformed" });
    expect((await author.call("GET", `${versions}/1.0.0`)).json.yankedAt).toBeUndefined();
  });
});

describe("members that JavaScript gives a meaning of its own are refused like any other unknown member", () => {
  const bodies: { method: string; path: string; body: object }[] = [
    { method: "POST", path: "/v1/auth/register", body: { login: "polluter", password: "a long password" } },
    { method: "POST", path: "/v1/auth/login", body: { login: "author", password: "a long test password" } },
    { method: "POST", path: "/v1/packs", body: { slug: "polluted", name: "x" } },
    { method: "PATCH", path: "/v1/packs/pack", body: { summary: "x" } },
    { method: "DELETE", path: "/v1/packs/pack", body: { slug: "pack" } },
    { method: "PUT", path: "/v1/packs/pack/access", body: { users: [], roles: [] } },
    { method: "PUT", path: "/v1/packs/pack/members", body: { login: "author", role: "publisher" } },
    { method: "POST", path: versions, body: version() },
    { method: "POST", path: `${versions}/1.0.0/withdraw`, body: { reason: "x" } },
    { method: "POST", path: "/v1/uploads", body: { sha256: sha256("x"), size: 1, name: "x" } },
    { method: "POST", path: "/v1/blobs/urls", body: { sha256: [sha256("x")] } },
    { method: "POST", path: "/v1/files", body: { sha256: sha256("bytes of a"), name: "x" } },
  ];
  test.each(bodies)("$method $path", async ({ method, path, body }) => {
    const headers = { "if-match": '"1"' };
    for (const member of ["__proto__", "constructor", "prototype", "toString"]) {
      const text = JSON.stringify(body).replace(/^\{/, `{"${member}":{"roles":["admin"]},`);
      const answer = await leavesNothing(() => sendRaw({ method, path, body: text, headers }));
      expectProblem(answer, { status: 422, code: "invalid" });
    }
  });

  test("in the links of a pack, and inside a file", async () => {
    for (const member of ["__proto__", "constructor", "prototype"]) {
      const links = `{"links":{"${member}":"https://example.org/"}}`;
      const answer = await leavesNothing(() =>
        sendRaw({ method: "PATCH", path: "/v1/packs/pack", body: links, headers: { "if-match": '"1"' } }),
      );
      expectProblem(answer, { status: 422, code: "invalid" });
      const inside = JSON.stringify(version()).replace('{"path"', `{"${member}":{"sha256":"x"},"path"`);
      expectProblem(await leavesNothing(() => sendRaw({ path: versions, body: inside })), {
        status: 422,
        code: "invalid",
      });
    }
    expect((await author.call("GET", "/v1/packs/pack")).json.links).toEqual({});
  });
});

describe("paths that could hurt a launcher are refused, each by its name", () => {
  const control = Array.from({ length: 0x20 }, (_, code) => `a${String.fromCharCode(code)}b`);
  const devices = ["COM", "LPT"].flatMap((device) =>
    ["0", "1", "5", "9", "¹", "²", "³"].map((digit) => device + digit),
  );
  const bad = [
    ...[
      "",
      ".",
      "..",
      "a/../b",
      "/a",
      "//s/h/a",
      "\\\\s\\h",
      "C:a",
      "C:/a",
      "a\\b",
      "%2e%2e/a",
      "..%c0%af",
      "a//b",
      "./a",
    ],
    ...["CON", "con.txt", "NUL.tar.gz", "CONIN$", "AUX/x", "x:ads", "x::$DATA", "a.", "a ", "a. ", "~1", "PROGRA~1"],
    ...["a\u202eb", "a\ud800", ".git/x", "a".repeat(256), `${"a/".repeat(120)}b`, `${"long/".repeat(300)}x`],
    ...control,
    ...devices,
  ];
  test.each(bad.map((path) => ({ path, shown: JSON.stringify(path).slice(0, 40) })))("$shown", async ({ path }) => {
    const body = version({ version: "3.0.0", files: [file("fine.jar"), file(path)] });
    const answer = await leavesNothing(() => author.call("POST", versions, { body }));
    expectProblem(answer, { status: 422, code: "invalid" });
    const place = answer.json.errors.find(({ pointer }: { pointer: string }) => pointer === "/files/1/path");
    expect(place).toBeDefined();
    if (path.length < 1000) expect(place.detail).toContain(JSON.stringify(path));
  });

  const clashes = [
    ["Mods/A.jar", "mods/a.jar"],
    ["caf\u00e9", "cafe\u0301"],
    ["straße", "STRASSE"],
    ["ı", "I"],
    ["a", "a/b"],
    ["same", "same"],
  ];
  test.each(clashes.map((paths) => ({ paths })))("$paths together", async ({ paths }) => {
    const body = version({ version: "3.0.0", files: paths.map((path) => file(path)) });
    const answer = await leavesNothing(() => author.call("POST", versions, { body }));
    expectProblem(answer, { status: 422, code: "invalid" });
    expect(
      answer.json.errors.some(({ detail }: { detail: string }) =>
        paths.some((path) => detail.includes(JSON.stringify(path))),
      ),
    ).toBe(true);
  });

  test("a draft is not changed to them either", async () => {
    await author.call("POST", versions, { body: version({ version: "4.0.0" }) });
    const answer = await leavesNothing(() =>
      author.call("PATCH", `${versions}/4.0.0`, { headers: { "if-match": '"1"' }, body: { files: [file("../a")] } }),
    );
    expectProblem(answer, { status: 422, code: "invalid" });
    expect((await author.call("DELETE", `${versions}/4.0.0`)).status).toBe(204);
  });
});

test("a body where none is taken is a 422, and its action is not done", async () => {
  const paths = [
    `${versions}/1.0.0/yank`,
    `${versions}/1.0.0/publish`,
    "/v1/uploads/00000000-0000-7000-8000-000000000000/complete",
  ];
  for (const path of paths)
    for (const body of ['{"reason":"x"}', "[1]", "1", '"x"'])
      expectProblem(await leavesNothing(() => sendRaw({ path, body })), { status: 422, code: "invalid" });
  expect((await author.call("GET", `${versions}/1.0.0`)).json.yankedAt).toBeUndefined();
  expect((await sendRaw({ path: `${versions}/1.0.0/unyank`, body: "{}" })).status).toBe(200);
});

test("a media type is one in any case, with a charset or without", async () => {
  for (const [index, type] of ["application/json; charset=utf-8", "Application/JSON"].entries()) {
    const body = JSON.stringify({ slug: `media-${index}`, name: "x" });
    expect((await sendRaw({ path: "/v1/packs", body, headers: { "content-type": type } })).status).toBe(201);
  }
});

test("publishing with a missing file is a 409 that names it, and the draft stays one", async () => {
  const missing = sha256("never sent");
  const files = [file("a.jar"), { path: "mods/missing.jar", sha256: missing, size: 10, side: "both" }];
  const draft = await author.call("POST", versions, { body: version({ version: "5.0.0", files }) });
  expect(draft.json.missing).toEqual([{ sha256: missing, size: 10 }]);
  const answer = await leavesNothing(() => author.call("POST", `${versions}/5.0.0/publish`));
  expectProblem(answer, { status: 409, code: "conflict" });
  expect(answer.json.missing).toEqual([{ sha256: missing, size: 10, state: "missing" }]);
  expect(answer.json.errors[0].detail).toContain("mods/missing.jar");
  expect((await author.call("GET", `${versions}/5.0.0`)).json.state).toBe("draft");
  expect((await system.call("GET", `${versions}/5.0.0`)).status).toBe(404);
  await upload(author, "never sent");
  expect((await author.call("POST", `${versions}/5.0.0/publish`)).status).toBe(202);
});
