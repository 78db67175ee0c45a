import { Database } from "bun:sqlite";
import { chmod, mkdir, open, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Fault } from "./fault.ts";

const marker = "sunduk-data.json";

export type DataFolder = {
  path: string;
  /** The secret of that name, made and kept (mode 0600) when it is not there yet. Also the path of its file. */
  secret: (name: string, make: () => string | Promise<string>) => Promise<{ value: string; file: string }>;
  /** Writes a secret that is not ours to make, and says where. */
  keep: (name: string, value: string) => Promise<string>;
  /** Tells whoever comes next who holds the folder. */
  announce: (address: string) => Promise<void>;
  release: () => void;
};

/**
 * Opens the data folder of this machine and locks it. The lock is the operating system's (a SQLite file held
 * exclusively), so a killed process never leaves it behind. Faults: unavailable, saying who holds the folder; conflict when
 * it is not ours.
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const path = resolve(folder);
  await mkdir(path, { recursive: true, mode: 0o755 });
  await requireMarker(path);
  const lock = await holdLock(path);
  // Nobody else on this machine looks into these; the folder itself is passed by PostgreSQL, which may have an account of its own.
  for (const name of ["secrets", "objects"]) await mkdir(join(path, name), { recursive: true, mode: 0o700 });
  return {
    path,
    secret: (name, make) => keepSecret(join(path, "secrets", name), make),
    keep: (name, value) => writeWhole(join(path, "secrets", name), value),
    announce: async (address) => {
      const holder = { pid: process.pid, address, since: new Date().toISOString() };
      await writeWhole(join(path, "holder.json"), JSON.stringify(holder));
    },
    release: () => lock.close(),
  };
}

/** Reads a secret of a data folder that somebody else may hold. */
export async function readSecret(folder: string, name: string): Promise<string | undefined> {
  return readFile(join(resolve(folder), "secrets", name), "utf8").catch(() => undefined);
}

async function requireMarker(path: string): Promise<void> {
  const names = await readdir(path);
  if (names.includes(marker)) return;
  if (names.length > 0) {
    throw new Fault(
      "conflict",
      `Cannot use ${path}: it holds other files and no ${marker}. Choose an empty folder with --data`,
    );
  }
  await writeFile(join(path, marker), JSON.stringify({ format: 1, created: new Date().toISOString() }));
}

async function holdLock(path: string): Promise<Database> {
  const lock = new Database(join(path, "lock"), { create: true });
  try {
    lock.run("pragma busy_timeout = 0");
    lock.run("pragma locking_mode = exclusive");
    lock.run("pragma journal_mode = memory");
    lock.run("begin exclusive");
    return lock;
  } catch (cause) {
    lock.close();
    const holder = await readFile(join(path, "holder.json"), "utf8").catch(() => "");
    const { pid, address, since } = holder ? JSON.parse(holder) : { pid: "unknown", address: "starting", since: "" };
    throw new Fault(
      "unavailable",
      `Cannot use ${path}: process ${pid} holds it${since ? ` since ${since}` : ""} (${address}). Stop it first, or choose another folder with --data`,
      { cause },
    );
  }
}

async function keepSecret(
  file: string,
  make: () => string | Promise<string>,
): Promise<{ value: string; file: string }> {
  const kept = await readFile(file, "utf8").catch(() => undefined);
  if (kept) {
    await chmod(file, 0o600);
    return { value: kept.trim(), file };
  }
  const value = await make();
  return { value, file: await writeWhole(file, value) };
}

/** Synced before it is renamed: after a loss of power the file is there whole, or not at all. */
async function writeWhole(file: string, value: string): Promise<string> {
  const handle = await open(`${file}.new`, "w", 0o600);
  try {
    await handle.writeFile(value);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.new`, file);
  return file;
}
