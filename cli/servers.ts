import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../fault.ts";

const SignIn = t.Object({
  login: t.String(),
  accessToken: t.String(),
  refreshToken: t.String(),
  /** Milliseconds since the epoch, by the clock of this machine. */
  expiresAt: t.Number(),
});
const Servers = t.Object({ current: t.Optional(t.String()), servers: t.Record(t.String(), SignIn) });

/** What is kept of one sign-in. */
export type SignIn = Static<typeof SignIn>;
export type Servers = Static<typeof Servers>;

type Env = Record<string, string | undefined>;

const lockWaitMs = 15_000;
const lockStaleMs = 60_000;

/** Where sign-ins are kept: `servers.json` in the XDG configuration folder (XDG Base Directory Specification 0.8). */
export function serversPath(env: Env = process.env): string {
  const base = env.XDG_CONFIG_HOME?.startsWith("/") ? env.XDG_CONFIG_HOME : join(env.HOME ?? homedir(), ".config");
  return join(base, "sunduk", "servers.json");
}

/** Reads the sign-ins; none when the file isn't there. Throws Fault when it is damaged. */
export async function readServers(path: string): Promise<Servers> {
  const file = Bun.file(path);
  if (!(await file.exists())) return { servers: {} };
  try {
    const content: unknown = await file.json();
    if (Value.Check(Servers, content)) return content;
  } catch (error) {
    if (!(error instanceof SyntaxError)) {
      throw new Fault("internal", `Read ${path}: ${messageOf(error)}`, { cause: error });
    }
  }
  throw new Fault("internal", `Read ${path}: it is damaged; delete it and sign in again with sunduk login`);
}

/** Changes the sign-ins under a lock between processes; `change` gets what is there now and returns what shall be. */
export async function changeServers(path: string, change: (now: Servers) => Promise<Servers>): Promise<Servers> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const release = await takeLock(`${path}.lock`);
  try {
    const now = await readServers(path);
    const next = await change(now);
    if (next !== now) await replaceFile(path, `${JSON.stringify(next, null, 2)}\n`);
    return next;
  } finally {
    await release();
  }
}

async function replaceFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  await rm(temporary, { force: true });
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function takeLock(path: string): Promise<() => Promise<void>> {
  const endsAt = performance.now() + lockWaitMs;
  for (;;) {
    try {
      await (await open(path, "wx", 0o600)).close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw new Fault("internal", `Lock ${path}: ${messageOf(error)}`, { cause: error });
    }
    // A killed process leaves its lock; every call under it ends far sooner than this age.
    const held = await stat(path).catch(() => undefined);
    if (held && Date.now() - held.mtimeMs > lockStaleMs) await rm(path, { force: true });
    if (performance.now() > endsAt) {
      throw new Fault("unavailable", `Lock ${path}: another sunduk holds it; delete it if none runs`);
    }
    await Bun.sleep(20 + Math.random() * 50);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
