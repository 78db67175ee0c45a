import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { type Bench, searchPath } from "./bench.ts";
import { describe } from "./measure.ts";

const names = [
  "upload",
  "build",
  "install",
  "bundle",
  "update",
  "manifest",
  "formats",
  "stampede",
  "job",
  "auth",
  "logins",
  "refresh",
  "revocation",
  "photos",
  "thumbnails",
  "registrations",
  "events",
  "log",
  "analytics",
] as const;

const loadBench = async (name: (typeof names)[number]): Promise<Bench> => (await import(`./${name}.ts`)).bench;

/** Runs the benchmarks that are named, or all, each in a process of its own; answers the exit code. A missed aim is a result, not a failure. */
async function run(given: string[]): Promise<number> {
  const unknown = given.filter((name) => !names.some((known) => known === name));
  if (unknown.length > 0) {
    process.stderr.write(`Cannot measure ${unknown.join(", ")}: there are ${names.join(", ")}\n`);
    return 2;
  }
  const chosen = names.filter((name) => given.length === 0 || given.includes(name));
  const [only] = chosen;
  if (only !== undefined && chosen.length === 1) return runOne(await loadBench(only));
  let failed = 0;
  for (const name of chosen) {
    const child = Bun.spawn([process.execPath, import.meta.path, name], { stdio: ["inherit", "inherit", "inherit"] });
    if ((await child.exited) !== 0) failed += 1;
  }
  return failed === 0 ? 0 : 1;
}

async function runOne(bench: Bench): Promise<number> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  say(`${bench.name}, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model ?? "CPU"}`);
  const missing = Object.entries(bench.programs).filter(([program]) => !Bun.which(program, { PATH: searchPath }));
  if (missing.length > 0) {
    say(
      `  skipped: ${missing.map(([program, wanted]) => `${program} (Debian package ${wanted})`).join(", ")} is missing`,
    );
    return 0;
  }
  await using stack = new AsyncDisposableStack();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(130)));
  const folder = await mkdtemp(join(tmpdir(), "sunduk-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    await bench.run({
      folder,
      stack,
      report: (comparison) => void say(`  ${describe(comparison)}`),
      note: (text) => void say(`  ${text}`),
    });
    return 0;
  } catch (error) {
    say(`  failed: ${error instanceof Error ? error.message : error}`);
    return 1;
  }
}

if (import.meta.main) {
  // The harness reads it: what is measured here is the embedded default.
  process.env.SUNDUK_PARTS = "embedded";
  process.exit(await run(process.argv.slice(2)));
}
