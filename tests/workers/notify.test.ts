import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { userReferences } from "../../db/erase.ts";
import { eraseNotifications } from "../../db/erase-notifications.ts";
import type { Deps } from "../../deps.ts";
import { chosenKinds, kinds, media } from "../../notification-kinds.ts";
import { texts } from "../../notification-texts.ts";
import { openTestDeps } from "../harness.ts";
import { arrangeVersion, query } from "./arrange.ts";
import {
  arrangeEvent,
  arrangeOrganization,
  arrangePerson,
  arrangeRegistrations,
  listLog,
  listShown,
  tellFact,
} from "./notify-side.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const follow = (userId: string, column: string, id: string) =>
  query(deps, `insert into community.follow (id, user_id, ${column}) values ($1, $2, $3)`, [
    Bun.randomUUIDv7(),
    userId,
    id,
  ]);
const states = async (userId: string) =>
  Object.fromEntries((await listLog(deps, userId)).map(({ medium, state, why }) => [medium, why ?? state]));

describe("kinds", () => {
  const words = {
    pack: "PACK",
    version: "1.0",
    event: "EVENT",
    when: "WHEN",
    organization: "ORG",
    person: "PERSON",
    fields: ["startsAt", "somethingNew"],
    note: "NOTE",
    until: "UNTIL",
  };
  test("each kind has a title and a text in both languages, which are not the same", () => {
    for (const name of Object.keys(kinds) as (keyof typeof kinds)[]) {
      const [ru, en] = [texts.ru[name](words), texts.en[name](words)];
      for (const { title, body } of [ru, en]) expect([name, title !== "", body !== ""]).toEqual([name, true, true]);
      expect(ru).not.toEqual(en);
      expect(`${ru.title}${ru.body}`).toMatch(/[а-я]/);
      expect(`${en.title}${en.body}`).not.toMatch(/[а-яА-Я]/);
      expect(`${ru.title}${ru.body}`).not.toMatch(/undefined|null/);
    }
  });
  test("critical are only the cancellation of what somebody is registered for, and changes of how he signs in, besides a test", () => {
    expect(
      Object.entries(kinds)
        .filter(([, { critical }]) => critical)
        .map(([name]) => name),
    ).toEqual(["event.cancelled", "account.sign-in-changed", "test"]);
    expect(chosenKinds).not.toContain("test" as never);
  });
});

describe("who is told", () => {
  test("a new version: who follows the pack, its organization or its author; not the author, nor who may not see it", async () => {
    const { packId, versionId, userId } = await arrangeVersion(deps, { files: [], published: true });
    const [fan, reader, gone, off, stranger] = await Promise.all(Array.from({ length: 5 }, () => arrangePerson(deps)));
    for (const person of [fan, gone, off]) await follow(person?.id ?? "", "pack_id", packId);
    await follow(reader?.id ?? "", "organizer_id", userId);
    await follow(userId, "pack_id", packId);
    await query(deps, `update account."user" set deleted_at = now() where id = $1`, [gone?.id]);
    await query(deps, `update account."user" set disabled_at = now() where id = $1`, [off?.id]);
    const { told, factId } = await tellFact(deps, { kind: "version.published", payload: { packId, versionId } });
    expect(told).toBe(0); // a private pack: neither may read it
    await query(deps, `update pack.pack set visibility = 'public' where id = $1`, [packId]);
    const again = await tellFact(deps, { kind: "version.published", payload: { packId, versionId } });
    expect(again.told).toBe(2);
    expect(again.factId).not.toBe(factId);
    for (const person of [fan, reader]) expect(await listShown(deps, person?.id ?? "")).toHaveLength(1);
    for (const person of [gone, off, stranger]) expect(await listLog(deps, person?.id ?? "")).toEqual([]);
    expect(await listLog(deps, userId)).toEqual([]);
  });

  test("an unlisted pack is told to its own followers, and to nobody who follows its author", async () => {
    const { packId, versionId, userId } = await arrangeVersion(deps, { files: [], published: true });
    await query(deps, `update pack.pack set visibility = 'unlisted' where id = $1`, [packId]);
    const [fan, wide] = [await arrangePerson(deps), await arrangePerson(deps)];
    await follow(fan.id, "pack_id", packId);
    await follow(wide.id, "organizer_id", userId);
    expect((await tellFact(deps, { kind: "version.published", payload: { packId, versionId } })).told).toBe(1);
    expect(await listShown(deps, wide.id)).toEqual([]);
  });

  test("a version that was yanked before anybody was told is told to nobody", async () => {
    const { packId, versionId } = await arrangeVersion(deps, { files: [], published: true });
    const fan = await arrangePerson(deps);
    await follow(fan.id, "pack_id", packId);
    await query(deps, `update pack.pack set visibility = 'public' where id = $1`, [packId]);
    await query(deps, `update pack.version set yanked_at = now() where id = $1`, [versionId]);
    expect((await tellFact(deps, { kind: "version.published", payload: { packId, versionId } })).told).toBe(0);
    expect((await tellFact(deps, { kind: "version.yanked", payload: { packId, versionId } })).told).toBe(1);
  });

  test("an event for members: those of its organization who follow it, and no other follower", async () => {
    const owner = await arrangePerson(deps);
    const organization = await arrangeOrganization(deps, owner.id);
    const [member, stranger] = [await arrangePerson(deps), await arrangePerson(deps)];
    await query(deps, `insert into organization.member (organization_id, user_id, role) values ($1, $2, 'member')`, [
      organization.id,
      member.id,
    ]);
    for (const { id } of [member, stranger]) await follow(id, "organization_id", organization.id);
    const event = await arrangeEvent(deps, {
      ownerId: owner.id,
      organizationId: organization.id,
      visibility: "members",
    });
    expect((await tellFact(deps, { kind: "event.published", payload: { eventId: event.id } })).told).toBe(1);
    expect(await listShown(deps, member.id)).toMatchObject([{ kind: "event.published", reason: "follow" }]);
  });

  test("a change of an event: who is registered, once for all his occurrences; not who has cancelled", async () => {
    const owner = await arrangePerson(deps);
    const event = await arrangeEvent(deps, { ownerId: owner.id });
    const [one, other] = [await arrangePerson(deps), await arrangePerson(deps)];
    const [, cancelled] = await arrangeRegistrations(deps, event.occurrenceId, [one, other]);
    await query(deps, `update event.registration set state = 'cancelled' where id = $1`, [cancelled]);
    const second = Bun.randomUUIDv7();
    await query(
      deps,
      `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at) select $1, id, starts_at + interval '7 days', starts_at + interval '7 days', ends_at + interval '7 days' from event.event where id = $2`,
      [second, event.id],
    );
    await arrangeRegistrations(deps, second, [one]);
    const payload = { eventId: event.id, fields: ["startsAt"] };
    expect((await tellFact(deps, { kind: "event.changed", payload })).told).toBe(1);
    expect(await listShown(deps, one.id)).toMatchObject([{ kind: "event.changed", fields: ["startsAt"] }]);
  });

  test("a registration: the person; the organizer where he decides; nobody of what a person ended himself", async () => {
    const owner = await arrangePerson(deps);
    const event = await arrangeEvent(deps, { ownerId: owner.id, approval: "hand" });
    const guest = await arrangePerson(deps);
    const [registrationId = ""] = await arrangeRegistrations(deps, event.occurrenceId, [guest]);
    const payload = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: guest.id };
    await tellFact(deps, { kind: "registration.requested", payload });
    expect(await listShown(deps, guest.id)).toMatchObject([{ kind: "registration.requested" }]);
    expect(await listShown(deps, owner.id)).toMatchObject([{ kind: "registration.to-approve", reason: "organizer" }]);
    await query(
      deps,
      `insert into event.registration_change (registration_id, from_state, to_state, reason, actor_id) values ($1, 'pending', 'cancelled', 'by-person', $2)`,
      [registrationId, guest.id],
    );
    expect((await tellFact(deps, { kind: "registration.cancelled", payload })).told).toBe(0);
  });

  test("a report: the admins; its answer: who filed it", async () => {
    const [admin, reporter] = [await arrangePerson(deps, { roles: ["admin"] }), await arrangePerson(deps)];
    const reportId = Bun.randomUUIDv7();
    await query(
      deps,
      `insert into community.report (id, reporter_id, subject_kind, subject_id, subject, reason, answer, state) values ($1, $2, 'pack', $1, 'a-pack', 'spam', 'Gone.', 'resolved')`,
      [reportId, reporter.id],
    );
    await tellFact(deps, { kind: "report.filed", payload: { reportId } });
    await tellFact(deps, { kind: "report.answered", payload: { reportId } });
    expect((await listShown(deps, admin.id)).map(({ kind }) => kind)).toEqual(["report.filed"]);
    expect((await listShown(deps, reporter.id)).map(({ kind }) => kind)).toEqual(["report.answered"]);
  });

  test("1,200 followers are told in pages, each once, also when three runs tell the same fact", async () => {
    const { packId, versionId } = await arrangeVersion(deps, { files: [], published: true });
    await query(deps, `update pack.pack set visibility = 'public' where id = $1`, [packId]);
    await query(
      deps,
      `with people as (insert into account."user" (id, login, password_hash) select gen_random_uuid(), 'crowd-' || n, '' from generate_series(1, 1200) n returning id)
        insert into community.follow (id, user_id, pack_id) select gen_random_uuid(), id, $1 from people`,
      [packId],
    );
    const { factId } = await tellFact(deps, { kind: "version.published", payload: { packId, versionId } });
    const { handle } = await import("../../workers/notify.ts");
    const { call } = await import("./arrange.ts");
    await Promise.all(Array.from({ length: 3 }, () => call(handle, deps, { factId })));
    const [row] = await query(
      deps,
      `select count(*)::int as all, count(distinct user_id)::int as people from notification.notification where fact_id = $1`,
      [factId],
    );
    expect(row).toEqual({ all: 1200, people: 1200 });
  });
});

describe("how somebody is told", () => {
  /** Somebody with a registration, a chat and a browser, and the fact of a change of its event. */
  async function arrange(options: Parameters<typeof arrangePerson>[1] = {}) {
    const owner = await arrangePerson(deps);
    const event = await arrangeEvent(deps, { ownerId: owner.id });
    const person = await arrangePerson(deps, options);
    const [registrationId = ""] = await arrangeRegistrations(deps, event.occurrenceId, [person]);
    await query(deps, `insert into notification.telegram_chat (user_id, chat_id, linked_at) values ($1, 42, now())`, [
      person.id,
    ]);
    await query(
      deps,
      `insert into notification.push_subscription (id, user_id, address_hash, sealed, device) values ($1, $2, 'x', 'x', '')`,
      [Bun.randomUUIDv7(), person.id],
    );
    const registration = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: person.id };
    const confirm = () => tellFact(deps, { kind: "registration.confirmed", payload: registration });
    const change = (...fields: string[]) =>
      tellFact(deps, { kind: "event.changed", payload: { eventId: event.id, fields } });
    const cancel = () => tellFact(deps, { kind: "event.cancelled", payload: { eventId: event.id } });
    return { person, event, confirm, change, cancel };
  }
  const prefer = (userId: string, kind: string, medium: string, enabled: boolean) =>
    query(deps, `insert into notification.preference (user_id, kind, medium, enabled) values ($1, $2, $3, $4)`, [
      userId,
      kind,
      medium,
      enabled,
    ]);

  test("kind × medium: what is on by default goes out, what was switched off is skipped and says so, and the other way round", async () => {
    for (const medium of media) {
      const { person, confirm } = await arrange();
      await prefer(person.id, "registration.confirmed", medium, false);
      await prefer(person.id, "registration.declined", medium, true);
      await confirm();
      const expected = Object.fromEntries(media.map((name) => [name, name === "inbox" ? "sent" : "queued"]));
      expect(await states(person.id)).toEqual({ ...expected, [medium]: "preference" });
    }
    const { person, event } = await arrange();
    await prefer(person.id, "event.published", "mail", true);
    await follow(
      person.id,
      "organizer_id",
      (await query(deps, `select owner_id from event.event where id = $1`, [event.id]))[0].owner_id,
    );
    await tellFact(deps, { kind: "event.published", payload: { eventId: event.id } });
    expect((await listLog(deps, person.id)).find(({ medium }) => medium === "mail")).toMatchObject({ state: "queued" });
  });

  test("an event that was muted is told by no medium, but its cancellation is by all, also to who switched it off", async () => {
    const { person, event, confirm, cancel } = await arrange();
    await query(deps, `insert into notification.mute (user_id, event_id) values ($1, $2)`, [person.id, event.id]);
    for (const medium of media) await prefer(person.id, "event.cancelled", medium, false);
    await confirm();
    expect(await states(person.id)).toEqual({ inbox: "muted", mail: "muted", telegram: "muted", push: "muted" });
    expect(await listShown(deps, person.id)).toEqual([]);
    await cancel();
    const log = (await listLog(deps, person.id)).filter(({ kind }) => kind === "event.cancelled");
    expect(log.map(({ state }) => state).sort()).toEqual(["queued", "queued", "queued", "sent"]);
    expect(log.every(({ inSeconds }) => inSeconds <= 0)).toBe(true);
  });

  test("in quiet hours what rings waits for their end; the inbox does not, and a cancellation does not", async () => {
    const hour = (plus: number) => `${new Date(Date.now() + plus * 3_600_000).toISOString().slice(11, 16)}`;
    const { person, confirm, cancel } = await arrange();
    await query(deps, `insert into notification.settings (user_id, quiet_from, quiet_to) values ($1, $2, $3)`, [
      person.id,
      hour(-1),
      hour(2),
    ]);
    await confirm();
    const log = await listLog(deps, person.id);
    for (const { medium, state, inSeconds } of log)
      if (medium === "inbox") expect(state).toBe("sent");
      else expect([state, inSeconds > 6_900 && inSeconds <= 7_200]).toEqual(["queued", true]);
    await cancel();
    const critical = (await listLog(deps, person.id)).filter(({ kind }) => kind === "event.cancelled");
    expect(critical.every(({ inSeconds }) => inSeconds <= 0)).toBe(true);
  });

  test("an offered seat is told at once when it would be gone after the quiet hours, or before the digest", async () => {
    for (const [minutes, waits] of [
      [30, false],
      [26 * 60, true],
    ] as const) {
      const { person, event } = await arrange();
      await query(
        deps,
        `insert into notification.settings (user_id, quiet_from, quiet_to, digest) values ($1, to_char((now() - interval '1 hour') at time zone 'utc', 'HH24:MI'), to_char((now() + interval '2 hours') at time zone 'utc', 'HH24:MI'), 'daily')`,
        [person.id],
      );
      const [{ id: registrationId }] = await query(
        deps,
        `update event.registration set state = 'offered', offered_until = now() + make_interval(mins => $2) where user_id = $1 returning id`,
        [person.id, minutes],
      );
      const payload = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: person.id };
      await tellFact(deps, { kind: "registration.offered", payload });
      const log = (await listLog(deps, person.id)).filter(({ medium }) => medium !== "inbox");
      expect(log.map(({ inSeconds, digest }) => inSeconds > 60 || digest)).toEqual(log.map(() => waits));
    }
  });

  test("with a digest mails wait for it, other media do not", async () => {
    const { person, confirm } = await arrange({ timeZone: "Europe/Moscow" });
    await query(deps, `insert into notification.settings (user_id, digest) values ($1, 'daily')`, [person.id]);
    await confirm();
    const log = await listLog(deps, person.id);
    expect(log.find(({ medium }) => medium === "mail")).toMatchObject({ digest: true, state: "queued" });
    expect(log.filter(({ medium, digest }) => medium !== "mail" && digest)).toEqual([]);
    const [settings] = await query(deps, `select digest_due_at from notification.settings where user_id = $1`, [
      person.id,
    ]);
    const due = new Date(settings.digest_due_at);
    expect(due.toLocaleTimeString("en-GB", { timeZone: "Europe/Moscow" })).toBe("09:00:00");
    expect(due.getTime() - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
  });

  test("changes within ten minutes are one notification with all that was changed, sent ten minutes after the first", async () => {
    const { person, change, cancel } = await arrange();
    await change("startsAt");
    await query(deps, `update notification.delivery set due_at = due_at - interval '4 minutes' where user_id = $1`, [
      person.id,
    ]);
    await change("place");
    await change("place", "title");
    expect(await listShown(deps, person.id)).toMatchObject([{ fields: ["startsAt", "place", "title"] }]);
    const waiting = (await listLog(deps, person.id)).filter(({ state }) => state === "queued");
    expect(waiting.map(({ medium }) => medium).sort()).toEqual(["mail", "push", "telegram"]);
    for (const { inSeconds } of waiting) expect([inSeconds > 300, inSeconds <= 360]).toEqual([true, true]);
    const replaced = (await listLog(deps, person.id)).filter(({ why }) => why === "replaced");
    expect(replaced).toHaveLength(6);
    // A cancellation takes the place of changes that nobody was told of yet.
    await cancel();
    const left = (await listLog(deps, person.id)).filter(({ state }) => state === "queued");
    expect(new Set(left.map(({ kind }) => kind))).toEqual(new Set(["event.cancelled"]));
  });

  test("facts come in no order: what is older does not take the place of what is newer, nor a change that of a cancellation", async () => {
    const { person, event, confirm, change, cancel } = await arrange();
    await query(
      deps,
      `insert into notification.settings (user_id, quiet_from, quiet_to) values ($1, '00:00', '23:59')`,
      [person.id],
    );
    await confirm();
    await query(deps, `update notification.notification set fact_at = now() + interval '1 minute' where user_id = $1`, [
      person.id,
    ]);
    const [{ id: registrationId }] = await query(deps, `select id from event.registration where user_id = $1`, [
      person.id,
    ]);
    const payload = { registrationId, occurrenceId: event.occurrenceId, eventId: event.id, userId: person.id };
    await tellFact(deps, { kind: "registration.waitlisted", payload });
    const late = (await listLog(deps, person.id)).filter(({ kind }) => kind === "registration.waitlisted");
    expect(late.map(({ why }) => why)).toEqual(["overtaken", "overtaken", "overtaken", "overtaken"]);
    expect((await listShown(deps, person.id)).map(({ kind }) => kind)).toEqual(["registration.confirmed"]);
    expect((await listLog(deps, person.id)).filter(({ why }) => why === "replaced")).toEqual([]);

    await cancel();
    await change("startsAt"); // stated before, told after
    const left = (await listLog(deps, person.id)).filter(
      ({ kind, state }) => kind === "event.cancelled" && state === "queued",
    );
    expect(left).toHaveLength(3);
    await query(deps, `update event.event set state = 'cancelled' where id = $1`, [event.id]);
    expect((await change("place")).told).toBe(0);
  });

  test("another way of signing in is told by all media but mail, which has a notice of its own, and whatever he has switched off", async () => {
    const { person } = await arrange();
    for (const medium of media) await prefer(person.id, "account.sign-in-changed", medium, false);
    await tellFact(deps, { kind: "user.sign-in-changed", payload: { userId: person.id } });
    expect(await states(person.id)).toEqual({ inbox: "sent", telegram: "queued", push: "queued" });
    expect(await listShown(deps, person.id)).toMatchObject([{ kind: "account.sign-in-changed", reason: "self" }]);
  });

  test("erasing somebody leaves nothing of what he was told or chose", async () => {
    const { person, confirm, event } = await arrange();
    await confirm();
    await query(deps, `insert into notification.mute (user_id, event_id) values ($1, $2)`, [person.id, event.id]);
    await query(deps, `insert into notification.settings (user_id) values ($1)`, [person.id]);
    await query(
      deps,
      `insert into notification.webhook (id, user_id, name, address, format, locale, kinds) values ($1, $2, '', '', 'standard', 'en', '{}')`,
      [Bun.randomUUIDv7(), person.id],
    );
    await prefer(person.id, "event.changed", "mail", false);
    const tables = Object.keys(userReferences).filter((column) => column.startsWith("notification."));
    const count = async () => {
      const counts: number[] = [];
      for (const column of tables) {
        const table = column.slice(0, column.lastIndexOf("."));
        counts.push(
          (await query(deps, `select count(*)::int as count from ${table} where user_id = $1`, [person.id]))[0].count,
        );
      }
      return counts;
    };
    expect((await count()).every((rows) => rows > 0)).toBe(true);
    await deps.db.transaction((tx) => eraseNotifications(tx, person.id));
    expect((await count()).every((rows) => rows === 0)).toBe(true);
  });

  test("without a proved address a mail is skipped, and the log says why", async () => {
    const { person, confirm } = await arrange({ email: false });
    await confirm();
    expect((await states(person.id)).mail).toBe("no confirmed address");
  });
});
