import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { claimLoaders, findProfile, listLoaders } from "../../db/loader.ts";
import type { Deps } from "../../deps.ts";
import type { LoaderKey } from "../../loader-profile.ts";
import { handle } from "../../workers/fetch-loader.ts";
import { long, openTestDeps, testLog } from "../harness.ts";
import { makeProfile } from "../loader-profiles.ts";
import { type ByteServer, sendBytes, sendStatus, startByteServer } from "./byte-server.ts";

let deps: Deps;
let meta: ByteServer;
let made = 0;
let key: LoaderKey;

beforeAll(async () => {
  meta = await startByteServer(sendStatus(500));
  const { host } = new URL(meta.url);
  deps = await openTestDeps({ FABRIC_META_URL: `${meta.url}/mirror/`, OUTBOUND_ALLOW: host });
});
beforeEach(async () => {
  made += 1;
  key = { name: "fabric", version: `0.16.${made}+build.1`, minecraft: "1.21.1" };
  const claims = await Promise.all([claimLoaders(deps.db, [key, key]), claimLoaders(deps.db, [key])]);
  expect(claims.flat()).toEqual([key]);
});
afterAll(async () => {
  await deps?.close();
  await meta?.close();
});

const fetchLoader = (given: Partial<Deps> = {}) =>
  handle({
    payload: key,
    wanted: 1,
    deps: { ...deps, ...given },
    signal: AbortSignal.timeout(20_000),
    progress: () => undefined,
    log: testLog,
  });
const look = async () => (await listLoaders(deps.db, [key]))[0];
const profileOf = (of: LoaderKey) => Buffer.from(`${JSON.stringify(makeProfile(of, "https://maven.example"))}\n`);
/** Seconds until it may be asked for again. */
const findWait = async () => {
  const { rows } = await deps.db.query({
    name: "test_loader_wait",
    text: "select round(extract(epoch from next_at - now())) as wait from pack.loader where version = $1",
    values: [key.version],
  });
  return Number((rows[0] as { wait: string }).wait);
};

test("a profile is asked for by its loader alone, and its bytes are kept as they came", async () => {
  const bytes = profileOf(key);
  meta.reply = sendBytes(bytes);
  const before = meta.asked.length;
  expect(await fetchLoader()).toEqual({ state: "known" });
  expect(meta.asked.slice(before).map(({ path }) => path)).toEqual([
    `/mirror/v2/versions/loader/1.21.1/${key.version}/profile/json`,
  ]);
  expect(Buffer.from((await findProfile(deps.db, key)) ?? []).equals(bytes)).toBe(true);
  const md5 = new Bun.CryptoHasher("md5").update(bytes).digest("hex");
  expect(await look()).toEqual({ ...key, state: "known", md5, isDue: false });
  expect(await fetchLoader()).toEqual({ state: "known" });
  expect(meta.asked.length).toBe(before + 1);
  expect(await claimLoaders(deps.db, [key])).toEqual([]);
});

test("a loader that there is not is not asked for again for a day", async () => {
  for (const status of [404, 400]) {
    meta.reply = sendStatus(status);
    expect(await fetchLoader()).toEqual({ state: "missing" });
    expect(await look()).toEqual({ ...key, state: "missing", md5: null, isDue: false });
    expect(await findWait()).toBeGreaterThan(24 * 3600 - 60);
  }
});

test("whatever else comes changes nothing, and each time it is asked later", async () => {
  const other = profileOf({ ...key, version: "0.1.0" });
  const bytes = profileOf(key);
  const replies = [
    sendStatus(500),
    sendStatus(302, `location: ${meta.url}/elsewhere\r\n`),
    sendBytes(Buffer.from("<html>")),
    sendBytes(other),
    sendBytes(Buffer.alloc(1024 ** 2 + 1, " ")),
    sendBytes(bytes, { cutAfter: 20 }),
  ];
  const waits: number[] = [];
  for (const reply of replies) {
    meta.reply = reply;
    expect(await fetchLoader()).toMatchObject({ state: "postponed" });
    expect(await look()).toMatchObject({ state: "wanted", md5: null });
    waits.push(await findWait());
  }
  expect(waits.map((wait) => Math.round(wait / 30) * 30)).toEqual([30, 120, 480, 1920, 7680, 21600]);
});

test.if(long)("a host that does not answer is waited for ten seconds", async () => {
  meta.reply = () => undefined;
  const startedAt = performance.now();
  expect(await fetchLoader()).toMatchObject({ state: "postponed" });
  expect(performance.now() - startedAt).toBeGreaterThan(9_000);
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});

test("a private address is not asked unless it is allowed, and a host that is switched off never", async () => {
  meta.reply = sendBytes(profileOf(key));
  const before = meta.connections();
  const told = await fetchLoader({ config: { ...deps.config, OUTBOUND_ALLOW: "" } });
  expect(told).toMatchObject({ state: "postponed", problem: expect.stringContaining("is not public") });
  expect(await fetchLoader({ config: { ...deps.config, FABRIC_META_URL: "off" } })).toEqual({ state: "off" });
  key = { ...key, name: "quilt" };
  expect(await fetchLoader()).toEqual({ state: "off" }); // as in all tests that name no host
  expect(meta.connections()).toBe(before);
});
