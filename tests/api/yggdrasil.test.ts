import { afterAll, beforeAll, expect, test } from "bun:test";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { openPasswords } from "../../api/accounts/passwords.ts";
import type { Api } from "../../api/api.ts";
import { toClientAddress } from "../../api/limits.ts";
import { answerGame } from "../../api/yggdrasil/answer.ts";
import { openGame } from "../../api/yggdrasil/game.ts";
import { openProfiles } from "../../api/yggdrasil/profiles.ts";
import { authenticate } from "../../api/yggdrasil/sign-in.ts";
import type { PlayerRow } from "../../db/player.ts";
import { makeGameKey, readGameKey } from "../../game-key.ts";
import type { Keys } from "../../keys.ts";
import { openRedactor } from "../../redact.ts";
import { openCall } from "../harness.ts";
import { openTestApi, type TestApi, testPassword } from "./open-test-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ LIMIT_SIGN_INS_PER_ACCOUNT: "3" });
});
afterAll(() => api?.close());

const authenticateAt = (username: string, password: string) =>
  api.call("POST", "/yggdrasil/authserver/authenticate", { body: { username, password } });

test("without a key the server says in the form of games that it signs nobody in", async () => {
  for (const path of ["", "/minecraftservices/publickeys"]) {
    const { status, json } = await api.call("GET", `/yggdrasil${path}`);
    expect([status, json.error]).toEqual([501, "ServiceUnavailableException"]);
    expect(json.errorMessage).toContain("YGGDRASIL_KEY");
  }
});

test("whoever has guessed too often is told the same as before, with the right password too", async () => {
  const { login } = await api.signUp("guessed-at");
  const answers = [];
  for (const password of ["one", "two", "three", "four", testPassword])
    answers.push(await authenticateAt(login, password));
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(403);
  // The tries are those of the other sign-in.
  expect((await api.call("POST", "/v1/auth/login", { body: { login, password: testPassword } })).status).toBe(429);
});

test("whoever guesses by the names of its players has no more tries at an account", async () => {
  const { login, token } = await api.signUp("guessed-at-too");
  for (const name of ["First_name", "Second_name"])
    await openCall(api.url, token)("POST", "/v1/me/players", { body: { name } });
  for (const [username, password] of [
    ["First_name", "one"],
    ["second_NAME", "two"],
    [login, "three"],
    ["First_name", testPassword],
  ] as const)
    expect([username, (await authenticateAt(username, password)).status]).toEqual([username, 403]);
});

test("a refused sign-in costs one hash, whoever it is for", async () => {
  await api.signUp("known");
  await api.signUp("careful");
  await api.deps.db.query({
    name: "",
    text: `update account."user" set totp_secret = 'x', totp_confirmed_at = now() where login = 'careful'`,
    values: [],
  });
  const { verify } = openPasswords();
  let hashes = 0;
  const passwords = {
    verify: (...given: Parameters<typeof verify>) => {
      hashes++;
      return verify(...given);
    },
  };
  const origin = { device: "", address: "", kind: "launcher" } as const;
  for (const [username, password] of [
    ["known", "wrong"],
    ["careful", testPassword],
    ["nobody", testPassword],
    ["nobody", "abcdef-abcdef-abcdef-abcdef"],
  ] as const) {
    hashes = 0;
    const rateLimits = { take: async () => undefined, giveBack: async () => undefined };
    const asked = authenticate(
      { ...api.deps, passwords, rateLimits } as unknown as Api,
      { username, password },
      origin,
    );
    await expect(asked).rejects.toThrow("Invalid credentials. Invalid username or password.");
    expect([username, hashes]).toEqual([username, 1]);
  }
});

test("a key is PEM or base64 on one line, RSA and long enough; what is wrong with another is said without it", async () => {
  const line = await makeGameKey();
  expect(line).toMatch(/^[A-Za-z0-9+/=]+$/);
  const pem = createPrivateKey({ key: Buffer.from(line, "base64"), format: "der", type: "pkcs8" });
  const text = pem.export({ format: "pem", type: "pkcs8" }).toString();
  expect(readGameKey(text)?.publicPem).toBe(readGameKey(`${line}\n`)?.publicPem ?? "");
  expect(readGameKey(undefined)).toBeUndefined();
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
  const other = generateKeyPairSync("ed25519").privateKey;
  for (const bad of [
    "not a key",
    small.export({ format: "pem", type: "pkcs8" }),
    other.export({ format: "pem", type: "pkcs8" }),
  ])
    expect(() => readGameKey(bad.toString())).toThrow(
      /^Cannot use YGGDRASIL_KEY: it is no private RSA key of 2048 bits/,
    );
});

test("a token that cannot be looked up is not told to be a bad one", async () => {
  const lost = new Error("Connection terminated unexpectedly");
  const db = { query: () => Promise.reject(lost) };
  const game = openGame({ ...api.deps, db } as unknown as Api, {} as Keys);
  const headers = { authorization: "Bearer anything" };
  await expect(game.requireBearer(new Request("http://localhost", { headers }))).rejects.toBe(lost);
});

test("a failure of ours is logged as all are, and says in it what games look for", async () => {
  const lost = new Error("Connection terminated unexpectedly");
  const errorMessage = "The database does not answer: try again in a moment";
  await expect(answerGame(() => Promise.reject(lost))).rejects.toMatchObject({
    code: "unavailable",
    cause: lost,
    extra: { error: "ServiceUnavailableException", errorMessage },
  });
});

test("who loses his player or session in the middle of a request has an invalid token", async () => {
  const answer = await answerGame(() => Promise.reject(Object.assign(new Error("gone"), { code: "23503" })));
  expect([answer.status, await answer.json()]).toEqual([
    403,
    { error: "ForbiddenOperationException", errorMessage: "Invalid token." },
  ]);
});

test("a player's properties are signed once for each way that he looks", async () => {
  let signed = 0;
  let base = "https://one.example";
  const sign = async (bytes: string | Uint8Array) => {
    signed++;
    return `signature of ${bytes}`;
  };
  const key = { publicPem: "", publicDer: Buffer.alloc(0), sign };
  const profiles = openProfiles({ key, publicUrl: () => base });
  const player: PlayerRow = {
    id: "00000000-0000-4000-8000-000000000001",
    userId: "00000000-0000-7000-8000-000000000001",
    name: "Somebody",
    model: "default",
    skin: "ab",
    cape: null,
    createdAt: new Date(),
  };
  const describeOften = (one: PlayerRow) =>
    Promise.all(Array.from({ length: 50 }, () => profiles.describe(one, { signed: true })));
  const [first] = await describeOften(player);
  expect(signed).toBe(2); // textures, and what may be sent
  const read = (profile: typeof first) =>
    JSON.parse(Buffer.from(profile?.properties[0]?.value ?? "", "base64").toString()).textures;
  expect(read(first)).toEqual({ SKIN: { url: "https://one.example/textures/ab" } });
  await describeOften({ ...player, model: "slim" });
  expect(signed).toBe(3);
  base = "https://two.example";
  expect(read((await describeOften(player))[0]).SKIN.url).toBe("https://two.example/textures/ab");
  expect(signed).toBe(4);
});

test("addresses that servers name are compared as those of clients are kept", () => {
  for (const [given, kept] of [
    ["203.0.113.9", "203.0.113.9"],
    ["::ffff:203.0.113.9", "203.0.113.9"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:DB8:1:2::9", "2001:db8:1:2"],
  ] as const)
    expect(toClientAddress(given)).toBe(kept);
});

test("tokens of games are hidden in the log wherever they stand", () => {
  const token = `sdk_ygg_${"aB3".repeat(14)}x`;
  expect(openRedactor().hideText(`launched with --accessToken ${token} --width 800`)).not.toContain("aB3aB3");
});
