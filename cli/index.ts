import { Fault } from "../fault.ts";
import manifest from "../package.json" with { type: "json" };
import type { Command, Surroundings } from "./arguments.ts";
import { messagesOf, readerLanguage } from "./messages.ts";
import { exitCodeOf, isObject } from "./problem.ts";

/** Names and where they live; a module is loaded only when its command runs, so that `pack list` never loads the server. */
const commandFiles: Record<string, string> = {
  up: "./up.ts",
  demo: "./demo.ts",
  test: "./test.ts",
  doctor: "./doctor.ts",
  login: "./login.ts",
  "keys rotate": "./keys.ts",
  "user import": "./user-import.ts",
  "user export": "./ops/user-export.ts",
  "user erase": "./ops/user-erase.ts",
  logs: "./ops/logs.ts",
  "jobs failed": "./ops/jobs.ts",
  "jobs retry": "./ops/jobs.ts",
  "jobs pause": "./ops/jobs.ts",
  "jobs resume": "./ops/jobs.ts",
  "upgrade check": "./ops/upgrade-check.ts",
  "admin create": "./admin.ts",
  "admin link": "./admin-link.ts",
  "admin invite": "./admin-invite.ts",
  "admin remove-factor": "./admin-remove-factor.ts",
  "images render": "./images-render.ts",
  "backup create": "./backup/create.ts",
  "backup list": "./backup/list.ts",
  "backup verify": "./backup/verify.ts",
  "backup restore": "./backup/restore.ts",
  "backup schedule": "./backup/schedule.ts",
  "storage migrate": "./storage/migrate.ts",
  "storage verify": "./storage/verify.ts",
  "pack publish": "./pack/publish.ts",
  "pack install": "./pack/install.ts",
  "pack download": "./pack/download.ts",
  "pack verify": "./pack/verify.ts",
  "pack list": "./pack/show.ts",
  "pack show": "./pack/show.ts",
  "pack diff": "./pack/show.ts",
  "pack yank": "./pack/show.ts",
  "pack link create": "./pack/link.ts",
  "pack link list": "./pack/link.ts",
  "pack link revoke": "./pack/link.ts",
};

/** Signals that ask a command to stop, with the exit codes by which a shell knows them. */
const interruptions = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Interruption = keyof typeof interruptions;

/**
 * Runs one command line (without the program's name) and answers its exit code. A signal aborts it, so that it clears up
 * after itself; a second Ctrl-C ends it at once.
 */
export async function run(argv: string[]): Promise<number> {
  const text = messagesOf(readerLanguage(process.env));
  const interruption = new AbortController();
  let exitCode: number = interruptions.SIGINT;
  const interrupt = (signal: Interruption) => {
    if (interruption.signal.aborted && signal === "SIGINT") process.exit(exitCode);
    if (!interruption.signal.aborted) exitCode = interruptions[signal];
    interruption.abort(new DOMException("interrupted", "AbortError"));
  };
  const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const listener = () => interrupt(signal);
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    if (argv[0] === "--version") {
      process.stdout.write(`sunduk ${manifest.version}\n`);
      return 0;
    }
    const name = longestName(argv);
    if (name === undefined) return await help(argv);
    const surroundings: Surroundings = {
      args: argv.slice(name.split(" ").length),
      stdout: process.stdout,
      stderr: process.stderr,
      signal: interruption.signal,
    };
    return await (await loadCommand(name)).invoke(surroundings);
  } catch (error) {
    if (interruption.signal.aborted) {
      process.stderr.write(`sunduk: ${text.interrupted}\n`);
      return exitCode;
    }
    return tellFailure(error, argv.includes("--json"));
  } finally {
    for (const stopListening of listeners) stopListening();
  }
}

function longestName(argv: string[]): string | undefined {
  return [3, 2, 1].map((words) => argv.slice(0, words).join(" ")).find((name) => Object.hasOwn(commandFiles, name));
}

async function loadCommand(name: string): Promise<Command> {
  const file = commandFiles[name];
  if (file === undefined) throw new Fault("not-found", `Load ${name}: there is no such command`);
  const module: unknown = await import(new URL(file, import.meta.url).href);
  const exported = isObject(module) ? [module.command, module.commands].flat() : [];
  const found = exported.filter(isCommand).find((command) => command.name === name);
  if (!found) throw new Fault("internal", `Load ${name}: ${file} exports no command of that name`);
  return found;
}

function isCommand(value: unknown): value is Command {
  return isObject(value) && typeof value.name === "string" && typeof value.invoke === "function";
}

async function help(argv: string[]): Promise<number> {
  const text = messagesOf(readerLanguage(process.env));
  const asked = argv.length === 0 || ["help", "--help", "-h"].includes(argv[0] ?? "");
  const prefix = argv[0] === "help" ? argv.slice(1).join(" ") : asked ? "" : (argv[0] ?? "");
  const names = Object.keys(commandFiles).filter((name) => `${name} `.startsWith(prefix === "" ? "" : `${prefix} `));
  if (names.length === 0) {
    process.stderr.write(`sunduk: ${text.unknownCommand(argv.join(" "))}\n`);
    return 2;
  }
  // A module that cannot be loaded must not take the help of the others with it.
  const loaded = await Promise.allSettled(names.map(loadCommand));
  const lines = loaded.flatMap((outcome) =>
    outcome.status === "fulfilled"
      ? [`  sunduk ${outcome.value.usage}\n      ${text.summaries[outcome.value.name] ?? outcome.value.summary}`]
      : [],
  );
  const page = [`${text.commands}:`, ...lines, "", text.everyCommand, ""].join("\n");
  (asked ? process.stdout : process.stderr).write(page);
  return asked ? 0 : 2;
}

function tellFailure(error: unknown, json: boolean): number {
  // Errors that say what cannot be done, and what to do, are for people; the rest are ours, and come with their stack.
  const known = error instanceof Fault || (error instanceof Error && /^Cannot .+: /.test(error.message));
  const detail = known && error instanceof Error ? error.message : `Run: ${String(error)}`;
  const fault = error instanceof Fault ? error : new Fault("internal", detail, { cause: error });
  const usage = typeof fault.extra.usage === "string" ? fault.extra.usage : undefined;
  const told = typeof fault.extra.code === "string" ? fault.extra.code : fault.code;
  const code = exitCodeOf(fault) === 2 ? "usage" : told;
  process.stderr.write(`sunduk: ${fault.message}\n`);
  for (const place of fault.errors) {
    const where = place.pointer ?? place.parameter;
    process.stderr.write(`  ${where === undefined ? "" : `${where}: `}${place.detail}\n`);
  }
  if (usage !== undefined) process.stderr.write(`usage: sunduk ${usage}\n`);
  if (!known && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  if (json) {
    const failure = { code, detail: fault.message, errors: fault.errors };
    process.stdout.write(`${JSON.stringify({ ok: false, error: failure })}\n`);
  }
  return exitCodeOf(fault);
}

if (import.meta.main) process.exitCode = await run(process.argv.slice(2));
