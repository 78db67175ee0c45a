import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { importJWK, jwtVerify } from "jose";
import { Webhook } from "standardwebhooks";
import { createTestFolder, publishPack, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { type MailServer, startMailServer } from "../mail-server.ts";
import { botToken, makeBrowser, type OutsideServer, startOutsideServer } from "../outside-server.ts";

let system: System;
let mails: MailServer;
let outside: OutsideServer;
let author: TestUser;
let fan: TestUser;
let organizer: TestUser;
let guest: TestUser;
let admin: TestUser;
let logFile: string;
/** What must be nowhere but where it belongs. */
const secrets: Record<string, string> = { bot: botToken, discord: "secret-token-of-discord" };
const base = "https://chest.example";

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  mails = await startMailServer();
  outside = startOutsideServer();
  system = await startSystem({
    pods: 0,
    logFile,
    environment: {
      SMTP_URL: mails.url,
      MAIL_FROM: "Sunduk <noreply@chest.example>",
      OUTBOUND_ALLOW: "127.0.0.1",
      TELEGRAM_BOT_TOKEN: botToken,
      TELEGRAM_URL: outside.url,
      LOG_LEVEL: "debug",
    },
  });
  // What is told names another address than the one that the test calls.
  for (let count = 0; count < 2; count++) system.startPod({ PUBLIC_URL: base });
  [author, fan, organizer, guest, admin] = await Promise.all([
    system.signUp("author"),
    system.signUp("fan"),
    system.signUp("organizer", ["organizer"]),
    system.signUp("guest"),
    system.signUp("admin", ["admin"]),
  ]);
  for (const { login } of [fan, guest, organizer])
    await run(`update account."user" set email = $2, email_verified_at = now() where login = $1`, [
      login,
      addressOf(login),
    ]);
});
afterAll(async () => {
  await system?.stop();
  await mails?.close();
  await outside?.close();
});
beforeEach(() => {
  outside.answers.clear();
});

const addressOf = (login: string) => `${login}@mail.example`;
const run = async (text: string, values: unknown[] = []): Promise<any[]> => {
  const name = `test_${new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 20)}`;
  return (await system.db.query({ name, text, values })).rows;
};
const inbox = async (user: TestUser, query = "") => (await user.call("GET", `/v1/me/notifications${query}`)).json;
const waitForKind = (user: TestUser, kind: string, count = 1): Promise<any[]> =>
  waitFor(async () => {
    const found = (await inbox(user, "?limit=100")).items.filter((item: any) => item.kind === kind);
    return found.length >= count && found;
  }, `${count} of ${kind} for ${user.login}`);
const waitForLog = (user: TestUser, id: string, medium: string, state: string): Promise<any> =>
  waitFor(async () => {
    const { json } = await user.call("GET", `/v1/me/notifications/${id}/deliveries`);
    return json.items.find((item: any) => item.medium === medium && item.state === state);
  }, `${medium} of ${id} to be ${state}`);
const hookLog = async (user: TestUser, id: string) =>
  (await user.call("GET", `/v1/me/webhooks/${id}/deliveries`)).json.items as any[];

let slugs = 0;
/** A public pack of the author's that the fan follows. */
async function followedPack(): Promise<string> {
  const slug = `pack-${++slugs}`;
  await author.call("POST", "/v1/packs", { body: { slug, name: `Pack ${slugs}`, visibility: "public" } });
  expect((await fan.call("PUT", `/v1/me/following/pack/${slug}`)).status).toBe(204);
  return slug;
}
const publish = (slug: string, version = "1.0.0") =>
  publishPack(author, { slug, version, files: { "a.txt": slug + version } });

/** An event of the organizer's with the guest registered. */
async function attendedEvent(more: object = {}) {
  const slug = `event-${++slugs}`;
  const event = {
    slug,
    title: { ru: `Турнир ${slugs}`, en: `Tournament ${slugs}` },
    place: { kind: "online" },
    startsAt: "2126-03-01T19:00",
    endsAt: "2126-03-01T21:00",
    timeZone: "Europe/Moscow",
    ...more,
  };
  const made = await organizer.call("POST", "/v1/events", { body: event });
  expect([made.status, made.text]).toEqual([201, made.text]);
  const registered = await guest.call("POST", `/v1/events/${slug}/registrations`, { body: {} });
  expect(registered.status).toBe(201);
  const change = async (body: object) => {
    const { headers } = await organizer.call("GET", `/v1/events/${slug}`);
    const answer = await organizer.call("PATCH", `/v1/events/${slug}`, {
      body,
      headers: { "if-match": headers.get("etag") ?? "" },
    });
    expect([answer.status, answer.text]).toEqual([200, answer.text]);
  };
  return { slug, title: event.title, change };
}

describe("the inbox", () => {
  test("who follows a pack hears of a version at once, by the stream too; reading it is remembered", async () => {
    const slug = await followedPack();
    const stream = await openStream(fan);
    await stream.waitForEvent("unread");
    await publish(slug);
    const event = await stream.waitForEvent("notification");
    expect(event.data).toMatchObject({
      kind: "version.published",
      reason: "follow",
      path: `/packs/${slug}`,
      readAt: null,
    });
    expect(event.data.title).toBe(`Pack ${slugs} 1.0.0 is out`);
    expect(event.id).toBe(event.data.id);
    const page = await inbox(fan, "?unread=true");
    expect(page.items[0]).toEqual(event.data);
    const read = await fan.call("POST", "/v1/me/notifications/read", { body: { ids: [event.id] } });
    expect(read.json).toEqual({ read: 1, unread: page.unread - 1 });
    await stream.waitForEvent("unread", ({ unread }) => unread === page.unread - 1);
    expect((await inbox(fan, "?unread=true")).items).not.toContainEqual(expect.objectContaining({ id: event.id }));
    expect((await inbox(fan)).items[0].readAt).toBeString();
    // Somebody else's is nothing to the author.
    expect((await author.call("POST", "/v1/me/notifications/read", { body: { ids: [event.id] } })).json.read).toBe(0);
    expect((await author.call("GET", `/v1/me/notifications/${event.id}/deliveries`)).status).toBe(404);
    stream.close();
  });

  test("a stream that was cut goes on after Last-Event-ID, and one person has five at most in a process", async () => {
    const slug = await followedPack();
    await publish(slug);
    const [first] = await waitForKind(fan, "version.published");
    await publish(slug, "1.1.0");
    const stream = await openStream(fan, { "last-event-id": first.id });
    const event = await stream.waitForEvent("notification", (data) => data.title.includes("1.1.0"));
    expect(event.data.id > first.id).toBe(true);
    stream.close();
    const url = `${system.apiUrls[0]}/v1/me/notifications/events`;
    const controllers = Array.from({ length: 7 }, () => new AbortController());
    const statuses: number[] = [];
    for (const { signal } of controllers)
      statuses.push((await fetch(url, { signal, headers: { authorization: `Bearer ${author.token}` } })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
    for (const controller of controllers) controller.abort();
    await waitFor(async () => {
      const controller = new AbortController();
      const { status } = await fetch(url, {
        signal: controller.signal,
        headers: { authorization: `Bearer ${author.token}` },
      });
      controller.abort();
      return status === 200;
    }, "a closed stream to make room");
  });

  test("a stream ends when its session does", async () => {
    const somebody = await system.signUp();
    const stream = await openStream(somebody);
    await stream.waitForEvent("unread");
    expect((await somebody.call("DELETE", "/v1/auth/sessions/current")).status).toBe(200);
    await stream.ended;
    expect((await somebody.call("GET", "/v1/me/notifications/events")).status).toBe(401);
  });

  test("what somebody may not see any more is neither shown nor counted, and is there again when he may", async () => {
    const slug = await followedPack();
    await publish(slug);
    const [item] = await waitFor(async () => {
      const { items } = await inbox(fan);
      return items[0]?.path === `/packs/${slug}` && items;
    });
    const { unread } = await inbox(fan);
    const setVisibility = async (visibility: string) => {
      const { headers } = await author.call("GET", `/v1/packs/${slug}`);
      await author.call("PATCH", `/v1/packs/${slug}`, {
        body: { visibility },
        headers: { "if-match": headers.get("etag") ?? "" },
      });
    };
    await setVisibility("private");
    const hidden = await inbox(fan);
    expect(hidden.items.map(({ id }: any) => id)).not.toContain(item.id);
    expect(hidden.unread).toBe(unread - 1);
    await setVisibility("public");
    expect((await inbox(fan)).items[0].id).toBe(item.id);
  });

  test("pages are whole and stable, and a wrong cursor is told", async () => {
    const all = (await inbox(fan, "?limit=100")).items.map(({ id }: any) => id);
    const found: string[] = [];
    let cursor = "";
    do {
      const page = await inbox(fan, `?limit=2${cursor && `&cursor=${cursor}`}`);
      found.push(...page.items.map(({ id }: any) => id));
      cursor = page.nextCursor ?? "";
    } while (cursor);
    expect(found).toEqual(all);
    expect((await fan.call("GET", "/v1/me/notifications?cursor=nonsense")).status).toBe(400);
  });
});

describe("mail", () => {
  test("a seat is confirmed by mail in the reader's language, with links that unsubscribe in one click, signed out", async () => {
    await guest.call("PATCH", "/v1/me", {
      body: { locale: "ru", timeZone: "Asia/Yekaterinburg" },
      headers: { "if-match": "*" },
    });
    const { title, slug } = await attendedEvent();
    const mail = await mails.waitForMail(addressOf("guest"), /У вас есть место/);
    expect(mail.subject).toBe(`У вас есть место: ${title.ru}`);
    expect(mail.text).toContain(`${base}/events/${slug}`);
    expect(mail.text).toContain("21:00 (Asia/Yekaterinburg)");
    const header = /^List-Unsubscribe: ?<([^>]+)>/im.exec(mail.raw.replace(/\r\n[ \t]+/g, ""))?.[1] ?? "";
    expect(header).toStartWith(`${base}/v1/notifications/unsubscribe/`);
    expect(mail.raw).toMatch(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click/im);
    const [kept] = await waitForKind(guest, "registration.confirmed");
    const log = await waitForLog(guest, kept.id, "mail", "sent");
    expect(mail.messageId).toBe(`<${log.id}@chest.example>`);

    const link = system.url + header.slice(base.length);
    secrets.unsubscribe = header.slice(-43);
    const seen = await fetch(link);
    expect([seen.status, await seen.text()]).toEqual([200, expect.stringContaining("One-Click")]);
    const isOn = async () =>
      (await guest.call("GET", "/v1/me/notification-preferences")).json.kinds["registration.confirmed"].mail;
    expect(await isOn()).toBe(true); // looking changes nothing
    const wrong = `${link.slice(0, -4)}AAAA`;
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const click = (to: string) => fetch(to, { method: "POST", headers, body: "List-Unsubscribe=One-Click" });
    expect([(await click(wrong)).status, await isOn()]).toEqual([404, true]);
    expect([(await click(link)).status, await isOn()]).toEqual([200, false]);
    expect((await click(link)).status).toBe(200);

    const other = await attendedEvent();
    await waitForKind(guest, "registration.confirmed", 2);
    const [{ id }] = (await inbox(guest)).items;
    expect((await waitForLog(guest, id, "mail", "skipped")).why).toBe("preference");
    expect(mails.received.filter(({ subject }) => subject.includes(other.title.ru))).toEqual([]);
    await guest.call("PATCH", "/v1/me/notification-preferences", {
      body: { kinds: { "registration.confirmed": { mail: true } } },
    });
    expect(await isOn()).toBe(true);
  });

  test("two changes at once are one mail; a cancellation is told although the event is muted, and cannot be switched off", async () => {
    const { slug, title, change } = await attendedEvent();
    await mails.waitForMail(addressOf("guest"), new RegExp(title.ru));
    await change({ startsAt: "2126-03-02T19:00", endsAt: "2126-03-02T21:00" });
    await change({ place: { kind: "server", address: "play.example.org" } });
    await change({ tags: ["nobody-hears-of-this"] });
    await waitFor(async () => {
      const [item] = (await inbox(guest)).items;
      return item.kind === "event.changed" && item.fields.includes("place") && item.fields.includes("startsAt");
    }, "both changes to be told as one");
    await run(`update notification.delivery set due_at = now() where state = 'queued' and due_at > now()`);
    const mail = await mails.waitForMail(addressOf("guest"), new RegExp(`Изменено: ${title.ru}`));
    for (const field of ["начало", "конец", "место"]) expect(mail.text).toContain(field);
    expect(mail.text).not.toContain("другое");
    expect(
      (await inbox(guest)).items.filter(
        (item: any) => item.kind === "event.changed" && item.path === `/events/${slug}`,
      ),
    ).toHaveLength(1);

    expect((await guest.call("PUT", `/v1/me/muted-events/${slug}`)).status).toBe(204);
    expect((await guest.call("PUT", `/v1/me/muted-events/${slug}`)).status).toBe(204);
    expect((await guest.call("GET", "/v1/me/notification-preferences")).json.mutedEvents).toContain(slug);
    const refused = await guest.call("PATCH", "/v1/me/notification-preferences", {
      body: { kinds: { "event.cancelled": { mail: false } } },
    });
    expect(refused.status).toBe(422);
    await change({ place: { kind: "online" } });
    const cancelled = await organizer.call("POST", `/v1/events/${slug}/cancel`, { body: { reason: "Сервер сгорел" } });
    expect(cancelled.status).toBeLessThan(300);
    const last = await mails.waitForMail(addressOf("guest"), new RegExp(`Отменено: ${title.ru}`));
    expect(last.text).toContain("Сервер сгорел");
    expect(last.raw).not.toMatch(/^List-Unsubscribe/im);
    expect(
      mails.received.filter(
        ({ to, subject }) => to === addressOf("guest") && subject.includes(`Изменено: ${title.ru}`),
      ),
    ).toHaveLength(1);
  });

  test("a digest gathers mails until it is due, and is one mail", async () => {
    await guest.call("PATCH", "/v1/me/notification-preferences", { body: { digest: "daily" } });
    const events = [await attendedEvent(), await attendedEvent()];
    await waitFor(async () => {
      const { items } = await inbox(guest);
      return events.every(({ slug }) => items.some((item: any) => item.path === `/events/${slug}`));
    });
    const [newest] = (await inbox(guest)).items;
    expect(await waitForLog(guest, newest.id, "mail", "queued")).toMatchObject({ digest: true });
    await run(`update notification.settings set digest_due_at = now() where digest_due_at is not null`);
    const mail = await mails.waitForMail(addressOf("guest"), /Новое для вас: 2/);
    for (const { title } of events) expect(mail.text).toContain(title.ru);
    await waitForLog(guest, newest.id, "mail", "sent");
    await guest.call("PATCH", "/v1/me/notification-preferences", { body: { digest: "off" } });
  });

  test("preferences: what is given is changed, what makes no sense is told", async () => {
    const patch = (body: object) => fan.call("PATCH", "/v1/me/notification-preferences", { body });
    const changed = await patch({
      quietHours: { from: "23:00", to: "07:30" },
      kinds: { "version.published": { mail: true, push: false } },
    });
    expect(changed.json).toMatchObject({
      quietHours: { from: "23:00", to: "07:30" },
      digest: "off",
      media: { mail: true, telegram: false, push: false },
    });
    expect(changed.json.kinds["version.published"]).toEqual({
      critical: false,
      inbox: true,
      mail: true,
      telegram: true,
      push: false,
    });
    expect(
      (await patch({ quietHours: null, kinds: { "version.published": { mail: false, push: true } } })).json.quietHours,
    ).toBeNull();
    for (const wrong of [
      {},
      { digest: "hourly" },
      { quietHours: { from: "25:00", to: "07:00" } },
      { quietHours: { from: "23:00" } },
      { kinds: { "no.such": { mail: true } } },
      { kinds: { "version.published": {} } },
      { kinds: { "version.published": { fax: true } } },
    ])
      expect([(await patch(wrong)).status, wrong]).toEqual([422, wrong]);
    expect((await fan.call("PUT", "/v1/me/muted-events/no-such-event")).status).toBe(404);
  });
});

describe("webhooks", () => {
  const makeHook = async (path: string, more: object = {}, owner = fan, at = "/v1/me/webhooks") => {
    const body = { name: path, url: outside.url + path, kinds: ["version.published"], ...more };
    const made = await owner.call("POST", at, { body });
    expect([made.status, made.text]).toEqual([201, made.text]);
    return made.json as { id: string; secret: string };
  };

  test("a webhook is posted signed, with ids only; its secret is shown once and kept sealed", async () => {
    const { id, secret } = await makeHook("/hook/signed");
    secrets.webhook = secret.slice("whsec_".length);
    const slug = await followedPack();
    await publish(slug);
    const [request] = await outside.waitFor("/hook/signed");
    const headers = Object.fromEntries(request?.headers.entries() ?? []);
    const message = new Webhook(secret).verify(request?.body.toString() ?? "", headers) as any;
    expect(Object.keys(message).sort()).toEqual(["data", "timestamp", "type"]);
    expect([message.type, Object.keys(message.data).sort()]).toEqual(["version.published", ["packId", "versionId"]]);
    expect(() => new Webhook(secret).verify(`${request?.body} `, headers)).toThrow();
    const [log] = await waitFor(async () => {
      const items = await hookLog(fan, id);
      return items[0]?.state === "sent" && items;
    });
    expect([log.id, log.status]).toEqual([headers["webhook-id"], 200]);
    const shown = await fan.call("GET", `/v1/me/webhooks/${id}`);
    expect([shown.json.url, "secret" in shown.json]).toEqual([`${outside.url}/hook/signed`, false]);
    const [row] = await run(`select address, secret from notification.webhook where id = $1`, [id]);
    expect(JSON.stringify(row)).not.toContain("127.0.0.1");
    expect(JSON.stringify(row)).not.toContain(secret.slice(6));

    const replayed = await fan.call("POST", `/v1/me/webhooks/${id}/deliveries/${log.id}/replay`);
    expect(replayed.status).toBe(202);
    const twice = await outside.waitFor("/hook/signed", 2);
    expect(twice.map((came) => came.headers.get("webhook-id"))).toEqual([log.id, log.id]);

    const renewed = await fan.call("POST", `/v1/me/webhooks/${id}/secret`);
    expect((await fan.call("POST", `/v1/me/webhooks/${id}/test`)).status).toBe(202);
    const last = (await outside.waitFor("/hook/signed", 3))[2];
    const lastHeaders = Object.fromEntries(last?.headers.entries() ?? []);
    expect(() => new Webhook(secret).verify(last?.body.toString() ?? "", lastHeaders)).toThrow();
    expect(new Webhook(renewed.json.secret).verify(last?.body.toString() ?? "", lastHeaders)).toMatchObject({
      type: "test",
      data: {},
    });
    for (const other of [author, guest]) {
      for (const path of ["", "/deliveries"])
        expect((await other.call("GET", `/v1/me/webhooks/${id}${path}`)).status).toBe(404);
      expect((await other.call("POST", `/v1/me/webhooks/${id}/test`)).status).toBe(404);
      expect((await other.call("DELETE", `/v1/me/webhooks/${id}`)).status).toBe(404);
    }
    expect((await fan.call("DELETE", `/v1/me/webhooks/${id}`)).status).toBe(204);
  });

  test("a receiver that fails is asked again later, under the same id; one that is gone disables its webhook", async () => {
    const { id } = await makeHook("/hook/fails");
    outside.answers.set("/hook/fails", 500);
    await fan.call("POST", `/v1/me/webhooks/${id}/test`);
    const waiting = await waitFor(async () =>
      (await hookLog(fan, id)).find(({ attempts, status }) => attempts === 1 && status === 500),
    );
    expect(waiting).toMatchObject({ state: "queued", why: "the receiver did not take it" });
    expect(Date.parse(waiting.dueAt)).toBeGreaterThan(Date.now());
    outside.answers.set("/hook/fails", 410);
    await run(`update notification.delivery set due_at = now() where id = $1`, [waiting.id]);
    await waitFor(async () => (await hookLog(fan, id)).find(({ state }) => state === "failed"));
    const shown = await fan.call("GET", `/v1/me/webhooks/${id}`);
    expect(shown.json).toMatchObject({ enabled: false, disabledReason: "gone" });
    expect(new Set((await outside.waitFor("/hook/fails", 2)).map((came) => came.headers.get("webhook-id")))).toEqual(
      new Set([waiting.id]),
    );
    expect((await fan.call("POST", `/v1/me/webhooks/${id}/test`)).status).toBe(409);
    const enabled = await fan.call("PATCH", `/v1/me/webhooks/${id}`, {
      body: { enabled: true, name: "again" },
      headers: { "if-match": shown.headers.get("etag") ?? "" },
    });
    expect(enabled.json).toMatchObject({ enabled: true, name: "again", disabledReason: null });
    const stale = await fan.call("PATCH", `/v1/me/webhooks/${id}`, {
      body: { name: "x" },
      headers: { "if-match": shown.headers.get("etag") ?? "" },
    });
    expect(stale.status).toBe(412);
    await fan.call("DELETE", `/v1/me/webhooks/${id}`);
  });

  test("S: addresses inside are refused, when the webhook is made or when it is posted to", async () => {
    for (const url of ["ftp://example.org/", "http://user@example.org/", "https://example.org:99999/"])
      expect([
        (await fan.call("POST", "/v1/me/webhooks", { body: { name: "x", url, kinds: ["version.published"] } })).status,
        url,
      ]).toEqual([422, url]);
    for (const url of ["http://169.254.169.254/latest", "http://[::1]:1/", "http://10.0.0.1/"]) {
      const made = await fan.call("POST", "/v1/me/webhooks", {
        body: { name: "x", url, kinds: ["version.published"] },
      });
      if (made.status === 422) continue;
      await fan.call("POST", `/v1/me/webhooks/${made.json.id}/test`);
      const log = await waitFor(async () => (await hookLog(fan, made.json.id)).find(({ state }) => state === "failed"));
      expect(log.why).toBe("the address may not be reached from here");
      await fan.call("DELETE", `/v1/me/webhooks/${made.json.id}`);
    }
  });

  test("an organization's webhooks are told of its own; its managers look after them, its members and others do not", async () => {
    await organizer.call("POST", "/v1/organizations", { body: { slug: "guild", name: "Guild" } });
    const at = "/v1/organizations/guild/webhooks";
    const hook = await makeHook("/hook/guild", { kinds: ["event.published", "event.changed"] }, organizer, at);
    const discord = await makeHook(
      "/api/webhooks/1/secret-token-of-discord",
      { name: "channel", format: "discord", locale: "ru", kinds: ["event.published"] },
      organizer,
      at,
    );
    expect(discord.secret).toBeNull();
    const body = { name: "x", url: outside.url, kinds: ["event.published"] };
    expect((await guest.call("POST", at, { body })).status).toBe(403);
    expect((await guest.call("GET", at)).status).toBe(403);
    expect((await organizer.call("GET", at)).json.items.map(({ url }: any) => url)).toEqual([
      `${outside.url}/hook/guild`,
      `${outside.url}/…`,
    ]);
    await attendedEvent({ organization: "guild", title: { ru: "Осада", en: "Siege" } });
    await attendedEvent();
    const [request, ...more] = await outside.waitFor("/hook/guild");
    expect([request?.json.type, more]).toEqual(["event.published", []]);
    new Webhook(hook.secret).verify(
      request?.body.toString() ?? "",
      Object.fromEntries(request?.headers.entries() ?? []),
    );
    const [message] = await outside.waitFor("/api/webhooks/1/secret-token-of-discord");
    expect(message?.json).toMatchObject({
      allowed_mentions: { parse: [] },
      embeds: [{ title: "Новое событие: Осада" }],
    });
    expect(message?.headers.get("webhook-signature")).toBeNull();
  });
});

test("a pack's webhooks are told of its versions, whoever publishes them; its maintainers look after them", async () => {
  const slug = await followedPack();
  const at = `/v1/packs/${slug}/webhooks`;
  const kinds = ["version.published", "version.yanked", "version.withdrawn", "version.broken"];
  const body = { name: "channel", url: `${outside.url}/hook/pack`, kinds };
  expect((await fan.call("GET", at)).status).toBe(403);
  const made = await author.call("POST", at, { body });
  expect([made.status, made.json.secret]).toEqual([201, expect.stringMatching(/^whsec_/)]);
  expect((await author.call("POST", at, { body: { ...body, kinds: ["event.published"] } })).status).toBe(422);
  await publish(slug);
  expect((await author.call("POST", `/v1/packs/${slug}/versions/1.0.0/yank`)).status).toBe(200);
  const withdrawal = { reason: "a test" };
  expect((await author.call("POST", `/v1/packs/${slug}/versions/1.0.0/withdraw`, { body: withdrawal })).status).toBe(
    204,
  );
  const came = await outside.waitFor("/hook/pack", 3);
  expect(came.map(({ json }) => json.type).toSorted()).toEqual([
    "version.published",
    "version.withdrawn",
    "version.yanked",
  ]);
  for (const { body, headers } of came)
    new Webhook(made.json.secret).verify(body.toString(), Object.fromEntries(headers));
  const shown = await author.call("GET", `${at}/${made.json.id}/deliveries`);
  expect(shown.json.items.length).toBe(3);
  expect((await fan.call("GET", `${at}/${made.json.id}`)).status).toBe(403);
  expect((await author.call("POST", `${at}/${made.json.id}/test`)).status).toBe(202);
  await outside.waitFor("/hook/pack", 4);
  const more = await Promise.all(Array.from({ length: 30 }, () => author.call("POST", at, { body })));
  expect(more.filter(({ status }) => status === 201).length).toBe(19);
});

describe("Telegram and browsers", () => {
  test("a chat is linked by a word that is good once; then it is written to, until the bot is stopped", async () => {
    expect((await fan.call("GET", "/v1/me/telegram")).json).toEqual({ available: true, linkedAt: null });
    const begun = await fan.call("POST", "/v1/me/telegram");
    secrets.telegram = begun.json.code;
    expect(begun.json.link).toBe(`https://t.me/chest_bot?start=${begun.json.code}`);
    let update = 100;
    const say = (text: string, chat = 77) =>
      outside.updates.push({
        update_id: ++update,
        message: { text, chat: { id: chat, type: "private" }, from: { language_code: "ru" } },
      });
    say("/start wrong-word-of-somebody");
    say(`/start ${begun.json.code}`);
    say(`/start ${begun.json.code}`, 78);
    await waitFor(async () => (await fan.call("GET", "/v1/me/telegram")).json.linkedAt);
    const replies = await outside.waitFor(`/bot${botToken}/sendMessage`, 3);
    expect(replies.map(({ json }) => [json.chat_id, /Готово/.test(json.text)])).toEqual([
      [77, false],
      [77, true],
      [78, false],
    ]);
    const [row] = await run(`select code_hash from notification.telegram_chat`);
    expect(row.code_hash).toBeNull();

    const slug = await followedPack();
    await publish(slug);
    const sent = await waitFor(() =>
      outside.came.find(
        ({ path, json }) => path.endsWith("/sendMessage") && json.text.includes(`${base}/packs/${slug}`),
      ),
    );
    expect([sent.json.chat_id, sent.json.parse_mode]).toEqual([77, undefined]);
    outside.answers.set(`/bot${botToken}/sendMessage`, 403);
    await publish(slug, "2.0.0");
    const [item] = await waitFor(async () => {
      const { items } = await inbox(fan);
      return items[0]?.title.includes("2.0.0") && items;
    });
    expect((await waitForLog(fan, item.id, "telegram", "failed")).why).toBe("the bot was stopped");
    expect((await fan.call("GET", "/v1/me/telegram")).json.linkedAt).toBeNull();
  });

  test("a browser is told in words that only it can read, by a server that proves who it is; a dead one is forgotten", async () => {
    const browser = makeBrowser(`${outside.url}/push/one`);
    secrets.browser = browser.subscription.keys.auth;
    const { publicKey } = (await fan.call("GET", "/v1/me/push-subscriptions")).json;
    const body = { ...browser.subscription, expirationTime: null, device: "Firefox" };
    const made = await fan.call("POST", "/v1/me/push-subscriptions", { body });
    expect((await fan.call("POST", "/v1/me/push-subscriptions", { body })).json.id).toBe(made.json.id);
    const slug = await followedPack();
    await publish(slug);
    const [request] = await outside.waitFor("/push/one");
    expect(request?.headers.get("content-encoding")).toBe("aes128gcm");
    expect(request?.body.toString("latin1")).not.toContain(slug);
    expect(browser.read(request?.body ?? Buffer.alloc(0))).toMatchObject({
      kind: "version.published",
      path: `/packs/${slug}`,
    });
    const [, token = "", key = ""] =
      /^vapid t=([^,]+), ?k=(.+)$/.exec(request?.headers.get("authorization") ?? "") ?? [];
    expect(key).toBe(publicKey);
    const point = Buffer.from(key, "base64url");
    const jwk = {
      kty: "EC",
      crv: "P-256",
      x: point.subarray(1, 33).toString("base64url"),
      y: point.subarray(33).toString("base64url"),
    };
    const { payload } = await jwtVerify(token, await importJWK(jwk, "ES256"), { audience: outside.url });
    expect(payload.sub).toBe("mailto:noreply@chest.example");
    outside.answers.set("/push/one", 410);
    await publish(slug, "2.0.0");
    await waitFor(async () => (await fan.call("GET", "/v1/me/push-subscriptions")).json.items.length === 0);
    expect((await author.call("DELETE", `/v1/me/push-subscriptions/${made.json.id}`)).status).toBe(404);
  });
});

test("another password is told at once", async () => {
  const body = { current: "a long test password", password: "another long test password" };
  expect((await fan.call("PUT", "/v1/me/password", { body })).status).toBeLessThan(300);
  const [item] = await waitForKind(fan, "account.sign-in-changed");
  expect(item).toMatchObject({ critical: true, reason: "self" });
});

test("operators see how deliveries went, and not what they said", async () => {
  const page = await admin.call("GET", "/v1/ops/deliveries?medium=mail&state=sent&limit=5");
  expect(page.json.items.length).toBe(5);
  expect(page.json.items.every(({ medium, state, login }: any) => medium === "mail" && state === "sent" && login)).toBe(
    true,
  );
  expect(page.text).not.toContain("Турнир");
  expect((await fan.call("GET", "/v1/ops/deliveries")).status).toBe(403);
  expect((await admin.call("GET", "/v1/ops/deliveries?medium=pigeon")).status).toBe(400);
});

test("no secret of a webhook, bot, chat, browser or link is in a log, job, fact, queue or row", async () => {
  expect(Object.keys(secrets).sort()).toEqual(["bot", "browser", "discord", "telegram", "unsubscribe", "webhook"]);
  const tables = await run(
    `select quote_ident(schemaname) || '.' || quote_ident(tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
  );
  expect(tables.length).toBeGreaterThan(50);
  const places: Record<string, string> = { log: await Bun.file(logFile).text() };
  expect(places.log).toContain("deliver-webhook");
  for (const { name } of tables)
    places[name] = (await run(`select coalesce(string_agg(x::text, ' '), '') as rows from ${name} x`))[0].rows;
  if (system.environment.REDIS_URL) {
    const redis = new Bun.RedisClient(system.environment.REDIS_URL);
    const keys = await redis.keys("*");
    const values = await Promise.all(keys.map((key) => redis.dump(key).catch(() => "")));
    places.redis = Buffer.from(values.map(String).join(" ")).toString("latin1");
    redis.close();
  }
  const found = Object.entries(places).flatMap(([place, text]) =>
    Object.entries(secrets).flatMap(([name, secret]) => (text.includes(secret) ? [`${name} in ${place}`] : [])),
  );
  expect(found).toEqual([]);
});

type ServerEvent = { id: string; event: string; data: any };

/** Reads an event stream; events that were waited for are taken out. */
async function openStream(user: TestUser, headers: Record<string, string> = {}) {
  const controller = new AbortController();
  const response = await fetch(`${system.url}/v1/me/notifications/events`, {
    headers: { authorization: `Bearer ${user.token}`, ...headers },
    signal: controller.signal,
  });
  expect(response.status).toBe(200);
  const events: ServerEvent[] = [];
  const read = async () => {
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      const parts = text.split("\n\n");
      text = parts.pop() ?? "";
      for (const part of parts) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(part)?.[1] ?? "";
        if (field("event")) events.push({ id: field("id"), event: field("event"), data: JSON.parse(field("data")) });
      }
    }
  };
  const ended = read().catch(() => undefined);
  const waitForEvent = (name: string, is: (data: any) => boolean = () => true): Promise<ServerEvent> =>
    waitFor(() => {
      const at = events.findIndex(({ event, data }) => event === name && is(data));
      return at < 0 ? undefined : events.splice(0, at + 1)[at];
    }, `an event ${name}`);
  return { waitForEvent, ended, close: () => controller.abort() };
}
