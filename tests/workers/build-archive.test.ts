import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { withdrawVersion } from "../../db/version.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { handle } from "../../workers/build-archive.ts";
import { createTestFolder, openTestDeps, sha256 } from "../harness.ts";
import { type Arranged, arrangeVersion, call, findLeftovers, query, readArchive } from "./arrange.ts";

let deps: Deps;
let folder = "";
beforeAll(async () => {
  deps = await openTestDeps();
  folder = await createTestFolder();
});
afterAll(() => deps?.close());

const hex = (name: "sha1" | "sha512", bytes: string) => new Bun.CryptoHasher(name).update(bytes).digest("hex");
const reference = {
  path: "mods/far.jar",
  url: "https://cdn.example.org/far away.jar",
  digests: { sha1: hex("sha1", "far"), sha512: hex("sha512", "far") },
  size: 3,
};
const files: Arranged[] = [
  { path: "config/ключ.json", bytes: "значение" },
  { path: "mods/both.jar", bytes: "both" },
  { path: "mods/client.jar", bytes: "client", side: "client" },
  { path: "mods/optional.jar", bytes: "optional", optional: true },
  { path: "mods/server.jar", bytes: "server", side: "server" },
  { path: "empty.txt", bytes: "" },
];
const payload = (versionId: string, more: object = {}) => ({
  versionId,
  format: "mrpack" as const,
  side: "both",
  base: "",
  ...more,
});

async function faultOf(action: Promise<unknown>): Promise<Fault> {
  const error = await action.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (error instanceof Fault) return error;
  throw new Error(`no fault was thrown, but ${error}`);
}

async function run(command: string[]): Promise<{ code: number; text: string }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe", env: { ...process.env, LC_ALL: "C.UTF-8" } });
  const [out, error] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, text: out + error };
}

const listNames = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for i in z.infolist(): print(i.filename)
`;
const readIndex = `
import sys, zipfile
sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("modrinth.index.json"))
`;

async function openArchive(bytes: Uint8Array): Promise<{ path: string; names: string[] }> {
  const path = join(folder, `${Bun.randomUUIDv7()}.zip`);
  await Bun.write(path, bytes);
  const { code, text } = await run(["python3", "-c", listNames, path]);
  if (code !== 0) throw new Error(text);
  return { path, names: text.trim().split("\n") };
}

describe("an mrpack holds what its side needs", () => {
  const both = ["overrides/config/ключ.json", "overrides/empty.txt", "overrides/mods/both.jar"];
  const optional = "overrides/mods/optional.jar";
  const cases = [
    {
      side: "both",
      inside: ["client-overrides/mods/client.jar", ...both, optional, "server-overrides/mods/server.jar"],
    },
    { side: "client", inside: ["client-overrides/mods/client.jar", ...both, optional] },
    { side: "server", inside: [...both, optional, "server-overrides/mods/server.jar"] },
  ];
  test.each(cases)("for $side without an address", async ({ side, inside }) => {
    const { versionId } = await arrangeVersion(deps, { files: [...files, reference] });
    expect(await call(handle, deps, payload(versionId, { side }))).toMatchObject({ state: "built" });
    const { path, names } = await openArchive(await readArchive(deps, { versionId, format: "mrpack" }));
    expect(names).toEqual([...inside, "modrinth.index.json"].sort());
    const { text } = await run(["python3", "-c", readIndex, path]);
    expect(JSON.parse(text).files.map((file: { path: string }) => file.path)).toEqual(["mods/far.jar"]);
  });

  test("with an address, stored files are listed under it and none is inside", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [...files.slice(1), reference] });
    await call(handle, deps, payload(versionId, { base: "https://packs.example.org" }));
    const { path, names } = await openArchive(await readArchive(deps, { versionId, format: "mrpack" }));
    expect(names).toEqual(["modrinth.index.json"]);
    const listed = (name: string, bytes: string, env: object) => ({
      path: name,
      hashes: { sha1: hex("sha1", bytes), sha512: hex("sha512", bytes) },
      env,
      downloads: [`https://packs.example.org/v1/blobs/${sha256(bytes)}`],
      fileSize: bytes.length,
    });
    const required = { client: "required", server: "required" };
    expect(JSON.parse((await run(["python3", "-c", readIndex, path])).text)).toEqual({
      formatVersion: 1,
      game: "minecraft",
      versionId: "1.2.0",
      name: "Arranged Pack",
      files: [
        listed("empty.txt", "", required),
        listed("mods/both.jar", "both", required),
        listed("mods/client.jar", "client", { client: "required", server: "unsupported" }),
        {
          path: "mods/far.jar",
          hashes: reference.digests,
          env: required,
          downloads: ["https://cdn.example.org/far%20away.jar"],
          fileSize: 3,
        },
        listed("mods/optional.jar", "optional", { client: "optional", server: "optional" }),
        listed("mods/server.jar", "server", { client: "unsupported", server: "required" }),
      ],
      dependencies: { minecraft: "1.21.1", "fabric-loader": "0.16.0" },
    });
  });

  const loaders = [
    {
      what: "quilt",
      loader: { name: "quilt", version: "0.26" },
      dependencies: { minecraft: "1.21.1", "quilt-loader": "0.26" },
    },
    { what: "forge", loader: { name: "forge", version: "52.0" }, dependencies: { minecraft: "1.21.1", forge: "52.0" } },
    {
      what: "neoforge",
      loader: { name: "neoforge", version: "21.1" },
      dependencies: { minecraft: "1.21.1", neoforge: "21.1" },
    },
    { what: "no loader", loader: null, dependencies: { minecraft: "1.21.1" } },
  ];
  test.each(loaders)("for $what", async ({ loader, dependencies }) => {
    const { versionId } = await arrangeVersion(deps, { files, loader });
    await call(handle, deps, payload(versionId));
    const { path } = await openArchive(await readArchive(deps, { versionId, format: "mrpack" }));
    expect(JSON.parse((await run(["python3", "-c", readIndex, path])).text).dependencies).toEqual(dependencies);
  });
});

describe("an archive", () => {
  for (const format of ["zip", "mrpack"] as const) {
    test(`${format} opens in unzip, Python and Java with the bytes of its files`, async () => {
      const { versionId } = await arrangeVersion(deps, { files });
      await call(handle, deps, payload(versionId, { format }));
      const { path, names } = await openArchive(await readArchive(deps, { versionId, format }));
      expect((await run(["unzip", "-tqq", path])).code).toBe(0);
      const jar = await run(["jar", "tf", path]);
      expect([jar.code, jar.text.trim().split("\n").length]).toEqual([0, names.length]);
      const inside = format === "zip" ? "mods/both.jar" : "overrides/mods/both.jar";
      expect((await run(["unzip", "-p", path, inside])).text).toBe("both");
      if (format === "zip") expect(names).toEqual(files.map((file) => file.path).sort());
    });
  }

  test("is the same bytes when it is built again, also after the pack was renamed", async () => {
    const own = { path: "own.txt", bytes: Bun.randomUUIDv7() };
    const { versionId, packId } = await arrangeVersion(deps, { files: [...files, reference, own] });
    const first = await call(handle, deps, payload(versionId));
    const bytes = await readArchive(deps, { versionId, format: "mrpack" });
    await query(deps, `delete from pack.archive where version_id = $1`, [versionId]);
    const [gone] = await query(deps, `delete from blob.blob where sha256 = $1 returning key`, [first?.sha256]);
    await deps.storage.remove([gone.key]);
    await query(deps, `update pack.pack set name = 'Another', summary = 'x' where id = $1`, [packId]);
    const again = await call(handle, deps, payload(versionId));
    expect(again).toEqual(first);
    expect(Buffer.compare(await readArchive(deps, { versionId, format: "mrpack" }), bytes)).toBe(0);
  });

  test("is kept once when the same message runs three times at once", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "a.jar", bytes: Bun.randomUUIDv7() }] });
    const before = await query(deps, `select key from blob.blob`);
    const results = await Promise.all(Array.from({ length: 3 }, () => call(handle, deps, payload(versionId))));
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toHaveLength(1);
    expect(await query(deps, `select key from blob.blob`)).toHaveLength(before.length + 1);
    expect(await query(deps, `select key from blob.attempt union all select key from blob.doomed`)).toEqual([]);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  });

  test("tells how far it is", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "a.jar", bytes: new Uint8Array(2_000_000) }] });
    const shares: number[] = [];
    await call(handle, deps, payload(versionId), { progress: (share) => shares.push(share) });
    expect(shares.length).toBeGreaterThan(3);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });
});

describe("a storage that drops connections", () => {
  /** Deps whose storage breaks off each object so many times, after its first half. */
  function dropping(times: number): Deps {
    const dropped = new Map<string, number>();
    const read: Deps["storage"]["read"] = async (key, options) => {
      const whole = Buffer.concat(await Array.fromAsync(await deps.storage.read(key, options)));
      const count = (dropped.get(key) ?? 0) + 1;
      dropped.set(key, count);
      return (async function* () {
        yield whole.subarray(0, whole.length / 2);
        if (count <= times) throw new Error("socket hang up");
        yield whole.subarray(whole.length / 2);
      })();
    };
    return { ...deps, storage: { ...deps.storage, read } };
  }

  test("is asked again, and the archive is the same", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "d.jar", bytes: Bun.randomUUIDv7() }] });
    const built = await call(handle, dropping(2), payload(versionId, { format: "zip" }));
    await query(deps, `delete from pack.archive where version_id = $1`, [versionId]);
    expect(await call(handle, deps, payload(versionId, { format: "zip" }))).toEqual(built);
  });

  test("again and again is a failure that keeps nothing", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "d.jar", bytes: Bun.randomUUIDv7() }] });
    const error = await call(handle, dropping(99), payload(versionId)).catch((cause) => cause);
    expect(error).toBeInstanceOf(Error);
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toEqual([]);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  });
});

describe("an archive is refused", () => {
  const cases = [
    {
      what: "mrpack with a reference without sha512",
      format: "mrpack",
      extra: { ...reference, digests: { sha1: reference.digests.sha1 } },
    },
    { what: "mrpack with a reference without a size", format: "mrpack", extra: { ...reference, size: undefined } },
    { what: "mrpack with a reference of 4 GiB", format: "mrpack", extra: { ...reference, size: 4 * 1024 ** 3 } },
    { what: "zip with a reference", format: "zip", extra: reference },
  ];
  test.each(cases)("$what, naming it", async ({ format, extra }) => {
    const { size, ...rest } = extra;
    const unfit = { ...rest, ...(size !== undefined && { size }) };
    const { versionId } = await arrangeVersion(deps, { files: [...files, unfit] });
    const fault = await faultOf(call(handle, deps, payload(versionId, { format })));
    expect([fault.code, fault.mayRetry, fault.errors]).toEqual(["conflict", false, [{ detail: "mods/far.jar" }]]);
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toEqual([]);
  });

  test("as mrpack for a loader that the format does not know", async () => {
    const { versionId } = await arrangeVersion(deps, { files, loader: { name: "liteloader", version: "1.12.2" } });
    const fault = await faultOf(call(handle, deps, payload(versionId)));
    expect([fault.code, fault.message]).toEqual(["conflict", expect.stringContaining("not liteloader")]);
    expect(await call(handle, deps, payload(versionId, { format: "zip" }))).toMatchObject({ state: "built" });
  });

  test("when one of its files is blocked on this server", async () => {
    const bytes = "to be blocked";
    const { versionId } = await arrangeVersion(deps, { files: [...files, { path: "mods/bad.jar", bytes }] });
    await query(deps, `insert into blob.blocked (sha256, reason) values ($1, 'malware')`, [sha256(bytes)]);
    const fault = await faultOf(call(handle, deps, payload(versionId)));
    expect([fault.code, fault.errors]).toEqual(["conflict", [{ detail: "mods/bad.jar" }]]);
  });
});

describe("a builder that comes too late or is stopped leaves nothing behind", () => {
  test("for a draft, a withdrawn version and none at all", async () => {
    const draft = await arrangeVersion(deps, { files, published: false });
    const withdrawn = await arrangeVersion(deps, { files });
    await withdrawVersion(deps.db, { id: withdrawn.versionId, reason: "test" });
    for (const versionId of [draft.versionId, withdrawn.versionId, Bun.randomUUIDv7()])
      expect(await call(handle, deps, payload(versionId))).toEqual({ state: "gone" });
  });

  test("when the version is withdrawn while its archive is written", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "w.jar", bytes: Bun.randomUUIDv7() }] });
    const write: Deps["storage"]["write"] = async (...given) => {
      await deps.storage.write(...given);
      await withdrawVersion(deps.db, { id: versionId, reason: "test" });
    };
    const slow = { ...deps, storage: { ...deps.storage, write } };
    expect(await call(handle, slow, payload(versionId))).toEqual({ state: "gone" });
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toEqual([]);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  });

  test("when it is told to stop in the middle", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "a.jar", bytes: new Uint8Array(40_000_000) }] });
    const stop = new AbortController();
    const reason = new Fault("unavailable", "the pod stops");
    const progress = (share: number) => share > 0.3 && stop.abort(reason);
    const failed = call(handle, deps, payload(versionId), { signal: stop.signal, progress });
    expect(await faultOf(failed)).toBe(reason);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
    expect(await query(deps, `select 1 from blob.attempt`)).toEqual([]);
  });

  test("when an object is not what its row says: a failure that may pass, and no archive", async () => {
    const { versionId } = await arrangeVersion(deps, { files: [{ path: "lost.jar", bytes: Bun.randomUUIDv7() }] });
    const [row] = await query(
      deps,
      `select b.key from blob.blob b join pack.version_file f on f.blob_id = b.id where f.version_id = $1`,
      [versionId],
    );
    await deps.storage.remove([row.key]);
    const fault = await faultOf(call(handle, deps, payload(versionId)));
    expect([fault.code, fault.mayRetry]).toEqual(["internal", true]);
    expect(await query(deps, `select 1 from pack.archive where version_id = $1`, [versionId])).toEqual([]);
  });
});
