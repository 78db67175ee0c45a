import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { openInstalledDisk } from "../../cli/backup/place.ts";
import { readConfig } from "../../config.ts";
import { readS3Options } from "../../deps.ts";
import { createBucket, openS3Storage } from "../../storage/s3.ts";
import { createTestFolder, parts, publishPack, type System, startSystem, type TestUser, upload } from "../harness.ts";
import { type Person, readDigests, seat } from "./sunduk.ts";

const here = parts === "cluster"; // without S3 there is nowhere to go
const program = join(import.meta.dir, "../../cli/index.ts");
const files = { "mods/a.jar": "a".repeat(300_000), "mods/b.jar": "b".repeat(70_000), "config/c.toml": "c = 1\n" };

let system: System;
let author: TestUser;
let person: Person;

beforeAll(async () => {
  if (!here) return;
  system = await startSystem();
  author = await system.signUp("author");
  await publishPack(author, { slug: "moved", version: "1.0.0", files });
  person = await seat();
});
afterAll(async () => {
  await person?.close();
  await system?.stop();
});

const sunduk = (words: string[], env: Record<string, string> = {}) =>
  person.sunduk([...words, "--json"], { env: { ...system.environment, ...env } });

test.if(here)(
  "objects go from S3 to the disk and into another bucket while the server runs; what was there is not copied again",
  async () => {
    const DATA = await createTestFolder();
    const first = await sunduk(["storage", "migrate", "s3", "disk"], { DATA });
    expect(first).toMatchObject({ code: 0, json: { ok: true, there: 0, missing: [] } });
    expect(first.json.copied).toBeGreaterThanOrEqual(3);
    await upload(author, "came in meanwhile");
    const second = await sunduk(["storage", "migrate", "s3", "disk"], { DATA });
    expect(second.json).toMatchObject({ copied: 1, there: first.json.copied, missing: [] });

    const S3_BUCKET = `${system.environment.S3_BUCKET}-other`;
    const third = await sunduk(["storage", "migrate", "disk", "s3"], { DATA, S3_BUCKET });
    expect(third.json).toMatchObject({ copied: first.json.copied + 1, there: 0, missing: [] });

    // Without S3, on the disk alone, everything installs.
    const disk = await startSystem({
      environment: { ...pick("DATABASE_URL", "SIGNING_KEY", "TOKEN_SECRET"), DATA },
      pods: 0,
      apis: 1,
      reshape: () => ({ S3_ENDPOINT: "", PUBLIC_URL: "" }),
    });
    try {
      const folder = join(person.folder, "installed");
      const installed = await person.sunduk([
        "pack",
        "install",
        "moved",
        folder,
        "--server",
        disk.apiUrls[0] ?? "",
        "--json",
      ]);
      expect(installed).toMatchObject({ code: 0 });
      expect(Object.keys(await readDigests(folder))).toEqual(Object.keys(files).sort());
    } finally {
      await disk.stop();
    }
  },
  120_000,
);

const pick = (...names: string[]) => Object.fromEntries(names.map((name) => [name, system.environment[name] ?? ""]));

test.if(here)(
  "one that is killed goes on, and a byte that changed on the way does not pass",
  async () => {
    const DATA = await createTestFolder();
    const env = { PATH: process.env.PATH ?? "", LANG: "C", ...system.environment, DATA };
    const child = Bun.spawn([process.execPath, program, "storage", "migrate", "s3", "disk"], {
      env,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    setTimeout(() => child.kill("SIGKILL"), 300 + Math.random() * 700);
    await child.exited;
    const rest = await sunduk(["storage", "migrate", "s3", "disk"], { DATA });
    expect(rest).toMatchObject({ code: 0, json: { missing: [] } });

    const config = readConfig({ environment: { ...system.environment, DATA } });
    const disk = openInstalledDisk(config);
    const keys: string[] = [];
    for await (const { key } of disk.list("blobs/")) keys.push(key);
    const [key = ""] = keys;
    const size = (await disk.stat(key))?.sizeBytes ?? 0;
    await disk.write(key, new Blob(["?".repeat(size)]).stream(), {
      sizeBytes: size,
      signal: AbortSignal.timeout(5_000),
    });
    const S3_BUCKET = `${system.environment.S3_BUCKET}-third`;
    await createBucket({ ...readS3Options(config), bucket: S3_BUCKET });
    const refused = await sunduk(["storage", "migrate", "disk", "s3"], { DATA, S3_BUCKET });
    expect(refused).toMatchObject({ code: 1, json: { ok: false, missing: [{ key }] } });
    expect(await openS3Storage({ ...readS3Options(config), bucket: S3_BUCKET }).stat(key)).toBeUndefined();
  },
  60_000,
);
