import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { parts, publishPack, type System, sha256, startSystem, type TestUser, upload, waitFor } from "../harness.ts";

let system: System;
let author: TestUser;

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
  await publishPack(author, { slug: "pack", version: "1.0.0", files: { "a.jar": "bytes of a" } });
});
afterAll(() => system?.stop());

/** Sends a request byte by byte as given, for what fetch refuses to send. */
function sendRaw(base: string, head: string): Promise<string> {
  const { hostname, port, host } = new URL(base);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${head}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    });
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer to ${head}`)));
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(answer)).on("error", reject);
  });
}

describe("conditional requests", () => {
  test("a pack's page: 304 for who has it, 428 and 412 for who changes it blindly", async () => {
    await author.call("POST", "/v1/packs", { body: { slug: "page", name: "page" } });
    const read = await author.call("GET", "/v1/packs/page");
    const etag = read.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[^"]+"$/);
    for (const sent of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      const same = await author.call("GET", "/v1/packs/page", { headers: { "if-none-match": sent } });
      expect([sent, same.status, same.text, same.headers.get("etag")]).toEqual([sent, 304, "", etag]);
    }
    const change = (summary: string, headers: Record<string, string>) =>
      author.call("PATCH", "/v1/packs/page", { headers, body: { summary } });
    const blind = await change("blind", {});
    expect([blind.status, blind.json.code]).toEqual([428, "precondition-required"]);
    for (const sent of ['"999"', "garbage", `W/${etag}`, "*"])
      expect([sent, (await change("stale", { "if-match": sent })).status]).toEqual([sent, 412]);
    expect((await author.call("GET", "/v1/packs/page")).json.summary).toBe("");
    // Of many who saw the same, one is let through.
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => change(`${index}`, { "if-match": etag })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 9 }, () => 412)]);
    const winner = answers.find(({ status }) => status === 200);
    const now = await author.call("GET", "/v1/packs/page", { headers: { "if-none-match": etag } });
    expect([now.status, now.json.summary]).toEqual([200, winner?.json.summary]);
    expect(now.headers.get("etag")).toBe(winner?.headers.get("etag") ?? "");
  });

  test("a pack's page is another after a version was published, which spoils nobody's change of it", async () => {
    await author.call("POST", "/v1/packs", { body: { slug: "grows", name: "grows", visibility: "public" } });
    const before = (await author.call("GET", "/v1/packs/grows")).headers.get("etag") ?? "";
    await publishPack(author, { slug: "grows", version: "1", files: { a: "grows a" } });
    const now = await author.call("GET", "/v1/packs/grows", { headers: { "if-none-match": before } });
    expect([now.status, now.json?.minecraft]).toEqual([200, ["1.21.1"]]);
    // What somebody else sees of it has another tag.
    expect((await system.call("GET", "/v1/packs/grows")).headers.get("etag")).not.toBe(now.headers.get("etag"));
    const headers = { "if-match": before };
    expect((await author.call("PATCH", "/v1/packs/grows", { headers, body: { summary: "big" } })).status).toBe(200);
  });

  test("a draft: its revision guards it the same way", async () => {
    const file = { path: "a", sha256: sha256("bytes of a"), size: 10, side: "both" };
    const body = { version: "9.0.0", channel: "beta", minecraft: "1.21.1", loader: null, files: [file] };
    await author.call("POST", "/v1/packs/pack/versions", { body });
    const path = "/v1/packs/pack/versions/9.0.0";
    const etag = (await author.call("GET", path)).headers.get("etag") ?? "";
    const change = (headers: Record<string, string>) =>
      author.call("PATCH", path, { headers, body: { changelog: "changed" } });
    expect((await change({})).status).toBe(428);
    expect((await change({ "if-match": '"99"' })).status).toBe(412);
    expect((await change({ "if-match": etag })).status).toBe(200);
    expect((await change({ "if-match": etag })).status).toBe(412);
    expect((await author.call("DELETE", path)).status).toBe(204);
  });

  test("the manifest has a strong tag, its digest, and its bytes never change", async () => {
    const path = "/v1/packs/pack/versions/1.0.0/manifest";
    const first = await system.call("GET", path);
    expect(first.headers.get("etag")).toBe(`"${sha256(first.text)}"`);
    for (const call of [system.call, author.call]) {
      const same = await call("GET", path, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
      expect([same.status, same.text]).toEqual([304, ""]);
      expect((await call("GET", path)).text).toBe(first.text);
    }
    expect(first.text).not.toContain(system.url);
    expect(first.text).not.toContain("127.0.0.1");
  });
});

describe("what caches may keep", () => {
  test("only what is public is called so, and never for a caller with a token or about a private pack", async () => {
    await publishPack(author, { slug: "private-one", version: "1", files: { a: "private a" }, visibility: "private" });
    const rests = ["", "/versions", "/latest", "/versions/1.0.0", "/versions/1.0.0/manifest"];
    for (const rest of rests) {
      const open = await system.call("GET", `/v1/packs/pack${rest}`);
      expect([rest, open.status, open.headers.get("cache-control")]).toEqual([rest, 200, "public, no-cache"]);
      const closed = await author.call("GET", `/v1/packs/private-one${rest.replace("1.0.0", "1")}`);
      expect([rest, closed.status, closed.headers.get("cache-control")]).toEqual([rest, 200, "private, no-cache"]);
    }
    const blob = await author.call("GET", `/v1/blobs/${sha256("private a")}`);
    const bytes = await fetch(blob.headers.get("location") ?? "");
    expect(bytes.headers.get("cache-control")).toBe("private, no-store");
    const open = await system.call("GET", `/v1/blobs/${sha256("bytes of a")}`);
    expect(open.headers.get("cache-control")).toBe("no-store");
    const openBytes = await fetch(open.headers.get("location") ?? "");
    expect(openBytes.headers.get("cache-control")).toStartWith("public, max-age=31536000, immutable");
    // Signed anew at rounded times: the same address for all, so that a cache can hit.
    expect((await author.call("GET", `/v1/blobs/${sha256("bytes of a")}`)).headers.get("location")).toBe(
      open.headers.get("location") ?? "",
    );
  });

  test("whatever does not say otherwise is kept by nobody", async () => {
    const body = { sha256: sha256("never sent"), size: 10, name: "x" };
    const { json } = await author.call("POST", "/v1/uploads", { body });
    for (const path of [`/v1/uploads/${json.id}`, "/v1/packs/pack/access", "/v1/packs/pack/members", "/status"]) {
      const answer = await author.call("GET", path);
      expect([path, answer.status, answer.headers.get("cache-control")]).toEqual([path, 200, "private, no-store"]);
    }
  });

  test("a pack that is made private is gone for strangers within the bound of the memories before it", async () => {
    await publishPack(author, { slug: "hides", version: "1", files: { a: "hides a" } });
    const paths = ["", "/latest", "/versions", "/versions/1", "/versions/1/manifest"].map(
      (rest) => `/v1/packs/hides${rest}`,
    );
    for (const path of paths) expect((await system.call("GET", path)).status).toBe(200);
    const etag = (await author.call("GET", "/v1/packs/hides")).headers.get("etag") ?? "";
    const hidden = await author.call("PATCH", "/v1/packs/hides", {
      headers: { "if-match": etag },
      body: { visibility: "private" },
    });
    expect(hidden.status).toBe(200);
    for (const path of paths)
      await waitFor(async () => (await system.call("GET", path)).status === 404, `${path} to be hidden`, 4_000);
    for (const path of paths) expect((await author.call("GET", path)).status).toBe(200);
    // And stays so, on every process.
    for (const base of system.apiUrls) for (const path of paths) expect((await fetch(base + path)).status).toBe(404);
    expect((await system.call("GET", `/v1/blobs/${sha256("hides a")}`)).status).toBe(404);
  });

  test("bytes are never a page: no type that a browser would run, nothing allowed to it", async () => {
    const digest = await upload(author, "<script>alert(1)</script>", "page.html");
    const file = await author.call("POST", "/v1/files", { body: { sha256: digest, name: "page.html" } });
    const { headers } = await fetch((await author.call("GET", file.json.content)).headers.get("location") ?? "");
    expect(headers.get("content-type")).toBe("application/octet-stream");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("sandbox");
    expect(headers.get("content-disposition")).toStartWith("attachment");
  });
});

describe("lists", () => {
  async function walk(first: string): Promise<any[]> {
    const seen: any[] = [];
    let next: string | undefined = first;
    for (let page = 0; page < 20 && next; page++) {
      const answer = await author.call("GET", next);
      expect(answer.status).toBe(200);
      seen.push(...answer.json.items);
      next = /^<(\/[^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
      expect(answer.json.nextCursor === null).toBe(next === undefined);
      if (next) expect(new URL(next, system.url).searchParams.get("cursor")).toBe(answer.json.nextCursor);
    }
    return seen;
  }

  test("packs that were changed within the same millisecond are all shown, each once, newest first", async () => {
    const slugs = Array.from({ length: 7 }, (_, index) => `moment-${index}`);
    for (const slug of slugs)
      await author.call("POST", "/v1/packs", { body: { slug, name: "moment", visibility: "public" } });
    await system.db.query({
      name: "test_moments",
      text: `update pack.pack set updated_at = timestamptz '2026-01-01 00:00:00.000100Z' + split_part(slug, '-', 2)::integer * interval '1 microsecond'
        where slug like 'moment-%'`,
      values: [],
    });
    const seen = await walk("/v1/packs?query=moment&limit=2");
    expect(seen.map(({ slug }) => slug)).toEqual(slugs.toReversed());
  });

  test("versions, newest first, drafts before them for those who work on the pack", async () => {
    for (const version of ["1", "2", "3", "4", "5"])
      await publishPack(author, { slug: "many", version, files: { a: `many ${version}` } });
    const file = { path: "a", sha256: sha256("many 1"), size: 6, side: "both" };
    const draft = { version: "draft", channel: "release", minecraft: "1.21.1", loader: null, files: [file] };
    await author.call("POST", "/v1/packs/many/versions", { body: draft });
    const seen = await walk("/v1/packs/many/versions?limit=2");
    expect(seen.map(({ version }) => version)).toEqual(["draft", "5", "4", "3", "2", "1"]);
  });

  test("packs are found by text, tag, game version and loader; what is no pattern is none", async () => {
    const found = async (query: string) =>
      (await system.call("GET", `/v1/packs?${query}`)).json.items.map(({ slug }: { slug: string }) => slug);
    const etag = (await author.call("GET", "/v1/packs/many")).headers.get("etag") ?? "";
    await author.call("PATCH", "/v1/packs/many", { headers: { "if-match": etag }, body: { tags: ["sky-islands"] } });
    await waitFor(async () => (await found("tag=sky-islands")).length === 1, "the tag to be found");
    expect(await found("query=MANY")).toContain("many");
    expect(await found("minecraft=1.21.1&loader=fabric&query=many")).toEqual(["many"]);
    expect(await found("loader=forge")).toEqual([]);
    expect(await found(`query=${encodeURIComponent("%")}`)).toEqual([]);
    expect(await found(`query=${encodeURIComponent("m_ny")}`)).toEqual([]);
    expect(await found(`query=${encodeURIComponent("' or 1=1 --")}`)).toEqual([]);
    const unlisted = { slug: "unlisted-one", name: "unlisted", visibility: "unlisted" };
    await author.call("POST", "/v1/packs", { body: unlisted });
    expect(await found("query=unlisted")).toEqual([]);
    expect((await system.call("GET", "/v1/packs/unlisted-one")).status).toBe(200);
  });
});

describe("refresh tokens", () => {
  const refresh = (refreshToken: string) => system.call("POST", "/v1/auth/refresh", { body: { refreshToken } });

  test("many at once get the same successor, and a lost answer can be asked for again", async () => {
    const { refreshToken, login } = await system.signUp();
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refreshToken)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const successors = new Set(answers.map(({ json }) => json.refreshToken));
    expect(successors.size).toBe(1);
    expect(successors.has(refreshToken)).toBe(false);
    expect((await refresh(refreshToken)).json.refreshToken).toBe([...successors][0]);
    const { rows } = await system.db.query({
      name: "test_counter",
      text: `select counter from account.session s join account."user" u on u.id = s.user_id where u.login = $1`,
      values: [login],
    });
    expect(rows).toEqual([{ counter: 1 }]);
    const { accessToken } = answers[0]?.json ?? {};
    const headers = { authorization: `Bearer ${accessToken}` };
    expect((await system.call("POST", "/v1/packs", { headers, body: { slug: `by-${login}`, name: "x" } })).status).toBe(
      201,
    );
  });

  test("one older than the predecessor was stolen: it ends the session, its newest token included", async () => {
    const { refreshToken: first } = await system.signUp();
    const second = (await refresh(first)).json.refreshToken;
    const third = (await refresh(second)).json.refreshToken;
    expect((await refresh(second)).json.refreshToken).toBe(third); // the predecessor is not old
    const stolen = await refresh(first);
    expect([stolen.status, stolen.json.code]).toEqual([401, "not-signed-in"]);
    for (const token of [third, second, first]) expect((await refresh(token)).status).toBe(401);
  });

  test("the predecessor, a minute later, was stolen too", async () => {
    const { refreshToken: first, login } = await system.signUp();
    const second = (await refresh(first)).json.refreshToken;
    await system.db.query({
      name: "test_later",
      text: `update account.session s set advanced_at = advanced_at - interval '61 seconds' from account."user" u where u.id = s.user_id and u.login = $1`,
      values: [login],
    });
    expect((await refresh(first)).status).toBe(401);
    expect((await refresh(second)).status).toBe(401);
  });

  test("a forged one is refused and ends nothing", async () => {
    const { refreshToken, token } = await system.signUp();
    const [session, , mac] = refreshToken.split(".");
    const other = (await system.signUp()).refreshToken.split(".");
    for (const forged of [
      `${session}.1.${mac}`,
      `${session}.0.${mac?.slice(0, -2)}AA`,
      `${session}.0.`,
      `${session}.0.${other[2]}`,
      `${session}.-1.${mac}`,
      `${session}.0.${mac}.x`,
      `${session}.00.${mac}x`,
      token,
      "x",
    ])
      expect([forged, (await refresh(forged)).status]).toEqual([forged, 401]);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test("of somebody who is disabled are refused", async () => {
    const { refreshToken, login } = await system.signUp();
    await system.db.query({
      name: "test_disable",
      text: `update account."user" set disabled_at = now() where login = $1`,
      values: [login],
    });
    expect((await refresh(refreshToken)).status).toBe(401);
  });
});

describe("signing in", () => {
  test("a login is taken in any case, and an unknown one is told like a wrong password", async () => {
    await system.signUp("Taken.Login");
    const password = "a long test password";
    for (const login of ["taken.login", "TAKEN.LOGIN"])
      expect((await system.call("POST", "/v1/auth/register", { body: { login, password } })).status).toBe(409);
    const told = await Promise.all(
      [
        { login: "taken.login", password: "wrong password" },
        { login: "nobody.here", password },
      ].map((body) => system.call("POST", "/v1/auth/login", { body })),
    );
    for (const answer of told) answer.json.traceId = "…";
    expect(told[0]?.status).toBe(401);
    expect(told[0]?.json).toEqual(told[1]?.json);
    const signedIn = await system.call("POST", "/v1/auth/login", { body: { login: "TAKEN.login", password } });
    expect([signedIn.status, signedIn.json.user.login, signedIn.headers.get("cache-control")]).toEqual([
      200,
      "taken.login",
      "no-store",
    ]);
    expect(signedIn.text).not.toMatch(/argon2|password/i);
  });
});

describe("what is not there, and methods that are not served", () => {
  const bases = () => [...new Set([system.url, ...system.apiUrls])];
  test.each(
    [
      "/.git/config",
      "/.env",
      "/package.json",
      "/data",
      "/v1",
      "/v1/",
      "/storage",
      "/storage/",
      "/v1/../config.ts",
      "/%2e%2e/config.ts",
      "//etc/passwd",
      "/v1/packs/..%2f..%2fconfig.ts",
    ].map((path) => ({ path })),
  )("$path", async ({ path }) => {
    for (const base of bases()) {
      const answer = await sendRaw(base, `GET ${path} HTTP/1.1`);
      expect(answer).toMatch(/^HTTP\/1\.1 (400|403|404) /);
      expect(answer).not.toMatch(/\[core\]|DATABASE_URL|"dependencies"|root:|Index of|import /);
    }
  });

  test("TRACE, CONNECT and methods of nobody's invention", async () => {
    for (const base of bases())
      for (const head of [
        "TRACE / HTTP/1.1",
        "TRACE /v1/packs HTTP/1.1",
        "TRACK / HTTP/1.1",
        "DEBUG / HTTP/1.1",
        "CONNECT 127.0.0.1:22 HTTP/1.1",
        "PUT /v1/packs HTTP/1.1",
        "DELETE /v1/packs HTTP/1.1",
      ]) {
        const answer = await sendRaw(base, `${head}\r\nX-Secret: tell-nobody`);
        // An API process closes the connection on a method that nobody ever heard of.
        expect([head, /^(HTTP\/1\.1 (400|404|405|501) |$)/.test(answer)]).toEqual([head, true]);
        expect(answer).not.toContain("tell-nobody");
        expect((await system.call("GET", "/v1/packs")).status).toBe(200); // and nobody else is worse off
      }
  });

  test("paths out of the storage", async () => {
    for (const base of bases())
      for (const path of [
        "/storage/../../config.ts",
        "/storage/%2e%2e/%2e%2e/etc/passwd",
        "/storage/..%2f..%2fetc/passwd",
        "/storage//etc/passwd",
        "/storage/%00",
        "/storage/tmp/x?expires=9999999999&signature=x",
      ]) {
        const answer = await sendRaw(base, `GET ${path} HTTP/1.1`);
        expect([path, /^HTTP\/1\.1 (400|403|404) /.test(answer)]).toEqual([path, true]);
        expect(answer).not.toMatch(/root:|import /);
      }
  });

  test("a request with two lengths, or with length and chunks, is not read twice", async () => {
    const smuggled = "GET /v1/packs/pack HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const base of bases())
      for (const headers of [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
      ]) {
        const answer = await sendRaw(
          base,
          `POST /v1/packs HTTP/1.1\r\nContent-Type: application/json\r\n${headers}`,
        ).catch(String);
        expect(answer).not.toContain(smuggled);
        expect([headers, answer.split("HTTP/1.1 ").length <= 2, /HTTP\/1\.1 2/.test(answer)]).toEqual([
          headers,
          true,
          false,
        ]);
      }
  });

  test("answers say nothing of what they are made with", async () => {
    for (const path of ["/v1/packs", "/v1/nothing", "/status"]) {
      const { headers } = await system.call("GET", path);
      expect(headers.get("x-powered-by")).toBeNull();
      expect(headers.get("server") ?? "").not.toMatch(/\d/);
    }
  });
});

describe("events of a job", () => {
  let quiet: System;
  beforeAll(async () => {
    quiet = await startSystem({ pods: 0 });
  });
  afterAll(() => quiet?.stop());

  type Event = { id?: string; event?: string; data?: string; comment?: boolean };

  async function* readEvents(response: Response): AsyncGenerator<Event> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        yield block.startsWith(":")
          ? { comment: true }
          : Object.fromEntries(
              block.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
            );
      }
    }
  }

  test("come as they happen, with a heartbeat while nothing does, until the job has ended", async () => {
    const user = await quiet.signUp();
    const stranger = await quiet.signUp();
    const bytes = "bytes of a job";
    const opened = await user.call("POST", "/v1/uploads", {
      body: { sha256: sha256(bytes), size: bytes.length, name: "x" },
    });
    await fetch(opened.json.url, { method: "PUT", headers: opened.json.headers, body: bytes });
    const { json } = await user.call("POST", `/v1/uploads/${opened.json.id}/complete`);
    const path = `${json.job.url}/events`;
    expect((await stranger.call("GET", path)).status).toBe(404);
    const open = (headers: Record<string, string> = {}) =>
      fetch(quiet.url + path, {
        headers: { authorization: `Bearer ${user.token}`, ...headers },
        signal: AbortSignal.timeout(40_000),
      });
    const response = await open();
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    expect(response.headers.get("cache-control")).toContain("no-store");

    const seen: Event[] = [];
    const startedAt = performance.now();
    let beatAfterMs = 0;
    for await (const event of readEvents(response)) {
      seen.push(event);
      if (event.comment && beatAfterMs === 0) {
        beatAfterMs = performance.now() - startedAt;
        quiet.startPod(); // only now is there anybody to do it
      }
    }
    const told = seen.filter(({ comment }) => !comment);
    const states = told.map(({ data }) => JSON.parse(data ?? "").state);
    expect(states[0]).toBe("waiting");
    expect(states.at(-1)).toBe("completed");
    expect(beatAfterMs).toBeGreaterThan(0);
    expect(beatAfterMs).toBeLessThan(8_000);
    expect(told.every(({ id, event }) => id !== undefined && event === "job")).toBe(true);
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
    const end = JSON.parse(told.at(-1)?.data ?? "");
    expect(end).toEqual((await user.call("GET", json.job.url)).json);

    // Who comes back with the last id is not told it again; the stream just ends.
    const again = await open({ "last-event-id": told.at(-1)?.id ?? "" });
    expect(await again.text()).toBe("");
    const anew = await open();
    expect((await anew.text()).match(/^event: job$/gm)?.length).toBe(1);
  });

  test("of a job that is not there: 404", async () => {
    const user = await quiet.signUp();
    const nobody = "/v1/jobs/00000000-0000-7000-8000-000000000000/events";
    expect((await user.call("GET", nobody)).status).toBe(404);
    expect((await quiet.call("GET", nobody)).status).toBe(404);
  });
});

test("both sets of parts are what they say", async () => {
  const { json } = await system.call("GET", "/status");
  expect(json.parts).toEqual(
    parts === "cluster"
      ? { database: "postgres", queues: "redis", storage: "s3" }
      : { database: "postgres", queues: "postgres", storage: "disk" },
  );
});
