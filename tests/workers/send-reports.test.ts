import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { insertUser } from "../../db/account.ts";
import { eraseAnalytics, listSchedules, replaceSchedules } from "../../db/analytics-schedule.ts";
import type { Deps } from "../../deps.ts";
import { handle as sendMail } from "../../workers/send-mail.ts";
import { handle } from "../../workers/send-reports.ts";
import { openTestDeps } from "../harness.ts";
import { type MailServer, startMailServer } from "../mail-server.ts";
import { call, query } from "./arrange.ts";

let deps: Deps;
let server: MailServer;
beforeAll(async () => {
  server = await startMailServer();
  deps = await openTestDeps({ SMTP_URL: server.url, MAIL_FROM: "noreply@chest.example" });
});
afterAll(async () => {
  await deps?.close();
  await server?.close();
});
beforeEach(async () => {
  server.received.length = 0;
  await query(deps, `delete from mail.mail`);
  await query(deps, `delete from analytics.schedule`);
});

let made = 0;

/** Somebody with a proved address and a pack that was looked at seven times a week ago, who wants two reports a week. */
async function arrange(locale = "en") {
  const [userId, packId] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  const login = `owner-${++made}`;
  await insertUser(deps.db, { id: userId, login, email: `${login}@mail.example`, passwordHash: "", roles: [] });
  await query(deps, `update account."user" set email_verified_at = now(), locale = $2 where id = $1`, [userId, locale]);
  await query(deps, `insert into pack.pack (id, slug, name, owner_id) values ($1, $2, 'Pack', $3)`, [
    packId,
    `pack-${made}`,
    userId,
  ]);
  await query(
    deps,
    `insert into analytics.daily (day, kind, subject_kind, subject_id, version, format, launcher, channel, source, count)
      select (date_trunc('week', now(), 'UTC') at time zone 'UTC')::date - ago, 'view', 'pack', $1, '', '', '', '', '', 7 from unnest(array[1, 9]) ago`,
    [packId],
  );
  const about = { every: "week", subjectKind: "pack", subjectId: packId } as const;
  const schedules = ["pack", "versions"].map((report) => ({ ...about, report }));
  await replaceSchedules(deps.db, { userId, schedules });
  return { userId, packId, pack: `pack-${made}` };
}

const listMails = () => query<{ id: string }>(deps, `select id from mail.mail where kind = 'reports'`);
/** As if it had been asked for in the week before. */
const makeDue = () => query(deps, `update analytics.schedule set sent_until = sent_until - interval '7 days'`);
const run = () => call(handle, deps, { scope: "all" });

test("a report comes when its week has ended: one mail with all that somebody wants, whoever runs and how often", async () => {
  const { pack } = await arrange();
  await run();
  expect(await listMails()).toEqual([]);
  await makeDue();
  await Promise.all([run(), run(), run()]);
  await run();
  const mails = await listMails();
  expect(mails).toHaveLength(1);
  await call(sendMail, deps, { mailId: mails[0]?.id ?? "" });
  expect(server.received).toHaveLength(1);
  const text = server.received[0]?.text ?? "";
  expect(text).toContain(`pack ${pack}`);
  expect(text).toMatch(/\d{4}-\d\d-\d\d \| 7 \| 0 \| 0/);
  expect(text.match(/\| 7 \|/g)).toHaveLength(1);
});

test("of what somebody no longer runs nothing is sent", async () => {
  const { packId } = await arrange();
  const other = await arrange();
  await query(deps, `update pack.pack set owner_id = $2 where id = $1`, [packId, other.userId]);
  await query(deps, `delete from analytics.schedule where user_id = $1`, [other.userId]);
  await makeDue();
  await run();
  const [mail] = await listMails();
  expect(await call(sendMail, deps, { mailId: mail?.id ?? "" })).toMatchObject({ state: "dropped" });
  expect(server.received).toEqual([]);
});

test("what somebody wanted is erased with him", async () => {
  const { userId } = await arrange();
  await deps.db.transaction((tx) => eraseAnalytics(tx, userId));
  expect(await listSchedules(deps.db, { userId })).toEqual([]);
});
