import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { install, makeFolder } from "./install-folder.ts";
import { hex, startInstallServer } from "./install-server.ts";

const server = startInstallServer();
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
  server.behaviour.bundle = (tar) => new Response(tar);
  server.behaviour.mischief = undefined;
});

const small = Array.from({ length: 20 }, (_, at) => ({
  path: `config/${at}.txt`,
  bytes: `small ${at}`.repeat(at + 1),
}));
const large = { path: "mods/large.jar", bytes: "x".repeat(70_000) };
const files = [...small, large];
const expected = Object.fromEntries(files.map(({ path, bytes }) => [path, bytes] as const).sort());
const fetches = () => server.calls.filter((call) => call.startsWith("GET blob")).length;
const bundles = () => server.calls.filter((call) => call.startsWith("POST bundle"));

describe("small files", () => {
  test("come as one bundle, large ones by themselves", async () => {
    using folder = makeFolder();
    server.publish("1", files);
    const result = await install(server, folder.dir);
    expect(folder.files()).toEqual(expected);
    expect([bundles(), fetches()]).toEqual([["POST bundle 20"], 1]);
    expect(result.fetched).toBe(21);
    expect(result.fetchedBytes).toBe(files.reduce((sum, { bytes }) => sum + bytes.length, 0));
    expect(await install(server, folder.dir)).toMatchObject({ upToDate: true });
  });

  test("come by themselves when they are few", async () => {
    using folder = makeFolder();
    server.publish("1", small.slice(0, 7));
    await install(server, folder.dir);
    expect([bundles(), fetches()]).toEqual([[], 7]);
  });

  test.each([
    ["knows no bundles", () => new Response("no", { status: 404 })],
    ["is busy", () => Response.json({ code: "unavailable" }, { status: 503, headers: { "retry-after": "9" } })],
    ["sends something else", () => new Response("<html>")],
    ["sends nothing", () => new Response("")],
  ])("come by themselves from a server that %s", async (_, answer) => {
    using folder = makeFolder();
    server.behaviour.bundle = answer;
    server.publish("1", files);
    await install(server, folder.dir);
    expect(folder.files()).toEqual(expected);
    expect([bundles().length, fetches()]).toEqual([1, 21]);
    expect(server.calls.filter((call) => call.startsWith("POST urls")).length).toBeLessThanOrEqual(2);
  });

  test("that a cut bundle did not bring come by themselves, and no other twice", async () => {
    using folder = makeFolder();
    let whole = 0;
    server.behaviour.bundle = (tar) => {
      const cut = tar.subarray(0, tar.length / 2);
      whole = small.filter(({ bytes }) => cut.indexOf(Buffer.from(`${hex("sha256", bytes)}\0`)) >= 0).length;
      return new Response(cut);
    };
    server.publish("1", files);
    await install(server, folder.dir);
    expect(folder.files()).toEqual(expected);
    expect(whole).toBeGreaterThan(5);
    // One more: what was in flight.
    expect(fetches() - 1).toBeLessThanOrEqual(20 - whole + 1);
  });

  test("that a bundle brings wrong are fetched again, and what nobody asked for is dropped", async () => {
    using folder = makeFolder();
    server.behaviour.bundle = (tar) => {
      const at = tar.indexOf("small 19");
      tar.write("SMALL", at);
      const name = tar.indexOf(hex("sha256", small[5]?.bytes ?? ""), 1024 + 2048);
      tar.write("../../../../tmp/evil", name);
      return new Response(tar);
    };
    server.publish("1", files);
    await install(server, folder.dir);
    expect(folder.files()).toEqual(expected);
    expect(fetches()).toBeGreaterThanOrEqual(2);
  });

  test("that were brought before a failure are not fetched again", async () => {
    using folder = makeFolder();
    server.publish("1", files);
    server.behaviour.mischief = () => new Response("gone", { status: 404 });
    await expect(install(server, folder.dir)).rejects.toMatchObject({ code: "not-found" });
    expect(folder.files()).toEqual({});
    server.behaviour.mischief = undefined;
    server.calls.length = 0;
    const result = await install(server, folder.dir);
    expect(folder.files()).toEqual(expected);
    expect([bundles(), fetches(), result.fetchedBytes]).toEqual([[], 1, 70_000]);
  });
});
