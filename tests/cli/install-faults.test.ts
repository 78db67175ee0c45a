import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { addClaim, placesOf, readClaims, readState, writeJournal } from "../../cli/install/state.ts";
import { verifyFolder } from "../../cli/install/verify.ts";
import { startDelayProxy } from "../delay-proxy.ts";
import { install, makeFolder } from "./install-folder.ts";
import { hex, startInstallServer } from "./install-server.ts";

const long = process.env.SUNDUK_LONG === "1";
const server = startInstallServer();
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});
afterEach(() => {
  server.behaviour.mischief = undefined;
});

const fetches = () => server.calls.filter((call) => call.startsWith("GET blob"));
const noise = (sizeBytes: number, seed: number) =>
  new Uint8Array(sizeBytes).map((_, index) => (index * 31 + (index >> 8) * 17 + seed * 101) & 255);

/** The command in a process of its own, against a server; what it printed and how it ended come later. */
function startCommand(url: string, dir: string) {
  return Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../cli/index.ts"), "pack", "install", "demo", dir, "--json"],
    {
      env: { ...process.env, SUNDUK_URL: url, SUNDUK_TOKEN: "", XDG_CONFIG_HOME: join(dir, "none"), CI: "1" },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
}

describe("an install over a bad line", () => {
  test("goes on by Range where the connection was cut, and fetches no byte twice", async () => {
    using folder = makeFolder();
    const bytes = noise(1_000_000, 1);
    server.publish("1", [{ path: "big.bin", bytes }]);
    // Only the storage is cut: the API's answers fit into the first bytes of a connection.
    // Five times at most: where the machine is slow a cut takes all that its connection has brought, and six of these in a row end it.
    const proxy: ReturnType<typeof startDelayProxy> = startDelayProxy({
      targetPort: server.port,
      roundTripMs: 2,
      cutAfterBytes: () => (proxy.totals.cuts < 5 ? 300_000 : undefined),
    });
    const result = await install({ url: `http://127.0.0.1:${proxy.port}` }, folder.dir);
    proxy.stop();
    expect(proxy.totals.cuts).toBeGreaterThanOrEqual(3);
    expect(fetches().filter((call) => call.includes("bytes=")).length).toBeGreaterThanOrEqual(1);
    expect(result.fetchedBytes).toBe(bytes.length);
    expect((await verifyFolder(folder.dir, { signal: new AbortController().signal })).changed).toEqual([]);
  });

  test("starts anew when the server does not know Range", async () => {
    using folder = makeFolder();
    const bytes = noise(200_000, 2);
    server.publish("1", [{ path: "big.bin", bytes }]);
    mkdirSync(join(folder.dir, ".sunduk/partial"), { recursive: true });
    writeFileSync(join(folder.dir, ".sunduk/partial", hex("sha256", bytes)), bytes.subarray(0, 150_000));
    server.behaviour.mischief = () => new Response(bytes);
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 1, fetchedBytes: 200_000 });
    expect(await Bun.file(join(folder.dir, "big.bin")).bytes()).toEqual(bytes);
  });

  for (const [name, left] of [
    ["wrong", noise(150_000, 9)],
    ["too long", noise(300_000, 3)],
    ["as long as the file, but wrong", noise(200_000, 9)],
  ] as const) {
    test(`throws away what an earlier run left when it is ${name}`, async () => {
      using folder = makeFolder();
      const bytes = noise(200_000, 3);
      server.publish("1", [{ path: "big.bin", bytes }]);
      mkdirSync(join(folder.dir, ".sunduk/partial"), { recursive: true });
      writeFileSync(join(folder.dir, ".sunduk/partial", hex("sha256", bytes)), left);
      await install(server, folder.dir);
      expect(await Bun.file(join(folder.dir, "big.bin")).bytes()).toEqual(bytes);
    });
  }

  test("asks for new addresses when the old ones have expired, once for all files", async () => {
    using folder = makeFolder();
    server.publish(
      "1",
      Array.from({ length: 20 }, (_, index) => ({ path: `${index}.txt`, bytes: `file ${index}` })),
    );
    server.behaviour.mischief = ({ times }) => {
      if (times > 1 || server.behaviour.signature > 1) return undefined;
      server.behaviour.signature = 2;
      return new Response("expired", { status: 403 });
    };
    await install(server, folder.dir);
    expect(Object.keys(folder.files()).length).toBe(20);
    expect(server.calls.filter((call) => call.startsWith("POST urls")).length).toBeLessThanOrEqual(3);
    server.behaviour.signature = 1;
  });

  test("asks again for addresses when the server is busy", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "patience" }]);
    server.behaviour.refuseSigning = 1;
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 1 });
    expect(server.behaviour.refuseSigning).toBe(0);
  });

  test("tries again after a 503 and after a connection that ends early", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "right" }]);
    server.behaviour.mischief = ({ times }) => {
      if (times === 1) return new Response("busy", { status: 503 });
      return times === 2 ? new Response("rig") : undefined;
    };
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 1 });
    expect(folder.files()).toEqual({ "a.txt": "right" });
  });
});

describe("an install that cannot be finished", () => {
  test("names the file whose bytes are wrong, leaves the folder as it was, and keeps the others for the next run", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "a1" }]);
    await install(server, folder.dir);
    const wrong = hex("sha256", "wrong one");
    server.publish("2", [
      { path: "a.txt", bytes: "a2" },
      { path: "b.txt", bytes: "wrong one" },
    ]);
    server.behaviour.mischief = ({ sha256 }) => (sha256 === wrong ? new Response("WRONG ONE") : undefined);
    server.calls.length = 0;
    await expect(install(server, folder.dir)).rejects.toThrow('"b.txt"');
    expect(fetches().filter((call) => call.includes(wrong.slice(0, 8))).length).toBe(3);
    expect(folder.files()).toEqual({ "a.txt": "a1" });
    server.behaviour.mischief = undefined;
    server.calls.length = 0;
    await install(server, folder.dir);
    expect(fetches()).toEqual([`GET blob ${wrong.slice(0, 8)}`]);
    expect(folder.files()).toEqual({ "a.txt": "a2", "b.txt": "wrong one" });
  });

  test("says which file the server does not have", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "a lost one" }]);
    server.behaviour.mischief = () => new Response("", { status: 404 });
    await expect(install(server, folder.dir)).rejects.toThrow('"a.txt"');
    expect(folder.files()).toEqual({});
  });
});

describe("kill -9", () => {
  test("in the middle of the fetching costs at most the files in flight", async () => {
    using folder = makeFolder();
    const files = Array.from({ length: 200 }, (_, index) => ({
      path: `mods/${index}.jar`,
      bytes: noise(20_000, index),
    }));
    server.publish("1", files);
    let answered = 0;
    const stalled = Promise.withResolvers<void>();
    const never = Promise.withResolvers<Response>();
    server.behaviour.mischief = () => {
      answered += 1;
      if (answered <= 100) return undefined;
      stalled.resolve();
      return never.promise;
    };
    const child = startCommand(server.url, folder.dir);
    await stalled.promise;
    const complete = () => {
      const partial = join(folder.dir, ".sunduk/partial");
      return readdirSync(partial).filter((name) => Bun.file(join(partial, name)).size === 20_000).length;
    };
    // All that was answered is on its way to the disk.
    for (const until = Date.now() + 10_000; complete() < 100 && Date.now() < until; ) await Bun.sleep(1);
    expect(complete()).toBe(100);
    child.kill(9);
    await child.exited;
    expect(folder.files()).toEqual({});
    server.behaviour.mischief = undefined;
    never.resolve(new Response("too late"));
    server.calls.length = 0;
    const result = await install(server, folder.dir);
    expect(fetches().length).toBe(100);
    expect(result).toMatchObject({ kept: [], backedUp: [] });
    expect(Object.keys(folder.files()).length).toBe(200);
  });

  test(
    "at any moment leaves what the next run brings to exactly the version's files",
    async () => {
      using folder = makeFolder();
      const version = (number: number) =>
        Array.from({ length: 60 }, (_, index) => {
          const same = index % 3 === 0;
          return {
            path: `mods/${index}${index % 5 === 0 ? `-${number}` : ""}.jar`,
            bytes: `${index} of ${same ? 0 : number}`,
          };
        });
      const expected = (number: number) =>
        Object.fromEntries(version(number).map(({ path, bytes }): [string, string] => [path, bytes]));
      folder.write("mods/mine.jar", "mine");
      const rounds = long ? 200 : 4;
      for (let round = 1; round <= rounds; round++) {
        server.publish(`${round}`, version(round));
        server.calls.length = 0;
        const child = startCommand(server.url, folder.dir);
        // The moment is told by what the server has seen, and differs from round to round.
        const after = 2 + ((round * 23) % 48);
        while (server.calls.length < after && child.exitCode === null) await Bun.sleep(0);
        child.kill(9);
        await child.exited;
        if (round % 2 === 1) continue;
        const result = await install(server, folder.dir);
        expect(result).toMatchObject({ kept: [], backedUp: [] });
        expect(folder.files()).toEqual({ ...expected(round), "mods/mine.jar": "mine" });
      }
    },
    long ? 300_000 : 20_000,
  );

  test("between any two steps of the switch leaves no orphan and mistakes nothing for the player's", async () => {
    const one = { "same.txt": "s", "changed.txt": "1", "dropped/x.txt": "x", "moved-1.txt": "m", "edited.txt": "e1" };
    const two = { "same.txt": "s", "changed.txt": "2", "new/y.txt": "y", "moved-2.txt": "m", "edited.txt": "e2" };
    const three = { "same.txt": "s", "changed.txt": "3", "edited.txt": "e3" };
    const list = (files: Record<string, string>) => Object.entries(files).map(([path, bytes]) => ({ path, bytes }));
    const paths = [...new Set([...Object.keys(one), ...Object.keys(two)])].filter((path) => path !== "edited.txt");
    using before = makeFolder();
    server.publish("1", list(one));
    await install(server, before.dir);
    server.publish("3", list(three));

    const subsets = 2 ** paths.length;
    for (let subset = 0; subset < subsets; subset++) {
      using folder = makeFolder();
      cpSync(before.dir, folder.dir, { recursive: true, preserveTimestamps: true });
      folder.write("edited.txt", "mine");
      const places = placesOf(folder.dir);
      const { claims, folders } = readClaims(places, readState(places));
      for (const [path, text] of Object.entries(two)) {
        addClaim(claims, { path, digests: [`sha256:${hex("sha256", text)}`], adopted: false, preserve: false });
      }
      writeJournal(places, { claims, folders: new Set([...folders, "new"]) });
      const wanted = new Map(Object.entries(two));
      for (const [index, path] of paths.entries()) {
        if ((subset & (1 << index)) === 0) continue;
        const text = wanted.get(path);
        if (text === undefined) rmSync(join(folder.dir, path), { force: true });
        else folder.write(path, text);
      }
      const result = await install(server, folder.dir);
      expect(folder.files()).toEqual({ ...three, "edited.txt": "mine" });
      expect(result).toMatchObject({ kept: [{ path: "edited.txt", reason: "edited" }], backedUp: [] });
      expect(folder.folders()).toEqual([]);
      expect(existsSync(places.journal)).toBeFalse();
    }
  });

  test("leaves no lock behind", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "locked" }]);
    const reached = Promise.withResolvers<void>();
    const never = Promise.withResolvers<Response>();
    server.behaviour.mischief = () => {
      reached.resolve();
      return never.promise;
    };
    const child = startCommand(server.url, folder.dir);
    await reached.promise;
    await expect(install(server, folder.dir)).rejects.toThrow("another sunduk");
    child.kill(9);
    await child.exited;
    never.resolve(new Response("too late"));
    server.behaviour.mischief = undefined;
    await install(server, folder.dir);
    expect(folder.files()).toEqual({ "a.txt": "locked" });
  });
});

describe("sunduk pack install", () => {
  test("prints one object with --json and ends with 0, then says that nothing is to do", async () => {
    using folder = makeFolder();
    const dir = join(folder.dir, "instance");
    mkdirSync(dirname(dir), { recursive: true });
    server.publish("1", [{ path: "a.txt", bytes: "told" }]);
    for (const upToDate of [false, true]) {
      const child = startCommand(server.url, dir);
      const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
      expect(JSON.parse(out)).toMatchObject({ ok: true, pack: "demo", version: "1", upToDate });
      expect(code).toBe(0);
    }
  });
});
