import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import sharp from "sharp";
import { type Answer, type Call, parts, type System, sha256, startSystem, type TestUser } from "../harness.ts";
import { makePng } from "../pictures.ts";

let system: System;
let alex: TestUser;
let other: TestUser;

beforeAll(async () => {
  system = await startSystem({
    apis: 1,
    pods: 1,
    environment: { LIMIT_USER_PLAYERS: "4", LIMIT_PLAYER_CHANGES_PER_MINUTE: "1000" },
  });
  [alex, other] = [await system.signUp(), await system.signUp()];
});
afterAll(() => system?.stop());

const make = (user: TestUser, body: object) => user.call("POST", "/v1/me/players", { body });
const status = async (answer: Promise<Answer>) => (await answer).status;
const query = async (text: string, values: unknown[]) => (await system.db.query({ name: "", text, values })).rows;

/** A player of somebody's new account, so that no test uses up another's. */
async function settle(name: string): Promise<{ user: TestUser; id: string }> {
  const user = await system.signUp();
  const made = await make(user, { name });
  if (made.status !== 201) throw new Error(made.text);
  return { user, id: made.json.id };
}

type Body = Uint8Array | FormData | string;
async function put(user: { token: string }, path: string, body: Body, type = "image/png") {
  const headers = {
    authorization: `Bearer ${user.token}`,
    ...(body instanceof FormData ? {} : { "content-type": type }),
  };
  const sent = body instanceof Uint8Array ? new Blob([Buffer.from(body)]) : body;
  const response = await fetch(`${system.url}/v1/me/players/${path}`, { method: "PUT", headers, body: sent });
  const json: any = await response.json();
  return { status: response.status, json };
}

describe("a player", () => {
  test("has a random UUID or the one of its name offline, and is told to everybody without its account", async () => {
    const made = await make(alex, { name: "Alex_01" });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe(`/v1/me/players/${made.json.id}`);
    expect(made.json).toMatchObject({ name: "Alex_01", uuid: "random", model: "default", skin: null, cape: null });
    expect(made.json.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const offline = await make(alex, { name: "Notch", uuid: "offline" });
    expect(offline.json).toMatchObject({ id: "b50ad385-829d-3141-a216-7e7d7539ba7f", uuid: "offline" });
    expect((await alex.call("GET", "/v1/me/players")).json.items).toEqual([made.json, offline.json]);
    const { uuid, createdAt, ...shown } = made.json;
    for (const player of ["alex_01", shown.id, shown.id.replaceAll("-", "").toUpperCase()]) {
      const seen = await system.call("GET", `/v1/players/${player}`);
      expect([seen.status, seen.json]).toEqual([200, shown]);
      const headers = { "if-none-match": seen.headers.get("etag") ?? "" };
      expect(await status(system.call("GET", `/v1/players/${player}`, { headers }))).toBe(304);
    }
  });

  test.each(["ab", "a name", "seventeen_letters", "Имя", "x-y-z", "a\nbc", ""])("is not called %j", async (name) => {
    expect(await status(make(alex, { name }))).toBe(422);
  });

  test("has its name and its offline UUID alone, in any case, also when ten ask at once", async () => {
    const users = await Promise.all(Array.from({ length: 5 }, () => system.signUp()));
    const asked = users.flatMap((user) => [
      make(user, { name: "OnlyOne" }),
      make(user, { name: "onlyone", uuid: "offline" }),
    ]);
    const answers = (await Promise.all(asked)).map((answer) => answer.status).sort();
    expect(answers).toEqual([201, ...Array.from({ length: 9 }, () => 409)]);
  });

  test("is one of so many that an account may have, also when they are made at once", async () => {
    const user = await system.signUp();
    const asked = Array.from({ length: 8 }, (_, index) => make(user, { name: `crowd_${index}` }));
    const answers = (await Promise.all(asked)).map((answer) => answer.status).sort();
    expect(answers).toEqual([201, 201, 201, 201, 403, 403, 403, 403]);
  });

  test("keeps its UUID when it is renamed, and its former names for itself", async () => {
    const { user, id } = await settle("Before");
    const renamed = await user.call("PATCH", `/v1/me/players/${id}`, { body: { name: "After", model: "slim" } });
    expect(renamed.json).toMatchObject({ id, name: "After", model: "slim" });
    expect(await status(system.call("GET", "/v1/players/before"))).toBe(404);
    expect(await status(make(other, { name: "bEFORE" }))).toBe(409);
    expect(await status(user.call("PATCH", `/v1/me/players/${id}`, { body: { name: "Alex_01" } }))).toBe(409);
    expect(await status(user.call("PATCH", `/v1/me/players/${id}`, { body: { name: "before" } }))).toBe(200);
    // "After" is his until a month has gone.
    expect(await status(make(other, { name: "after" }))).toBe(409);
    await query("update player.former_name set free_at = now() where name_folded = 'after'", []);
    expect(await status(make(other, { name: "after" }))).toBe(201);
  });

  test("that is deleted leaves its name to its account for a month, and an offline UUID with it", async () => {
    const user = await system.signUp();
    const { json } = await make(user, { name: "Gone_Soon", uuid: "offline" });
    expect(await status(user.call("DELETE", `/v1/me/players/${json.id}`))).toBe(204);
    expect(await status(system.call("GET", `/v1/players/${json.id}`))).toBe(404);
    expect(await status(make(other, { name: "Gone_Soon", uuid: "offline" }))).toBe(409);
    expect((await make(user, { name: "Gone_Soon", uuid: "offline" })).json.id).toBe(json.id);
  });

  test("answers a repeated POST with the same player", async () => {
    const user = await system.signUp();
    const headers = { "idempotency-key": "once" };
    const twice = [1, 2].map(() => user.call("POST", "/v1/me/players", { body: { name: "Just_once" }, headers }));
    const ids = (await Promise.all(twice)).flatMap(({ status, json }) => (status === 201 ? json.id : []));
    expect(new Set(ids).size).toBe(1);
    expect((await user.call("GET", "/v1/me/players")).json.items).toHaveLength(1);
  });
});

describe("textures", () => {
  test("are made anew, named by their digest, and given to everybody for ever", async () => {
    const { user, id } = await settle("Dressed");
    const noise = makePng({ width: 64, height: 64 });
    const dressed = await put(user, `${id}/skin?model=slim`, noise);
    expect([dressed.status, dressed.json.model]).toEqual([200, "slim"]);
    const form = new FormData();
    form.set("file", new Blob([Buffer.from(makePng({ width: 22, height: 17 }))], { type: "image/png" }), "cape.png");
    const { json } = await put(user, `${id}/cape`, form);
    expect(json.skin).toEqual(dressed.json.skin);
    expect(json.skin.url).toBe(`${new URL(json.skin.url).origin}/textures/${json.skin.sha256}`);
    for (const [texture, width, height] of [[json.skin, 64, 64] as const, [json.cape, 64, 32] as const]) {
      const path = `${system.url}/textures/${texture.sha256}`;
      const response = await fetch(path, { redirect: "manual" });
      const bytes = Buffer.from(await response.arrayBuffer());
      expect([response.status, sha256(bytes)]).toEqual([200, texture.sha256]);
      const headers = ["content-type", "cache-control", "etag", "x-content-type-options", "content-security-policy"];
      expect(headers.map((name) => response.headers.get(name))).toEqual([
        "image/png",
        "public, max-age=31536000, immutable",
        `"${texture.sha256}"`,
        "nosniff",
        "sandbox; default-src 'none'",
      ]);
      expect(await sharp(bytes).metadata()).toMatchObject({ format: "png", width, height, channels: 4 });
      const again = { headers: { "if-none-match": `"${texture.sha256}"` } };
      expect(await status(system.call("GET", `/textures/${texture.sha256}`, again))).toBe(304);
      if (parts === "cluster") {
        const kept = await fetch(`${path}?anything`);
        expect([kept.status, kept.headers.get("x-cache")]).toEqual([200, "HIT"]);
      }
      const head = await fetch(path, { method: "HEAD" });
      expect([head.status, head.headers.get("content-length")]).toEqual([200, String(bytes.byteLength)]);
    }
    expect((await system.call("GET", "/v1/players/dressed")).json).toMatchObject({ skin: json.skin, cape: json.cape });
    // What was sent is nowhere: only what was made of it.
    expect(await status(system.call("GET", `/textures/${sha256(noise)}`))).toBe(404);
  });

  test.each([
    ["slim", "slim"],
    ["steve", "default"],
    ["default", "default"],
    ["classic", "default"],
    ["", "default"],
  ])("take the model %j for %s, also out of a form", async (said, meant) => {
    const { user, id } = await settle(`m${Math.random().toString(36).slice(2, 12)}`);
    await user.call("PATCH", `/v1/me/players/${id}`, { body: { model: meant === "slim" ? "default" : "slim" } });
    const form = new FormData();
    form.set("model", said);
    form.set("file", new Blob([Buffer.from(makePng({ width: 64, height: 64 }, [1, 2, 3]))]), "x");
    expect((await put(user, `${id}/skin`, form)).json.model).toBe(meant);
  });

  test("are taken off, and the model with the skin", async () => {
    const { user, id } = await settle("Undressed");
    await put(user, `${id}/skin?model=slim`, makePng({ width: 64, height: 32 }, [5, 5, 5]));
    await put(user, `${id}/cape`, makePng({ width: 64, height: 32 }, [6, 6, 6]));
    expect(await status(user.call("DELETE", `/v1/me/players/${id}/skin`))).toBe(204);
    const { json } = await user.call("GET", `/v1/me/players/${id}`);
    expect(json).toMatchObject({ skin: null, model: "default", cape: { sha256: expect.any(String) } });
    expect(await status(user.call("DELETE", `/v1/me/players/${id}/cape`))).toBe(204);
    expect((await user.call("GET", `/v1/me/players/${id}`)).json.cape).toBeNull();
  });

  test("are refused with a reason, and nothing changes", async () => {
    const { user, id } = await settle("Refused");
    const png = makePng({ width: 64, height: 64 });
    const wrong: [string, number, string, Body, string?][] = [
      ["no PNG", 422, `${id}/skin`, "<html>"],
      ["a size that no skin has", 422, `${id}/skin`, makePng({ width: 65, height: 64 })],
      ["a skin as a cape", 422, `${id}/cape`, png],
      ["damaged pixels", 422, `${id}/skin`, png.slice(0, 1_000)],
      ["a model that there is not", 422, `${id}/skin?model=huge`, png],
      ["a model of a cape", 400, `${id}/cape?model=slim`, makePng({ width: 64, height: 32 })],
      ["JSON", 400, `${id}/skin`, "{}", "application/json"],
      ["more than a mebibyte", 413, `${id}/skin`, new Uint8Array(1024 ** 2 + 1)],
      ["no form", 400, `${id}/skin`, "text", "multipart/form-data; boundary=x"],
    ];
    const got: [string, number][] = [];
    for (const [name, , ...sent] of wrong) got.push([name, (await put(user, ...sent)).status]);
    expect(got).toEqual(wrong.map(([name, status]) => [name, status]));
    expect((await user.call("GET", `/v1/me/players/${id}`)).json).toMatchObject({ skin: null, cape: null });
  });
});

test("somebody else's player is nobody's to see, change, dress or delete", async () => {
  const { user, id } = await settle("Private_1");
  await put(user, `${id}/skin`, makePng({ width: 64, height: 64 }));
  const before = (await user.call("GET", `/v1/me/players/${id}`)).json;
  const admin = await system.signUp("the-admin", ["admin"]);
  for (const stranger of [other, admin]) {
    expect(await status(stranger.call("GET", `/v1/me/players/${id}`))).toBe(404);
    expect(await status(stranger.call("PATCH", `/v1/me/players/${id}`, { body: { model: "slim" } }))).toBe(404);
    expect((await put(stranger, `${id}/skin`, makePng({ width: 64, height: 64 }))).status).toBe(404);
    expect((await put(stranger, `${id}/cape`, makePng({ width: 64, height: 32 }))).status).toBe(404);
    expect(await status(stranger.call("DELETE", `/v1/me/players/${id}/skin`))).toBe(404);
    expect(await status(stranger.call("DELETE", `/v1/me/players/${id}/cape`))).toBe(404);
    expect(await status(stranger.call("DELETE", `/v1/me/players/${id}`))).toBe(404);
  }
  expect((await user.call("GET", `/v1/me/players/${id}`)).json).toEqual(before);
});

test("players of an account that is deleted are unknown, their names still taken, until it is undone", async () => {
  const { user, id } = await settle("Hidden_1");
  const { json } = await put(user, `${id}/cape`, makePng({ width: 64, height: 32 }));
  const password = "a long test password";
  expect(await status(user.call("DELETE", "/v1/me", { body: { password } }))).toBe(200);
  for (const path of [`/v1/players/${id}`, "/v1/players/hidden_1", `/textures/${json.cape.sha256}`])
    expect([path, await status(system.call("GET", path))]).toEqual([path, 404]);
  expect(await status(make(other, { name: "hidden_1" }))).toBe(409);
  await system.call("POST", "/v1/auth/undelete", { body: { login: user.login, password } });
  expect(await status(system.call("GET", "/v1/players/hidden_1"))).toBe(200);
});

describe("an app password", () => {
  const create = (call: Call, body: object = { name: "Old launcher" }) =>
    call("POST", "/v1/me/app-passwords", { body });

  test("is shown once, kept as a digest, told by mail's fact and in the history, and ends when it is deleted", async () => {
    const user = await system.signUp();
    const made = await create(user.call);
    expect([made.status, made.headers.get("cache-control")]).toEqual([201, "private, no-store"]);
    expect(made.json.password).toMatch(/^[a-km-np-z]{6}(-[a-km-np-z]{6}){3}$/);
    const { password, ...shown } = made.json;
    expect(shown).toMatchObject({ name: "Old launcher", expiresAt: null, usedAt: null });
    const listed = await user.call("GET", "/v1/me/app-passwords");
    expect(listed.json).toEqual({ items: [shown] });
    const rows = await query(
      `select hash, (select count(*)::int from outbox.fact where kind = 'user.sign-in-changed'
      and payload ->> 'userId' = p.user_id::text) as facts from account.app_password p where id = $1`,
      [shown.id],
    );
    expect(rows).toEqual([{ hash: sha256(password.replaceAll("-", "")), facts: 1 }]);
    expect(await status(other.call("DELETE", `/v1/me/app-passwords/${shown.id}`))).toBe(404);
    expect(await status(user.call("DELETE", `/v1/me/app-passwords/${shown.id}`))).toBe(204);
    expect((await user.call("GET", "/v1/me/app-passwords")).json).toEqual({ items: [] });
    const { items } = (await user.call("GET", "/v1/me/activity")).json;
    expect(items.slice(0, 2)).toMatchObject([
      { kind: "app-password-deleted", subject: "Old launcher" },
      { kind: "app-password-created", subject: "Old launcher" },
    ]);
  });

  test("opens no session: neither as a password nor as a token", async () => {
    const user = await system.signUp();
    const { password } = (await create(user.call)).json;
    const login = { login: user.login, password };
    expect(await status(system.call("POST", "/v1/auth/login", { body: login }))).toBe(401);
    const headers = { authorization: `Bearer ${password}` };
    expect(await status(system.call("GET", "/v1/me", { headers }))).toBe(401);
  });

  test("is made by whoever has just given his password, not by a limited token, and twenty times", async () => {
    const user = await system.signUp();
    const token = await user.call("POST", "/v1/me/tokens", {
      body: { name: "all", scopes: ["account:read", "account:write"], expiresInDays: 1 },
    });
    const headers = { authorization: `Bearer ${token.json.token}` };
    const body = { name: "more" };
    expect(await status(system.call("POST", "/v1/me/app-passwords", { headers, body }))).toBe(403);
    const past = { name: "late", expiresAt: "2020-01-01T00:00:00Z" };
    expect(await status(create(user.call, past))).toBe(422);
    const answers = await Promise.all(Array.from({ length: 22 }, () => create(user.call)));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(20);
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(2);
    await query(
      `update account.session set fresh_at = now() - interval '11 minutes' where user_id = (select id from account."user" where login = $1)`,
      [user.login],
    );
    expect((await create(user.call)).json.reason).toBe("stale-session");
  });

  test("ends for good when its account is deleted or disabled", async () => {
    const user = await system.signUp();
    await create(user.call);
    const password = "a long test password";
    await user.call("DELETE", "/v1/me", { body: { password } });
    const back = await system.call("POST", "/v1/auth/undelete", { body: { login: user.login, password } });
    const headers = { authorization: `Bearer ${back.json.accessToken}` };
    expect((await system.call("GET", "/v1/me/app-passwords", { headers })).json).toEqual({ items: [] });
  });
});
