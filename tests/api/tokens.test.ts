import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import { EncryptJWT, exportSPKI, FlattenedSign, importJWK, SignJWT } from "jose";
import { decode, digestOf, encode, signRaw, type TestKey, toMalleable } from "./hand-made.ts";
import { openTestApi, type TestApi, testPassword } from "./open-test-api.ts";

let api: TestApi;
let key: TestKey;
let good: { token: string; refreshToken: string; header: any; payload: any };
const now = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  api = await openTestApi();
  key = JSON.parse(api.deps.config.SIGNING_KEY ?? "");
  await api.signUp("somebody", ["ops"]);
  const { json } = await api.call("POST", "/v1/auth/login", { body: { login: "somebody", password: testPassword } });
  const [header = "", payload = ""] = json.accessToken.split(".");
  good = {
    token: json.accessToken,
    refreshToken: json.refreshToken,
    header: decode(header),
    payload: decode(payload),
  };
});
afterAll(() => api?.close());

/** What the API makes of a token: of its session it needs to know nothing but that it has not ended. */
async function statusOf(token: string, headers?: Record<string, string>): Promise<number> {
  const answer = await fetch(`${api.url}/v1/auth/verify`, {
    headers: headers ?? { authorization: `Bearer ${token}` },
  });
  if (answer.status !== 204) {
    const text = await answer.text();
    if (answer.headers.get("content-type") === "application/problem+json") expect(text).not.toContain(good.payload.sid);
  }
  return answer.status;
}
const remade = (payload: unknown, header: unknown = good.header) => signRaw(key, header, payload);
const fresh = (changes: Record<string, unknown> = {}) => ({ ...good.payload, jti: crypto.randomUUID(), ...changes });

/** That none of these tokens is accepted, while the one we made is. */
async function expectRefused(tokens: Record<string, string>): Promise<void> {
  const got: Record<string, number> = {};
  for (const [name, token] of Object.entries(tokens)) got[name] = await statusOf(token);
  expect(got).toEqual(Object.fromEntries(Object.keys(tokens).map((name) => [name, 401])));
  expect(await statusOf(good.token)).toBe(204);
}

test("a token that the API made, and one made by hand in the same way, are accepted", async () => {
  expect(good.header).toEqual({ alg: "EdDSA", kid: key.kid, typ: "at+jwt" });
  expect(Object.keys(good.payload).sort()).toEqual(
    ["aud", "exp", "iat", "iss", "jti", "login", "roles", "sid", "sub", "ver"].sort(),
  );
  expect(good.payload.exp - good.payload.iat).toBe(600);
  expect(await statusOf(good.token)).toBe(204);
  expect(await statusOf(remade(fresh()))).toBe(204);
});

test("J1 no signature is asked for: alg none in every spelling, with and without a signature", async () => {
  const body = encode(fresh());
  const tokens: Record<string, string> = {};
  for (const alg of ["none", "None", "NONE", "nOnE", ""])
    for (const signature of ["", good.token.split(".")[2] ?? "", "AA"])
      tokens[`${alg} ${signature.length}`] = `${encode({ ...good.header, alg })}.${body}.${signature}`;
  tokens["no alg"] = `${encode({ kid: key.kid, typ: "at+jwt" })}.${body}.`;
  await expectRefused(tokens);
});

test("J2 the public key is no secret of an HMAC, in any of its forms", async () => {
  const { kty, crv, x } = key;
  const publicKey = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  const forms: Record<string, Buffer | string> = {
    pem: await exportSPKI(publicKey),
    "pem without its last newline": (await exportSPKI(publicKey)).trim(),
    der: publicKey.export({ format: "der", type: "spki" }),
    jwk: JSON.stringify({ kty, crv, x }),
    shown: JSON.stringify((await api.call("GET", "/.well-known/jwks.json")).json.keys[0]),
    raw: Buffer.from(x, "base64url"),
    text: x,
    nothing: "",
  };
  const tokens: Record<string, string> = {};
  for (const alg of ["HS256", "HS384", "HS512"]) {
    for (const [name, secret] of Object.entries(forms)) {
      const input = `${encode({ ...good.header, alg })}.${encode(fresh())}`;
      const digest = { HS256: "sha256", HS384: "sha384", HS512: "sha512" }[alg] ?? "";
      tokens[`${alg} ${name}`] = `${input}.${createHmac(digest, secret).update(input).digest("base64url")}`;
    }
  }
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  tokens.ES256 = await new SignJWT(fresh()).setProtectedHeader({ ...good.header, alg: "ES256" }).sign(ec.privateKey);
  await expectRefused(tokens);
});

test("J3 a key id is looked up in a map: no file, no statement, no request, however many unknown ones come", async () => {
  const statements = spyOn(api.deps.db, "query");
  const fetches = spyOn(globalThis, "fetch");
  try {
    const kids = ["../../../../dev/null", "x' UNION SELECT 'k", "k".repeat(65_536), "ключ\u0000", "", "__proto__"];
    for (const kid of kids) {
      const header = { ...good.header, kid };
      const input = `${encode(header)}.${encode(fresh())}`;
      const empty = `${input}.${createHmac("sha256", "").update(input).digest("base64url")}`;
      for (const token of [remade(fresh(), header), empty])
        expect([kid.slice(0, 30), [400, 401, 431].includes(await statusOf(token))]).toEqual([kid.slice(0, 30), true]);
    }
    statements.mockClear();
    const before = fetches.mock.calls.length;
    for (let index = 0; index < 1_000; index++)
      expect(await statusOf(remade(fresh(), { ...good.header, kid: `unknown-${index}` }))).toBe(401);
    expect(fetches.mock.calls.length - before).toBe(1_000); // ours
    // Embedded hints of other parts may pass; nothing that looks somebody up.
    const names = statements.mock.calls.map(([statement]) => statement.name);
    expect(names.filter((name) => !name.startsWith("bus_"))).toEqual([]);
  } finally {
    statements.mockRestore();
    fetches.mockRestore();
  }
});

test("J4 keys that a token brings along or points at are neither used nor fetched", async () => {
  let fetched = 0;
  await using attacker = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => {
      fetched += 1;
      return Response.json({ keys: [] });
    },
  });
  const pair = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const theirs = { kty: "OKP", crv: "Ed25519", x: pair.x ?? "", d: pair.d ?? "", kid: key.kid } as const;
  const url = `http://127.0.0.1:${attacker.port}/keys`;
  const { d: _secret, ...shown } = theirs;
  const tokens: Record<string, string> = { "their own key under our id": signRaw(theirs, good.header, fresh()) };
  for (const [name, value] of Object.entries({ jwk: shown, jku: url, x5u: url, x5c: [theirs.x], x5t: "x" })) {
    tokens[`${name}, theirs`] = signRaw(theirs, { ...good.header, [name]: value }, fresh());
    tokens[`${name}, ours`] = remade(fresh(), { ...good.header, [name]: value });
  }
  await expectRefused(tokens);
  expect(fetched).toBe(0);
});

test("J5 other forms of a token are none", async () => {
  const [header = "", payload = "", signature = ""] = good.token.split(".");
  const cryptoKey = await importJWK({ ...key, alg: "EdDSA" });
  const flattened = await new FlattenedSign(Buffer.from(JSON.stringify(fresh())))
    .setProtectedHeader(good.header)
    .sign(cryptoKey);
  const twice = `{"alg":"none","alg":"EdDSA","kid":"${key.kid}","typ":"at+jwt"}`;
  const nested = remade(fresh(), { ...good.header, cty: "JWT" });
  const tokens: Record<string, string> = {
    crit: remade(fresh(), { ...good.header, crit: ["x"], x: 1 }),
    "crit of nothing": remade(fresh(), { ...good.header, crit: [] }),
    b64: remade(fresh(), { ...good.header, b64: false, crit: ["b64"] }),
    JWE: await new EncryptJWT(fresh())
      .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
      .encrypt(Buffer.from(key.x, "base64url")),
    nested,
    "nested within": remade({ ...fresh(), token: good.token }, { ...good.header, cty: "JWT" }),
    flattened: JSON.stringify(flattened),
    general: JSON.stringify({
      payload: flattened.payload,
      signatures: [{ protected: flattened.protected, signature: flattened.signature }],
    }),
    "four segments": `${good.token}.${signature}`,
    "five segments": `${good.token}.a.b`,
    "two segments": `${header}.${payload}`,
    "trailing dot": `${good.token}.`,
    "leading dot": `.${good.token}`,
    padding: `${good.token}==`,
    "padding within": `${header}=.${payload}.${signature}`,
    "space within": `${header}. ${payload}.${signature}`,
    "tab at the end": `${good.token}\tx`,
    "alg twice": remade(fresh(), twice),
    "header in another order": remade(fresh(), { typ: "at+jwt", alg: "EdDSA", kid: key.kid }),
    "header with a space": remade(fresh(), JSON.stringify(good.header, null, 1)),
    "standard base64": `${header}.${payload}.${signature.replaceAll("-", "+").replaceAll("_", "/")}+`,
    "nothing at all": "x",
  };
  await expectRefused(tokens);
  expect(await statusOf("", { authorization: "Bearer " })).toBe(401);
  expect(await statusOf("", { authorization: `Basic ${good.token}` })).toBe(401);
  expect(await statusOf("", { authorization: good.token })).toBe(401);
});

test("J6 other tokens are no access tokens: refresh tokens, and what is typed otherwise", async () => {
  const typed = (typ?: string) => remade(fresh(), { alg: "EdDSA", kid: key.kid, ...(typ !== undefined && { typ }) });
  await expectRefused({
    refresh: good.refreshToken,
    missing: typed(),
    JWT: typed("JWT"),
    jwt: typed("jwt"),
    "in capitals": typed("AT+JWT"),
    "with application/": typed("application/at+jwt"),
    "logout token": typed("logout+jwt"),
    "an id token": remade({ iss: "sunduk", aud: "launcher", sub: good.payload.sub, exp: now() + 60, iat: now() }),
  });
});

test("J7 claims are exact: who made it, for whom, and when, within 30 seconds", async () => {
  const without = (name: string) => {
    const { [name]: _gone, ...rest } = fresh();
    return remade(rest);
  };
  const written = (text: string) => remade(JSON.stringify(fresh({ exp: "EXP" })).replace('"EXP"', text));
  const tokens: Record<string, string> = {
    "aud of others": remade(fresh({ aud: "another-api" })),
    "aud as a list": remade(fresh({ aud: ["sunduk-api"] })),
    "aud among others": remade(fresh({ aud: ["sunduk-api", "another"] })),
    "aud in capitals": remade(fresh({ aud: "SUNDUK-API" })),
    "iss with a slash": remade(fresh({ iss: "sunduk/" })),
    "exp as text": remade(fresh({ exp: String(now() + 60) })),
    "exp of 1e400": written("1e400"),
    "exp with a fraction": remade(fresh({ exp: now() + 60.5 })),
    "exp negative": remade(fresh({ exp: -1 })),
    "exp null": remade(fresh({ exp: null })),
    "exp in a year": remade(fresh({ exp: now() + 31_536_000 })),
    "expired 31 s ago": remade(fresh({ iat: now() - 331, exp: now() - 31 })),
    "not before in a minute": remade(fresh({ nbf: now() + 60 })),
    "made in the future": remade(fresh({ iat: now() + 40, exp: now() + 300 })),
    "sid as a list": remade(fresh({ sid: [good.payload.sid] })),
    "roles as text": remade(fresh({ roles: "admin" })),
    "ver as text": remade(fresh({ ver: "0" })),
    "a list": remade([fresh()]),
    "not JSON": remade("{"),
  };
  for (const name of ["aud", "iss", "exp", "iat", "sub", "sid", "jti", "login", "roles", "ver"])
    tokens[`no ${name}`] = without(name);
  await expectRefused(tokens);
  for (const near of [
    { iat: now() - 300, exp: now() - 25 },
    { nbf: now() + 25 },
    { iat: now() + 25, exp: now() + 300 },
  ])
    expect([near, await statusOf(remade(fresh(near)))]).toEqual([near, 204]);
});

test("J8 one message has one signature: S beyond the order, zeros, and points of small order are refused", async () => {
  const [header, payload, signature = ""] = good.token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  const withBytes = (changed: Uint8Array) => `${header}.${payload}.${Buffer.from(changed).toString("base64url")}`;
  const zeros = Buffer.alloc(32);
  const one = Buffer.from([1, ...Buffer.alloc(31)]);
  const r = bytes.subarray(0, 32);
  const s = bytes.subarray(32);
  // The last character of 86 carries two bits: its other 15 forms decode to the same bytes.
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const last = alphabet.indexOf(signature.at(-1) ?? "");
  const tokens: Record<string, string> = {
    "S + L": toMalleable(good.token),
    "S + 2L": toMalleable(good.token, 2n),
    "S = 0": withBytes(Buffer.concat([r, zeros])),
    "R = 0": withBytes(Buffer.concat([zeros, s])),
    "all zero": withBytes(Buffer.alloc(64)),
    "R of small order, S = 0": withBytes(Buffer.concat([one, zeros])),
    "R = -1": withBytes(Buffer.concat([Buffer.from([0xec, ...Buffer.alloc(30, 0xff), 0x7f]), zeros])),
    "R not reduced": withBytes(Buffer.concat([Buffer.from([0xee, ...Buffer.alloc(30, 0xff), 0x7f]), s])),
    "all ones": withBytes(Buffer.alloc(64, 0xff)),
    "63 bytes": withBytes(bytes.subarray(0, 63)),
    "65 bytes": withBytes(Buffer.concat([bytes, Buffer.alloc(1)])),
    "S first": withBytes(Buffer.concat([s, r])),
    empty: `${header}.${payload}.`,
  };
  for (let other = 1; other < 16; other++) {
    const twin = alphabet[(last & 0b110000) | other] ?? "";
    if (twin !== signature.at(-1))
      tokens[`last character ${twin}`] = `${header}.${payload}.${signature.slice(0, -1)}${twin}`;
  }
  await expectRefused(tokens);
});

test("J9 no position of a token may be changed", async () => {
  const accepted: number[] = [];
  for (let at = 0; at < good.token.length; at++) {
    const changed = String.fromCharCode(good.token.charCodeAt(at) ^ 1);
    // Half of the positions flip to something that no header may carry at all.
    const token = good.token.slice(0, at) + (/[\w.~+/=-]/.test(changed) ? changed : "~") + good.token.slice(at + 1);
    if ((await statusOf(token)) !== 401) accepted.push(at);
  }
  expect(accepted).toEqual([]);
  expect(await statusOf(good.token)).toBe(204);
});

test("J11 huge tokens are refused before anything is read of them", async () => {
  const claims = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`c${index}`, index]));
  const many = remade(fresh(claims));
  for (const token of ["a".repeat(1024 ** 2), many, remade(fresh({ login: "x".repeat(9_000) }))])
    for (const headers of [{ authorization: `Bearer ${token}` }, { token }])
      expect([400, 401, 431]).toContain(await statusOf("", headers));
  const tooLong = remade(fresh({ login: "x".repeat(4_500) }));
  const started = process.cpuUsage();
  expect(await statusOf(tooLong)).toBe(401);
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1000).toBeLessThan(50); // of the whole process, this test included
});

test("J12 the keys that are shown are public ones, and may be cached for a minute", async () => {
  const { json, headers } = await api.call("GET", "/.well-known/jwks.json");
  expect(json).toEqual({ keys: [{ kty: "OKP", crv: "Ed25519", x: key.x, kid: key.kid, alg: "EdDSA", use: "sig" }] });
  expect(headers.get("cache-control")).toBe("public, max-age=60");
});

test("the token header of old launchers is read like Authorization, a query never", async () => {
  expect(await statusOf("", { token: good.token })).toBe(204);
  expect(await statusOf("", { token: `${good.token}.` })).toBe(401);
  expect(await statusOf("", { token: "" })).toBe(401);
  // What is sent in Authorization counts; a good token beside it does not mend it.
  expect(await statusOf("", { authorization: "Bearer x", token: good.token })).toBe(401);
  for (const name of ["token", "access_token", "accessToken", "authorization"]) {
    const answer = await api.call("GET", `/v1/auth/sessions?${name}=${good.token}`);
    expect([name, [400, 401].includes(answer.status)]).toEqual([name, true]);
    expect(answer.text).not.toContain(digestOf(good.token));
    expect(answer.text).not.toContain(good.token);
  }
});
