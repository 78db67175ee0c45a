import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { insertUser } from "../../db/account.ts";
import { insertMail } from "../../db/mail.ts";
import { findLink } from "../../db/mail-link.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/send-mail.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { type MailServer, startMailServer, tokenOf } from "../mail-server.ts";
import { call, query } from "./arrange.ts";

let deps: Deps;
let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
  deps = await openTestDeps({ SMTP_URL: server.url, MAIL_FROM: "Сундук <noreply@chest.example>" });
});
afterAll(async () => {
  await deps?.close();
  await server?.close();
});
beforeEach(() => {
  server.received.length = 0;
  server.refuse = {};
  server.beforeAnswer = async () => undefined;
});

const base = "https://chest.example";

/** Somebody with an address, proved or not. */
async function arrangeUser({ email, verified = false }: { email: string; verified?: boolean }) {
  const user = { id: Bun.randomUUIDv7(), login: `u-${crypto.randomUUID().slice(0, 8)}` };
  await insertUser(deps.db, { ...user, email, passwordHash: "", roles: [] });
  if (verified) await query(deps, `update account."user" set email_verified_at = now() where id = $1`, [user.id]);
  return user;
}

let addresses = 0;
const newAddress = () => `somebody-${++addresses}-${crypto.randomUUID().slice(0, 8)}@mail.example`;

type Wanted = { kind: string; recipient?: string; locale?: string; params: Record<string, string> };

async function arrangeMail({ kind, recipient = "", locale = "en", params }: Wanted) {
  const mail = { id: Bun.randomUUIDv7(), kind, recipient, locale, params: { base, ...params } };
  await insertMail(deps.db, mail);
  return { mailId: mail.id };
}

async function arrangeVerification(locale = "en") {
  const email = newAddress();
  const user = await arrangeUser({ email });
  return {
    user,
    email,
    ...(await arrangeMail({ kind: "verify", recipient: email, locale, params: { userId: user.id } })),
  };
}

const run = (mailId: string, signal?: AbortSignal) => call(handle, deps, { mailId }, signal ? { signal } : {});
const look = async (mailId: string) =>
  (await query(deps, `select sent_at, dropped, recipient, params from mail.mail where id = $1`, [mailId]))[0];
const codeOf = async (action: Promise<unknown>) =>
  action.then(
    () => "no fault",
    (error) => error.code,
  );

describe("a mail", () => {
  test("with a link is sent in the reader's language, subject and body in Cyrillic letters", async () => {
    const { mailId, email, user } = await arrangeVerification("ru");
    expect(await run(mailId)).toEqual({ state: "sent" });
    const [mail] = server.received;
    if (!mail) throw new Error("no mail came");
    expect(mail).toMatchObject({ to: email, from: "noreply@chest.example", messageId: `<${mailId}@chest.example>` });
    expect(mail.subject).toBe("Подтвердите адрес для chest.example");
    expect(mail.text).toContain(`Здравствуйте, ${user.login}!`);
    expect(mail.raw).toMatch(/^auto-submitted: auto-generated\r$/im);
    const link = await findLink(deps.db, { tokenHash: sha256(tokenOf(mail, "verify")), purpose: "verify" });
    expect(link).toMatchObject({ userId: user.id, email });
    expect((await look(mailId)).sent_at).toBeInstanceOf(Date);
  });

  test("is delivered once when its job runs three times", async () => {
    const { mailId } = await arrangeVerification();
    for (const state of ["sent", "settled", "settled"]) expect(await run(mailId)).toEqual({ state });
    expect(server.received).toHaveLength(1);
  });

  test("is delivered once when its job runs three times at once: the others wait for their turn", async () => {
    const { mailId } = await arrangeVerification();
    const first = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    server.beforeAnswer = () => {
      arrived.resolve();
      return first.promise;
    };
    const running = run(mailId);
    await arrived.promise;
    expect(await Promise.all([codeOf(run(mailId)), codeOf(run(mailId))])).toEqual(["unavailable", "unavailable"]);
    first.resolve();
    expect(await running).toEqual({ state: "sent" });
    expect(await run(mailId)).toEqual({ state: "settled" });
    expect(server.received).toHaveLength(1);
  });

  test("whose run died after the server took it comes again under the same Message-ID, and both links work", async () => {
    const { mailId } = await arrangeVerification();
    await run(mailId);
    await query(
      deps,
      `update mail.mail set sent_at = null, claimed_until = now() - interval '1 second' where id = $1`,
      [mailId],
    );
    expect(await run(mailId)).toEqual({ state: "sent" });
    expect(server.received.map(({ messageId }) => messageId)).toEqual(Array(2).fill(`<${mailId}@chest.example>`));
    for (const mail of server.received)
      expect(await findLink(deps.db, { tokenHash: sha256(tokenOf(mail, "verify")), purpose: "verify" })).toBeDefined();
  });

  test("waits while the server is away, and is sent when it is back", async () => {
    const { mailId } = await arrangeVerification();
    const { port } = server;
    await server.close();
    expect(await codeOf(run(mailId))).toBe("unavailable");
    expect(await look(mailId)).toMatchObject({ sent_at: null, dropped: null });
    server = await startMailServer({ port });
    expect(await run(mailId)).toEqual({ state: "sent" });
    expect(server.received).toHaveLength(1);
  });

  test("waits when the server cannot take it now (4yz), and is given up when it never will (5yz)", async () => {
    const { mailId } = await arrangeVerification();
    server.refuse = { recipient: 451 };
    expect(await codeOf(run(mailId))).toBe("unavailable");
    server.refuse = { data: 421 };
    expect(await codeOf(run(mailId))).toBe("unavailable");
    server.refuse = { recipient: 550 };
    expect(await run(mailId)).toEqual({ state: "dropped", reason: "refused by the mail server: 550" });
    server.refuse = {};
    expect(await run(mailId)).toEqual({ state: "settled" });
    expect(server.received).toEqual([]);
  });

  test("is not given to a server whose certificate nobody vouches for", async () => {
    const { mailId } = await arrangeVerification();
    const stranger = await startMailServer({ secure: true });
    const config = { ...deps.config, SMTP_URL: stranger.url.replace("//", "//user:password@") };
    expect(await codeOf(call(handle, { ...deps, config }, { mailId }))).toBe("unavailable");
    expect(stranger.received).toEqual([]);
    await stranger.close();
    expect(await run(mailId)).toEqual({ state: "sent" });
  });

  test("goes through a server that asks for a password, whatever characters are in it", async () => {
    const { mailId } = await arrangeVerification();
    const through = (user: string, password: string) => {
      const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
      const config = { ...deps.config, SMTP_URL: server.url.replace("//", `//${credentials}@`) };
      return call(handle, { ...deps, config }, { mailId });
    };
    expect(await codeOf(through("chest", "wrong"))).toBe("unavailable"); // the operator may mend it
    expect(await through("chest@mail.example", "p:ä/@s s%20")).toEqual({ state: "sent" });
    expect(server.signIns.at(-1)).toEqual({ user: "chest@mail.example", password: "p:ä/@s s%20" });
  });

  test("is given back when its run is stopped", async () => {
    const { mailId } = await arrangeVerification();
    const stop = new AbortController();
    server.beforeAnswer = async () => stop.abort();
    expect(await codeOf(run(mailId, stop.signal))).toBe("unavailable");
    server.beforeAnswer = async () => undefined;
    expect(await run(mailId)).toEqual({ state: "sent" });
  });

  test("of yesterday is not sent any more", async () => {
    const { mailId } = await arrangeVerification();
    await query(deps, `update mail.mail set created_at = now() - interval '25 hours' where id = $1`, [mailId]);
    expect(await run(mailId)).toEqual({ state: "dropped", reason: "too old" });
  });

  test("stays unsent without SMTP_URL: the operator hands out links", async () => {
    const { mailId } = await arrangeVerification();
    const { SMTP_URL: _url, ...config } = deps.config;
    const kept = await call(handle, { ...deps, config }, { mailId });
    expect(kept).toEqual({ state: "kept", reason: "SMTP_URL is not set" });
    expect(await look(mailId)).toMatchObject({ sent_at: null, dropped: null });
  });

  test("leaves no token that works in any row", async () => {
    const { mailId } = await arrangeVerification();
    await run(mailId);
    const token = tokenOf(server.received[0] ?? expect.unreachable(), "verify");
    const rows = await query(
      deps,
      `select to_jsonb(m)::text as row from mail.mail m union all select to_jsonb(l)::text from account.mail_link l`,
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.filter(({ row }) => row.includes(token))).toEqual([]);
  });
});

describe("to whom", () => {
  test("the owner of a proved address is told when somebody else gives it, and gets no link to prove it", async () => {
    const email = newAddress();
    const owner = await arrangeUser({ email, verified: true });
    const other = await arrangeUser({ email });
    const { mailId } = await arrangeMail({ kind: "verify", recipient: email, params: { userId: other.id } });
    expect(await run(mailId)).toEqual({ state: "sent" });
    const [mail] = server.received;
    expect(mail?.subject).toBe("Somebody tried to use your address at chest.example");
    expect(mail?.text).toContain(`your login is ${owner.login}`);
    expect(mail?.text).not.toContain("#");
    expect(mail?.text).not.toContain(other.login);
  });

  test("a forgotten password is asked for by login or proved address, and nobody else gets a mail", async () => {
    const [proved, unproved] = [newAddress(), newAddress()];
    const known = await arrangeUser({ email: proved, verified: true });
    const unknown = await arrangeUser({ email: unproved });
    const disabled = await arrangeUser({ email: newAddress(), verified: true });
    await query(deps, `update account."user" set disabled_at = now() where id = $1`, [disabled.id]);
    const expected: [name: string, state: string][] = [
      [known.login, "sent"],
      [proved, "sent"],
      [unknown.login, "dropped"],
      [unproved, "dropped"],
      [disabled.login, "dropped"],
      ["nobody-at-all", "dropped"],
    ];
    for (const [name, state] of expected) {
      const { mailId } = await arrangeMail({ kind: "forgot", params: { name } });
      expect([name, (await run(mailId))?.state]).toEqual([name, state]);
    }
    expect(server.received.map(({ to }) => to)).toEqual([proved, proved]);
  });

  test("an address gets at most five mails of a kind in an hour, whoever asks", async () => {
    const email = newAddress();
    await arrangeUser({ email, verified: true });
    const states: unknown[] = [];
    for (let index = 0; index < 7; index++) {
      const { mailId } = await arrangeMail({ kind: "forgot", params: { name: email } });
      states.push((await run(mailId))?.state);
    }
    expect(states).toEqual([...Array(5).fill("sent"), "dropped", "dropped"]);
  });

  test("an address with strange characters is one address", async () => {
    const email = `"a, b@c.example"-${crypto.randomUUID()}@mail.example`;
    const user = await arrangeUser({ email });
    const { mailId } = await arrangeMail({ kind: "verify", recipient: email, params: { userId: user.id } });
    await run(mailId).catch(() => undefined);
    expect(server.received.filter(({ to }) => to.includes("c.example,") || to.includes("b@c.example"))).toEqual([]);
  });
});
