import { expect, test } from "bun:test";
import fc from "fast-check";
import { makeTotpSecret } from "../api/accounts/totp.ts";
import { makeUserCode, showUserCode } from "../api/oauth/user-code.ts";
import { readConfig } from "../config.ts";
import { makeSecret, makeSigningKey } from "../keys.ts";
import { openLog } from "../log.ts";
import { type LogBuffer, openLogBuffer } from "../log-buffer.ts";
import { listSecrets } from "../redact.ts";
import { openSeal } from "../seal.ts";
import { openDiskSigner } from "../storage/disk-signer.ts";
import { currentTrace, enterTrace, makeTraceId, readTraceparent, withTrace, writeTraceparent } from "../trace.ts";
import { writeUnsubscribeToken } from "../unsubscribe.ts";
import { makeWebhookSecret } from "../webhook-signature.ts";

const random = (bytes: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url");
const config = readConfig({
  environment: {
    DATABASE_URL: "postgres://sunduk:short%21pass@db:5432/sunduk",
    SMTP_URL: "smtps://mailer:letters77@mail.example:465",
    S3_ENDPOINT: "http://s3:9000",
    S3_ACCESS_KEY: "minioadmin",
    S3_SECRET_KEY: "minio-secret-word",
    MAIL_FROM: "a@example.org",
    METRICS_TOKEN: "a metrics token",
    TELEGRAM_BOT_TOKEN: "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
  },
});
const seal = openSeal(random(32));
const letters = (count: number, from: string) =>
  Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => from[byte % from.length]).join("");
const groups = (text: string, size: number) => text.match(new RegExp(`.{${size}}`, "g"))?.join("-") ?? text;
const signer = openDiskSigner({ base: () => "https://packs.example", secret: random(32) });
const signingKey: { keys?: { d: string }[]; d?: string } = JSON.parse(await makeSigningKey());

/** One of every kind of secret that this system makes or is given: what is sent, and the part of it that must not come out. */
const kinds: Record<string, () => { text: string; secret?: string }> = {
  "access token": () => ({
    text: ["{", "}"]
      .map((end) => Buffer.from(`{"alg":"EdDSA","x":"${random(12)}${end}`).toString("base64url"))
      .join(".")
      .concat(`.${random(64)}`),
  }),
  "refresh token": () => {
    const mac = random(32);
    return { text: `${Bun.randomUUIDv7()}.3.${mac}`, secret: mac };
  },
  "cookie of an operator": () => {
    const mac = random(32);
    return { text: `sunduk_ops=${Bun.randomUUIDv7()}.${mac}`, secret: mac };
  },
  "personal access token": () => {
    const secret = makeSecret();
    return { text: `sdk_pat_${secret}`, secret };
  },
  "authorization header": () => {
    const secret = letters(12, "abcdef");
    return { text: `Authorization: Bearer ${secret}`, secret };
  },
  "mail link": () => {
    const secret = makeSecret();
    return { text: `https://packs.example/verify#${secret}`, secret };
  },
  "device code": () => ({ text: makeSecret() }),
  "user code": () => ({ text: makeUserCode() }),
  "user code as shown": () => ({ text: showUserCode(makeUserCode()) }),
  invite: () => ({ text: groups(letters(20, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 5) }),
  "recovery code": () => ({ text: groups(letters(16, "abcdefghijklmnopqrstuvwxyz234567"), 4) }),
  "shared secret of a second factor": () => ({ text: makeTotpSecret() }),
  "share link": () => ({ text: random(24) }),
  grant: () => ({ text: seal.close(JSON.stringify([Bun.randomUUIDv7(), 1]), "share grant") }),
  "check-in code": () => {
    const mac = seal.derive("check-in", "x");
    return { text: `${Bun.randomUUIDv7()}.${mac}`, secret: mac };
  },
  "secret of a webhook": () => {
    const text = makeWebhookSecret();
    return { text, secret: text.slice(6) };
  },
  "unsubscribe link": () => {
    const text = writeUnsubscribeToken(seal, { userId: Bun.randomUUIDv7(), kind: "all", medium: "mail" });
    return { text, secret: text.slice(-43) };
  },
  "signed address on disk": () => {
    const text = signer.sign({ method: "GET", key: "blobs/ab/1", expiresSeconds: 60 });
    return { text, secret: new URL(text).searchParams.get("signature") ?? "" };
  },
  "signed address on S3": () => {
    const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
    return { text: `http://s3/bucket/key?X-Amz-Date=1&X-Amz-Signature=${secret}&x-id=GetObject`, secret };
  },
  "answer of a provider": () => {
    const secret = letters(10, "abcdefgh12345");
    return { text: `/v1/auth/oidc/callback?state=${random(32)}&code=${secret}`, secret };
  },
  "password of the database": () => ({ text: config.DATABASE_URL ?? "", secret: "short%21pass" }),
  "password of the database in a text": () => ({
    text: `password authentication failed: short!pass`,
    secret: "short!pass",
  }),
  "password of the mail server": () => ({ text: config.SMTP_URL ?? "", secret: "letters77" }),
  "password in any address": () => ({ text: "redis://user:hunter2@redis:6379", secret: "hunter2" }),
  "secret key of S3": () => ({ text: "minio-secret-word" }),
  "metrics token": () => ({ text: "a metrics token" }),
  "token of the bot": () => ({
    text: `https://api.telegram.org/bot${config.TELEGRAM_BOT_TOKEN}/getMe`,
    secret: "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
  }),
  "signing key": () => ({ text: JSON.stringify(signingKey), secret: signingKey.d ?? signingKey.keys?.[0]?.d ?? "" }),
};

const lines: string[] = [];
const written = openLog({
  level: "debug",
  service: "test",
  secrets: listSecrets(config),
  write: (line) => lines.push(line),
});
const logged = (work: () => void): string => {
  lines.length = 0;
  work();
  return lines.join("");
};

/** Every place of a line in which a text may stand. */
const places: Record<string, (text: string) => void> = {
  "the message": (text) => written.info(`got ${text} from them`),
  "a field": (text) => written.info({ detail: text }, "x"),
  "a field deep inside": (text) => written.info({ a: [{ b: { c: [{ d: { e: text } }] } }] }, "x"),
  "an error's message": (text) => written.warn({ err: new Error(`cannot use "${text}"`) }, "x"),
  "the cause of an error's cause": (text) =>
    written.error({ err: new Error("a", { cause: new Error("b", { cause: new Error(text) }) }) }, "x"),
  "what a child is bound to": (text) => written.child({ subject: text }).info("x"),
  "a name": (text) => written.info({ seen: { [text]: 1 } }, "x"),
  "a text of JSON": (text) => written.info({ body: JSON.stringify({ value: text }) }, "x"),
};

test.each(Object.keys(kinds))("no %s comes out, wherever it stands", (kind) => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(places)), (place) => {
      const { text, secret = text } = kinds[kind]?.() ?? { text: "" };
      expect(secret.length).toBeGreaterThan(5);
      const line = logged(() => places[place]?.(text));
      expect([place, line.includes(secret)]).toEqual([place, false]);
      expect(() => JSON.parse(line)).not.toThrow();
    }),
    { numRuns: 100 },
  );
});

test("what a member's name calls a secret is hidden whatever it is, in any spelling and depth", () => {
  const names = [
    "password",
    "newPassword",
    "token",
    "access_token",
    "refreshToken",
    "Authorization",
    "cookie",
    "set-cookie",
    "clientSecret",
    "TOKEN_SECRET",
    "totp",
    "signature",
    "recoveryCodes",
    "userCode",
  ];
  for (const name of names)
    for (const value of ["hunter2", ["hunter2"], { deep: "hunter2" }, 123456]) {
      const line = logged(() => written.info({ a: { b: { [name]: value } } }, "x"));
      expect([name, /hunter2|123456/.test(line)]).toEqual([name, false]);
    }
});

test("what helps to find a fault stays: ids, digests, routes, paths, codes and numbers", () => {
  const kept = {
    caller: Bun.randomUUIDv7(),
    tokenId: Bun.randomUUIDv7(),
    sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    route: "/v1/packs/:slug/versions/:version/manifest",
    code: "ECONNREFUSED",
    queue: "resend-stuck",
    host: "db.example.org:5432",
    at: "2026-11-20T13:12:59.000Z",
    durationMs: 12.5,
    text: "connectionTimeoutMillis was exceeded in processTicksAndRejections",
  };
  const {
    level: _level,
    time: _time,
    pid: _pid,
    service: _service,
    msg,
    ...rest
  } = JSON.parse(logged(() => written.info(kept, "a request failed")));
  expect([msg, rest]).toEqual(["a request failed", kept]);
});

test("each line of what is done for a request carries its trace and its caller, and no other's", async () => {
  const id = makeTraceId();
  const text = await withTrace({ id }, async () => {
    const trace = currentTrace();
    await Promise.resolve();
    if (trace) trace.caller = "somebody";
    return logged(() => written.child({ actor: "a" }).info("x"));
  });
  expect(JSON.parse(text)).toMatchObject({ traceId: id, caller: "somebody", actor: "a" });
  expect(JSON.parse(logged(() => written.info("x"))).traceId).toBeUndefined();
  const both = await Promise.all(
    ["1", "2"].map(async (name) => {
      await Promise.resolve();
      enterTrace({ id: name });
      await Bun.sleep(1);
      return currentTrace()?.id;
    }),
  );
  expect(both).toEqual(["1", "2"]);
});

test.each([
  ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true],
  ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true],
  ["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings", true],
  ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false],
  ["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false],
  ["00-00000000000000000000000000000000-b7ad6b7169203331-01", false],
  ["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false],
  ["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false],
  ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false],
  ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", false],
  ["", false],
])("traceparent %p is read: %p", (header, good) => {
  expect(readTraceparent(header)).toBe(good ? "0af7651916cd43dd8448eb211c80319c" : undefined);
});

test("a traceparent that we write is one that we read", () => {
  const id = makeTraceId();
  const [one, other] = [writeTraceparent(id), writeTraceparent(id)];
  expect([readTraceparent(one), readTraceparent(other)]).toEqual([id, id]);
  expect(one).not.toBe(other);
});

test("levels are chosen for standard error and for what is collected, each by itself", () => {
  const shown: string[] = [];
  const buffer = openLogBuffer();
  const log = openLog({
    level: "warn",
    service: "x",
    collect: { level: "info", buffer },
    write: (line) => shown.push(line),
  });
  for (const level of ["debug", "info", "warn"] as const) log[level](level);
  expect(shown.map((line) => JSON.parse(line).msg)).toEqual(["warn"]);
  expect(buffer.take(10_000).map((line) => JSON.parse(line).msg)).toEqual(["info", "warn"]);
  expect(log.isLevelEnabled("debug")).toBe(false);
  const silent = openLog({ level: "silent", service: "x", write: (line) => shown.push(line) });
  silent.error("x");
  expect(shown).toHaveLength(1);
});

test("a line of any length is one line of at most 16 KiB", () => {
  const line = logged(() => written.info({ text: "ab ".repeat(100_000) }, "x\ny"));
  expect(line.length).toBeLessThan(17_000);
  expect(line.trimEnd().split("\n")).toHaveLength(1);
});

const offerAll = (buffer: LogBuffer, count: number) => {
  for (let index = 0; index < count; index++) buffer.offer(`{"n":${index}}\n`);
};

test("the buffer is bounded: the oldest lines make room, and are counted", () => {
  const buffer = openLogBuffer({ maxLines: 10 });
  offerAll(buffer, 25);
  expect(buffer.dropped()).toBe(15);
  const lines = buffer.take(1_000_000).map((line) => JSON.parse(line));
  expect(lines.map(({ n }) => n)).toEqual([15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  expect(new Set(lines.map(({ id }) => id)).size).toBe(10);
  expect(buffer.take(1_000_000)).toEqual([]);
  const small = openLogBuffer({ maxBytes: 300 });
  offerAll(small, 100);
  const left = small.take(1_000_000);
  expect(left.join("").length).toBeLessThanOrEqual(300);
  expect(left.length + small.dropped()).toBe(100);
});

test("batches are of the size that is asked for, and nothing is lost between them", () => {
  const buffer = openLogBuffer();
  offerAll(buffer, 5_000);
  const seen: number[] = [];
  for (let batch = buffer.take(2_000); batch.length > 0; batch = buffer.take(2_000)) {
    expect(batch.join("").length).toBeLessThanOrEqual(2_000);
    seen.push(...batch.map((line) => JSON.parse(line).n));
  }
  expect(seen).toEqual(Array.from({ length: 5_000 }, (_, index) => index));
});
