import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { decide, testPassword } from "./device.ts";
import { type Person, seat } from "./sunduk.ts";

const program = join(import.meta.dir, "../../cli/index.ts");
let system: System;
let user: TestUser;
let person: Person;

beforeAll(async () => {
  system = await startSystem({ pods: 0 });
  user = await system.signUp("player");
});
afterAll(() => system?.stop());
beforeEach(async () => {
  person = await seat();
});
afterEach(() => person.close());

/** `sunduk login URL` in a process of its own, which is not over until somebody decides. */
function startLogin(words: string[] = [], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program, "login", system.url, ...words], {
    env: { PATH: process.env.PATH ?? "", LANG: "C", XDG_CONFIG_HOME: join(person.folder, "home"), ...env },
    cwd: person.folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const said = { stdout: "", stderr: "" };
  const read = async (name: "stdout" | "stderr") => {
    const decoder = new TextDecoder();
    for await (const chunk of child[name]) said[name] += decoder.decode(chunk, { stream: true });
  };
  const over = Promise.all([read("stdout"), read("stderr"), child.exited]).then(([, , code]) => code);
  const userCode = () =>
    waitFor(() => /\b[A-Z0-9]{4}-[A-Z0-9]{4}\b/.exec(said.stdout + said.stderr)?.[0], "the code to be shown");
  return { child, said, over, userCode };
}
const keptFile = () => stat(join(person.folder, "home/sunduk/servers.json")).catch(() => undefined);

test("sunduk login without a password shows an address and a code, waits, and keeps the tokens", async () => {
  const login = startLogin(["--json"]);
  const userCode = await login.userCode();
  expect(login.said.stderr).toContain(`Open ${system.url}/device in a browser`);
  await decide(system.url, { userCode, login: user.login, action: "approve" });
  expect(await login.over).toBe(0);
  expect(JSON.parse(login.said.stdout)).toEqual({ ok: true, server: system.url, login: "player" });
  expect((await keptFile())?.mode.toString(8)).toEndWith("600");
  const listed = await person.sunduk(["pack", "list", "--json"]);
  expect([listed.code, listed.json.ok]).toEqual([0, true]);
  const { json } = await user.call("GET", "/v1/auth/sessions");
  expect(json.items).toContainEqual(
    expect.objectContaining({ kind: "cli", client: "sunduk-cli", device: expect.stringContaining("sunduk, ") }),
  );
});

test("a denial is told in the reader's language, and nothing is kept", async () => {
  const login = startLogin([], { LANG: "ru_RU.UTF-8" });
  const userCode = await login.userCode();
  expect(login.said.stdout).toContain(`Откройте ${system.url}/device в браузере`);
  expect(login.said.stdout).toContain("не дольше 10 минут");
  await decide(system.url, { userCode, login: user.login, action: "deny" });
  expect(await login.over).toBe(4);
  expect(login.said.stderr).toContain("it was denied on the page");
  expect(await keptFile()).toBeUndefined();
});

test("Ctrl-C while it waits ends it at once, and keeps nothing", async () => {
  const login = startLogin();
  await login.userCode();
  login.child.kill("SIGINT");
  expect(await login.over).toBe(130);
  expect(login.said.stderr).not.toContain("at ");
  expect(await keptFile()).toBeUndefined();
});

test("an account with a second factor is told to sign in by code", async () => {
  const { codeAt, stepAt } = await import("../../api/accounts/totp.ts");
  const owner = await system.signUp();
  const { json } = await owner.call("POST", "/v1/me/totp");
  await owner.call("POST", "/v1/me/totp/confirm", { body: { code: codeAt(json.secret, stepAt(Date.now())) } });
  const words = ["login", system.url, "--login", owner.login, "--password-stdin"];
  const outcome = await person.sunduk(words, { stdin: testPassword });
  expect([outcome.code, outcome.stderr.includes(`second factor; use sunduk login ${system.url}`)]).toEqual([4, true]);
});

test("a password on standard input needs a login", async () => {
  const outcome = await person.sunduk(["login", system.url, "--password-stdin"], { stdin: "x" });
  expect([outcome.code, outcome.stderr.includes("--login is missing")]).toEqual([2, true]);
});
