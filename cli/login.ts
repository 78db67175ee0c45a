import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { Fault } from "../fault.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { openClient, parseServer, readSession } from "./client.ts";
import { signInByCode } from "./device-login.ts";
import type { Output } from "./output.ts";
import { changeServers, type SignIn, serversPath } from "./servers.ts";

const usage = "login URL [--login L [--password-stdin]]";

/** `sunduk login`: signs in, by a code that is typed on the server's page or with a password, and keeps the tokens. */
export const command = defineCommand({
  name: "login",
  usage,
  summary: "Sign in to a server and keep the tokens",
  options: { login: { type: "string" }, "password-stdin": { type: "boolean" } },
  positionals: ["URL"],
  async run({ values, positionals: [address], output, signal }) {
    const server = parseServer(address);
    const login = values.login;
    if (!login && values["password-stdin"]) throw usageFault("Sign in: --login is missing", usage);
    if (server.startsWith("http:") && !isLoopback(server)) output.say(output.text.plainHttp(server));
    const signIn = login
      ? await signInByPassword(server, { login, fromStdin: values["password-stdin"] === true, output, signal })
      : await signInByCode(server, { output, signal });
    await changeServers(serversPath(), async (now) => ({
      current: server,
      servers: { ...now.servers, [server]: signIn },
    }));
    output.say(output.text.signedIn(signIn.login, server));
    output.result({ ok: true, server, login: signIn.login });
  },
});

async function signInByPassword(
  server: string,
  { login, fromStdin, output, signal }: { login: string; fromStdin: boolean; output: Output; signal: AbortSignal },
): Promise<SignIn> {
  const password = fromStdin ? await passwordFromStdin(usage) : await askPassword(login, { output, signal });
  const client = await openClient({ server, output });
  const call = { body: { login, password }, anonymous: true, signal };
  const answer = await client.request("POST", "/v1/auth/login", call).catch((cause: unknown) => {
    if (!(cause instanceof Fault) || cause.extra.reason !== "second-factor") throw cause;
    const detail = `Sign in to ${server}: this account has a second factor; use sunduk login ${server}`;
    throw new Fault("not-signed-in", detail, { cause });
  });
  return readSession(answer.json);
}

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
