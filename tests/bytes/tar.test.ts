import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTar, tarEnd, tarFile } from "../../tar.ts";

const files: [string, Uint8Array<ArrayBuffer>][] = [
  ["index.json", new TextEncoder().encode("{}")],
  ["a".repeat(100), new Uint8Array(0)],
  ["block", new Uint8Array(512).fill(7)],
  ["odd", new Uint8Array(70_001).fill(9)],
];
const archive = Buffer.concat([...files.flatMap(([name, bytes]) => tarFile(name, bytes)), tarEnd]);

async function* pieces(bytes: Uint8Array, sizeBytes: number) {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}
const read = async (bytes: Uint8Array, sizeBytes = 1000, maxFileBytes = 100_000) => {
  const found: [string, Buffer][] = [];
  for await (const file of readTar(pieces(bytes, sizeBytes), { maxFileBytes }))
    found.push([file.name, Buffer.from(file.bytes)]);
  return found;
};

test("what is written is read again, however it is cut into chunks", async () => {
  for (const sizeBytes of [1, 511, 512, 513, 1_000_000]) {
    const found = await read(archive, sizeBytes);
    expect(found.map(([name]) => name)).toEqual(files.map(([name]) => name));
    for (const [at, [, bytes]] of found.entries()) expect(bytes.equals(files[at]?.[1] ?? bytes)).toBe(true);
  }
});

test("other programs read it too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sunduk-tar-"));
  try {
    await Bun.write(join(folder, "a.tar"), archive);
    const child = Bun.spawn(["tar", "-xvf", "a.tar"], { cwd: folder, stdout: "pipe", stderr: "pipe" });
    expect((await new Response(child.stdout).text()).trim().split("\n")).toEqual(files.map(([name]) => name));
    expect(await child.exited).toBe(0);
    for (const [name, bytes] of files) expect(await Bun.file(join(folder, name)).bytes()).toEqual(bytes);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("an archive that is cut, damaged, or holds what it should not is refused", async () => {
  await expect(read(archive.subarray(0, 40_000))).rejects.toMatchObject({ code: "unavailable" });
  await expect(read(archive.subarray(0, -1024))).rejects.toMatchObject({ code: "unavailable" });
  await expect(read(new Uint8Array(0))).rejects.toMatchObject({ code: "unavailable" });
  await expect(read(archive, 1000, 70_000)).rejects.toMatchObject({ code: "invalid" });
  for (const at of [0, 125, 149, 156, 258]) {
    const damaged = Buffer.from(archive);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await expect(read(damaged)).rejects.toMatchObject({ code: "invalid" });
  }
  const link = Buffer.concat(tarFile("link", new Uint8Array(0)));
  link[156] = 0x32; // a symbolic link, with its sum put right
  link.write(`${(Number.parseInt(link.toString("latin1", 148, 154), 8) + 2).toString(8).padStart(6, "0")}\0`, 148);
  await expect(read(link)).rejects.toMatchObject({ code: "invalid" });
  expect(() => tarFile("ж", new Uint8Array(0))).toThrow("cannot be a name");
});
