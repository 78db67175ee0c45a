import { hostname } from "node:os";
import { Type as t } from "@sinclair/typebox";
import { Fault } from "../fault.ts";
import { userAgent, waitFor } from "./call.ts";
import { readAnswer } from "./client.ts";
import type { Output } from "./output.ts";
import { isObject } from "./problem.ts";
import type { SignIn } from "./servers.ts";

const clientId = "sunduk-cli";
/** What the commands need; `:write` holds `:read`. */
const scope = "packs:write files:write account:read";
const grantType = "urn:ietf:params:oauth:grant-type:device_code";
const meTries = 3;
const callTimeoutMs = 30_000;
const longestIntervalSeconds = 60;

const Begun = t.Object({
  device_code: t.String(),
  // What is shown on a terminal must not be able to write on it.
  user_code: t.String({ pattern: "^[!-~]{1,40}$" }),
  verification_uri: t.String({ pattern: "^https?://[!-~]{1,500}$" }),
  expires_in: t.Number(),
  interval: t.Optional(t.Number()),
});
const Granted = t.Object({ access_token: t.String(), refresh_token: t.String(), expires_in: t.Number() });
const Me = t.Object({ login: t.String() });

type Waiting = { output: Output; signal: AbortSignal };

/**
 * Signs in without a password on this machine (RFC 8628): shows an address and a code, and waits until its user has let
 * it in there. Throws Fault when he says no or the code expires.
 */
export async function signInByCode(server: string, { output, signal }: Waiting): Promise<SignIn> {
  const device = `sunduk, ${hostname()}`;
  const begun = await call(server, "/oauth/device_authorization", {
    fields: { client_id: clientId, scope, device_name: device },
    signal,
  });
  if (begun.status !== 200) throw refused(server, begun);
  const { device_code, user_code, verification_uri, expires_in, interval = 5 } = readAnswer(Begun, begun.json);
  output.say(output.text.openAndType(verification_uri, user_code));
  output.say(output.text.waitingForYou(Math.ceil(expires_in / 60)));
  const fields = { grant_type: grantType, client_id: clientId, device_code };
  const tokens = await poll(server, { fields, intervalSeconds: interval, expiresInSeconds: expires_in, signal });
  const { access_token, refresh_token, expires_in: lifetimeSeconds } = readAnswer(Granted, tokens);
  const expiresAt = Date.now() + lifetimeSeconds * 1000;
  const login = await askLogin(server, { bearer: access_token, signal });
  return { login, accessToken: access_token, refreshToken: refresh_token, expiresAt };
}

type Poll = {
  fields: Record<string, string>;
  intervalSeconds: number;
  expiresInSeconds: number;
  signal: AbortSignal;
};

async function poll(server: string, { fields, intervalSeconds, expiresInSeconds, signal }: Poll): Promise<unknown> {
  const endsAt = performance.now() + expiresInSeconds * 1000;
  let waitSeconds = intervalSeconds;
  for (;;) {
    await waitFor(waitSeconds * 1000, signal);
    const answer = await call(server, "/oauth/token", { fields, signal }).catch((error: unknown) => {
      if (error instanceof Fault && error.mayRetry) return undefined;
      throw error;
    });
    if (answer?.status === 200) return answer.json;
    // A server that does not answer is asked less and less often (RFC 8628, 3.5).
    if (answer === undefined || answer.status >= 500) waitSeconds = Math.min(longestIntervalSeconds, waitSeconds * 2);
    else if (answer.error === "slow_down") waitSeconds += 5;
    else if (answer.error !== "authorization_pending") throw refused(server, answer);
    if (performance.now() > endsAt)
      throw new Fault("not-signed-in", `Sign in to ${server}: nobody has let this machine in in time; begin again`);
  }
}

type Answer = { status: number; json: unknown; error: unknown; description: unknown };

/** The name of whoever has let us in: three tries, since the tokens are there already. */
async function askLogin(server: string, options: { bearer: string; signal: AbortSignal }): Promise<string> {
  for (let tried = 1; ; tried++) {
    const answer = await call(server, "/v1/me", options).catch((error: unknown) => {
      if (tried < meTries && error instanceof Fault && error.mayRetry) return undefined;
      throw error;
    });
    if (answer?.status === 200) return readAnswer(Me, answer.json).login;
    if (answer && (answer.status < 500 || tried >= meTries)) throw refused(server, answer);
    await waitFor(tried * 500, options.signal);
  }
}

type Call = { fields?: Record<string, string>; bearer?: string; signal: AbortSignal };

/** Posts a form when there are fields, else asks. */
async function call(server: string, path: string, { fields, bearer, signal }: Call): Promise<Answer> {
  try {
    const response = await fetch(`${server}${path}`, {
      redirect: "manual",
      headers: {
        accept: "application/json",
        "user-agent": userAgent,
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
      ...(fields && { method: "POST", body: new URLSearchParams(fields) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(callTimeoutMs)]),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
    const json: unknown = isJson && text !== "" ? JSON.parse(text) : undefined;
    const { error, error_description: description } = isObject(json) ? json : {};
    return { status: response.status, json, error, description };
  } catch (cause) {
    signal.throwIfAborted();
    throw new Fault("unavailable", `Call ${server}: it cannot be reached; is it running, is the address right?`, {
      cause,
    });
  }
}

function refused(server: string, { status, error, description }: Answer): Fault {
  if (error === "access_denied")
    return new Fault("not-allowed", `Sign in to ${server}: it was denied on the page; begin again if it was a mistake`);
  if (error === "expired_token")
    return new Fault("not-signed-in", `Sign in to ${server}: the code has expired; begin again`);
  if (status === 404)
    return new Fault("not-found", `Sign in to ${server}: it knows no sign-in by code; use --login LOGIN`);
  const told = typeof description === "string" ? description : `the server answered ${status}`;
  return new Fault(status >= 500 || status === 429 ? "unavailable" : "not-signed-in", `Sign in to ${server}: ${told}`);
}
