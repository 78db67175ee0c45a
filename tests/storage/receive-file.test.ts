import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { receiveFile } from "../../storage/receive-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-receive-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a disk that takes only a part of the last bytes is a full disk, and leaves nothing behind", async () => {
  // A limit on the size of files does what a disk does that is nearly full: it takes a part, and fails at the next write.
  const script = `
    import { receiveFile } from ${JSON.stringify(join(import.meta.dir, "../../storage/receive-file.ts"))};
    const [folder] = process.argv.slice(-1);
    const bytes = new Blob([new Uint8Array(1.5 * 1024 ** 2)]);
    const one = (async function* () { yield await bytes.bytes(); })();
    try {
      await receiveFile({ bytes: one, sizeBytes: bytes.size, temporary: folder + "/tmp/a", path: folder + "/b" });
      console.log("received");
    } catch (error) {
      console.log(error.code);
    }`;
  const file = join(folder, "script.ts");
  await Bun.write(file, script);
  const target = join(folder, "full");
  const limited = `trap '' XFSZ; ulimit -f 1024; exec "$@"`;
  const child = Bun.spawn(["sh", "-c", limited, "sh", process.execPath, file, target], { stdout: "pipe" });
  expect((await new Response(child.stdout).text()).trim()).toBe("storage-full");
  expect(await readdir(target, { recursive: true })).toEqual(["tmp"]);
});

test("bytes arrive whole, whatever the pieces, with and without an announced size", async () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_000));
  for (const [index, pieceBytes] of [1_000, 65_000].entries()) {
    const pieces = function* () {
      for (let round = 0; round < 600; round++)
        for (let start = 0; start < bytes.length; start += pieceBytes) yield bytes.subarray(start, start + pieceBytes);
    };
    const path = join(folder, `whole-${index}`);
    const all = new Blob([...pieces()]).stream();
    await receiveFile({
      bytes: all,
      temporary: join(folder, "t"),
      path,
      ...(index === 0 && { sizeBytes: 39_000_000 }),
    });
    const digest = (given: Uint8Array | Bun.BunFile) =>
      given instanceof Uint8Array
        ? Bun.SHA256.hash(given, "hex")
        : given.bytes().then((read) => Bun.SHA256.hash(read, "hex"));
    expect(await digest(Bun.file(path))).toBe(await digest(await new Blob([...pieces()]).bytes()));
  }
});
