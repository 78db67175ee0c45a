import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { Fault } from "../fault.ts";
import { type Client, openClient } from "./client.ts";
import { createOutput, type Output, type TextStream } from "./output.ts";

const shared = {
  json: { type: "boolean" },
  server: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const satisfies ParseArgsOptionsConfig;

type Shared = typeof shared;
type ParsedValues<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options & Shared; allowPositionals: true }>
>["values"];

/** One string for each declared name; undefined is possible only where the name ends with "?". */
export type Positionals<Names extends readonly string[]> = {
  [Index in keyof Names]: Names[Index] extends `${string}?` ? string | undefined : string;
};

/** What a command is given: its options and positionals, where to talk, when to stop, and the server once it asks. */
export type Call<Options extends ParseArgsOptionsConfig, Names extends readonly string[]> = {
  values: ParsedValues<Options>;
  positionals: Positionals<Names>;
  output: Output;
  signal: AbortSignal;
  client(): Promise<Client>;
};

/** Everything about one command of `sunduk`: words, options, positionals ("PATH", or "DIR?" when it may be left out). */
export type CommandDefinition<Options extends ParseArgsOptionsConfig, Names extends readonly string[]> = {
  name: string;
  usage: string;
  summary: string;
  options: Options;
  positionals: Names;
  run(call: Call<Options, Names>): Promise<number | undefined> | Promise<void>;
};

/** Where a command runs: the words after its name, the streams, and the signal of Ctrl-C. */
export type Surroundings = { args: string[]; stdout: TextStream; stderr: TextStream; signal: AbortSignal };

/** A command as the dispatcher sees it: `invoke` parses, runs, and throws Fault or returns the exit code. */
export type Command = {
  name: string;
  usage: string;
  summary: string;
  invoke(surroundings: Surroundings): Promise<number>;
};

/** Turns a definition into a command that checks its own arguments. */
export function defineCommand<const Options extends ParseArgsOptionsConfig, const Names extends readonly string[]>(
  definition: CommandDefinition<Options, Names>,
): Command {
  const { name, usage, summary } = definition;
  return {
    name,
    usage,
    summary,
    async invoke({ args, stdout, stderr, signal }) {
      if (asksForHelp(args)) {
        const output = createOutput({ json: false, stdout, stderr });
        output.say(`${output.text.usage}: sunduk ${usage}\n\n${output.text.summaries[name] ?? summary}`);
        return 0;
      }
      const { values, positionals } = parse(definition, args);
      if (!fits(definition.positionals, positionals)) throw wrongCount(usage, definition.positionals, positionals);
      const output = createOutput({ json: args.includes("--json"), stdout, stderr });
      const server = serverOf(args);
      let opening: Promise<Client> | undefined;
      const client = () => {
        opening ??= openClient({ output, ...(server === undefined ? {} : { server }) });
        return opening;
      };
      const code = await definition.run({ values, positionals, output, signal, client });
      return typeof code === "number" ? code : 0;
    },
  };
}

/** A failure of the command line itself: the dispatcher prints it with the usage and exits with 2. */
export function usageFault(detail: string, usage?: string): Fault {
  return new Fault("malformed", detail, { extra: { usage: usage ?? true } });
}

function parse<Options extends ParseArgsOptionsConfig, Names extends readonly string[]>(
  definition: CommandDefinition<Options, Names>,
  args: string[],
) {
  try {
    return parseArgs({
      args,
      options: { ...definition.options, ...shared },
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw usageFault(`Read the options: ${detail}`, definition.usage);
  }
}

function asksForHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((word) => word === "--help" || word === "-h");
}

// A generic parse hides the types of the shared options. Here the command's own are not known,
// so the words are read one by one instead of by a second parse.
function serverOf(args: string[]): string | undefined {
  const at = args.findLastIndex((word) => word === "--server" || word.startsWith("--server="));
  const word = args[at];
  return word === "--server" ? args[at + 1] : word?.slice("--server=".length);
}

function fits<Names extends readonly string[]>(
  names: Names,
  given: readonly (string | undefined)[],
): given is Positionals<Names> & readonly (string | undefined)[] {
  const needed = names.filter((name) => !name.endsWith("?")).length;
  return given.length >= needed && given.length <= names.length;
}

function wrongCount(usage: string, names: readonly string[], given: readonly unknown[]): Fault {
  const missing = names.filter((name, index) => !name.endsWith("?") && index >= given.length);
  const detail =
    missing.length > 0
      ? `Read the arguments: ${missing.join(", ")} is missing`
      : `Read the arguments: ${given.length} given, at most ${names.length} expected`;
  return usageFault(detail, usage);
}
