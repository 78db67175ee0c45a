import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DiskStorage, openDiskStorage } from "../../storage/disk.ts";
import { openDiskSigner } from "../../storage/disk-signer.ts";
import { long, sha256 } from "../harness.ts";

let folder: string;
let storage: DiskStorage;
const secret = Buffer.alloc(32, 1).toString("base64url");
const { signal } = new AbortController();
const bytesOf = (text: string) => new Blob([text]).stream();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-disk-"));
  storage = openDiskStorage({ folder, signer: openDiskSigner({ base: () => "http://localhost", secret }) });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const readText = async (key: string) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await storage.read(key, { signal })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

test("an object gets its second key also while others remove the folder that it goes into", async () => {
  await storage.receive("staging/one", bytesOf("one"), 3);
  const rounds = long ? 20_000 : 300;
  let done = false;
  const removing = (async () => {
    for (let round = 0; !done; round++) {
      await storage.copy("staging/one", `blobs/same/other-${round}`);
      await storage.remove([`blobs/same/other-${round}`]);
    }
  })();
  try {
    for (let round = 0; round < rounds; round++) {
      await storage.copy("staging/one", `blobs/same/${round}`);
      await storage.remove([`blobs/same/${round}`]);
    }
  } finally {
    done = true;
    await removing;
  }
  await expect(storage.copy("staging/none", "blobs/same/none")).rejects.toThrow("There is no such object");
});

test("parts are joined once and whole, whoever else joins them at the same time", async () => {
  const parts = ["first ".repeat(50_000), "second ".repeat(50_000), "last"];
  for (let round = 0; round < (long ? 500 : 10); round++) {
    const partsId = await storage.openParts("");
    for (const [index, part] of parts.entries())
      await storage.receive(`parts/${partsId}/${index + 1}`, bytesOf(part), part.length);
    const key = `blobs/joined/${round}`;
    const joined = await Promise.allSettled(Array.from({ length: 4 }, () => storage.completeParts(key, partsId)));
    expect(joined.some(({ status }) => status === "fulfilled")).toBe(true);
    expect(sha256(await readText(key))).toBe(sha256(parts.join("")));
    await storage.completeParts(key, partsId); // once more changes nothing
    expect(sha256(await readText(key))).toBe(sha256(parts.join("")));
  }
});

test("what a disk does not tell is not taken for gone", async () => {
  await mkdir(join(folder, "blobs", "odd"), { recursive: true });
  const loop = storage.pathOf("blobs/odd/loop");
  await symlink(loop, loop);
  expect(await storage.stat("blobs/odd/none")).toBeUndefined();
  expect(await storage.stat("blobs/odd/none/below")).toBeUndefined();
  expect(storage.stat("blobs/odd/loop")).rejects.toThrow("ELOOP");
});
