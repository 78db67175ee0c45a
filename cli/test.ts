import { join } from "node:path";
import { Fault } from "../fault.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import type { Output } from "./output.ts";

type Totals = { passed: number; failed: number; skipped: number };
/** One run of `bun test`, with the files in which something failed. */
type Ran = Totals & { failedFiles: string[] };
type Part = "embedded" | "cluster";

const usage = "test [embedded|cluster] [FILE] [--long]";
const graceMs = 3_000;
const mostAccidents = 3;
const root = join(import.meta.dir, "..");
/**
 * Of what may run again on the cluster parts, files in which these make no difference: rules about rows, and pages. They run
 * there with --long.
 */
const alike = new Set(
  [
    "races: collect-and-publish double-publish event-changes links-once ownership seats",
    "flows: access albums aliases analytics audit avatars calendars cli-login deletion-images deletion-mail device-page drafts event-search events helios image-access image-backfill",
    "flows: install-link link-pages mail me members modrinth notifications oauth oauth-presets oidc openid operate operator-links organizations players profile-images publishing real-pack refusals registration registrations reports scale",
    "flows: second-factor sign-in-notices solder sources tokens users yank-withdraw yggdrasil",
    "workers: backfill-images build-album-archive build-solder decoder erase-user extend-events fetch-loader make-texture notify quiet-hours render-again roll-up send-mail send-reports start-publishing sweep-accounts sync-feed",
  ].flatMap((line) => {
    const [folder = "", names = ""] = line.split(": ");
    return names.split(" ").map((name) => `tests/${folder}/${name}.test.ts`);
  }),
);

/** On the cluster parts runs again whatever goes through queues, storage, Redis or the gateway. */
function filesOf(part: Part, long: boolean): string[] {
  if (part === "embedded") return ["tests"];
  const files = [...new Bun.Glob("tests/{flows,races,workers}/*.test.ts").scanSync(root), "tests/api/login.test.ts"];
  return files.filter((path) => long || !alike.has(path)).sort();
}

/** Runs the tests on embedded parts, and the flows again on cluster parts where their programs are installed. */
export const command = defineCommand({
  name: "test",
  usage,
  summary: "Run every test on the embedded parts, then the flows on the cluster parts",
  options: { long: { type: "boolean" } },
  positionals: ["PARTS?", "FILE?"],
  async run({ values, positionals: [chosen, file], output, signal }) {
    const wanted = readParts(chosen);
    const { findServices } = await import("../tests/services/cluster.ts");
    const { startTestRun } = await import("../tests/test-run.ts");
    const long = values.long ?? false;
    const { missing } = findServices();
    const run = await startTestRun({ long });
    const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
    const skippedParts: string[] = [];
    const unsteady: string[] = [];
    try {
      for (const part of wanted) {
        signal.throwIfAborted();
        if (part === "cluster" && missing.length > 0) {
          skippedParts.push(output.text.clusterSkipped(missing.join(", ")));
          totals.skipped += 1;
          continue;
        }
        output.say(output.text.testing(part));
        const shared = await run.environment(part);
        signal.throwIfAborted();
        const settings = { shared, long, signal, output };
        const ran = await runTests(file ? [file] : filesOf(part, long), settings);
        add(totals, file ? ran : await runAgain(ran, { ...settings, unsteady }));
      }
    } finally {
      await run.stop();
    }
    for (const line of skippedParts) output.say(line);
    for (const path of unsteady) output.say(output.text.unsteady(path));
    output.result({ ok: totals.failed === 0, ...totals, unsteady });
    output.say(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
    return totals.failed === 0 ? 0 : 1;
  },
});

function readParts(chosen: string | undefined): Part[] {
  if (chosen === undefined) return ["embedded", "cluster"];
  if (chosen === "embedded" || chosen === "cluster") return [chosen];
  throw usageFault(`Choose the parts: "${chosen}" is neither embedded nor cluster`, usage);
}

/**
 * Runs files in which something failed once more, one after the other: what fails then too has failed; what passes is told as unsteady.
 * Not races, which are right each time or wrong, and not when so many failed that it is no accident.
 */
async function runAgain(ran: Ran, { unsteady, ...settings }: Settings & { unsteady: string[] }): Promise<Totals> {
  const { failedFiles, ...totals } = ran;
  const accident = ran.failed <= mostAccidents && failedFiles.length > 0;
  if (!accident || failedFiles.some((path) => path.startsWith("tests/races/"))) return totals;
  let failed = 0;
  for (const path of failedFiles) {
    const again = await runTests([path], settings);
    if (again.failed === 0) unsteady.push(path);
    failed += again.failed;
  }
  return { ...totals, passed: totals.passed + Math.max(0, totals.failed - failed), failed };
}

type Settings = { shared: Record<string, string>; long: boolean; signal: AbortSignal; output: Output };

/** One run of `bun test`. A run that prints no summary has failed, whatever its exit code says. */
async function runTests(files: string[], { shared, long, signal, output }: Settings): Promise<Ran> {
  const child = Bun.spawn(
    [
      process.execPath,
      "test",
      "--parallel=3", // two cores are busy with three: a file often waits
      "--timings=tests/timings.json", // the slowest files first
      "--timeout=120000",
      ...files,
    ],
    {
      cwd: root,
      env: { ...process.env, ...shared, ...(long && { SUNDUK_LONG: "1" }) },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      detached: true, // a group of its own: what tests have started is ended with them
    },
  );
  const interrupted = Promise.withResolvers<never>();
  const interrupt = () =>
    void endGroup(child).then(() => interrupted.reject(new Fault("unavailable", "Run the tests: interrupted")));
  signal.addEventListener("abort", interrupt, { once: true });
  const ended = Promise.all([echo(child.stdout, output), echo(child.stderr, output), child.exited]);
  const [, told] = await Promise.race([ended, interrupted.promise]);
  signal.removeEventListener("abort", interrupt);
  signal.throwIfAborted();
  const number = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(told)?.[1] ?? 0);
  const totals = { passed: number("pass"), failed: number("fail"), skipped: number("skip") };
  const complete = /^Ran \d+ tests? across \d+ files?/m.test(told);
  if (!complete || (child.exitCode !== 0 && totals.failed === 0)) totals.failed += 1;
  return { ...totals, failedFiles: complete ? listFailed(told) : [] };
}

/** Files below whose headings something failed. */
function listFailed(told: string): string[] {
  const failed = new Set<string>();
  let path = "";
  for (const line of told.split("\n")) {
    if (/^\d+ tests? failed:$/.test(line)) break;
    path = /^(tests\/\S+\.test\.ts):$/.exec(line)?.[1] ?? path;
    if (line.startsWith("(fail)")) failed.add(path);
  }
  return [...failed];
}

/** Ends a process and all that it has started, by force what does not leave within 3 s. */
async function endGroup(child: Bun.Subprocess): Promise<void> {
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // all of them are gone
    }
  };
  send("SIGTERM");
  await Promise.race([child.exited, Bun.sleep(graceMs)]);
  send("SIGKILL");
  await child.exited;
}

/** Passes a stream on as it comes, and answers with all of it, without colours. */
async function echo(stream: ReadableStream<Uint8Array>, output: Output): Promise<string> {
  const decoder = new TextDecoder();
  let all = "";
  let rest = "";
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true });
    all += text;
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) output.say(line);
  }
  if (rest) output.say(rest);
  return Bun.stripANSI(all);
}

function add(totals: Totals, more: Totals): void {
  totals.passed += more.passed;
  totals.failed += more.failed;
  totals.skipped += more.skipped;
}
