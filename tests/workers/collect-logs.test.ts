import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { searchLogs } from "../../api/ops/log-search.ts";
import { openLogStream } from "../../db/log-stream.ts";
import { shipLogs } from "../../db/ship-logs.ts";
import type { Deps } from "../../deps.ts";
import { openLog } from "../../log.ts";
import { openLogBuffer } from "../../log-buffer.ts";
import { handle } from "../../workers/collect-logs.ts";
import { createTestFolder, openTestDeps, testLog } from "../harness.ts";
import { pickPorts } from "../services/cluster.ts";

let deps: Deps;
let folder: string;
beforeAll(async () => {
  deps = await openTestDeps();
});
beforeEach(async () => {
  folder = join(await createTestFolder(), "logs");
});
afterAll(() => deps?.close());

const collect = (settings: Partial<Deps["config"]> = {}) =>
  handle({
    payload: { scope: "all" },
    wanted: 0,
    deps: { logs: deps.logs, config: { ...deps.config, LOGS_FOLDER: folder, ...settings } },
    signal: AbortSignal.timeout(20_000),
    progress: () => undefined,
    log: testLog,
  });

const today = new Date().toISOString().slice(0, 10);
let made = 0;
const line = ({ service = "api", day = today, text = "x" } = {}) => {
  const id = `l-${String(++made).padStart(6, "0")}`;
  return {
    id,
    text: JSON.stringify({
      id,
      level: 30,
      time: `${day}T10:00:00.${String(made % 1000).padStart(3, "0")}Z`,
      service,
      msg: text,
    }),
  };
};
const add = async (lines: { text: string }[]) =>
  void (await deps.logs.append(`${lines.map(({ text }) => text).join("\n")}\n`));
const filesOf = async () =>
  (await readdir(folder, { recursive: true })).filter((name) => name.includes(".ndjson")).sort();
const search = async (query = "") =>
  (
    await searchLogs(
      { stream: { read: async () => [] }, folder },
      { level: 0, query: query || undefined, limit: 1_000 },
    )
  ).lines;
const waiting = async () => (await deps.logs.read()).length;

test("lines go to the file of their service and day, and are forgotten by the stream", async () => {
  const lines = [line(), line({ service: "pod-0" }), line({ day: "2026-01-02" }), line({ service: "../../etc" })];
  await add(lines);
  expect(await collect()).toEqual({ lines: 4 });
  expect(await filesOf()).toEqual(
    ["api/2026-01-02.1.ndjson", `api/${today}.1.ndjson`, `other/${today}.1.ndjson`, `pod-0/${today}.1.ndjson`].sort(),
  );
  expect(await waiting()).toBe(0);
  expect((await search()).map(({ id }) => id).sort()).toEqual(lines.map(({ id }) => id).sort());
});

test("a disk that is full keeps lines waiting, and they are written when there is room again", async () => {
  await mkdir(join(folder, "api"), { recursive: true });
  const full = join(folder, "api", `${today}.1.ndjson`);
  await symlink("/dev/full", full);
  const lines = [line(), line()];
  await add(lines);
  await expect(collect()).rejects.toThrow(/ENOSPC/);
  expect(await waiting()).toBe(1);
  await Bun.$`rm ${full}`.quiet();
  expect(await collect()).toEqual({ lines: 2 });
  expect(await waiting()).toBe(0);
  expect(await search()).toHaveLength(2);
});

test("a folder that refuses keeps lines waiting, and searching still finds them there", async () => {
  await writeFile(folder, "no folder");
  const wanted = line({ text: "to be found" });
  await add([wanted]);
  await expect(collect()).rejects.toThrow();
  const found = await searchLogs({ stream: deps.logs, folder }, { level: 0, limit: 10 });
  expect(found.lines.map(({ id }) => id)).toEqual([wanted.id]);
  await Bun.$`rm ${folder}`.quiet();
  expect(await collect()).toEqual({ lines: 1 });
});

test("half a line that a killed run has left spoils no other, and what was written twice is found once", async () => {
  const [first, second] = [line(), line()];
  await mkdir(join(folder, "api"), { recursive: true });
  await writeFile(join(folder, "api", `${today}.1.ndjson`), `${first.text}\n{"id":"torn","ti`);
  await add([second, first]);
  await collect();
  expect((await search()).map(({ id }) => id).sort()).toEqual([first.id, second.id]);
});

test("files that are full or over are packed, and still found", async () => {
  const lines = [line({ day: "2026-11-01", text: "of long ago" }), line()];
  await add(lines);
  const keep = { LOGS_KEEP_DAYS: 3_650 };
  await collect(keep);
  await collect(keep);
  expect(await filesOf()).toEqual(["api/2026-11-01.1.ndjson.gz", `api/${today}.1.ndjson`]);
  const packed = await Bun.file(join(folder, "api/2026-11-01.1.ndjson.gz")).bytes();
  expect(gunzipSync(packed).toString()).toBe(`${lines[0]?.text}\n`);
  // A run that was killed after packing has left the file as well.
  await writeFile(join(folder, "api/2026-11-01.1.ndjson"), gunzipSync(packed));
  expect((await search("of long ago")).length).toBe(1);
  await add([line({ day: "2026-11-01" })]);
  await collect(keep);
  expect(await filesOf()).toEqual(["api/2026-11-01.1.ndjson.gz", "api/2026-11-01.2.ndjson", `api/${today}.1.ndjson`]);
});

test("what is older than LOGS_KEEP_DAYS goes, and the oldest go where there is more than LOGS_MAX_BYTES", async () => {
  const before = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
  await add([20, 15, 13, 1, 0].map((days) => line({ day: before(days) })));
  await collect();
  await collect();
  expect((await filesOf()).map((name) => name.slice(4, 14))).toEqual([before(13), before(1), before(0)]);
  await collect({ LOGS_MAX_BYTES: 250 });
  expect((await filesOf()).map((name) => name.slice(4, 14))).not.toContain(before(13));
  expect((await filesOf()).at(-1)).toContain(before(0));
});

test("several runs at once write each line once", async () => {
  const lines = Array.from({ length: 250 }, () => line());
  for (const one of lines) await add([one]);
  await Promise.all([collect(), collect(), collect()]);
  await collect();
  const text = await Bun.file(join(folder, "api", `${today}.1.ndjson`)).text();
  expect(text.trimEnd().split("\n").length).toBe(250);
});

test("the stream is capped: the oldest batches make room", async () => {
  for (let index = 0; index < 40; index++) await Promise.all(Array.from({ length: 32 }, () => add([line()])));
  const held = await waiting();
  expect(held).toBeGreaterThanOrEqual(900);
  expect(held).toBeLessThanOrEqual(1_000);
  await collect();
  expect(await waiting()).toBe(0);
}, 60_000);

test("a search ends with what is wanted, page by page, and old files are left alone", async () => {
  await add(["2026-10-01", "2026-10-02", today].flatMap((day) => [line({ day }), line({ day }), line({ day })]));
  await collect({ LOGS_KEEP_DAYS: 3_650 });
  const stream = { read: async () => [] };
  const page = await searchLogs({ stream, folder }, { level: 0, limit: 2 });
  expect(page.lines.map(({ time }) => time.slice(0, 10))).toEqual([today, today, today]);
  const next = await searchLogs({ stream, folder }, { level: 0, limit: 2, after: page.lines[1] });
  expect(next.lines.map(({ time }) => time.slice(0, 10))).toEqual([today, "2026-10-02", "2026-10-02"]);
  const broken = { read: () => Promise.reject(new Error("away")) };
  expect(await searchLogs({ stream: broken, folder }, { level: 0, limit: 2 })).toMatchObject({
    missing: ["stream"],
    complete: true,
  });
});

test("while the stream is away lines wait, up to a limit; what was lost is told when it is back", async () => {
  const sent: string[] = [];
  let away = true;
  const append = async (lines: string) => {
    if (away) throw new Error("the stream is away");
    sent.push(...lines.trimEnd().split("\n"));
    return 0;
  };
  const buffer = openLogBuffer({ maxLines: 20 });
  const log = openLog({ level: "silent", service: "api", collect: { level: "debug", buffer } });
  const shipping = shipLogs({ buffer, stream: { ...deps.logs, append }, log });
  for (let index = 0; index < 50; index++) log.info({ index }, "a line");
  expect(await shipping.flush()).toBe(false);
  expect(await shipping.flush()).toBe(false);
  for (let index = 50; index < 80; index++) log.info({ index }, "a line");
  away = false;
  expect(await shipping.flush()).toBe(true);
  await shipping.close();
  const lines = sent.map((text) => JSON.parse(text));
  const arrived = lines.filter(({ msg }) => msg === "a line");
  const told = lines.find(({ dropped }) => dropped !== undefined);
  expect(arrived.at(-1)?.index).toBe(79);
  expect(told).toMatchObject({
    msg: "log lines were lost: they could not be sent",
    level: 40,
    dropped: shipping.dropped(),
  });
  // One of the lines that made room may have been that of the stream being away.
  expect(arrived.length + shipping.dropped()).toBeGreaterThanOrEqual(80);
  expect(arrived.length + shipping.dropped()).toBeLessThanOrEqual(82);
  expect(new Set(lines.map(({ id }) => id)).size).toBe(lines.length);
});

test("a stream whose Redis is not there refuses within seconds, and one that hangs keeps no process from ending", async () => {
  const [port = 0] = pickPorts(1);
  const stream = openLogStream({ redisUrl: `redis://127.0.0.1:${port}`, db: deps.db, log: testLog });
  const startedAt = performance.now();
  await expect(stream.append("{}\n")).rejects.toThrow();
  await expect(stream.read()).rejects.toThrow();
  expect(performance.now() - startedAt).toBeLessThan(8_000);
  await stream.close();
  const buffer = openLogBuffer();
  const hanging = { ...deps.logs, append: () => new Promise<number>(() => undefined) };
  const shipping = shipLogs({ buffer, stream: hanging, log: testLog });
  buffer.offer(`{"level":30}`);
  void shipping.flush();
  await shipping.close();
});
