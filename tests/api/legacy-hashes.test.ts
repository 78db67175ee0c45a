import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { pbkdf2Sync } from "node:crypto";
import { isKnownHash, verifyHash } from "../../api/accounts/legacy-hashes.ts";
import { waitFor } from "../harness.ts";
import { openTestApi, type TestApi, testPassword } from "./open-test-api.ts";

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api?.close());

const django = (password: string, digest = "sha256", iterations = 1_000) =>
  `pbkdf2_${digest}$${iterations}$salt$${pbkdf2Sync(password, "salt", iterations, { sha1: 20, sha256: 32, sha512: 64 }[digest] ?? 0, digest).toString("base64")}`;

const hashes: [name: string, password: string, hash: string][] = [
  // From the test vectors of OpenBSD's and PHP's implementations.
  ["bcrypt $2a", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["bcrypt $2y", "U*U", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["bcrypt $2b", "U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  // Django's own documentation of its hasher's form.
  ["PBKDF2 of SHA-256", "lètmein", django("lètmein")],
  ["PBKDF2 of SHA-1", "lètmein", django("lètmein", "sha1")],
  ["PBKDF2 of SHA-512", "пароль", django("пароль", "sha512")],
];

test.each(hashes)("%s is verified, and nothing else is accepted", async (_name, password, hash) => {
  expect(await verifyHash(password, hash)).toBe(true);
  for (const wrong of [`${password} `, password.slice(1), `x${password}`, "", "\u0000"])
    expect([wrong, await verifyHash(wrong, hash)]).toEqual([wrong, false]);
});

test("bcrypt reads 72 bytes, as it does everywhere else", async () => {
  const hash = await Bun.password.hash("a".repeat(72), { algorithm: "bcrypt", cost: 4 });
  expect(await verifyHash("a".repeat(72), hash)).toBe(true);
  expect(await verifyHash(`${"a".repeat(72)}b`, hash)).toBe(true);
  expect(await verifyHash("a".repeat(71), hash)).toBe(false);
});

test.each([
  "",
  "plain text",
  "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
  "$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
  "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
  "$1$salt$hash",
  "pbkdf2_sha256$99999999$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "pbkdf2_md5$1000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "pbkdf2_sha256$1000$$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
])("%p is no hash that is ever worked on", async (hash) => {
  expect(isKnownHash(hash)).toBe(false);
  expect(await verifyHash("x", hash)).toBe(false);
});

const hashOf = async (login: string) => {
  const { rows } = await api.deps.db.query({
    name: "test_hash",
    text: `select password_hash as hash from account."user" where login = $1`,
    values: [login],
  });
  return (rows[0] as { hash: string }).hash;
};
const setHash = (login: string, hash: string) =>
  api.deps.db.query({
    name: "test_set_hash",
    text: `update account."user" set password_hash = $2 where login = $1`,
    values: [login, hash],
  });
const signIn = (login: string, password: string) => api.call("POST", "/v1/auth/login", { body: { login, password } });

test("L3 a password is kept as argon2id with 19 MiB and two passes", async () => {
  await api.signUp("kept");
  expect(await hashOf("kept")).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test("L4 an old hash is verified, and replaced after the answer, once", async () => {
  await api.signUp("old");
  const weaker = await Bun.password.hash(testPassword, { algorithm: "argon2id", memoryCost: 8_192, timeCost: 1 });
  const bcrypt = await Bun.password.hash(testPassword, { algorithm: "bcrypt", cost: 4 });
  for (const hash of [weaker, bcrypt, django(testPassword)]) {
    await setHash("old", hash);
    expect((await signIn("old", "wrong password")).status).toBe(401);
    expect(await hashOf("old")).toBe(hash);
    const answers = await Promise.all(Array.from({ length: 4 }, () => signIn("old", testPassword)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const now = await waitFor(async () => {
      const found = await hashOf("old");
      return found !== hash && found;
    }, "a new hash");
    expect(now).toStartWith("$argon2id$v=19$m=19456,t=2,");
    expect((await signIn("old", testPassword)).status).toBe(200);
    expect(await hashOf("old")).toBe(now);
  }
});

test("L1 every way to fail costs one hash, and gets the same answer", async () => {
  for (const login of ["real", "without", "disabled", "gone"]) await api.signUp(login);
  await api.deps.db.query({
    name: "test_states",
    text: `update account."user" set password_hash = case login when 'without' then null else password_hash end,
      disabled_at = case login when 'disabled' then now() end, deleted_at = case login when 'gone' then now() end
      where login in ('real', 'without', 'disabled', 'gone')`,
    values: [],
  });
  const verify = spyOn(Bun.password, "verify");
  const hash = spyOn(Bun.password, "hash");
  try {
    const answers = [];
    for (const login of ["nobody", "real", "without", "disabled", "gone", "nobody@example.org"]) {
      verify.mockClear();
      const { status, json, headers } = await signIn(login, "wrong password");
      const { traceId: _trace, ...body } = json;
      for (const name of ["date", "x-request-id", "traceparent", "ratelimit"]) headers.delete(name);
      answers.push(JSON.stringify([status, body, [...headers], verify.mock.calls.length]));
      const given = verify.mock.calls[0]?.[1] ?? "";
      expect(given).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
    }
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] ?? "[]").at(-1)).toBe(1);
    expect(hash.mock.calls.length).toBe(0);
  } finally {
    verify.mockRestore();
    hash.mockRestore();
  }
});
