import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, type TestUser } from "../harness.ts";

let system: System;
let owner: TestUser;
let friend: TestUser;
const path = "/v1/packs/crew";

beforeAll(async () => {
  system = await startSystem();
  owner = await system.signUp("crew-owner");
  friend = await system.signUp("crew-friend");
  await owner.call("POST", "/v1/packs", { body: { slug: "crew", name: "Crew" } });
});
afterAll(() => system?.stop());

const hire = () => owner.call("PUT", `${path}/members`, { body: { login: friend.login, role: "publisher" } });
const disable = (disabledAt: Date | null) =>
  system.db.query({
    name: "test_disable",
    text: `update account."user" set disabled_at = $2 where login = $1`,
    values: [friend.login, disabledAt],
  });

test("a member can be let go also when the account is disabled; who is no member is not found", async () => {
  expect((await hire()).status).toBe(200);
  await disable(new Date());
  expect((await owner.call("DELETE", `${path}/members/${friend.login}`)).status).toBe(204);
  await disable(null);
  expect((await owner.call("GET", `${path}/members`)).json.items).toEqual([]);
  for (const login of [friend.login, "nobody-at-all"])
    expect((await owner.call("DELETE", `${path}/members/${login}`)).status).toBe(404);
});

test("who owned a pack and handed it over is nobody in it, whatever he was before", async () => {
  await hire();
  const hand = async (from: TestUser, to: TestUser) => {
    const etag = (await from.call("GET", path)).headers.get("etag") ?? "";
    return from.call("PATCH", path, { headers: { "if-match": etag }, body: { owner: to.login } });
  };
  expect((await hand(owner, friend)).status).toBe(200);
  expect((await friend.call("GET", `${path}/members`)).json).toEqual({
    owner: friend.login,
    organization: null,
    items: [],
  });
  expect((await owner.call("GET", path)).status).toBe(404);
  expect((await hand(friend, owner)).status).toBe(200);
  expect((await friend.call("GET", path)).status).toBe(404);
  expect((await owner.call("GET", `${path}/members`)).json).toEqual({
    owner: owner.login,
    organization: null,
    items: [],
  });
});
