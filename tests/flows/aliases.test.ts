import { afterAll, beforeAll, expect, test } from "bun:test";
import { openCall, type System, startSystem } from "../harness.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem({ environment: { LIMIT_SIGN_INS_PER_MINUTE: "100" } });
});
afterAll(() => system?.stop());

const password = "a long test password";

test.each([
  ["/v1/register", "/v1/token"],
  ["/auth/register", "/auth/login"],
])("an old client registers at %s, signs in at %s, and goes on with its token", async (register, login) => {
  const name = `old-${register.length}`;
  const made = await system.call("POST", register, { body: { login: name, password } });
  expect(made.status).toBe(201);
  expect(made.headers.get("deprecation")).toMatch(/^@\d+$/);
  expect(made.headers.get("link")).toContain('</v1/auth/register>; rel="successor-version"');
  const signedIn = await system.call("POST", login, { body: { login: name, password } });
  expect(signedIn.status).toBe(200);
  expect(signedIn.json.user).toEqual(made.json.user);
  const call = openCall(system.url, signedIn.json.accessToken);

  const me = await call("GET", "/me");
  expect(me.json).toEqual((await call("GET", "/v1/me")).json);
  expect(me.headers.get("etag")).toBeTruthy();
  expect((await call("GET", "/me", { headers: { "if-none-match": me.headers.get("etag") ?? "" } })).status).toBe(304);
  const changed = await call("PATCH", "/me/update", { body: { displayName: "Старый" } });
  expect([changed.status, changed.json.displayName]).toEqual([200, "Старый"]);
  const stale = await call("PATCH", "/me/update", {
    body: { displayName: "Новый" },
    headers: { "if-match": me.headers.get("etag") ?? "" },
  });
  expect(stale.status).toBe(412);
  expect((await system.call("GET", `/users/${name}`)).json.displayName).toBe("Старый");
  expect((await system.call("GET", `/users/${made.json.user.id}`)).json.login).toBe(name);
  expect((await system.call("GET", "/users/nobody-at-all")).status).toBe(404);

  expect((await call("DELETE", "/users/logout")).status).toBe(200);
  expect((await call("GET", "/me")).status).toBe(401);
});

test.each(["/users/del", "/users/delete"])(
  "an old client deletes its account at %s, with the password",
  async (path) => {
    const user = await system.signUp();
    expect((await user.call("DELETE", path, { body: { password: "another one" } })).status).toBe(403);
    expect((await user.call("DELETE", path)).status).toBe(422);
    expect((await user.call("DELETE", path, { body: { password } })).status).toBe(200);
    expect((await user.call("GET", "/v1/me")).status).toBe(401);
  },
);

test("old addresses refuse what the new ones refuse, in the same words, and share their limit", async () => {
  await system.signUp("taken");
  const refusals = [
    { login: "taken", password },
    { login: "x", password },
    { login: "short", password: "short" },
    { login: "more", password, admin: true },
  ];
  for (const body of refusals) {
    const [old, now] = [
      await system.call("POST", "/auth/register", { body }),
      await system.call("POST", "/v1/auth/register", { body }),
    ];
    expect(old.status).toBeGreaterThanOrEqual(409);
    expect([old.status, old.json.detail, old.json.errors]).toEqual([now.status, now.json.detail, now.json.errors]);
  }
  expect((await system.call("GET", "/me")).status).toBe(401);
  expect((await system.call("PATCH", "/me/update", { body: { roles: ["admin"] } })).status).toBe(422);

  const statuses: number[] = [];
  for (let index = 0; index < 190 && statuses.at(-1) !== 429; index++) {
    const path = index % 2 === 0 ? "/v1/token" : "/v1/auth/login";
    statuses.push((await system.call("POST", path, { body: { login: "taken", password: "wrong" } })).status);
  }
  expect(statuses.at(-1)).toBe(429);
  expect(statuses.length).toBeLessThan(190); // with a limit for each it would take 200; a slow machine gives some back meanwhile
});

test("the OpenAPI document marks old addresses as deprecated", async () => {
  const { json } = await system.call("GET", "/openapi/json");
  expect(json.paths["/v1/token"].post.deprecated).toBe(true);
  expect(json.paths["/users/{id}"].get.deprecated).toBe(true);
  expect(json.paths["/v1/me"].get.deprecated).toBeUndefined();
});
