import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, statfs } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import { startTestPostgres } from "./harness.ts";
import { startS3 } from "./services/cluster.ts";

export type TestRun = {
  /** What the processes of `bun test` are told: where the shared servers are, and where to put files. */
  environment: (parts: "embedded" | "cluster") => Promise<Record<string, string>>;
  stop: () => Promise<void>;
};

const memory = "/dev/shm";
const leastBytes = 4 * 1024 ** 3;

/** Starts what all files of a test run share: a PostgreSQL with a migrated template, and for cluster parts one S3 server. */
export async function startTestRun({ long }: { long: boolean }): Promise<TestRun> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(!long && (await hasRoomInMemory()) ? memory : tmpdir(), "sunduk-test-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  stack.defer(() => endProcessesIn(folder));
  const temporary = join(folder, "tmp");
  await mkdir(temporary);
  await chmod(folder, 0o755); // PostgreSQL started by root runs as somebody else
  await chmod(temporary, 0o1777);
  const postgres = await startTestPostgres(join(folder, "postgres"));
  stack.defer(postgres.stop);
  const shared = { SUNDUK_TEST_DATABASE: postgres.url, TMPDIR: temporary };
  const running = stack.move();
  const environment: TestRun["environment"] = async (parts) => {
    if (parts === "embedded") return { ...shared, SUNDUK_PARTS: parts };
    const { s3, stop } = await startS3(join(folder, "s3"));
    running.defer(stop);
    return { ...shared, SUNDUK_PARTS: parts, SUNDUK_TEST_S3: JSON.stringify(s3) };
  };
  return { environment, stop: () => running.disposeAsync() };
}

/** Whether Linux has a folder in memory that takes the files of a run: making the databases there takes a tenth of the time. */
async function hasRoomInMemory(): Promise<boolean> {
  const mounts = await readFile("/proc/mounts", "utf8").catch(() => "");
  const [, , kind, options = ""] =
    mounts
      .split("\n")
      .map((line) => line.split(" "))
      .find(([, path]) => path === memory) ?? [];
  if (kind !== "tmpfs" || /\b(ro|noexec)\b/.test(options)) return false;
  const { bavail, bsize } = await statfs(memory);
  return Math.min(bavail * bsize, freemem()) >= leastBytes;
}

/** Ends what tests that were interrupted have left running in the folder of the run: databases of their own, mostly. Linux only. */
async function endProcessesIn(folder: string): Promise<void> {
  const pids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  for (const [index, pid] of pids.entries()) {
    if (!places[index]?.startsWith(`${folder}/`) || pid === process.pid) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // gone meanwhile
    }
  }
}
