import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { long, waitFor } from "../harness.ts";

const root = join(import.meta.dir, "..", "..");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-signals-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A test file that starts a process, tells where it runs, and never ends. */
const hanging = (told: string) => `
  import { test } from "bun:test";
  test("hangs", async () => {
    const child = Bun.spawn(["sleep", "600"]);
    await Bun.write(${JSON.stringify(`${told}.new`)}, JSON.stringify({ pids: [process.pid, child.pid], temporary: process.env.TMPDIR }));
    await Bun.$\`mv ${told}.new ${told}\`;
    await child.exited;
  }, 600_000);
`;

const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
  // Taken by the same listener: each takes six seconds.
  ...(long ? [["SIGHUP", 129] as const] : []),
] as const)
  test(`${signal} ends \`sunduk test\` with its tests, what they started, and its folder`, async () => {
    const [file, told] = [join(folder, `${signal}.test.ts`), join(folder, `${signal}.json`)];
    await Bun.write(file, hanging(told));
    const run = Bun.spawn([process.execPath, join(root, "cli/index.ts"), "test", "embedded", file], {
      cwd: root,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    await waitFor(() => existsSync(told), "the test to hang", 60_000);
    const { pids, temporary } = await Bun.file(told).json();
    const place = dirname(temporary);
    const database = Number((await Bun.file(join(place, "postgres", "postmaster.pid")).text()).split("\n")[0]);
    expect([...pids, database].map(isAlive)).toEqual([true, true, true]);
    run.kill(signal);
    expect(await run.exited).toBe(code);
    expect(await new Response(run.stderr).text()).toContain("interrupted");
    expect(existsSync(place)).toBe(false);
    await waitFor(() => ![...pids, database].some(isAlive), "all processes to be gone", 5_000);
  });
