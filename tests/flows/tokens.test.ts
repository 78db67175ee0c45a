import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  type Call,
  openCall,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  waitFor,
} from "../harness.ts";
import { seat, writeFiles } from "./sunduk.ts";

let system: System;
let user: TestUser;

beforeAll(async () => {
  system = await startSystem();
  user = await system.signUp("author");
  await publishPack(user, { slug: "mine", version: "1.0.0", files: { "a.jar": "a" }, visibility: "private" });
});
afterAll(() => system?.stop());

async function makeToken(
  owner: TestUser,
  scopes: string[],
  name = "ci",
): Promise<{ id: string; call: Call; token: string }> {
  const { status, json, text } = await owner.call("POST", "/v1/me/tokens", {
    body: { name, scopes, expiresInDays: 30 },
  });
  if (status !== 201) throw new Error(text);
  return { id: json.id, token: json.token, call: openCall(system.url, json.token) };
}

describe("a personal access token", () => {
  test("is shown once, has a form that scanners know, and is kept as a digest only", async () => {
    const made = await user.call("POST", "/v1/me/tokens", {
      body: { name: "Сборка", scopes: ["packs:read", "packs:write"], expiresInDays: 366 },
    });
    expect(made.status).toBe(201);
    expect(made.headers.get("cache-control")).toContain("no-store");
    expect(made.json.token).toMatch(/^sdk_pat_[\w-]{43}$/);
    const days = (Date.parse(made.json.expiresAt) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(366);
    const { token, ...shown } = made.json;
    expect(shown).toMatchObject({ name: "Сборка", scopes: ["packs:read", "packs:write"], usedAt: null });
    const listed = await user.call("GET", "/v1/me/tokens");
    expect(listed.json.items).toContainEqual(shown);
    expect(listed.text).not.toContain(token);
    const { rows } = await system.db.query({
      name: "test_token_rows",
      text: `select t.token_hash, row_to_json(t)::text || coalesce((select string_agg(row_to_json(a)::text, '') from account.activity a), '')
        || coalesce((select string_agg(row_to_json(i)::text, '') from api.idempotency i), '') as everything from account.access_token t where t.id = $1`,
      values: [shown.id],
    });
    const [row] = rows as { token_hash: string; everything: string }[];
    expect(row?.token_hash).toBe(sha256(token));
    expect(row?.everything).not.toContain(token.slice("sdk_pat_".length));
  });

  test.each([
    ["no expiry", { name: "x", scopes: ["packs:read"] }],
    ["more than 366 days", { name: "x", scopes: ["packs:read"], expiresInDays: 367 }],
    ["no day", { name: "x", scopes: ["packs:read"], expiresInDays: 0 }],
    ["no scope", { name: "x", scopes: [], expiresInDays: 1 }],
    ["a scope that there is not", { name: "x", scopes: ["everything"], expiresInDays: 1 }],
    ["no name", { name: "", scopes: ["packs:read"], expiresInDays: 1 }],
    ["a line break in its name", { name: "a\nb", scopes: ["packs:read"], expiresInDays: 1 }],
  ])("is not made with %s", async (_name, body) => {
    expect((await user.call("POST", "/v1/me/tokens", { body })).status).toBe(422);
  });

  test("cannot make tokens, sign out or delete its account, whatever its scopes", async () => {
    const all = await makeToken(user, ["packs:read", "packs:write", "files:write", "account:read", "account:write"]);
    const more = { name: "more", scopes: ["packs:read"], expiresInDays: 1 };
    expect((await all.call("POST", "/v1/me/tokens", { body: more })).status).toBe(403);
    expect((await all.call("DELETE", "/v1/me", { body: { password: "a long test password" } })).status).toBe(403);
    expect((await all.call("DELETE", "/v1/auth/sessions/current")).status).toBe(409);
    expect((await user.call("GET", "/v1/me")).status).toBe(200);
  });

  test("does what its scopes say and nothing else", async () => {
    const calls: Record<string, (call: Call) => ReturnType<Call>> = {
      "packs:read": (call) => call("GET", "/v1/packs/mine"),
      "packs:write": (call) =>
        call("POST", "/v1/packs", { body: { slug: `p-${Bun.randomUUIDv7().slice(-12)}`, name: "p" } }),
      "files:read": (call) => call("GET", "/v1/files"),
      "files:write": (call) => call("POST", "/v1/files", { body: { sha256: sha256("nothing"), name: "x" } }),
      "account:read": (call) => call("GET", "/v1/me"),
      "account:write": (call) => call("PATCH", "/v1/me/preferences", { body: { theme: "dark" } }),
      admin: (call) => call("GET", "/v1/users"),
    };
    for (const given of Object.keys(calls)) {
      if (given === "admin") continue;
      const { call } = await makeToken(user, [given]);
      for (const [needed, send] of Object.entries(calls)) {
        const { status } = await send(call);
        const may = needed === given || needed === given.replace(":write", ":read");
        expect([given, needed, status === 403]).toEqual([given, needed, !may]);
        if (may) expect([given, needed, [200, 201, 422].includes(status)]).toEqual([given, needed, true]);
      }
    }
  });

  test("of an admin is no admin without that scope, and nobody else gets the scope", async () => {
    const admin = await system.signUp("boss", ["admin"]);
    expect((await admin.call("GET", "/v1/packs/mine")).status).toBe(200);
    const plain = await makeToken(admin, ["packs:write"]);
    expect((await plain.call("GET", "/v1/packs/mine")).status).toBe(404);
    const strong = await makeToken(admin, ["packs:write", "admin"]);
    expect((await strong.call("GET", "/v1/packs/mine")).status).toBe(200);
    expect((await strong.call("GET", "/v1/users")).status).toBe(200);
    const asked = { name: "x", scopes: ["admin"], expiresInDays: 1 };
    expect((await user.call("POST", "/v1/me/tokens", { body: asked })).status).toBe(403);
  });

  test("tells when it was used, and is accepted in the header of launchers", async () => {
    const { id, token, call } = await makeToken(user, ["packs:read"]);
    const used = async () => {
      const { json } = await user.call("GET", "/v1/me/tokens");
      return json.items.find((item: { id: string }) => item.id === id)?.usedAt;
    };
    expect(await used()).toBeNull();
    expect((await call("GET", "/v1/packs/mine")).status).toBe(200);
    expect(Math.abs(Date.parse(await used()) - Date.now())).toBeLessThan(60_000);
    expect((await system.call("GET", "/v1/packs/mine", { headers: { token } })).status).toBe(200);
    expect((await system.call("GET", `/v1/packs/mine?token=${token}`)).status).toBe(400);
  });

  test("ends at once on every process when it is deleted, and only its owner deletes it", async () => {
    const { id, token } = await makeToken(user, ["packs:read"]);
    const ask = (url: string) => openCall(url, token)("GET", "/v1/packs/mine");
    for (const url of system.apiUrls) expect((await ask(url)).status).toBe(200); // remembered from now on
    const stranger = await system.signUp();
    expect((await stranger.call("DELETE", `/v1/me/tokens/${id}`)).status).toBe(404);
    for (const url of system.apiUrls) expect((await ask(url)).status).toBe(200);
    expect((await user.call("DELETE", `/v1/me/tokens/${id}`)).status).toBe(204);
    const since = performance.now();
    for (const url of system.apiUrls)
      await waitFor(async () => (await ask(url)).status === 401, `${url} to refuse`, 1_000);
    expect(performance.now() - since).toBeLessThan(1_000 * system.apiUrls.length);
    expect((await user.call("DELETE", `/v1/me/tokens/${id}`)).status).toBe(404);
    const { json } = await user.call("GET", "/v1/me/tokens");
    expect(json.items.map((item: { id: string }) => item.id)).not.toContain(id);
  });

  test("publishes from a build machine, and no more once it was deleted", async () => {
    const { id, token } = await makeToken(user, ["packs:write"]);
    const machine = await seat();
    try {
      const publish = async (version: string) => {
        const toml = `slug = "from-ci"\nname = "From CI"\nversion = "${version}"\nminecraft = "1.21.1"\n`;
        const source = join(machine.folder, "source");
        await writeFiles(source, { "sunduk.toml": toml, "a.txt": version });
        const env = { SUNDUK_URL: system.url, SUNDUK_TOKEN: token };
        return machine.sunduk(["pack", "publish", source, "--json"], { env });
      };
      const published = await publish("1.0.0");
      expect([published.code, published.stderr.includes(token)]).toEqual([0, false]);
      expect((await user.call("GET", "/v1/packs/from-ci/latest")).json.version).toBe("1.0.0");
      await user.call("DELETE", `/v1/me/tokens/${id}`);
      expect((await publish("1.1.0")).code).toBe(4);
      expect((await user.call("GET", "/v1/packs/from-ci/latest")).json.version).toBe("1.0.0");
    } finally {
      await machine.close();
    }
  });

  test("is refused when its time is over", async () => {
    const { id, call } = await makeToken(user, ["packs:read"]);
    await system.db.query({
      name: "test_expire_token",
      text: `update account.access_token set expires_at = now() - interval '1 second' where id = $1`,
      values: [id],
    });
    expect((await call("GET", "/v1/packs/mine")).status).toBe(401);
  });

  test("lives on when the roles of its owner change, with the new ones, on every process", async () => {
    const admin = await system.signUp("boss-2", ["admin"]);
    const helper = await system.signUp("helper", ["admin"]);
    const { token } = await makeToken(helper, ["admin"]);
    const statuses = () =>
      Promise.all(system.apiUrls.map(async (url) => (await openCall(url, token)("GET", "/v1/users")).status));
    expect(new Set(await statuses())).toEqual(new Set([200]));
    const { json } = await helper.call("GET", "/v1/me");
    const demoted = await admin.call("PATCH", `/v1/users/${json.id}`, { body: { roles: ["author"] } });
    expect(demoted.status).toBe(200);
    await waitFor(async () => (await statuses()).every((status) => status === 403), "every process to refuse", 2_000);
  });

  test("is not made without a password that was given a short time ago", async () => {
    const late = await system.signUp();
    await system.db.query({
      name: "test_stale_session",
      text: `update account.session s set fresh_at = now() - interval '11 minutes' from account."user" u where u.id = s.user_id and u.login = $1`,
      values: [late.login],
    });
    const { status, json } = await late.call("POST", "/v1/me/tokens", {
      body: { name: "x", scopes: ["packs:read"], expiresInDays: 1 },
    });
    expect([status, json.reason]).toEqual([403, "stale-session"]);
  });
});
