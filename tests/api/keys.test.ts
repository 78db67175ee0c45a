import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { chmod, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTestFolder, openCall, type System, startSystem, waitFor } from "../harness.ts";
import { startVaultStandIn } from "../vault-stand-in.ts";

/** Three API processes that read their signing keys from one file. No part that a cluster does otherwise has a share in it. */
let system: System;
let file: string;
const sunduk = join(import.meta.dir, "..", "..", "cli", "index.ts");

beforeAll(async () => {
  file = join(await createTestFolder(), "SIGNING_KEY");
  system = await startSystem({
    apis: 3,
    pods: 0,
    reshape: ({ SIGNING_KEY = "" }) => {
      writeFileSync(file, SIGNING_KEY, { mode: 0o600 });
      return { SIGNING_KEY: "", SIGNING_KEY_FILE: file };
    },
  });
});
afterAll(() => system?.stop());

const kidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
const verify = async (token: string, url: string) => (await openCall(url, token)("GET", "/v1/auth/verify")).status;
const shownBy = async (url: string) =>
  (await openCall(url)("GET", "/.well-known/jwks.json")).json.keys.map(({ kid }: { kid: string }) => kid) as string[];

async function rotate(args: string[], environment: Record<string, string>) {
  const child = Bun.spawn([process.execPath, sunduk, "keys", "rotate", "--json", ...args], {
    env: { PATH: process.env.PATH ?? "", LANG: "C", ...environment },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, json: out ? JSON.parse(out) : undefined, err };
}

test("J10 keys change without a restart: the former's tokens hold, and no token of the new one is ever refused", async () => {
  const user = await system.signUp();
  const formerKid = kidOf(user.token);
  const refused: string[] = [];
  let asked = 0;
  let rotating = true;
  let { refreshToken } = user;
  // All the time somebody signs tokens at one process and shows them at once to all.
  const traffic = (async () => {
    for (let index = 0; rotating; index++) {
      const { json } = await openCall(system.apiUrls[index % 3] ?? "")("POST", "/v1/auth/refresh", {
        body: { refreshToken },
      });
      refreshToken = json.refreshToken;
      for (const url of system.apiUrls) {
        asked += 1;
        const status = await verify(json.accessToken, url);
        if (status !== 204) refused.push(`${kidOf(json.accessToken)} ${status}`);
      }
    }
  })();
  const { code, json, err } = await rotate(["--lead", "6"], { SIGNING_KEY_FILE: file });
  expect([code, err]).toEqual([0, expect.any(String)]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  for (const url of system.apiUrls)
    await waitFor(async () => (await shownBy(url)).includes(json.kid), "the new key to be shown", 4_500);
  await waitFor(async () => {
    const next = await system.call("POST", "/v1/auth/login", {
      body: { login: user.login, password: "a long test password" },
    });
    return kidOf(next.json.accessToken) === json.kid;
  }, "the new key to sign");
  expect(await verify(user.token, system.apiUrls[2] ?? "")).toBe(204);
  rotating = false;
  await traffic;
  expect(refused).toEqual([]);
  expect(asked).toBeGreaterThan(30);
  expect(Date.parse(json.formerUntil) - Date.parse(json.signsFrom)).toBeGreaterThanOrEqual(630_000);

  // What is removed is refused by all, within seconds.
  const kept = JSON.parse(await Bun.file(file).text()).keys;
  expect(kept.map(({ kid }: { kid: string }) => kid)).toEqual([json.kid, formerKid]);
  await writeFile(file, JSON.stringify({ keys: kept.slice(0, 1) }));
  for (const url of system.apiUrls) {
    await waitFor(async () => (await verify(user.token, url)) === 401, "the former key to be forgotten", 4_500);
    expect(await shownBy(url)).toEqual([json.kid]);
  }
});

test("a file of keys that cannot be read leaves the keys as they are", async () => {
  const user = await system.signUp();
  const text = await Bun.file(file).text();
  for (const broken of ["", "{", '{"keys":[]}', '{"kty":"OKP"}']) {
    await writeFile(file, broken);
    const until = performance.now() + 2_500;
    await waitFor(() => performance.now() > until, "the file to be read again");
    for (const url of system.apiUrls) expect([broken, await verify(user.token, url)]).toEqual([broken, 204]);
  }
  await writeFile(file, text);
  await chmod(file, 0o600);
});

test("keys in the environment are not ours to change, and the command says what to do", async () => {
  const answer = await rotate([], { SIGNING_KEY: await Bun.file(file).text(), DATA: await createTestFolder() });
  expect(answer.code).not.toBe(0);
  expect(answer.err).toContain("SIGNING_KEY_FILE");
});

test("keys in Vault (a stand-in on loopback), by token or AppRole: read, rotated, and kept while it is away", async () => {
  const { SIGNING_KEY = "", TOKEN_SECRET = "" } = system.environment;
  const vault = startVaultStandIn({ SIGNING_KEY, TOKEN_SECRET, OTHER: "stays" });
  const fromVault = (access: Record<string, string>) => ({ VAULT_ADDR: vault.url, ...access });
  const role = fromVault({ VAULT_ROLE_ID: vault.roleId, VAULT_SECRET_ID: vault.secretId });
  let other: System | undefined;
  try {
    other = await startSystem({
      apis: 1,
      pods: 0,
      reshape: () => ({ SIGNING_KEY: "", TOKEN_SECRET: "", ...role }),
    });
    const url = other.apiUrls[0] ?? "";
    const user = await other.signUp();
    expect(await verify(user.token, url)).toBe(204);
    const rotated = await rotate(["--lead", "5"], fromVault({ VAULT_TOKEN: vault.fixedToken }));
    expect([rotated.code, rotated.err]).toEqual([0, expect.any(String)]);
    expect(vault.state.data.OTHER).toBe("stays");
    vault.revokeLent(); // it signs in anew
    await waitFor(async () => (await shownBy(url)).includes(rotated.json.kid), "the new key", 5_000);
    expect(vault.state.logins).toBeGreaterThan(1);
    vault.state.sealed = true;
    const until = performance.now() + 2_500;
    await waitFor(() => performance.now() > until, "Vault to be asked in vain");
    expect(await verify(user.token, url)).toBe(204);
  } finally {
    await other?.stop();
    await vault.stop();
  }
});
