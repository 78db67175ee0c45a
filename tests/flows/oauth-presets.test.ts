import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem } from "../harness.ts";
import { openBrowser } from "../identity-server.ts";

/**
 * Discord, GitHub, VK and Yandex cannot be asked here: a stand-in on loopback answers in the form that the documentation
 * of each describes, and refuses what each would refuse (a wrong verifier, secret, code, or authorization). What is proved
 * is the protocol and the mapping, not that their addresses still are what they were.
 */
type Case = {
  kind: string;
  /** What the token endpoint answers besides the access token. */
  token: Record<string, unknown>;
  profile: Record<string, unknown>;
  /** How the profile is asked for. */
  asks: (request: Request, body: URLSearchParams, accessToken: string) => boolean;
  expected: { login: string; subject: string; email: string | null };
  hasSecret: boolean;
};

const bearer = (request: Request, _body: URLSearchParams, accessToken: string) =>
  request.method === "GET" && request.headers.get("authorization") === `Bearer ${accessToken}`;

const cases: Case[] = [
  {
    kind: "discord",
    token: { token_type: "Bearer", expires_in: 604800, refresh_token: "r", scope: "identify email" },
    profile: {
      id: "80351110224678912",
      username: "nelly",
      global_name: "Nelly",
      email: "n@discord.example",
      verified: true,
    },
    asks: bearer,
    expected: { login: "nelly", subject: "80351110224678912", email: "n@discord.example" },
    hasSecret: true,
  },
  {
    kind: "github",
    token: { token_type: "bearer", scope: "read:user" },
    profile: { id: 583231, login: "Octo-Cat", name: "monalisa", email: "public@github.example" },
    asks: (request, body, accessToken) =>
      bearer(request, body, accessToken) && request.headers.get("user-agent") !== null,
    expected: { login: "octo-cat", subject: "583231", email: null },
    hasSecret: true,
  },
  {
    kind: "vk",
    token: {
      token_type: "Bearer",
      expires_in: 3600,
      user_id: 1234567890,
      id_token: "not.one.ofours",
      state: "s",
      scope: "",
    },
    profile: { user: { user_id: "1234567890", first_name: "Иван", last_name: "Иванов", email: "ivan@vk.example" } },
    asks: (request, body, accessToken) =>
      request.method === "POST" && body.get("access_token") === accessToken && body.get("client_id") === "client-vk",
    expected: { login: "ivan", subject: "1234567890", email: "ivan@vk.example" },
    hasSecret: false,
  },
  {
    kind: "yandex",
    token: { token_type: "bearer", expires_in: 31536000, refresh_token: "r" },
    profile: { id: "1000034426", login: "ivan.petrov", default_email: "test@yandex.example", display_name: "Ivan" },
    asks: (request, _body, accessToken) => request.headers.get("authorization") === `OAuth ${accessToken}`,
    expected: { login: "ivan.petrov", subject: "1000034426", email: "test@yandex.example" },
    hasSecret: true,
  },
];

let system: System;
let standIn: Bun.Server<undefined>;
const refusals: string[] = [];

beforeAll(async () => {
  standIn = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const providers = cases.map(({ kind, hasSecret }) => {
    const base = `http://127.0.0.1:${standIn.port}/${kind}`;
    const endpoints = { authorization: `${base}/authorize`, token: `${base}/token`, profile: `${base}/profile` };
    return { id: kind, clientId: `client-${kind}`, ...(hasSecret && { clientSecret: `secret-${kind}` }), endpoints };
  });
  system = await startSystem({ pods: 0, environment: { OIDC_PROVIDERS: JSON.stringify(providers) } });
});
afterAll(async () => {
  await system?.stop();
  await standIn?.stop(true);
});

const challenges = new Map<string, string>();

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const [, kind = "", step = ""] = url.pathname.split("/");
  const known = cases.find((one) => one.kind === kind);
  if (!known) return new Response(null, { status: 404 });
  const refuse = (why: string) => {
    refusals.push(`${kind} ${step}: ${why}`);
    return Response.json({ error: "invalid_request", error_description: why }, { status: 400 });
  };
  if (step === "authorize") {
    const {
      code_challenge = "",
      code_challenge_method,
      redirect_uri = "",
      state = "",
      client_id,
    } = Object.fromEntries(url.searchParams);
    if (code_challenge_method !== "S256" || client_id !== `client-${kind}`) return refuse("no PKCE, or another client");
    const code = crypto.randomUUID();
    challenges.set(code, code_challenge);
    const back = new URL(redirect_uri);
    back.search = new URLSearchParams({
      code,
      state,
      ...(kind === "vk" && { device_id: "a device", expires_in: "600", ext_id: "e", type: "code_v2" }),
      ...(kind === "github" && { iss: "https://github.com/login/oauth" }),
    }).toString();
    return Response.redirect(back.href, 302);
  }
  const body = new URLSearchParams(await request.text());
  if (step === "token") {
    const challenge = challenges.get(body.get("code") ?? "");
    challenges.delete(body.get("code") ?? "");
    const verifier = new Bun.CryptoHasher("sha256").update(body.get("code_verifier") ?? "").digest("base64url");
    if (challenge !== verifier) return refuse("a code that is unknown, used, or another's");
    if (body.get("client_id") !== `client-${kind}`) return refuse("another client");
    if (known.hasSecret && body.get("client_secret") !== `secret-${kind}`) return refuse("no secret");
    if (!known.hasSecret && body.has("client_secret")) return refuse("a secret");
    if (kind === "vk" && (body.get("device_id") !== "a device" || !body.get("state"))) return refuse("no device_id");
    return Response.json({ access_token: `token-${kind}`, ...known.token });
  }
  if (!known.asks(request, body, `token-${kind}`)) return refuse("asked in another way");
  return Response.json(known.profile);
}

for (const { kind, expected } of cases)
  test(`${kind}: its profile becomes an account, the same one each time (stand-in on loopback)`, async () => {
    const callback = `${system.url}/v1/auth/oidc/${kind}/callback`;
    const ids: string[] = [];
    for (let round = 0; round < 2; round++) {
      const browser = openBrowser();
      const start = `${system.url}/v1/auth/oidc/${kind}/start`;
      const url = await browser.signIn(start, { login: "", until: callback });
      const { status, json } = await browser.fetch(url, { headers: { accept: "application/json" } });
      expect([refusals, status]).toEqual([[], 200]);
      expect(json.user.login).toBe(expected.login);
      ids.push(json.user.id);
    }
    expect(ids[1]).toBe(ids[0]);
    const { rows } = await system.db.query({
      name: "test_identity",
      text: "select subject, email from account.identity where provider = $1",
      values: [kind],
    });
    expect(rows).toEqual([{ subject: expected.subject, email: expected.email }]);
  });

test("github: another issuer in its answer is refused, as its own is not", async () => {
  const browser = openBrowser();
  const callback = `${system.url}/v1/auth/oidc/github/callback`;
  const url = new URL(await browser.signIn(`${system.url}/v1/auth/oidc/github/start`, { login: "", until: callback }));
  url.searchParams.set("iss", "https://evil.example");
  const { status, json } = await browser.fetch(url.href, { headers: { accept: "application/json" } });
  expect([status, json.reason]).toEqual([400, "refused"]);
});

test("the list of providers tells their names and nothing secret", async () => {
  const { json, text } = await system.call("GET", "/v1/auth/oidc");
  expect(json.items.map(({ id }: { id: string }) => id)).toEqual(cases.map(({ kind }) => kind));
  expect(text).not.toContain("secret-");
  expect(text).not.toContain("client-");
});
