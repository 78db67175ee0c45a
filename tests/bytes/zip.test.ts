import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { type ZipEntry, zipSize, zipStream } from "../../zip.ts";

const long = process.env.SUNDUK_LONG === "1";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "zip-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function entryOf(path: string, content: string | Uint8Array, chunkBytes = 100_000): ZipEntry {
  const bytes = Buffer.from(content);
  return {
    path,
    sizeBytes: bytes.byteLength,
    crc32: Bun.hash.crc32(bytes),
    async *open() {
      for (let start = 0; start < bytes.byteLength; start += chunkBytes)
        yield bytes.subarray(start, start + chunkBytes);
    },
  };
}

async function collect(entries: Iterable<ZipEntry>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(zipStream(entries)));
}

async function write(name: string, entries: ZipEntry[]): Promise<string> {
  const path = join(folder, name);
  const file = Bun.file(path).writer();
  for await (const piece of zipStream(entries)) {
    file.write(piece);
    await file.flush();
  }
  await file.end();
  expect(Bun.file(path).size).toBe(zipSize(entries));
  return path;
}

async function run(command: string[]): Promise<{ code: number; text: string }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", env: { ...process.env, LC_ALL: "C.UTF-8" } });
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, text: out + error };
}

async function faultOf(action: () => Promise<unknown>): Promise<Fault> {
  try {
    await action();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("no fault was thrown");
}

const pythonCheck = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
infos = z.infolist()
assert all(i.compress_type == 0 and i.date_time == (1980, 1, 1, 0, 0, 0) and i.create_system == 3 for i in infos)
assert all(i.external_attr >> 16 == 0o100644 and i.flag_bits == 0x800 for i in infos)
print(len(infos), "\\n".join(i.filename for i in infos) if len(infos) < 100 else "")
`;

const tools = [
  { tool: "unzip", command: (path: string) => ["unzip", "-tqq", path] },
  { tool: "python3", command: (path: string) => ["python3", "-c", pythonCheck, path] },
  { tool: "jar", command: (path: string) => ["jar", "tf", path] },
];

const ordinary = [
  entryOf("modrinth.index.json", '{"formatVersion":1}'),
  entryOf("overrides/mods/animatica-0.6.1+1.21.5.jar", new Uint8Array(1_000_003).fill(7)),
  entryOf("overrides/config/ключ.json", "значение"),
  entryOf("overrides/config/empty.txt", ""),
  entryOf("overrides/resourcepacks/[1.20] pack (x) 日本.zip", "x".repeat(300_000), 1000),
];

const many = Array.from({ length: 70_000 }, (_, index) => entryOf(`e/${index}`, ""));

for (const { tool, command } of tools) {
  const missing = Bun.which(tool) === null;
  const skipped = missing ? ` (skipped: no ${tool})` : "";

  test.skipIf(missing)(`zipStream() writes what ${tool} opens, with Cyrillic names${skipped}`, async () => {
    const { code, text } = await run(command(await write(`${tool}.zip`, ordinary)));
    expect({ code, text: code === 0 ? "" : text }).toEqual({ code: 0, text: "" });
    if (tool !== "unzip") for (const { path } of ordinary) expect(text).toContain(path);
  });

  test.skipIf(missing)(`zipStream() writes ZIP64 for 70,000 entries, which ${tool} opens${skipped}`, async () => {
    const { code, text } = await run(command(await write(`${tool}-many.zip`, many)));
    expect({ code, text: code === 0 ? "" : text }).toEqual({ code: 0, text: "" });
    if (tool === "python3") expect(text).toStartWith("70000");
    if (tool === "jar") expect(text.trimEnd().split("\n")).toHaveLength(70_000);
  });
}

const present = tools.filter(({ tool }) => Bun.which(tool) !== null);

// It writes 4 GiB: part of the long run only. Sizes and offsets beyond 4 GiB are read from the headers below in every run.
if (long) {
  const title = `zipStream() writes sizes and offsets beyond 4 GiB, which ${present.map(({ tool }) => tool).join(", ")} open`;
  test(title, async () => {
    const path = await write("big.zip", [hugeEntry("a/big.bin"), entryOf("b.txt", "after")]);
    for (const { tool, command } of present) {
      const { code, text } = await run(command(path));
      expect({ tool, code, text: code === 0 ? "" : text }).toEqual({ tool, code: 0, text: "" });
    }
  }, 600_000);
}

/** 4 GiB and 1 MiB of zeroes, which are nowhere at once. */
function hugeEntry(path: string): ZipEntry {
  const megabyte = new Uint8Array(1024 * 1024);
  let crc32 = 0;
  for (let count = 0; count < 4097; count += 1) crc32 = Bun.hash.crc32(megabyte, crc32);
  return {
    path,
    sizeBytes: 4097 * megabyte.byteLength,
    crc32,
    async *open() {
      for (let count = 0; count < 4097; count += 1) yield megabyte;
    },
  };
}

describe("zipStream()", () => {
  test("writes the same bytes again, whatever the order and the cut of the entries", async () => {
    const first = await collect(ordinary);
    expect(first.byteLength).toBe(zipSize(ordinary));
    expect((await collect(ordinary)).equals(first)).toBe(true);
    expect((await collect(ordinary.toReversed())).equals(first)).toBe(true);
    const recut = [
      ...ordinary.slice(0, 1),
      entryOf("overrides/mods/animatica-0.6.1+1.21.5.jar", new Uint8Array(1_000_003).fill(7), 777),
      ...ordinary.slice(2),
    ];
    expect((await collect(recut)).equals(first)).toBe(true);
  });

  test("sorts by the bytes of UTF-8, not by UTF-16 or by alphabet", async () => {
    const zip = (
      await collect(["\u{1f600}", "\uff01", "б", "b", "B", "a/b", "a-b"].map((path) => entryOf(path, "")))
    ).toString();
    const at = ["B", "a-b", "a/b", "b", "б", "\uff01", "\u{1f600}"].map((path) => zip.indexOf(`\0${path}PK`));
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(0);
  });

  test("writes an empty archive", async () => {
    expect((await collect([])).toString("hex")).toBe("504b0506".padEnd(44, "0"));
  });

  test("writes outputs of about 256 KiB, not one for each small chunk", async () => {
    const outputs = await Array.fromAsync(
      zipStream(Array.from({ length: 500 }, (_, i) => entryOf(`${i}`, new Uint8Array(3000), 10))),
    );
    expect(outputs.length).toBe(Math.ceil(outputs.reduce((sum, output) => sum + output.byteLength, 0) / (256 * 1024)));
  });

  test("moves a size beyond 4 GiB into a ZIP64 field, in the header that it writes first", async () => {
    const sizeBytes = 5 * 1024 ** 3;
    const big = { ...entryOf("big", new Uint8Array(300_000)), sizeBytes };
    const first = await zipStream([big]).next();
    const header = Buffer.from(first.value ?? []);
    expect(header.readUInt16LE(4)).toBe(45);
    expect([header.readUInt32LE(18), header.readUInt32LE(22)]).toEqual([0xffffffff, 0xffffffff]);
    expect(header.toString("latin1", 30, 33)).toBe("big");
    expect([header.readUInt16LE(28), header.readUInt16LE(33), header.readUInt16LE(35)]).toEqual([20, 1, 16]);
    expect([header.readBigUInt64LE(37), header.readBigUInt64LE(45)]).toEqual([BigInt(sizeBytes), BigInt(sizeBytes)]);
  });

  test.each([
    ["just below the limit", 0xfffffffe, 30 + 1 + 46 + 1 + 56 + 20 + 22],
    ["at the limit", 0xffffffff, 30 + 1 + 20 + 46 + 1 + 20 + 56 + 20 + 22],
    ["well below", 1000, 30 + 1 + 46 + 1 + 22],
  ])("has its exact size known in advance for a file %s", (_, sizeBytes, aroundBytes) => {
    expect(zipSize([{ ...entryOf("a", ""), sizeBytes }])).toBe(sizeBytes + aroundBytes);
  });

  test.each([65_534, 65_535])("needs ZIP64 for more than 65,534 entries: %d", (count) => {
    const entries = Array.from({ length: count }, (_, index) => entryOf(String(index).padStart(5, "0"), ""));
    expect(zipSize(entries)).toBe(count * (30 + 5 + 46 + 5) + 22 + (count > 65_534 ? 76 : 0));
  });

  test.each([
    ["shorter", { ...entryOf("a.jar", "12345"), sizeBytes: 6 }, /"a.jar" gave 5 of its 6 bytes/],
    ["longer", { ...entryOf("a.jar", "12345", 2), sizeBytes: 4 }, /"a.jar" gave more than its 4 bytes/],
    ["not empty", { ...entryOf("a.jar", "1"), sizeBytes: 0 }, /gave more than its 0 bytes/],
    ["other bytes", { ...entryOf("a.jar", "12345"), crc32: 1 }, /CRC-32 \d+, not 1/],
  ])("throws internal for a stream that is %s than declared", async (_, entry, detail) => {
    const fault = await faultOf(() => collect([entry, entryOf("b", "b")]));
    expect(fault.code).toBe("internal");
    expect(fault.message).toMatch(detail);
  });

  test.each([
    ["the same path twice", [entryOf("a", ""), entryOf("a", "")]],
    ["an empty path", [entryOf("", "")]],
    ["a path of 64 KiB", [entryOf("a".repeat(65_536), "")]],
    ["an unpaired surrogate", [entryOf("\ud800", "")]],
    ["a fractional size", [{ ...entryOf("a", ""), sizeBytes: 1.5 }]],
    ["a signed CRC-32", [{ ...entryOf("a", ""), crc32: -1 }]],
  ])("throws invalid for %s, before anything is written", async (_, entries) => {
    expect((await faultOf(() => zipStream(entries).next())).code).toBe("invalid");
    expect(() => zipSize(entries)).toThrow(Fault);
  });

  test("throws the error of an open when its turn has come, and leaves none unhandled", async () => {
    const broken = { ...entryOf("c", "c"), open: () => Promise.reject(new Error("no such object")) };
    await expect(collect([entryOf("a", "a"), entryOf("b", "b"), broken])).rejects.toThrow("no such object");
  });
});

describe("the read-ahead", () => {
  /** Entries of 400 KB that count how many are open. */
  function counted(count: number) {
    const seen = { opened: 0, closed: 0, mostOpen: 0 };
    const entries = Array.from({ length: count }, (_, index) => {
      const entry = entryOf(String(index).padStart(3, "0"), new Uint8Array(400_000));
      const open = async () => {
        seen.opened += 1;
        seen.mostOpen = Math.max(seen.mostOpen, seen.opened - seen.closed);
        return (async function* () {
          try {
            yield* await entry.open();
          } finally {
            seen.closed += 1;
          }
        })();
      };
      return { ...entry, open };
    });
    return { seen, entries };
  }

  async function until(condition: () => boolean): Promise<void> {
    for (let turn = 0; turn < 10_000 && !condition(); turn += 1) await Bun.sleep(0);
    expect(condition()).toBe(true);
  }

  test("opens eight at most, and closes each", async () => {
    const { seen, entries } = counted(40);
    await collect(entries);
    expect(seen).toEqual({ opened: 40, closed: 40, mostOpen: 8 });
  });

  test("opens entries while earlier ones still wait, in order", async () => {
    const order: string[] = [];
    const all = Promise.withResolvers<void>();
    const entries = ["a", "b", "c", "d"].map((path) => {
      const entry = entryOf(path, path);
      const open = async () => {
        order.push(path);
        if (order.length === 4) all.resolve();
        await all.promise;
        return entry.open();
      };
      return { ...entry, open };
    });
    await collect(entries);
    expect(order).toEqual(["a", "b", "c", "d"]);
  });

  test("closes every stream when the consumer stops early", async () => {
    const { seen, entries } = counted(40);
    for await (const _ of zipStream(entries)) break;
    await until(() => seen.closed === seen.opened);
    expect(seen.opened).toBeLessThanOrEqual(9);
  });

  test("closes every stream when one of them fails", async () => {
    const { seen, entries } = counted(40);
    const [first, ...rest] = entries;
    if (first === undefined) throw new Error("no entries");
    await faultOf(() => collect([{ ...first, sizeBytes: 1 }, ...rest]));
    await until(() => seen.closed === seen.opened);
    expect(seen.opened).toBe(8);
  });

  test("obeys an abort while an open hangs, and closes the streams behind it", async () => {
    const { seen, entries } = counted(10);
    const abort = new AbortController();
    const hung = Promise.withResolvers<void>();
    const open = () => {
      hung.resolve();
      return new Promise<AsyncIterable<Uint8Array>>(() => {});
    };
    const reading = Array.fromAsync(zipStream([{ ...entryOf("!", "x"), open }, ...entries], { signal: abort.signal }));
    await hung.promise;
    abort.abort(new Error("enough"));
    await expect(reading).rejects.toThrow("enough");
    await until(() => seen.closed === seen.opened);
  });
});
