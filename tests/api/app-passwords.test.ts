import { afterAll, beforeAll, expect, test } from "bun:test";
import { verifyAppPassword } from "../../api/app-passwords/service.ts";
import { insertUser } from "../../db/account.ts";
import { insertAppPassword } from "../../db/app-password.ts";
import { insertPlayer } from "../../db/player.ts";
import type { Deps } from "../../deps.ts";
import { hashToken } from "../../digest.ts";
import { openTestDeps } from "../harness.ts";

const password = "abcdef-ghijkm-npqrst-uvwxyz";
const [userId, playerId, appPasswordId] = [Bun.randomUUIDv7(), crypto.randomUUID(), Bun.randomUUIDv7()];
let deps: Deps;

beforeAll(async () => {
  deps = await openTestDeps();
  const account = { email: null, passwordHash: null, roles: [] };
  await insertUser(deps.db, { ...account, id: userId, login: "owner", email: "owner@mail.example" });
  await insertPlayer(deps.db, { id: playerId, userId, name: "Owner_Plays" });
  const other = Bun.randomUUIDv7();
  await insertUser(deps.db, { ...account, id: other, login: "other" });
  await insertPlayer(deps.db, { id: crypto.randomUUID(), userId: other, name: "Other_Plays" });
  await insertAppPassword(deps.db, {
    id: appPasswordId,
    userId,
    name: "launcher",
    hash: hashToken(password.replaceAll("-", "")),
    expiresAt: null,
    most: 20,
  });
});
afterAll(() => deps?.close());

const query = (text: string) => deps.db.query({ name: "", text, values: [] });
const verify = (login: string, typed = password) => verifyAppPassword(deps.db, { login, password: typed });

test("an app password is right with its account's login or player, however it is typed", async () => {
  const used = { id: appPasswordId, userId, playerId: null };
  expect(await verify("owner")).toEqual(used);
  expect(await verify(" OWNER ")).toEqual(used);
  expect(await verify("Owner_Plays")).toEqual({ ...used, playerId });
  expect(await verify("owner", "ABCDEF GHIJKM NPQRST UVWXYZ")).toEqual(used);
  expect(await verify("owner", "abcdefghijkmnpqrstuvwxyz")).toEqual(used);
  expect(await verify("owner", "abcdef–ghijkm–npqrst–uvwxyz\n")).toEqual(used);
  const { rows } = await query("select used_at is not null as used from account.app_password");
  expect(rows).toEqual([{ used: true }]);
});

test("it is wrong with any other name, and an address that was not proved is one", async () => {
  for (const login of ["other", "Other_Plays", "nobody", "", "owner@mail.example"])
    expect([login, await verify(login)]).toEqual([login, undefined]);
  await query(`update account."user" set email_verified_at = now() where login = 'owner'`);
  expect(await verify("Owner@mail.example")).toMatchObject({ userId });
});

test("it is wrong with a letter more, less or another", async () => {
  for (const typed of ["", password.slice(1), `${password}a`, password.replace("a", "b"), hashToken(password)])
    expect([typed, await verify("owner", typed)]).toEqual([typed, undefined]);
});

test.each([
  [
    "it has expired",
    "update account.app_password set expires_at = now()",
    "update account.app_password set expires_at = null",
  ],
  [
    "its account is disabled",
    `update account."user" set disabled_at = now() where login = 'owner'`,
    `update account."user" set disabled_at = null`,
  ],
  [
    "its account is deleted",
    `update account."user" set deleted_at = now() where login = 'owner'`,
    `update account."user" set deleted_at = null`,
  ],
])("it is no longer right once %s", async (_why, end, undo) => {
  await query(end);
  expect(await verify("owner")).toBeUndefined();
  await query(undo);
  expect(await verify("owner")).toMatchObject({ userId });
});
