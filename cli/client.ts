import { type Static, type TSchema, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../fault.ts";
import { type Answer, callWithRetries, openAnswer, type RequestOptions } from "./call.ts";
import type { Output } from "./output.ts";
import { changeServers, readServers, type SignIn, serversPath } from "./servers.ts";

export type Client = {
  /** The server's address without a trailing slash. */
  server: string;
  /** Whether calls carry a token. */
  signedIn: boolean;
  /** Calls `path` (below the server's address, with /v1). Redirects come back as they are. Throws Fault from 400 on. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** Sends a POST once; the body of its answer is still to come. Throws Fault from 400 on. */
  open(path: string, options: RequestOptions): Promise<Response>;
};

const refreshAheadMs = 30_000;
const SessionAnswer = t.Object({
  user: t.Object({ login: t.String() }),
  accessToken: t.String(),
  refreshToken: t.String(),
  expiresInSeconds: t.Number(),
});

/** Checks a server's address and strips what follows its path. Throws Fault("malformed"). */
export function parseServer(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new Fault("malformed", `Read the server's address: "${address}" is not an http or https URL`, {
      extra: { usage: true },
    });
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/** Reads an answer of known shape; throws Fault when the server speaks another one. */
export function readAnswer<Schema extends TSchema>(schema: Schema, json: unknown): Static<Schema> {
  if (Value.Check(schema, json)) return json;
  const [first] = Value.Errors(schema, json);
  throw new Fault(
    "internal",
    `Read the server's answer: ${first?.path || "the body"} is not as expected; is it a Sunduk of this version?`,
  );
}

/** The sign-in that an answer of login or refresh holds. */
export function readSession(json: unknown): SignIn {
  const { user, accessToken, refreshToken, expiresInSeconds } = readAnswer(SessionAnswer, json);
  return { login: user.login, accessToken, refreshToken, expiresAt: Date.now() + expiresInSeconds * 1000 };
}

/** Opens the server named by `server`, else SUNDUK_URL, else the last sign-in; SUNDUK_TOKEN overrides kept tokens. */
export async function openClient(options: {
  server?: string;
  output: Output;
  env?: Record<string, string | undefined>;
}): Promise<Client> {
  const env = options.env ?? process.env;
  const path = serversPath(env);
  const kept = await readServers(path);
  const address = options.server ?? env.SUNDUK_URL ?? kept.current;
  if (!address) {
    throw new Fault("malformed", "Find the server: none is known; use --server URL, SUNDUK_URL or sunduk login URL", {
      extra: { usage: true },
    });
  }
  const server = parseServer(address);
  const fixed = env.SUNDUK_TOKEN && belongsHere(server, env.SUNDUK_URL) ? env.SUNDUK_TOKEN : undefined;
  let signIn = fixed === undefined ? kept.servers[server] : undefined;
  let refreshing: Promise<void> | undefined;

  const refresh = (stale: string) => {
    refreshing ??= renew(stale).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };
  const renew = async (stale: string) => {
    const next = await changeServers(path, async (now) => {
      const found = now.servers[server] ?? signIn;
      if (!found) return now;
      // Another process may have renewed while this one waited for the lock.
      if (found.accessToken !== stale && found.expiresAt > Date.now() + refreshAheadMs) return now;
      const answer = await callWithRetries(server, "/v1/auth/refresh", {
        method: "POST",
        body: { refreshToken: found.refreshToken },
        repeatable: true,
      });
      return { ...now, servers: { ...now.servers, [server]: readSession(answer.json) } };
    });
    signIn = next.servers[server] ?? signIn;
  };
  const token = async (): Promise<string | undefined> => {
    if (fixed !== undefined) return fixed;
    if (signIn && signIn.expiresAt < Date.now() + refreshAheadMs) await refresh(signIn.accessToken).catch(toSignIn);
    return signIn?.accessToken;
  };

  return {
    server,
    signedIn: fixed !== undefined || signIn !== undefined,
    async request(method, requestPath, request = {}) {
      const call = async (bearer: string | undefined) =>
        callWithRetries(server, requestPath, {
          ...request,
          method,
          bearer,
          repeatable:
            request.repeatable || method === "GET" || method === "HEAD" || request.idempotencyKey !== undefined,
        });
      const bearer = request.anonymous ? undefined : await token();
      try {
        return await call(bearer);
      } catch (error) {
        const expired = error instanceof Fault && error.status === 401;
        if (expired && bearer === undefined && !request.anonymous) throw signInFirst(error);
        if (!expired || bearer === undefined || fixed !== undefined) throw error;
        if (signIn?.accessToken === bearer) await refresh(bearer).catch(toSignIn);
        return call(signIn?.accessToken);
      }
    },
    async open(requestPath, request) {
      const bearer = request.anonymous ? undefined : await token();
      return openAnswer(server, requestPath, { ...request, method: "POST", bearer, repeatable: false });
    },
  };

  function signInFirst(cause: Fault): Fault {
    return new Fault("not-signed-in", `Call ${server}: not signed in; use sunduk login ${server}`, {
      cause,
    });
  }

  function toSignIn(error: unknown): never {
    if (!(error instanceof Fault) || (error.status !== 401 && error.status !== 403)) throw error;
    const again = `sunduk login ${server} --login ${signIn?.login ?? "LOGIN"}`;
    throw new Fault("not-signed-in", `Renew the sign-in: it has ended; sign in again with ${again}`, { cause: error });
  }
}

// A token from the environment belongs to the server of the environment: --server elsewhere must not receive it.
function belongsHere(server: string, named: string | undefined): boolean {
  return !named || parseServer(named) === server;
}

/** What is at a path, or undefined when there is nothing (404). */
export async function requestOrMissing(
  client: Client,
  path: string,
  options: { signal: AbortSignal; query?: Record<string, string> },
): Promise<unknown> {
  try {
    return (await client.request("GET", path, options)).json;
  } catch (error) {
    if (error instanceof Fault && error.status === 404) return undefined;
    throw error;
  }
}
