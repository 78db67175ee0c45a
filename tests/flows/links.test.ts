import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  createTestFolder,
  parts,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
} from "../harness.ts";
import { makePng } from "../pictures.ts";
import { seat } from "./sunduk.ts";

let system: System;
let owner: TestUser;
let publisher: TestUser;
let logFile = "";
const slug = "hidden-pack";
const picture = makePng();
const linksPath = `/v1/packs/${slug}/links`;
const tokens: string[] = [];
const html = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const json = { accept: "application/json" };
const name = `Кастл "<b>&amp; co`;
const summary = `A pack's <script>alert(1)</script> summary`;

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  system = await startSystem({ apis: 2, pods: 1, logFile, environment: { LOG_LEVEL: "debug", LOG_COLLECT: "debug" } });
  [owner, publisher] = await Promise.all([system.signUp("keeper"), system.signUp("helper")]);
  await publishPack(owner, { slug, version: "1.0.0", files: { "mods/a.jar": "one" }, visibility: "private" });
  await publishPack(owner, { slug, version: "2.0.0-b", files: { "mods/a.jar": "two" }, channel: "beta" });
  await owner.call("PUT", `/v1/packs/${slug}/members`, { body: { login: "helper", role: "publisher" } });
  const icon = await upload(owner, picture, "icon.png");
  const page = await owner.call("GET", `/v1/packs/${slug}`);
  const changed = await owner.call("PATCH", `/v1/packs/${slug}`, {
    body: { name, summary, icon },
    headers: { "if-match": page.headers.get("etag") ?? "" },
  });
  expect(changed.status).toBe(200);
});
afterAll(() => system?.stop());

async function makeLink(body: object = {}): Promise<{ id: string; token: string; url: string; path: string }> {
  const made = await owner.call("POST", linksPath, { body });
  expect([made.status, made.headers.get("cache-control")]).toEqual([201, "private, no-store"]);
  tokens.push(made.json.token);
  return { ...made.json, path: new URL(made.json.url).pathname };
}
const listed = async (id: string) =>
  (await owner.call("GET", linksPath)).json.items.find((link: any) => link.id === id);
const manifestOf = (path: string) => system.call("GET", path, { headers: json });
const pageOf = (path: string, headers: Record<string, string> = {}) =>
  system.call("GET", path, { headers: { ...html, ...headers } });

describe("a share link", () => {
  test("is shown once, listed without its token, and counted", async () => {
    const { id, token, url, path } = await makeLink({ name: "for the club" });
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(new URL(url).pathname).toBe(`/p/t/${token}/${slug}`);
    expect(await listed(id)).toEqual({
      id,
      name: "for the club",
      channel: null,
      createdBy: "keeper",
      createdAt: expect.any(String),
      expiresAt: null,
      revokedAt: null,
      usedAt: null,
      uses: 0,
    });
    expect((await system.call("GET", linksPath)).status).toBe(401);
    await manifestOf(path);
    await pageOf(path);
    const used = await waitFor(async () => {
      const link = await listed(id);
      return link.uses === 2 && link;
    }, "both uses to be counted");
    expect(Date.now() - Date.parse(used.usedAt)).toBeLessThan(60_000);
  });

  test("shows its pack to whoever has it, and no other; the rest stays as private as it was", async () => {
    const { token, path } = await makeLink();
    await owner.call("POST", "/v1/packs", { body: { slug: "another", name: "another", visibility: "private" } });
    const manifest = await manifestOf(path);
    expect([manifest.status, manifest.json.version]).toEqual([200, "1.0.0"]);
    const own = await owner.call("GET", `/v1/packs/${slug}/versions/1.0.0/manifest`);
    expect(manifest.text).toBe(own.text);
    for (const same of [`/p/t/${token}`, `/p/t/${token}/`, `${path}/`, `${path}/manifest`])
      expect([same, (await manifestOf(same)).text === own.text]).toEqual([same, true]);
    for (const other of [`/p/t/${token}/another`, `/p/t/${token}/no-such`, `/p/${slug}`, "/p/no-such"])
      for (const headers of [html, json]) expect((await system.call("GET", other, { headers })).status).toBe(404);
    const bearer = { ...json, authorization: `Bearer ${owner.token}` };
    expect((await system.call("GET", `/p/${slug}`, { headers: bearer })).text).toBe(own.text);
  });

  test("for a channel shows that channel only", async () => {
    const { path } = await makeLink({ channel: "beta" });
    expect((await manifestOf(path)).json.version).toBe("2.0.0-b");
    const alpha = await makeLink({ channel: "alpha" });
    expect((await manifestOf(alpha.path)).status).toBe(404);
    const page = await pageOf(alpha.path);
    expect(page.status).toBe(200);
    expect(page.text).toContain("Nothing has been published in the channel alpha yet.");
  });

  test("ends everywhere within a second of being revoked, or of its time; of deleting its pack too", async () => {
    const [revoked, expiring] = [await makeLink(), await makeLink({ expiresAt: new Date(Date.now() + 60_000) })];
    const doomed = "doomed-pack";
    await publishPack(owner, { slug: doomed, version: "1", files: { a: "one" }, visibility: "private" });
    const ofDoomed = (await owner.call("POST", `/v1/packs/${doomed}/links`, { body: {} })).json;
    tokens.push(ofDoomed.token);
    const paths = [revoked.path, expiring.path, new URL(ofDoomed.url).pathname];
    const everywhere = (path: string, headers = json) =>
      Promise.all(system.apiUrls.map(async (url) => (await fetch(`${url}${path}`, { headers })).status));
    for (const path of paths) expect(await everywhere(path)).toEqual([200, 200]);
    expect((await owner.call("DELETE", `${linksPath}/${revoked.id}`)).status).toBe(204);
    expect((await owner.call("DELETE", `/v1/packs/${doomed}`, { body: { slug: doomed } })).status).toBe(204);
    await system.db.query({
      name: "test_expire_link",
      text: `update pack.link set expires_at = now() where id = $1`,
      values: [expiring.id],
    });
    const endedAt = performance.now();
    for (const path of paths)
      await waitFor(
        async () => (await everywhere(path)).every((status) => status === 404),
        `${path.slice(-12)} to end`,
      );
    expect(performance.now() - endedAt).toBeLessThan(3_000); // a second, on a machine that does much else
    expect((await owner.call("DELETE", `${linksPath}/${revoked.id}`)).status).toBe(404);
    expect((await listed(revoked.id)).revokedAt).not.toBeNull();
    for (const path of paths) {
      const page = await pageOf(path);
      expect([page.status, page.headers.get("content-type")]).toEqual([404, "text/html; charset=utf-8"]);
      expect(page.text).toContain("This link does not work");
      const problem = await manifestOf(path);
      expect([problem.json.code, problem.headers.get("content-type")]).toEqual([
        "not-found",
        "application/problem+json",
      ]);
    }
  });

  test("is refused with a time that is past, for too many, and to those who only publish", async () => {
    const past = await owner.call("POST", linksPath, { body: { expiresAt: "2020-01-01T00:00:00Z" } });
    expect([past.status, past.json.errors]).toEqual([422, [{ pointer: "/expiresAt", detail: "is past" }]]);
    for (const body of [
      { expires: "x" },
      { name: "\u001b[2J" },
      { name: "\u0000" },
      { expiresAt: "2030-12-31T23:59:60Z" },
    ])
      expect((await owner.call("POST", linksPath, { body })).status).toBe(422);
    for (const [method, path] of [
      ["POST", linksPath],
      ["GET", linksPath],
      ["DELETE", `${linksPath}/${Bun.randomUUIDv7()}`],
    ] as const)
      expect((await publisher.call(method, path, method === "POST" ? { body: {} } : {})).status).toBe(403);
    await owner.call("POST", "/v1/packs", { body: { slug: "full", name: "full" } });
    const post = () => owner.call("POST", "/v1/packs/full/links", { body: {} });
    const answers = await Promise.all(Array.from({ length: 120 }, post));
    const made = answers.filter(({ status }) => status === 201);
    tokens.push(...made.map(({ json }) => json.token));
    expect([made.length, answers.filter(({ status }) => status === 409).length]).toEqual([100, 20]);
    const page = await owner.call("GET", "/v1/packs/full/links?limit=60");
    const rest = await owner.call("GET", `/v1/packs/full/links?limit=60&cursor=${page.json.nextCursor}`);
    expect(new Set([...page.json.items, ...rest.json.items].map(({ id }: any) => id)).size).toBe(100);
    expect((await owner.call("DELETE", `/v1/packs/full/links/${made[0]?.json.id}`)).status).toBe(204);
    const again = await post();
    tokens.push(again.json.token);
    expect(again.status).toBe(201);
  });
});

describe("the page", () => {
  test("tells what the version is started with", async () => {
    await system.db.query({
      name: "test_settings",
      text: `update pack.version set java = '21', server_address = 'play.example.org:25566' where version = '1.0.0'`,
      values: [],
    });
    const { text } = await pageOf((await makeLink()).path);
    expect(text).toContain("<dt>Java</dt><dd>21</dd><dt>Game server</dt><dd>play.example.org:25566</dd>");
  });

  test("of a link tells each launcher's address in the reader's language, and escapes what authors wrote", async () => {
    const { url, path, token } = await makeLink();
    const { status, headers, text } = await pageOf(path);
    expect(status).toBe(200);
    for (const address of [
      `sunduk pack install ${url} `,
      `${url}/pack.toml`,
      `${url}/latest.mrpack`,
      `${url}/latest-server.mrpack`,
      `${url}/hmcl/server-manifest.json`,
      `${url}/helios/distribution.json`,
      `${url}/solder/api/`,
    ])
      expect(text).toContain(address);
    // Games sign in only where there is a key for them.
    expect(text.includes("/yggdrasil/")).toBe("YGGDRASIL_KEY" in system.environment);
    expect(text).toContain("<title>Кастл &#34;&#60;b&#62;&#38;amp; co</title>");
    expect(text).toContain('<meta property="og:title" content="Кастл &#34;&#60;b&#62;&#38;amp; co">');
    expect(text).toContain('<meta property="og:description" content="A pack&#39;s &#60;script&#62;alert(1)');
    expect(text).toContain(`<meta property="og:image" content="${url}/icon">`);
    expect(text).not.toMatch(/<script|\son\w+=|<b>/);
    const addresses = [...text.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, address = ""]) => address);
    expect(addresses.filter((address) => !address.startsWith("/p/") && !address.startsWith("?lang="))).toEqual([]);
    expect(headers.get("cache-control")).toBe("private, no-store");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-robots-tag")).toBe("noindex, nofollow");
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; img-src /,
    );
    for (const [address, asked] of [
      [path, { "accept-language": "ru" }],
      [`${path}?lang=ru`, {}],
      [`/p/t/${token}`, { "accept-language": "ru-RU,en;q=0.5" }],
    ] as const) {
      const russian = await pageOf(address, asked);
      expect(russian.text).toContain("Установить и обновлять");
      expect(russian.headers.get("content-language")).toBe("ru");
    }
    expect((await pageOf(`${path}?lang=en`, { "accept-language": "ru" })).text).toContain("Choose your launcher");
    // A chat asks for anything.
    expect((await system.call("GET", path, { headers: { accept: "*/*" } })).text).toContain("og:title");
  });

  test("names addresses that answer, by link and without one", async () => {
    await publishPack(owner, { slug: "shown-pack", version: "1.0", files: { "mods/a.jar": "shown" } });
    const { path } = await makeLink();
    for (const page of [path, "/p/shown-pack"]) {
      const { text } = await pageOf(page);
      const codes = [...text.matchAll(/<code>(.*?)<\/code>/g)].map(([, code = ""]) => code);
      const addresses = codes.map((code) => /http\S+/.exec(code)?.[0] ?? code);
      expect(addresses.length).toBeGreaterThanOrEqual(7);
      const answers = await Promise.all(addresses.map((address) => system.call("GET", address, { headers: json })));
      for (const [index, { status }] of answers.entries()) {
        // Helios says why where it has no words for a pack: it wants the loader's own files.
        const expected = addresses[index]?.includes("/helios/") ? [200, 409] : [200, 307];
        expect([addresses[index], expected.includes(status), status]).toEqual([addresses[index], true, status]);
      }
    }
  });

  test("of a link is asked for by HEAD too, and shows its icon without a session", async () => {
    const { path } = await makeLink();
    const head = await system.call("HEAD", path, { headers: html });
    expect([head.status, head.text, head.headers.get("cache-control")]).toEqual([200, "", "private, no-store"]);
    const icon = await system.call("GET", `${path}/icon`);
    expect([icon.status, icon.headers.get("cache-control"), icon.headers.get("referrer-policy")]).toEqual([
      307,
      "no-store",
      "no-referrer",
    ]);
    const shown = await fetch(icon.headers.get("location") ?? "");
    expect([shown.headers.get("content-type"), await shown.bytes()]).toEqual(["image/png", picture]);
    expect((await system.call("GET", `/p/${slug}/icon`)).status).toBe(404);
  });

  test("shows no icon as what a browser would run", async () => {
    const bytes = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    const pack = { slug: "vector", name: "vector", visibility: "public" };
    const { headers } = await owner.call("POST", "/v1/packs", { body: pack });
    const icon = await upload(owner, bytes, "icon.svg");
    await owner.call("PATCH", "/v1/packs/vector", {
      body: { icon },
      headers: { "if-match": headers.get("etag") ?? "" },
    });
    const answer = await system.call("GET", "/p/vector/icon", { redirect: "follow" });
    expect([answer.headers.get("content-type"), answer.text]).toEqual(["application/octet-stream", bytes]);
  });

  test("of a public pack is there for everybody and search machines; private and unknown ones are not told apart", async () => {
    await publishPack(owner, { slug: "open-pack", version: "1.0", files: { a: "one" } });
    const page = await pageOf("/p/open-pack");
    expect([page.status, page.headers.get("x-robots-tag")]).toEqual([200, null]);
    for (const address of ["/p/open-pack/pack.toml", "/hmcl/open-pack/server-manifest.json", "/helios/open-pack/"])
      expect(page.text).toContain(address);
    expect(page.text).not.toContain("og:image");
    const count = async () => {
      const { rows } = await system.db.query({
        name: "test_views",
        text: `select 1 from analytics.event e join pack.pack p on p.id = e.subject_id where e.kind = 'view' and p.slug = 'open-pack'`,
        values: [],
      });
      return rows.length === 1;
    };
    await waitFor(count, "the view to be counted");
    const [hidden, unknown] = [await pageOf(`/p/${slug}`), await pageOf("/p/no-such-pack")];
    expect([hidden.status, hidden.text]).toEqual([404, unknown.text]);
    const manifest = await manifestOf("/p/open-pack");
    expect([manifest.json.version, manifest.headers.get("cache-control")]).toEqual(["1.0", "public, no-cache"]);
    const again = await system.call("GET", "/p/open-pack", {
      headers: { ...json, "if-none-match": manifest.headers.get("etag") ?? "" },
    });
    expect(again.status).toBe(304);
  });
});

test("sunduk pack link makes, lists and revokes, and says it in the reader's language", async () => {
  const { sunduk, close } = await seat();
  const env = { SUNDUK_URL: system.url, SUNDUK_TOKEN: owner.token };
  const made = await sunduk(["pack", "link", "create", slug, "--name", "cli", "--days", "1", "--json"], { env });
  tokens.push(made.json.token);
  expect([made.code, (await manifestOf(new URL(made.json.url).pathname)).status]).toEqual([0, 200]);
  const list = await sunduk(["pack", "link", "list", slug], { env });
  expect(list.stdout).toContain(made.json.id);
  expect(list.stdout).not.toContain(made.json.token);
  const revoked = await sunduk(["pack", "link", "revoke", slug, made.json.id], {
    env: { ...env, LANG: "ru_RU.UTF-8" },
  });
  expect([revoked.code, revoked.stdout]).toEqual([0, `Ссылка на ${slug} больше не действует.\n`]);
  expect((await sunduk(["pack", "link", "create", slug, "--days", "no"], { env })).code).toBe(2);
  await close();
});

test("no token is in a log, the database or a shared cache", async () => {
  const { path } = await makeLink();
  for (const headers of [html, json])
    for (let turn = 0; turn < 2; turn++) {
      const answer = await system.call("GET", path, { headers });
      expect(answer.headers.get("cache-control")).toMatch(/^private/);
      if (parts === "cluster") expect(answer.headers.get("x-cache")).toBeNull();
    }
  await system.call("GET", `/p/t/${"A".repeat(43)}/${slug}`, { headers: json });
  await pageOf(`${path}/icon/`);
  const logged = await Bun.file(logFile).text();
  expect(logged).toContain("/p/t/:token/:slug");
  const { rows } = await system.db.query({
    name: "test_everything",
    text: `select coalesce(string_agg(query_to_xml(format('select * from %I.%I', schemaname, tablename), true, false, '')::text, ' '), '') as text
      from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
    values: [],
  });
  const [{ text: stored } = { text: "" }] = rows as { text: string }[];
  expect(tokens.length).toBeGreaterThan(100);
  for (const token of tokens) {
    expect([logged.includes(token), stored.includes(token)]).toEqual([false, false]);
  }
  expect(stored).toContain(sha256(tokens[0] ?? ""));
});
