import { chmod, mkdir, readdir, stat, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Config } from "../../config.ts";
import type { Db } from "../../db/query.ts";
import { sumNewBlobs } from "../../db/sweep.ts";
import { formatBytes } from "../output.ts";
import type { DoctorMessages } from "./messages.ts";
import type { Finding } from "./report.ts";

const Holder = t.Object({ pid: t.Integer(), address: t.String() });
const leastFreeBytes = 256 * 1024 ** 2;
const fewFreeBytes = 2 * 1024 ** 3;
const lookedAtDays = 14;
const soonDays = 30;

/** The server that announced itself in a data folder and still runs; undefined when there is none. */
export async function findHolder(folder: string): Promise<{ pid: number; address: string } | undefined> {
  const file = Bun.file(join(folder, "holder.json"));
  const holder: unknown = (await file.exists()) ? await file.json().catch(() => undefined) : undefined;
  if (!Value.Check(Holder, holder)) return undefined;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return undefined;
  }
  return holder;
}

/** Whose the data folder is, and who may read its secrets. */
export async function checkFolder(data: string, text: DoctorMessages): Promise<Finding> {
  const area = "data folder";
  const path = resolve(data);
  const names = await readdir(path).catch(() => undefined);
  if (names === undefined || names.length === 0) return { area, state: "skipped", detail: text.noFolder(path) };
  if (!names.includes("sunduk-data.json")) {
    return { area, state: "broken", detail: text.foreignFolder(path), fix: text.chooseFolder };
  }
  const open = await listOpen(join(path, "secrets"));
  if (open.length > 0) {
    const repair = () => Promise.all(open.map(closeToOthers));
    return { area, state: "broken", detail: text.openToOthers(open), fix: text.closeToOthers, repair };
  }
  const missing = ["secrets", "objects"].filter((name) => !names.includes(name)).map((name) => join(path, name));
  if (missing.length > 0) {
    const repair = () => Promise.all(missing.map((folder) => mkdir(folder, { mode: 0o700 })));
    return { area, state: "broken", detail: text.missingFolders(missing), fix: text.bringFoldersBack, repair };
  }
  const holder = await findHolder(path);
  const told = holder === undefined ? undefined : `${holder.pid}, ${holder.address}`;
  return { area, state: "ok", detail: text.folder(path, told) };
}

async function closeToOthers(path: string): Promise<void> {
  await chmod(path, (await stat(path)).mode & 0o700);
}

async function listOpen(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const paths = [folder, ...names.map((name) => join(folder, name))];
  const modes = await Promise.all(paths.map(async (path) => (await stat(path).catch(() => undefined))?.mode ?? 0));
  return paths.filter((_, index) => ((modes[index] ?? 0) & 0o077) !== 0);
}

/** How much room is left where the data folder is, or will be. */
export async function checkDisk(data: string, text: DoctorMessages): Promise<Finding> {
  const { freeBytes, share } = await measure(data);
  const detail = text.disk(formatBytes(freeBytes), share);
  if (freeBytes < leastFreeBytes) return { area: "disk", state: "broken", detail, fix: text.makeRoom };
  if (freeBytes < fewFreeBytes) return { area: "disk", state: "warning", detail, fix: text.makeRoom };
  return { area: "disk", state: "ok", detail };
}

/** When the disk will be full if objects go on coming as in the last two weeks. S3 tells no end. */
export async function checkGrowth({
  config,
  text,
  db,
}: {
  config: Config;
  text: DoctorMessages;
  db: Db;
}): Promise<Finding[]> {
  const area = "disk";
  if (config.S3_ENDPOINT) return [];
  const bytesPerDay = (await sumNewBlobs(db, lookedAtDays)) / lookedAtDays;
  if (bytesPerDay === 0) return [];
  const { freeBytes } = await measure(config.DATA);
  const days = Math.floor(freeBytes / bytesPerDay);
  const detail = text.growth(formatBytes(Math.round(bytesPerDay)), days);
  return [days < soonDays ? { area, state: "warning", detail, fix: text.makeRoom } : { area, state: "ok", detail }];
}

async function measure(data: string): Promise<{ freeBytes: number; share: number }> {
  let path = resolve(data);
  while (!(await stat(path).catch(() => undefined))) path = dirname(path);
  const { bavail, blocks, bsize } = await statfs(path);
  return { freeBytes: bavail * bsize, share: Math.round((100 * bavail) / Math.max(1, blocks)) };
}
