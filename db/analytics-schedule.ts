import { type Db, many, run } from "./query.ts";

export type Every = "week" | "month";
export type Schedule = { every: Every; report: string; subjectKind: string; subjectId: string };

/** The reports that somebody wants by mail. */
export function listSchedules(db: Db, { userId, every }: { userId: string; every?: Every }): Promise<Schedule[]> {
  return many<Schedule>(db, {
    name: "schedule_list",
    text: `select every, report, subject_kind as "subjectKind", subject_id as "subjectId" from analytics.schedule
      where user_id = $1 and ($2::text is null or every = $2) order by every, report, subject_id`,
    values: [userId, every ?? null],
  });
}

/** Puts these in the place of all that he wanted. The first comes when the week or month that it is has ended. */
export async function replaceSchedules(
  tx: Db,
  { userId, schedules }: { userId: string; schedules: Schedule[] },
): Promise<void> {
  await run(tx, {
    name: "schedule_clear",
    text: `delete from analytics.schedule where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "schedule_insert",
    text: `insert into analytics.schedule (user_id, every, report, subject_kind, subject_id, sent_until)
      select $1, s.every, s.report, s."subjectKind", s."subjectId", date_trunc(s.every, now(), 'UTC')
      from jsonb_to_recordset($2::jsonb) as s (every text, report text, "subjectKind" text, "subjectId" uuid) on conflict do nothing`,
    values: [userId, JSON.stringify(schedules)],
  });
}

export type DueReports = { userId: string; every: Every; locale: string; from: Date; to: Date };

/**
 * Takes those whose week or month (UTC) ended more than an hour ago, when it is rolled up: a line for each person and period.
 * What no run took in time is left out, but for the last period.
 */
export function takeDueReports(tx: Db): Promise<DueReports[]> {
  return many<DueReports>(tx, {
    name: "schedule_take_due",
    text: `with due as (
        update analytics.schedule set sent_until = date_trunc(every, now() - interval '1 hour', 'UTC')
        where (every = 'week' and sent_until < date_trunc('week', now() - interval '1 hour', 'UTC'))
          or (every = 'month' and sent_until < date_trunc('month', now() - interval '1 hour', 'UTC'))
        returning user_id, every, sent_until)
      select distinct u.id as "userId", due.every, u.locale, (due.sent_until at time zone 'UTC' - ('1 ' || due.every)::interval) at time zone 'UTC' as from,
        due.sent_until as to
      from due join account."user" u on u.id = due.user_id where u.deleted_at is null and u.disabled_at is null`,
  });
}

/** Forgets what somebody wanted by mail, and how often his page was looked at. */
export async function eraseAnalytics(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "erase_schedules",
    text: `delete from analytics.schedule where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_hours",
    text: `delete from analytics.hourly where subject_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_days", text: `delete from analytics.daily where subject_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_visitors",
    text: `delete from analytics.visitors where subject_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_totals", text: `delete from analytics.total where subject_id = $1`, values: [userId] });
}
