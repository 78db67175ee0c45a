import { afterAll, beforeAll, expect, test } from "bun:test";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { openBrowser } from "../identity-server.ts";
import { openTestApi, type TestApi } from "./open-test-api.ts";

/** A provider that errs on purpose, which a real one does not: a stand-in on loopback that answers any code with `makeToken`. */
let standIn: Bun.Server<undefined>;
let api: TestApi;
let makeToken: (claims: JWTPayload) => Promise<string>;
let subject = "";
let askedKeys = 0;

const clientId = "sunduk-test";
const clientSecret = "a secret of the client that is long enough for HS256";
const [ours, another] = await Promise.all([generateKeyPair("RS256"), generateKeyPair("RS256")]);
const nonces = new Map<string, string>();

beforeAll(async () => {
  standIn = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  const providers = [{ id: "odd", issuer: standIn.url.origin, clientId, clientSecret }];
  api = await openTestApi({ OIDC_PROVIDERS: JSON.stringify(providers) });
});
afterAll(async () => {
  await api?.close();
  await standIn?.stop(true);
});

async function answer(request: Request): Promise<Response> {
  const issuer = standIn.url.origin;
  const { pathname } = new URL(request.url);
  if (pathname === "/.well-known/openid-configuration")
    return Response.json({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256", "HS256", "none"],
    });
  if (pathname === "/keys") {
    askedKeys++;
    return Response.json({ keys: [{ ...(await exportJWK(ours.publicKey)), kid: "ours", alg: "RS256", use: "sig" }] });
  }
  const nonce = nonces.get(new URLSearchParams(await request.text()).get("code") ?? "") ?? "";
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer, aud: clientId, sub: subject, iat: now, exp: now + 60, nonce };
  return Response.json({ access_token: "a", token_type: "Bearer", id_token: await makeToken(claims) });
}

/** Signs in with an id token of that making. */
async function signIn(make: (claims: JWTPayload) => Promise<string>) {
  makeToken = make;
  subject = crypto.randomUUID();
  const browser = openBrowser();
  const begun = await browser.fetch(`${api.url}/v1/auth/oidc/odd/start`);
  const question = new URL(begun.headers.get("location") ?? "").searchParams;
  const code = crypto.randomUUID();
  nonces.set(code, question.get("nonce") ?? "");
  const query = new URLSearchParams({ code, state: question.get("state") ?? "" });
  const url = `${api.url}/v1/auth/oidc/odd/callback?${query}`;
  return browser.fetch(url, { headers: { accept: "application/json" } });
}

const rs256 = { alg: "RS256", kid: "ours" };
const sign = (claims: JWTPayload) => new SignJWT(claims).setProtectedHeader(rs256).sign(ours.privateKey);
const minutes = (away: number) => Math.floor(Date.now() / 1000) + away * 60;

test("the id token of this very sign-in signs in", async () => {
  const { status, json } = await signIn(sign);
  expect([status, typeof json.accessToken]).toEqual([200, "string"]);
});

const bad: Record<string, (claims: JWTPayload) => Promise<string>> = {
  "another key": (claims) => new SignJWT(claims).setProtectedHeader(rs256).sign(another.privateKey),
  "a key that is not published": (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "another" }).sign(another.privateKey),
  "no signature": async (claims) => new UnsecuredJWT(claims).encode(),
  "the client secret as the key": (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(clientSecret)),
  "the public key as the secret": async (claims) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "ours" })
      .sign(new TextEncoder().encode(JSON.stringify(await exportJWK(ours.publicKey)))),
  "another audience": (claims) => sign({ ...claims, aud: "somebody else" }),
  "two audiences and another authorized party": (claims) => sign({ ...claims, aud: [clientId, "b"], azp: "b" }),
  "another issuer": (claims) => sign({ ...claims, iss: "https://evil.example" }),
  "another nonce": (claims) => sign({ ...claims, nonce: "another" }),
  "no nonce": ({ nonce: _, ...claims }) => sign(claims),
  "no expiry": ({ exp: _, ...claims }) => sign(claims),
  "an expiry that has passed": (claims) => sign({ ...claims, iat: minutes(-10), exp: minutes(-5) }),
  "a beginning that has not come": (claims) => sign({ ...claims, nbf: minutes(5) }),
  "no subject": ({ sub: _, ...claims }) => sign(claims),
  "a subject that is none": (claims) => sign({ ...claims, sub: "a b\n" }),
  "a subject longer than 255": (claims) => sign({ ...claims, sub: "s".repeat(256) }),
  "a changed claim": async (claims) => {
    const [head, body = "", signature] = (await sign(claims)).split(".");
    const changed = { ...JSON.parse(Buffer.from(body, "base64url").toString()), sub: "victim" };
    return [head, Buffer.from(JSON.stringify(changed)).toString("base64url"), signature].join(".");
  },
  "no token at all": async () => "",
};

for (const [what, make] of Object.entries(bad))
  test(`an id token with ${what} signs nobody in`, async () => {
    const { status, json } = await signIn(make);
    expect([status, json.reason, "accessToken" in json]).toEqual([400, "refused", false]);
    const { rows } = await api.deps.db.query({
      name: "test_subject",
      text: "select subject from account.identity where subject = $1 or subject = 'victim'",
      values: [subject],
    });
    expect(rows).toEqual([]);
  });

test("the keys of a provider are asked for seldom, however many tokens name unknown ones", () => {
  expect(askedKeys).toBeLessThanOrEqual(3);
});
