import { afterAll, beforeAll, expect, test } from "bun:test";
import { decodeProtectedHeader } from "jose";
import { openIdTokenKeys } from "../../api/oauth/id-token-keys.ts";
import { readConfig } from "../../config.ts";
import type { Deps } from "../../deps.ts";
import { makeSecret, readKeys } from "../../keys.ts";
import { openSeal } from "../../seal.ts";
import { openTestDeps, testLog } from "../harness.ts";

const clients = JSON.stringify([{ id: "app", name: "App", scopes: ["openid"] }]);
const secret = makeSecret();
let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps({ OAUTH_CLIENTS: clients, TOKEN_SECRET: secret });
});
afterAll(() => deps?.close());

/** A process that knows nothing yet. */
const open = (tokenSecret = secret) =>
  openIdTokenKeys({ ...deps, log: testLog, seal: openSeal(tokenSecret), keys: readKeys(deps.config) });
const kidsOf = async (keys = open()) => (await keys.publicKeys()).map(({ kid }) => kid);
const signerOf = async (keys = open()) => decodeProtectedHeader(await keys.sign("RS256", { sub: "somebody" })).kid;
const age = (text: string) =>
  deps.db.query({
    name: "test_age",
    text: `update account.id_token_key set created_at = created_at - $1::interval`,
    values: [text],
  });

test("processes that begin at the same moment make one key, which is public without its private half", async () => {
  const [one, other] = [open(), open()];
  const [kids, others] = await Promise.all([kidsOf(one), kidsOf(other)]);
  expect([kids.length, others]).toEqual([1, kids]);
  for (const key of await one.publicKeys())
    expect(Object.keys(key).sort()).toEqual(["alg", "e", "kid", "kty", "n", "use"]);
  const token = await one.sign("RS256", { sub: "somebody" });
  expect(await other.read(token)).toEqual({ sub: "somebody" });
  expect(await other.read(`${token.slice(0, -4)}AAAA`)).toBeUndefined();
  const { rows } = await deps.db.query({
    name: "test_sealed",
    text: "select sealed from account.id_token_key",
    values: [],
  });
  expect(JSON.stringify(rows)).not.toContain('"d"');
});

test("a key has a successor after 90 days, which is public for an hour before it signs, and ends a day later", async () => {
  const [first = ""] = await kidsOf();
  await age("91 days");
  const [second = "", ...rest] = await kidsOf();
  expect([second === first, rest]).toEqual([false, [first]]);
  expect(await signerOf()).toBe(first);
  await age("61 minutes");
  expect(await signerOf()).toBe(second);
  await age("91 days");
  const [third = ""] = await kidsOf();
  expect(await kidsOf()).toEqual([third, second]);
});

test("a TOKEN_SECRET that was replaced makes a new key at once; where no client asks who signs in there is none", async () => {
  const replaced = open(makeSecret());
  const [kid = ""] = await kidsOf(replaced);
  expect(await signerOf(replaced)).toBe(kid);
  const config = readConfig({ environment: {} });
  expect(
    await kidsOf(openIdTokenKeys({ ...deps, config, seal: openSeal(secret), keys: readKeys(deps.config) })),
  ).toEqual([]);
});
