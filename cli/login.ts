import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { Fault } from "../fault.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { openClient, parseServer, readSession } from "./client.ts";
import type { Output } from "./output.ts";
import { changeServers, serversPath } from "./servers.ts";

const usage = "login URL --login L [--password-stdin]";

/** `sunduk login`: signs in with a password and keeps the tokens for later commands. */
export const command = defineCommand({
  name: "login",
  usage,
  summary: "Sign in to a server and keep the tokens",
  options: { login: { type: "string" }, "password-stdin": { type: "boolean" } },
  positionals: ["URL"],
  async run({ values, positionals: [address], output, signal }) {
    const server = parseServer(address);
    const login = values.login;
    if (!login) throw usageFault("Sign in: --login is missing", usage);
    if (server.startsWith("http:") && !isLoopback(server)) output.say(output.text.plainHttp(server));
    const password = values["password-stdin"]
      ? await passwordFromStdin(usage)
      : await askPassword(login, { output, signal });
    const client = await openClient({ server, output });
    const answer = await client.request("POST", "/v1/auth/login", {
      body: { login, password },
      anonymous: true,
      signal,
    });
    const signIn = readSession(answer.json);
    await changeServers(serversPath(), async (now) => ({
      current: server,
      servers: { ...now.servers, [server]: signIn },
    }));
    output.say(output.text.signedIn(signIn.login, server));
    output.result({ ok: true, server, login: signIn.login });
  },
});

function isLoopback(server: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(server).hostname);
}

/** The password that another program writes to our standard input, without its last line break. */
export async function passwordFromStdin(usage: string): Promise<string> {
  const password = (await Bun.stdin.text()).replace(/\r?\n$/, "");
  if (password === "") throw usageFault("Read the password: standard input is empty", usage);
  return password;
}

/** Asks for a password on the terminal without showing what is typed. */
export async function askPassword(
  login: string,
  options: { output: Output; signal: AbortSignal; again?: boolean },
): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new Fault("malformed", "Ask for the password: this is no terminal; use --password-stdin", {
      extra: { usage },
    });
  }
  // Readline echoes into its output stream: an empty one keeps the password off the screen.
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silence, terminal: true });
  const { text } = options.output;
  process.stderr.write(options.again ? text.passwordAgain : text.passwordFor(login));
  try {
    // In raw mode Ctrl-C arrives here as a key, not as a signal.
    lines.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
    return await lines.question("", { signal: options.signal });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}
