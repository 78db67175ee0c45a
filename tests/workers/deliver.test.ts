import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import ICAL from "ical.js";
import type { Deps } from "../../deps.ts";
import { actors } from "../../queues/index.ts";
import { handle as deliverMail } from "../../workers/deliver-mail.ts";
import { openPod } from "../../workers/pod.ts";
import { openTestDeps, type System, startSystem, waitFor } from "../harness.ts";
import { type MailServer, startMailServer } from "../mail-server.ts";
import { call, query } from "./arrange.ts";
import { arrangeEvent, arrangePerson, arrangeRegistrations, listLog, tellFact } from "./notify-side.ts";

let mails: MailServer;
let deps: Deps;
const base = "https://chest.example";
beforeAll(async () => {
  mails = await startMailServer();
  deps = await openTestDeps({
    SMTP_URL: mails.url,
    MAIL_FROM: "Sunduk <noreply@chest.example>",
    PUBLIC_URL: base,
    RESEND_EVERY_SECONDS: "600",
  });
});
afterAll(async () => {
  await deps?.close();
  await mails?.close();
});
beforeEach(() => {
  mails.received.length = 0;
  mails.refuse = {};
});

/** Somebody with a mail about his seat that is due. */
async function arrangeMail(on: Deps = deps) {
  const owner = await arrangePerson(on);
  const event = await arrangeEvent(on, { ownerId: owner.id });
  const person = await arrangePerson(on);
  const [registrationId = ""] = await arrangeRegistrations(on, event.occurrenceId, [person]);
  const payload = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: person.id };
  await tellFact(on, { kind: "registration.confirmed", payload });
  const [row] = await query(on, `select id from notification.delivery where user_id = $1 and medium = 'mail'`, [
    person.id,
  ]);
  return { person, event, owner, deliveryId: row.id as string };
}
const run = () => call(deliverMail, deps, { scope: "all" });
const mailsTo = (person: { email: string }) => mails.received.filter(({ to }) => to === person.email);
const logOf = async (userId: string) => (await listLog(deps, userId)).find(({ medium }) => medium === "mail");
const look = async (id: string) =>
  (
    await query(deps, `select state, attempts, why, status, claimed_until from notification.delivery where id = $1`, [
      id,
    ])
  )[0];

test("a mail about a seat brings its date for calendars, and takes it out again when it is cancelled", async () => {
  const { person, event } = await arrangeMail();
  await run();
  const [invitation] = mailsTo(person);
  const confirmed = readCalendar(invitation?.raw ?? "");
  expect(confirmed).toMatchObject({ method: "REQUEST", status: "CONFIRMED", uid: event.occurrenceId });
  await query(deps, `update event.event set state = 'cancelled', sequence = sequence + 1 where id = $1`, [event.id]);
  await tellFact(deps, { kind: "event.cancelled", payload: { eventId: event.id } });
  await run();
  const cancelled = readCalendar(mailsTo(person)[1]?.raw ?? "");
  expect(cancelled).toMatchObject({ method: "CANCEL", status: "CANCELLED", uid: event.occurrenceId });
  expect(cancelled.sequence).toBeGreaterThan(confirmed.sequence);
});

/** The calendar among the parts of a mail. */
function readCalendar(raw: string) {
  const encoded = /content-type: text\/calendar.*?content-transfer-encoding: base64\r\n\r\n([\w+/=\r\n]+)/is.exec(
    raw,
  )?.[1];
  const plain = /content-type: text\/calendar.*?\r\n\r\n(BEGIN:VCALENDAR.*?END:VCALENDAR)/is.exec(raw)?.[1];
  const text = plain ?? Buffer.from(encoded ?? "", "base64").toString();
  const calendar = new ICAL.Component(ICAL.parse(text));
  const event = calendar.getFirstSubcomponent("vevent");
  return {
    method: calendar.getFirstPropertyValue("method"),
    status: event?.getFirstPropertyValue("status"),
    uid: event?.getFirstPropertyValue("uid"),
    sequence: Number(event?.getFirstPropertyValue("sequence")),
  };
}

describe("a delivery", () => {
  test("goes out once, however many runs there are at the same time", async () => {
    const arranged: Awaited<ReturnType<typeof arrangeMail>>[] = [];
    for (let count = 0; count < 10; count++) arranged.push(await arrangeMail());
    await Promise.all([run(), run(), run()]);
    for (const { person, deliveryId } of arranged) {
      expect(mailsTo(person).map(({ messageId }) => messageId)).toEqual([`<${deliveryId}@chest.example>`]);
      expect(await look(deliveryId)).toMatchObject({ state: "sent", attempts: 1, claimed_until: null });
    }
    await run();
    expect(mails.received).toHaveLength(10);
  });

  test("that a run has in hand is no other's, until its claim is over", async () => {
    const { person, deliveryId } = await arrangeMail();
    await query(deps, `update notification.delivery set claimed_until = now() + interval '40 seconds' where id = $1`, [
      deliveryId,
    ]);
    await run();
    expect(mailsTo(person)).toEqual([]);
    await query(deps, `update notification.delivery set claimed_until = now() where id = $1`, [deliveryId]);
    await run();
    expect(mailsTo(person)).toHaveLength(1);
  });

  test("that fails for now is tried again later and later, for a day; then it has failed", async () => {
    const { deliveryId } = await arrangeMail();
    mails.refuse = { recipient: 451 };
    const pauses: number[] = [];
    for (let tries = 0; tries < 20; tries++) {
      await run();
      const [row] = await query(
        deps,
        `select state, extract(epoch from due_at - clock_timestamp())::float8 as seconds from notification.delivery where id = $1`,
        [deliveryId],
      );
      if (row.state !== "queued") break;
      pauses.push(Math.round(row.seconds));
      await query(deps, `update notification.delivery set due_at = now() where id = $1`, [deliveryId]);
    }
    expect(await look(deliveryId)).toMatchObject({ state: "failed", why: "the mail server did not take it" });
    expect(pauses.every((pause, index) => pause >= (pauses[index - 1] ?? 0))).toBe(true);
    expect(pauses[0]).toBeLessThanOrEqual(5);
    const hours = pauses.reduce((sum, pause) => sum + pause, 0) / 3600;
    expect([hours > 20, hours < 28]).toEqual([true, true]);
  });

  test("that was due days ago is no news any more", async () => {
    const { person, deliveryId } = await arrangeMail();
    await query(deps, `update notification.delivery set due_at = now() - interval '4 days' where id = $1`, [
      deliveryId,
    ]);
    await run();
    expect(mailsTo(person)).toEqual([]);
    expect(await look(deliveryId)).toMatchObject({ state: "skipped", why: "too late" });
  });

  test("that the mail server refuses for good has failed at once", async () => {
    const { deliveryId } = await arrangeMail();
    mails.refuse = { recipient: 550 };
    await run();
    expect(await look(deliveryId)).toMatchObject({ state: "failed", status: 550, attempts: 1 });
  });

  const reasons: [what: string, change: string, why: string][] = [
    ["was disabled", `update account."user" set disabled_at = now() where id = $1`, "no confirmed address"],
    ["has deleted his account", `update account."user" set deleted_at = now() where id = $1`, "no confirmed address"],
    [
      "has an address that is not confirmed",
      `update account."user" set email_verified_at = null where id = $1`,
      "no confirmed address",
    ],
    ["has no registration any more", `delete from event.registration where user_id = $1`, "not to be told any more"],
    [
      "is registered with somebody who has deleted his account",
      `update account."user" set deleted_at = now() where id = (select e.owner_id from event.event e join event.occurrence o on o.event_id = e.id
        join event.registration r on r.occurrence_id = o.id where r.user_id = $1)`,
      "not to be told any more",
    ],
  ];
  for (const [what, change, why] of reasons)
    test(`is not made to somebody who ${what} since it was decided`, async () => {
      const { person } = await arrangeMail();
      await query(deps, change, [person.id]);
      await run();
      expect(mailsTo(person)).toEqual([]);
      expect(await logOf(person.id)).toMatchObject({ state: "skipped", why });
    });

  test("a digest is one mail, however many runs there are, and leaves out what may not be told any more", async () => {
    const owner = await arrangePerson(deps);
    const person = await arrangePerson(deps);
    await query(deps, `insert into notification.settings (user_id, digest) values ($1, 'weekly')`, [person.id]);
    const registrations: string[] = [];
    for (let count = 0; count < 3; count++) {
      const event = await arrangeEvent(deps, { ownerId: owner.id });
      const [registrationId = ""] = await arrangeRegistrations(deps, event.occurrenceId, [person]);
      registrations.push(registrationId);
      const payload = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: person.id };
      await tellFact(deps, { kind: "registration.confirmed", payload });
    }
    await run();
    expect(mailsTo(person)).toEqual([]);
    await query(deps, `delete from event.registration where id = $1`, [registrations[0]]);
    await query(deps, `update notification.settings set digest_due_at = now() where user_id = $1`, [person.id]);
    await Promise.all([run(), run(), run()]);
    expect(mailsTo(person).map(({ subject }) => subject)).toEqual(["News for you: 2"]);
    const log = (await listLog(deps, person.id)).filter(({ medium }) => medium === "mail");
    expect(log.map(({ state }) => state).sort()).toEqual(["sent", "sent", "skipped"]);
    const [settings] = await query(deps, `select digest_due_at from notification.settings where user_id = $1`, [
      person.id,
    ]);
    expect(settings.digest_due_at).toBeNull();
  });
});

test("what happens is told at once: with ten minutes between their ticks pods go by hints", async () => {
  const owner = await arrangePerson(deps);
  const event = await arrangeEvent(deps, { ownerId: owner.id });
  const person = await arrangePerson(deps);
  const names = ["relay-facts", "notify", "deliver-mail"];
  expect(names.every((name) => actors.some((actor) => actor.name === name))).toBe(true);
  const pod = await openPod(deps, { names, onDeaf: () => undefined });
  try {
    const { registerAll } = await import("../../db/seats.ts");
    const applicants = [{ userId: person.id, registrationId: Bun.randomUUIDv7(), answers: {} }];
    await registerAll(deps.db, { occurrenceId: event.occurrenceId, applicants });
    await waitFor(() => mailsTo(person).length === 1, "the mail");
  } finally {
    await pod.close();
  }
});

describe("a pod that is killed", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ pods: 1, environment: { SMTP_URL: mails.url, MAIL_FROM: "noreply@chest.example" } });
  });
  afterAll(() => system?.stop());

  test("between sending and settling: another one sends it once more, under the same Message-ID, and settles it", async () => {
    const on = { ...deps, db: system.db };
    const { promise: arrived, resolve } = Promise.withResolvers<void>();
    mails.beforeAnswer = async () => {
      mails.beforeAnswer = async () => undefined;
      system.pods[0]?.kill("SIGKILL");
      await system.pods[0]?.exited;
      resolve();
    };
    const { person, deliveryId } = await arrangeMail(on);
    await arrived;
    const state = async () =>
      (await query(on, `select state from notification.delivery where id = $1`, [deliveryId]))[0].state;
    expect(await state()).toBe("queued");
    system.startPod();
    await query(on, `update notification.delivery set claimed_until = now() where id = $1`, [deliveryId]);
    await waitFor(async () => (await state()) === "sent", "the mail to be settled");
    const ids = mailsTo(person).map(({ messageId }) => messageId);
    expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
  });
});
