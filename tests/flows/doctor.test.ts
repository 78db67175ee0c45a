import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parts, publishPack, type System, startSystem } from "../harness.ts";
import { type Person, seat } from "./sunduk.ts";

let system: System;
let person: Person;
beforeAll(async () => {
  system = await startSystem({ environment: { BACKUP_EVERY_HOURS: "0" } });
  person = await seat();
  const { DATA = "" } = system.environment;
  await Bun.write(join(DATA, "sunduk-data.json"), "{}"); // as `sunduk up` would have made it
  for (const name of ["secrets", "objects"]) await mkdir(join(DATA, name), { recursive: true, mode: 0o700 });
  const user = await system.signUp("author");
  await publishPack(user, { slug: "sound", version: "1.0.0", files: { "a.jar": "bytes" } });
});
afterAll(async () => {
  await person?.close();
  await system?.stop();
});

async function doctor(more: Record<string, string> = {}, words: string[] = []) {
  const env = { ...system.environment, PUBLIC_URL: system.url, ...more };
  const { code, json, stderr } = await person.sunduk(["doctor", "--json", ...words], { env });
  const of = (area: string) => json.checks.filter((check: any) => check.area === area);
  return { code, json, stderr, of };
}

test("doctor finds every part of a running system in order, and tells no secret", async () => {
  const { code, json, stderr } = await doctor();
  const wrong = json.checks.filter(({ state }: any) => state === "broken");
  expect([code, wrong]).toEqual([0, []]);
  const areas = [
    "settings",
    "database",
    "migrations",
    "clock",
    "queues",
    "jobs",
    "orphans",
    "storage",
    "address",
    "keys",
  ];
  for (const area of areas)
    expect(json.checks.filter((check: any) => check.area === area).map(({ state }: any) => state)).toContain("ok");
  for (const name of ["TOKEN_SECRET", "STORAGE_SECRET", "S3_SECRET_KEY"] as const) {
    const secret = system.environment[name];
    if (secret) expect(`${JSON.stringify(json)}${stderr}`).not.toContain(secret);
  }
});

test.if(parts === "cluster")(
  "with S3: a signed address, the storage's clock, and a bucket that --fix makes",
  async () => {
    const sound = await doctor();
    expect(sound.of("storage").map(({ state }: any) => state)).toEqual(["ok", "ok"]);
    expect(sound.of("clock").map(({ state }: any) => state)).toEqual(["ok", "ok"]);
    const elsewhere = await doctor({ S3_PUBLIC_ENDPOINT: "http://127.0.0.1:9" });
    expect(elsewhere.of("storage")[1]).toMatchObject({
      state: "warning",
      fix: expect.stringContaining("S3_PUBLIC_ENDPOINT"),
    });
    const S3_BUCKET = `doctor-${Bun.randomUUIDv7().slice(-12)}`;
    // Behind the gateway only the system's own bucket is served.
    const other = { S3_BUCKET, S3_PUBLIC_ENDPOINT: system.environment.S3_ENDPOINT ?? "" };
    expect((await doctor(other)).of("storage")[0]).toMatchObject({ state: "broken", fixable: true });
    const { json, of } = await doctor(other, ["--fix"]);
    expect(json.fixed).toEqual(["storage"]);
    expect(of("storage").map(({ state }: any) => state)).toEqual(["ok", "ok"]);
  },
);
