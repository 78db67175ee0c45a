import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openTestApi, type TestApi } from "../api/open-test-api.ts";
import { createTestFolder } from "../harness.ts";

let api: TestApi;
let folder: string;
const password = "a password of old";
const command = join(import.meta.dir, "..", "..", "cli", "index.ts");

beforeAll(async () => {
  api = await openTestApi();
  folder = await createTestFolder();
  await api.signUp("taken");
});
afterAll(() => api?.close());

async function importFile(name: string, text: string, args: string[] = []) {
  const file = join(folder, name);
  await writeFile(file, text);
  const child = Bun.spawn([process.execPath, command, "user", "import", file, "--json", ...args], {
    env: { PATH: process.env.PATH ?? "", LANG: "C", DATABASE_URL: api.deps.config.DATABASE_URL, DATA: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, json: out ? JSON.parse(out) : undefined, err };
}
const signIn = async (login: string, given = password) =>
  (await api.call("POST", "/v1/auth/login", { body: { login, password: given } })).status;

test("accounts of another service come in from CSV with their passwords, and nobody's is changed", async () => {
  const bcrypt = await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
  const argon2 = await Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 8192, timeCost: 1 });
  const text = [
    "\uFEFFlogin,email,hash",
    `Olga,olga@example.org,${bcrypt}`,
    `pavel,,"${argon2}"`,
    `taken,x@example.org,${bcrypt}`,
    `olga,second@example.org,${bcrypt}`,
    `no login!,y@example.org,${bcrypt}`,
    "plain,z@example.org,secret",
    `late,not an address,${bcrypt}`,
    "",
  ].join("\r\n");
  const dry = await importFile("dry.csv", text, ["--dry-run"]);
  expect([dry.code, dry.json.imported, dry.json.dryRun]).toEqual([0, 2, true]);
  expect(await signIn("olga")).toBe(401);
  const { code, json } = await importFile("users.csv", text);
  expect([code, json.imported]).toEqual([0, 2]);
  expect(json.refused.map(({ line }: { line: number }) => line)).toEqual([4, 5, 6, 7, 8]);
  expect(JSON.stringify(json)).not.toContain("secret");
  expect(await signIn("olga")).toBe(200);
  expect(await signIn("OLGA")).toBe(200);
  expect(await signIn("pavel")).toBe(200);
  expect(await signIn("pavel", "another password")).toBe(401);
  // Its address was not proved here.
  expect(await signIn("olga@example.org")).toBe(401);
  expect(await signIn("taken")).toBe(401);
  const again = await importFile("users.csv", text);
  expect([again.json.imported, again.json.refused.length]).toEqual([0, 7]);
});

test("accounts come in from JSON lines too, and a file that is none is refused", async () => {
  const hash = await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
  const lines = [{ login: "json-1", hash }, { login: "json-2", email: null, hash }, { login: "json-3" }];
  const { json } = await importFile(
    "users.jsonl",
    `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{broken\n`,
  );
  expect([json.imported, json.refused.map(({ line }: { line: number }) => line)]).toEqual([2, [3, 4]]);
  expect(await signIn("json-2")).toBe(200);
  const wrong = await importFile("wrong.csv", "name;password\na;b\n");
  expect([wrong.code === 0, wrong.err]).toEqual([false, expect.stringContaining("login, email and hash")]);
  const missing = await importFile("empty.csv", "");
  expect(missing.json.imported).toBe(0);
});
