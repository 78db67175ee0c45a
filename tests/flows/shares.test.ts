import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  type Answer,
  createTestFolder,
  openCall,
  type System,
  startSystem,
  type TestUser,
  waitForJob,
} from "../harness.ts";
import { makePng, uploadImage } from "../pictures.ts";

let system: System;
let owner: TestUser;
let stranger: TestUser;
let logFile = "";
let albumId = "";
let inside = "";
let hidden = "";
let elsewhere = "";
const perLink = 5;
const password = "rook takes pawn";

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  system = await startSystem({
    apis: 2,
    logFile,
    environment: {
      LOG_LEVEL: "debug",
      LIMIT_SIGN_INS_PER_ACCOUNT: String(perLink),
      LIMIT_ALBUM_ARCHIVES_PER_MINUTE: "3",
    },
  });
  [owner, stranger] = await Promise.all([system.signUp("keeper"), system.signUp("stranger")]);
  albumId = (await owner.call("POST", "/v1/albums", { body: { title: "Private album" } })).json.id;
  const other = (await owner.call("POST", "/v1/albums", { body: { title: "Another" } })).json.id;
  inside = await uploadImage(owner, makePng({ width: 400, height: 300 }), { album: albumId, alt: "A castle" });
  hidden = await uploadImage(owner, makePng(), { album: albumId, visibility: "private" });
  elsewhere = await uploadImage(owner, makePng(), { album: other });
});
afterAll(() => system?.stop());

const secrets: string[] = [password];
const sharesPath = () => `/v1/albums/${albumId}/shares`;
async function makeShare(body: object = {}): Promise<{ id: string; token: string; url: string }> {
  const made = await owner.call("POST", sharesPath(), { body });
  expect(made.status).toBe(201);
  secrets.push(made.json.token);
  return made.json;
}
const open = (body: object, call = system.call) => call("POST", "/v1/shares/open", { body });
async function openGood(body: object): Promise<any> {
  const opened = await open(body);
  expect([opened.status, opened.headers.get("cache-control")]).toEqual([200, "private, no-store"]);
  secrets.push(opened.json.grant);
  return opened.json;
}
const look = (path: string, share: string, headers: Record<string, string> = {}): Promise<Answer> =>
  system.call("GET", path, { headers: { share, ...headers } });
/** What a refusal says, without what tells one request from another. */
const told = ({ status, json: { traceId, ...rest } }: Answer) => ({ status, ...rest });

describe("a share link", () => {
  test("shows its album to whoever has it, and nothing else", async () => {
    const { token, url } = await makeShare();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(new URL(url)).toMatchObject({ pathname: "/share", search: "", hash: `#${token}` });
    const opened = await openGood({ token });
    expect(opened.album).toMatchObject({ id: albumId, title: "Private album", role: "reader", cover: { id: inside } });
    expect(opened.images.map(({ id, alt }: any) => [id, alt])).toEqual([[inside, "A castle"]]);
    expect(Date.parse(opened.grantExpiresAt) - Date.now()).toBeGreaterThan(3_500_000);

    const { grant } = opened;
    const shown = [`/v1/albums/${albumId}`, `/v1/albums/${albumId}/images`, `/v1/images/${inside}`];
    for (const path of shown) {
      expect([path, (await look(path, grant)).status]).toEqual([path, 200]);
      for (const { call } of [system, stranger]) expect([path, (await call("GET", path)).status]).toEqual([path, 404]);
    }
    for (const variant of ["thumb", "preview", "large", "original"]) {
      const path = `/v1/images/${inside}/${variant}`;
      const answer = await look(path, grant);
      expect([answer.status, answer.headers.get("cache-control")]).toEqual([307, "no-store"]);
      expect(answer.headers.get("location")).not.toContain(grant);
      expect((await system.call("GET", path)).status).toBe(404);
      const { json } = await look(path, grant, { accept: "application/json" });
      const bytes = await fetch(json.url);
      expect([bytes.status, bytes.headers.get("content-type")]).toEqual([200, "image/webp"]);
      expect(bytes.headers.get("cache-control")).toContain("private");
    }
    for (const id of [hidden, elsewhere])
      for (const path of [`/v1/images/${id}`, `/v1/images/${id}/thumb`])
        expect((await look(path, grant)).status).toBe(404);
    for (const path of ["/v1/me", "/v1/me/images", `/v1/albums/${albumId}/shares`])
      expect((await look(path, grant)).status).toBe(401);
    const changing = await stranger.call("PATCH", `/v1/albums/${albumId}`, {
      body: { title: "x" },
      headers: { share: grant, "if-match": "*" },
    });
    expect(changing.status).toBe(403);
  });

  test("lets its holder have the archive of what it shows, and watch the job", async () => {
    const { grant } = await openGood({ token: (await makeShare()).token });
    const path = `/v1/albums/${albumId}/archive`;
    const headers = { share: grant };
    const asked = await system.call("POST", path, { headers });
    expect(asked.status).toBe(202);
    const call: typeof system.call = (method, to) => system.call(method, to, { headers });
    expect((await waitForJob({ call }, asked.json.job.id)).result.state).toBe("built");
    expect((await system.call("GET", `/v1/jobs/${asked.json.job.id}`)).status).toBe(404);
    expect((await look(path, grant)).status).toBe(307);
    expect((await system.call("GET", path)).status).toBe(404);
    const { json } = await look(path, grant, { accept: "application/json" });
    const names = await zipNames(await (await fetch(json.url)).arrayBuffer());
    expect(names).toEqual(["001 picture.webp"]);
  });

  test("is counted when it is opened, and ends at once, also for those who have opened it", async () => {
    const { id, token } = await makeShare({ expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    const { grant } = await openGood({ token });
    await openGood({ token });
    const find = async () => {
      const { json } = await owner.call("GET", sharesPath());
      expect(JSON.stringify(json)).not.toContain(token);
      return json.items.find((share: any) => share.id === id);
    };
    expect(await find()).toMatchObject({ uses: 2, password: false, revokedAt: null, usedAt: expect.any(String) });
    const calls = system.apiUrls.map((url) => openCall(url));
    const statuses = () =>
      Promise.all(
        calls.map(
          async (call) => (await call("GET", `/v1/images/${inside}/thumb`, { headers: { share: grant } })).status,
        ),
      );
    expect(await statuses()).toEqual(calls.map(() => 307));
    expect((await owner.call("DELETE", `${sharesPath()}/${id}`)).status).toBe(204);
    expect(await statuses()).toEqual(calls.map(() => 404));
    expect((await open({ token })).status).toBe(404);
    expect((await owner.call("DELETE", `${sharesPath()}/${id}`)).status).toBe(404);
    expect((await find()).revokedAt).toBeString();
  });

  test("that is wrong, expired or revoked is answered like one that never was, and a password's need is a hint", async () => {
    const [unknown, revoked, expired, locked] = [
      "A".repeat(43),
      await makeShare(),
      await makeShare(),
      await makeShare({ password }),
    ];
    await owner.call("DELETE", `${sharesPath()}/${revoked.id}`);
    const { grant } = await openGood({ token: expired.token });
    await system.db.query({
      name: "test_expire",
      text: "update image.share set expires_at = now() - interval '1 second' where id = $1",
      values: [expired.id],
    });
    const never = told(await open({ token: unknown }));
    expect(never).toMatchObject({ status: 404, code: "not-found" });
    expect(never).not.toHaveProperty("passwordNeeded");
    for (const token of [revoked.token, expired.token, `${revoked.token}x`])
      expect(told(await open({ token }))).toEqual(never);
    expect(told(await open({ token: unknown, password }))).toEqual(never);
    expect((await look(`/v1/images/${inside}`, grant)).status).toBe(404);
    for (const body of [{}, { password: "wrong" }])
      expect(told(await open({ token: locked.token, ...body }))).toEqual({ ...never, passwordNeeded: true });
    expect((await openGood({ token: locked.token, password })).album.id).toBe(albumId);
    const late = await owner.call("POST", sharesPath(), { body: { expiresAt: "2020-01-01T00:00:00Z" } });
    expect(late.status).toBe(422);
  });

  test("with a password is tried so often a minute, by all processes together, and other links are not hindered", async () => {
    const [tried, other] = [await makeShare({ password }), await makeShare({ password })];
    const calls = system.apiUrls.map((url) => openCall(url));
    const guesses = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        open({ token: tried.token, password: `guess ${n}` }, calls[n % calls.length]),
      ),
    );
    const statuses = guesses.map(({ status }) => status);
    expect(statuses.filter((status) => status === 404)).toHaveLength(perLink);
    expect(statuses.filter((status) => status === 429)).toHaveLength(12 - perLink);
    const right = await open({ token: tried.token, password });
    expect([right.status, Number(right.headers.get("retry-after"))]).toEqual([429, expect.any(Number)]);
    await openGood({ token: other.token, password });
  });

  test("is made and seen by the album's editors alone, with an account of their own", async () => {
    await makeShare();
    for (const method of ["GET", "POST"]) {
      const body = method === "POST" ? { body: {} } : {};
      expect((await system.call(method, sharesPath(), body)).status).toBe(401);
      expect((await stranger.call(method, sharesPath(), body)).status).toBe(404);
    }
    // Its token would have to be kept for the same answer to come twice.
    const headers = { "idempotency-key": "once" };
    const twice = [
      await owner.call("POST", sharesPath(), { body: {}, headers }),
      await owner.call("POST", sharesPath(), { body: {}, headers }),
    ];
    expect(new Set(twice.map(({ json }) => json.token)).size).toBe(2);
    secrets.push(...twice.map(({ json }) => json.token));
  });
});

test("a link to a private pack's gallery shows the gallery, not whose it is, and ends with the pack", async () => {
  await owner.call("POST", "/v1/packs", { body: { slug: "hideout", name: "Hideout", visibility: "private" } });
  const gallery = (await owner.call("POST", "/v1/albums", { body: { title: "Gallery", pack: "hideout" } })).json;
  const image = await uploadImage(owner, makePng(), { album: gallery.id });
  const { token } = (await owner.call("POST", `/v1/albums/${gallery.id}/shares`, { body: {} })).json;
  const { album, images, grant } = await openGood({ token });
  expect([gallery.pack, album.pack, images.map(({ id }: any) => id)]).toEqual(["hideout", null, [image]]);
  expect((await look("/v1/packs/hideout", grant)).status).toBe(404);
  expect((await look("/v1/packs/hideout/albums", grant)).status).toBe(404);
  await owner.call("DELETE", "/v1/packs/hideout", { body: { slug: "hideout" } });
  for (const path of [`/v1/albums/${gallery.id}`, `/v1/images/${image}`, `/v1/images/${image}/thumb`])
    expect((await look(path, grant)).status).toBe(404);
  expect((await open({ token })).status).toBe(404);
});

test("of albums that change all the time so many archives a minute are made, whoever asks; one that is there is given at any time", async () => {
  const album = (await stranger.call("POST", "/v1/albums", { body: { title: "Changing", visibility: "public" } })).json;
  const path = `/v1/albums/${album.id}/archive`;
  const statuses = [];
  for (let n = 0; n < 4; n++) {
    await uploadImage(stranger, makePng(), { album: album.id });
    const asked = await (n % 2 ? system : stranger).call("POST", path);
    statuses.push(asked.status);
    if (asked.status === 202) await waitForJob(stranger, asked.json.job.id);
    else expect(Number(asked.headers.get("retry-after"))).toBeGreaterThan(0);
    if (asked.status === 202) expect((await system.call("POST", path)).status).toBe(200);
  }
  expect(statuses).toEqual([202, 202, 202, 429]);
});

describe("a grant", () => {
  test("that is changed, from elsewhere or too old is refused, not passed over", async () => {
    const { grant } = await openGood({ token: (await makeShare()).token });
    const bad = [`${grant.slice(0, -2)}AA`, "", " ", "x", "A".repeat(400), owner.token];
    for (const share of bad) {
      const answer = await look(`/v1/images/${inside}`, share);
      // An empty header is as good as none behind some proxies.
      expect([share, [401, 404].includes(answer.status)]).toEqual([share, true]);
      if (share.trim() !== "") expect(answer.json).toMatchObject({ status: 401, reason: "share" });
    }
    const publicImage = await uploadImage(owner, makePng(), { visibility: "public" });
    expect((await look(`/v1/images/${publicImage}`, "x")).status).toBe(401);
    expect((await look(`/v1/images/${publicImage}`, grant)).status).toBe(200);
  });

  test("in an address is nothing", async () => {
    const { grant } = await openGood({ token: (await makeShare()).token });
    for (const path of [`/v1/images/${inside}?share=${grant}`, `/v1/albums/${albumId}?Share=${grant}`])
      expect([400, 404]).toContain((await system.call("GET", path)).status);
  });
});

test("no token, grant or password of a link is in a log, a job, a queue or the database", async () => {
  const logged = await Bun.file(logFile).text();
  expect(logged.length).toBeGreaterThan(1_000);
  const { rows } = await system.db.query({
    name: "test_everything",
    text: `select coalesce(string_agg(query_to_xml(format('select * from %I.%I', schemaname, tablename), true, false, '')::text, ' '), '') as text
      from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
    values: [],
  });
  const [{ text: stored } = { text: "" }] = rows as { text: string }[];
  expect(stored).toContain(albumId);
  const hash = (token: string) => new Bun.CryptoHasher("sha256").update(token).digest("hex");
  expect(secrets.length).toBeGreaterThan(10);
  expect(stored).toContain(hash(secrets[1] ?? ""));
  const told = secrets.filter((secret) => logged.includes(secret) || stored.includes(secret));
  expect(told).toEqual([]);
});

describe("the page of a link", () => {
  /** A stand-in for the few parts of a browser that the script of the page uses; its requests are real. */
  async function openPage(hash: string, language = "en") {
    const { text: html } = await system.call("GET", "/share", { headers: { "accept-language": language } });
    const { text: script } = await system.call("GET", /<script src="([^"]+)"/.exec(html)?.[1] ?? "");
    const requests: Promise<unknown>[] = [];
    const makeElement = (hidden = false): any => {
      const element: any = { hidden, value: "", textContent: "", children: [], listeners: {} };
      element.append = (...added: unknown[]) => void element.children.push(...added);
      element.addEventListener = (kind: string, listen: unknown) => {
        element.listeners[kind] = listen;
      };
      return element;
    };
    const named = (pattern: RegExp) =>
      new Map([...html.matchAll(pattern)].map(([all, name = ""]) => [name, makeElement(/ hidden>/.test(all))]));
    const places = named(/<[^>]*data-place="([^"]+)"[^>]*>/g);
    const outcomes = named(/<[^>]*data-outcome="([^"]+)"[^>]*>/g);
    const inputs = named(/<input name="([^"]+)"[^>]*>/g);
    const form = Object.assign(makeElement(true), {
      querySelector: (selector: string) => inputs.get(/name=(\w+)/.exec(selector)?.[1] ?? ""),
    });
    const document = {
      querySelector: (selector: string) => {
        const [, kind, name = ""] = /data-(place|outcome)=([\w-]+)/.exec(selector) ?? [];
        return selector === "form" ? form : ((kind === "place" ? places : outcomes).get(name) ?? null);
      },
      querySelectorAll: () => [...outcomes.values()],
      createElement: () => makeElement(),
    };
    const assigned: string[] = [];
    const sent: string[] = [];
    const run = new Function("document", "location", "fetch", script);
    run(
      document,
      { hash, assign: (address: string) => assigned.push(address) },
      (path: string, options: RequestInit) => {
        sent.push(path);
        const answer = fetch(`${system.url}${path}`, options);
        requests.push(answer.then(() => undefined));
        return answer;
      },
    );
    /** Until nothing is asked any more. */
    const settle = async () => {
      for (let seen = -1; seen !== requests.length; ) {
        seen = requests.length;
        await Promise.all(requests);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await settle();
    const press = async (element: any, kind: string) => {
      await element.listeners[kind]({ preventDefault: () => undefined });
      await settle();
    };
    const said = () => [...outcomes].filter(([, { hidden }]) => !hidden).map(([name]) => name);
    return { html, form, places, inputs, sent, assigned, press, said };
  }

  test("is in the reader's language, from our own host, kept by no cache, and lets images of the storage in", async () => {
    for (const [language, title] of [
      ["en", "A shared album"],
      ["ru-RU,ru;q=0.9", "Альбом по ссылке"],
    ] as const) {
      const { headers, text } = await system.call("GET", "/share", { headers: { "accept-language": language } });
      expect(text).toContain(`<title>${title}</title>`);
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("content-security-policy")).toMatch(
        /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; connect-src 'self'; form-action 'none'; img-src 'self' data: https?:\/\/[^\s;]+; base-uri 'none'; frame-ancestors 'none'$/,
      );
      expect(text.match(/<script(?! src="\/share\.js" defer><\/script>)|\son\w+=/g)).toBeNull();
    }
  });

  test("opens the link by itself, shows thumbnails with what is to be seen, and asks for nothing in an address", async () => {
    const { token } = await makeShare();
    const page = await openPage(`#${token}`);
    expect([page.said(), page.form.hidden]).toEqual([[], true]);
    expect(page.places.get("title").textContent).toBe("Private album");
    const [item, ...others] = page.places.get("images").children;
    expect(others).toEqual([]);
    const picture = item.children[0].children[0];
    expect([picture.alt, picture.width, picture.height]).toEqual(["A castle", 320, 240]);
    expect((await fetch(picture.src)).headers.get("content-type")).toBe("image/webp");
    await page.press(item.children[0], "click");
    await page.press(page.places.get("archive"), "click");
    expect(page.assigned).toHaveLength(2);
    expect(page.sent.filter((path) => path.includes(token))).toEqual([]);
  });

  test("asks for the password of a link that has one, and says when it is wrong", async () => {
    const { url, token } = await makeShare({ password });
    const page = await openPage(`#${token}`);
    expect([page.said(), page.form.hidden, page.places.get("password").hidden]).toEqual([
      ["password_needed"],
      false,
      false,
    ]);
    page.inputs.get("password").value = "wrong";
    await page.press(page.form, "submit");
    expect(page.said()).toEqual(["password_wrong"]);
    page.inputs.get("password").value = password;
    page.inputs.get("token").value = url; // the whole link may be pasted
    await page.press(page.form, "submit");
    expect([page.said(), page.form.hidden]).toEqual([[], true]);
    const wrong = await openPage("#nothing");
    expect([wrong.said(), wrong.form.hidden]).toEqual([["link"], false]);
    expect([(await openPage("")).said(), (await openPage("")).form.hidden]).toEqual([[], false]);
  });
});

test("with its owner's account an album is gone for whoever has a link to it", async () => {
  const { token } = await makeShare();
  const { grant } = await openGood({ token });
  const gone = await owner.call("DELETE", "/v1/me", { body: { password: "a long test password" } });
  expect(gone.status).toBeLessThan(300);
  expect((await open({ token })).status).toBe(404);
  for (const path of [`/v1/albums/${albumId}`, `/v1/images/${inside}`, `/v1/images/${inside}/thumb`])
    expect((await look(path, grant)).status).toBe(404);
});

async function zipNames(bytes: ArrayBuffer): Promise<string[]> {
  const path = join(await createTestFolder(), "archive.zip");
  await Bun.write(path, bytes);
  return (await Bun.$`unzip -Z1 ${path}`.text()).trim().split("\n");
}
