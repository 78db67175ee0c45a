import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, waitFor } from "../harness.ts";
import { type Person, seat } from "./sunduk.ts";

let system: System;
let operator: Person;
beforeAll(async () => {
  system = await startSystem({ pods: 1, environment: { REGISTRATION: "invite" } }); // no SMTP_URL
  operator = await seat();
});
afterAll(async () => {
  await system?.stop();
  await operator?.close();
});

const first = "a long test password";
const second = "another long password";
const admin = (words: string[], more: Record<string, string> = {}) =>
  operator.sunduk(["admin", ...words], { env: { ...system.environment, ...more } });
const post = (path: string, body: object) => system.call("POST", path, { body });

/** Somebody whom the operator invited. */
async function invited(more: object = {}) {
  const { code, json } = await admin(["invite", "--note", "for a test", "--json"]);
  expect(code).toBe(0);
  const login = `guest-${Math.random().toString(36).slice(2, 10)}`;
  const answer = await post("/v1/auth/register", { login, password: first, invite: json.code, ...more });
  expect(answer.status).toBe(201);
  return { login, invite: json.code };
}

test("sunduk admin invite makes a code for one account", async () => {
  const { invite } = await invited();
  expect((await post("/v1/auth/register", { login: "second", password: first, invite })).status).toBe(403);
  const told = await admin(["invite", "--days", "3"], { LANG: "ru_RU.UTF-8" });
  expect(told.stderr + told.stdout).toMatch(/3 дня.*\n([0-9A-Z]{5}-){3}[0-9A-Z]{5}\n/s);
  for (const wrong of ["0", "366", "-1", "x", "1.5"]) expect((await admin(["invite", `--days=${wrong}`])).code).toBe(2);
});

test("without a mail server people are answered the same, and the operator hands out links", async () => {
  const { login } = await invited({ email: "guest@mail.example" });
  expect((await post("/v1/auth/password/forgot", { login })).json).toEqual({ accepted: true });
  const { json } = await admin(["link", "--login", login.toUpperCase(), "--server", system.url, "--json"]);
  expect(json).toMatchObject({ ok: true, login, purpose: "reset" });
  const link = new URL(json.link);
  expect([link.origin, link.pathname]).toEqual([system.url, "/reset"]);
  expect((await post("/v1/auth/password/reset", { token: link.hash.slice(1), password: second })).status).toBe(200);
  expect((await post("/v1/auth/password/reset", { token: link.hash.slice(1), password: first })).status).toBe(422);
  expect((await post("/v1/auth/login", { login, password: second })).status).toBe(200);
  const proof = await admin(["link", "--login", login, "--purpose", "verify", "--json"]);
  const token = new URL(proof.json.link).hash.slice(1);
  expect((await post("/v1/auth/email/verify", { token })).json).toEqual({ login, email: "guest@mail.example" });
  expect((await post("/v1/auth/login", { login: "guest@mail.example", password: second })).status).toBe(200);
});

test("what cannot be linked to is said", async () => {
  const { login } = await invited();
  const cases: [words: string[], code: number, said: RegExp][] = [
    [["link"], 2, /--login is missing/],
    [["link", "--login", login, "--purpose", "x"], 2, /reset or verify/],
    [["link", "--login", "nobody-here"], 1, /there is no account "nobody-here"/],
    [["link", "--login", login, "--purpose", "verify"], 1, /no address that waits/],
  ];
  for (const [words, code, said] of cases) {
    const outcome = await admin(words);
    expect([words, outcome.code === 0]).toEqual([words, code === 0]);
    expect(outcome.stderr).toMatch(said);
  }
});

test("a mail that nothing sends stays, and its job is over", async () => {
  await invited({ email: "kept@mail.example" });
  await waitFor(async () => {
    const { rows } = await system.db.query({
      name: "test_kept",
      text: `select 1 from mail.mail m join job.job j on j.subject = m.id::text
        where m.recipient = 'kept@mail.example' and m.sent_at is null and j.state = 'completed' and j.result->>'state' = 'kept'`,
      values: [],
    });
    return rows.length === 1;
  }, "the mail to be kept");
});

test("a common password is refused for an admin too", async () => {
  const outcome = await operator.sunduk(["admin", "create", "--login", "boss", "--password-stdin"], {
    stdin: "iloveyou\n",
    env: system.environment,
  });
  expect(outcome.code).not.toBe(0);
  expect(outcome.stderr).toContain("one of the most common ones");
});
