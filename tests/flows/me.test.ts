import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, waitFor } from "../harness.ts";

let system: System;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system?.stop());

test("a profile shows what its owner wrote, to him and in part to everybody", async () => {
  const user = await system.signUp("anna");
  const before = await user.call("GET", "/v1/me");
  expect(before.status).toBe(200);
  expect(before.json).toMatchObject({
    login: "anna",
    displayName: "",
    bio: "",
    email: null,
    locale: "en",
    timeZone: "UTC",
    links: {},
    roles: [],
    secondFactor: false,
    hasPassword: true,
  });
  const change = {
    displayName: "Анна",
    bio: "строит\nи копает",
    locale: "ru",
    timeZone: "Europe/Moscow",
    links: { site: "https://example.com/anna" },
  };
  const changed = await user.call("PATCH", "/v1/me", {
    body: change,
    headers: { "if-match": before.headers.get("etag") ?? "" },
  });
  expect(changed.status).toBe(200);
  expect(changed.json).toMatchObject(change);
  expect((await user.call("GET", "/v1/me")).json).toEqual(changed.json);
  for (const name of [before.json.id, "anna", "ANNA"]) {
    const shown = await system.call("GET", `/v1/users/${name}`);
    expect(shown.json).toEqual({
      id: before.json.id,
      login: "anna",
      displayName: "Анна",
      bio: change.bio,
      links: change.links,
      avatar: null,
      images: { items: [], url: `/v1/users/${before.json.id}/images` },
      createdAt: before.json.createdAt,
    });
  }
});

test("a change needs the revision that was read, and an unchanged profile is not sent again", async () => {
  const user = await system.signUp();
  const { headers } = await user.call("GET", "/v1/me");
  const etag = headers.get("etag") ?? "";
  const unchanged = await user.call("GET", "/v1/me", { headers: { "if-none-match": etag } });
  expect([unchanged.status, unchanged.text]).toEqual([304, ""]);
  const patch = (match: Record<string, string>) => user.call("PATCH", "/v1/me", { body: { bio: "x" }, headers: match });
  expect((await patch({})).status).toBe(428);
  expect((await patch({ "if-match": '"77"' })).status).toBe(412);
  expect((await patch({ "if-match": "W/nonsense" })).status).toBe(412);
  const both = await Promise.all([patch({ "if-match": etag }), patch({ "if-match": etag })]);
  expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await patch({ "if-match": "*" })).status).toBe(200);
});

test.each([
  ["a time zone that there is not", { timeZone: "Europe/Atlantis" }, "/timeZone"],
  ["an offset for a time zone", { timeZone: "+03:00" }, "/timeZone"],
  ["another language", { locale: "de" }, "/locale"],
  ["a name with a line break", { displayName: "a\nb" }, "/displayName"],
  ["a name that turns what follows", { displayName: "a\u202eb" }, "/displayName"],
  ["a bio with NUL", { bio: "a\u0000b" }, "/bio"],
  ["a name that is too long", { displayName: "x".repeat(65) }, "/displayName"],
  ["a link that is a script", { links: { site: "javascript:alert(1)" } }, "/links/site"],
  ["a login", { login: "somebody-else" }, "/login"],
  ["roles", { roles: ["admin"] }, "/roles"],
  ["nothing", {}, ""],
])("a profile takes no %s", async (_name, body, pointer) => {
  const user = await system.signUp();
  const { status, json } = await user.call("PATCH", "/v1/me", { body, headers: { "if-match": "*" } });
  expect(status).toBe(422);
  if (pointer) expect(json.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
});

test("a remembered profile is dropped when it changes, on every process", async () => {
  const user = await system.signUp();
  for (const url of system.apiUrls) await system.call("GET", `${url}/v1/users/${user.login}`);
  for (const [index, name] of ["first", "second", "third"].entries()) {
    const from = system.apiUrls[index % system.apiUrls.length];
    await user.call("PATCH", `${from}/v1/me`, { body: { displayName: name }, headers: { "if-match": "*" } });
    for (const url of system.apiUrls)
      await waitFor(
        async () => (await system.call("GET", `${url}/v1/users/${user.login}`)).json.displayName === name,
        `${url} to show the name ${name}`,
        2_000,
      );
  }
});

test("preferences have defaults, are typed, and two changes at once both count", async () => {
  const user = await system.signUp();
  const defaults = { theme: "system", packList: "tiles", mailEvents: true, mailNews: false };
  expect((await user.call("GET", "/v1/me/preferences")).json).toEqual(defaults);
  const changes = [{ theme: "dark" }, { mailNews: true }, { packList: "table" }];
  const answers = await Promise.all(changes.map((body) => user.call("PATCH", "/v1/me/preferences", { body })));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  const chosen = { theme: "dark", packList: "table", mailEvents: true, mailNews: true };
  expect((await user.call("GET", "/v1/me/preferences")).json).toEqual(chosen);
  for (const body of [{ theme: "pink" }, { colour: "pink" }, { mailNews: "yes" }, {}])
    expect((await user.call("PATCH", "/v1/me/preferences", { body })).status).toBe(422);
  expect((await user.call("GET", "/v1/me/preferences")).json).toEqual(chosen);
  await system.db.query({
    name: "test_preferences",
    text: `update account."user" set preferences = '{"theme": "from another age", "gone": 1, "mailNews": true}' where login = $1`,
    values: [user.login],
  });
  expect((await user.call("GET", "/v1/me/preferences")).json).toEqual({ ...defaults, mailNews: true });
});
