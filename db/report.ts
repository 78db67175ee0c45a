import type { Viewer } from "./image.ts";
import { type Db, many, one, run } from "./query.ts";

export const reportKinds = ["pack", "version", "image", "album", "organization", "event", "user"] as const;
export type ReportKind = (typeof reportKinds)[number];
export const reportStates = ["open", "resolved", "dismissed"] as const;
export type ReportState = (typeof reportStates)[number];

export type ReportRow = {
  id: string;
  kind: ReportKind;
  subjectId: string;
  /** As its reporter named it. */
  subject: string;
  reason: string;
  text: string;
  state: ReportState;
  answer: string;
  /** Null when he is hidden or was erased. */
  reporter: string | null;
  handledBy: string | null;
  /** Open reports of the same thing, this one among them. */
  sameSubject: number;
  createdAt: Date;
  settledAt: Date | null;
};

const columns = `r.id, r.subject_kind as kind, r.subject_id as "subjectId", r.subject, r.reason, r.text, r.state, r.answer,
  (select u.login from account."user" u where u.id = r.reporter_id and u.deleted_at is null) as reporter,
  (select u.login from account."user" u where u.id = r.handled_by and u.deleted_at is null) as "handledBy",
  (select count(*) from community.report s where s.subject_kind = r.subject_kind and s.subject_id = r.subject_id and s.state = 'open') as "sameSubject",
  r.created_at as "createdAt", r.settled_at as "settledAt"`;

type Named = { kind: ReportKind; name: string; id: string | null; viewer: Viewer };

/**
 * The id of something that this viewer may see. Packs, organizations and events go by slug, versions by `slug/version`,
 * images, albums and people by id.
 */
export async function findReportable(db: Db, { kind, name, id, viewer }: Named): Promise<string | undefined> {
  const row = await one<{ id: string | null }>(db, {
    name: "report_find_subject",
    text: `select case $4
        when 'pack' then (select p.id from pack.pack p where p.slug = $5 and pack.can_read(p, $1, $2))
        when 'version' then (select v.id from pack.pack p join pack.version v on v.pack_id = p.id
          where p.slug = split_part($5, '/', 1) and v.version = substr($5, strpos($5, '/') + 1) and v.state in ('published', 'withdrawn') and pack.can_read(p, $1, $2))
        when 'organization' then (select o.id from organization.organization o where o.slug = $5 and organization.can_read(o, $1, $2))
        when 'event' then (select e.id from event.event e where e.slug = $5 and event.can_read(e, $1, $2))
        when 'image' then (select i.id from image.image i where i.id = $6::uuid and image.can_view(i, $1, $2, $3))
        when 'album' then (select a.id from image.album a where a.id = $6::uuid and image.can_view_album(a, $1, $2, $3))
        when 'user' then (select u.id from account."user" u where u.id = $6::uuid and u.deleted_at is null and u.disabled_at is null)
      end as id`,
    values: [viewer.userId, viewer.roles, viewer.shareId, kind, name, id],
  });
  return row?.id ?? undefined;
}

type NewReport = {
  id: string;
  reporterId: string;
  kind: ReportKind;
  subjectId: string;
  subject: string;
  reason: string;
  text: string;
};

/** Files a report; 0 while another one of his about the same thing is open, or when `most` of his are. */
export function insertReport(tx: Db, { most, ...row }: NewReport & { most: number }): Promise<number> {
  return run(tx, {
    name: "report_insert",
    text: `insert into community.report (id, reporter_id, subject_kind, subject_id, subject, reason, text) select $1, $2, $3, $4, $5, $6, $7
      where (select count(*) from community.report where reporter_id = $2 and state = 'open') < $8 on conflict do nothing`,
    values: [row.id, row.reporterId, row.kind, row.subjectId, row.subject, row.reason, row.text, most],
  });
}

export function findReport(db: Db, id: string): Promise<ReportRow | undefined> {
  return one<ReportRow>(db, {
    name: "report_find",
    text: `select ${columns} from community.report r where r.id = $1`,
    values: [id],
  });
}

type Page = { before: string | null; limit: number };

/** Somebody's own reports, newest first. */
export function listReportsOf(
  db: Db,
  { reporterId, before, limit }: Page & { reporterId: string },
): Promise<ReportRow[]> {
  return many<ReportRow>(db, {
    name: "report_list_of_user",
    text: `select ${columns} from community.report r where r.reporter_id = $1 and ($2::uuid is null or r.id < $2) order by r.id desc limit $3`,
    values: [reporterId, before, limit],
  });
}

/** Reports in a state, oldest first: whoever waits longest. */
export function listReports(
  db: Db,
  { state, after, limit }: { state: ReportState; after: string | null; limit: number },
): Promise<ReportRow[]> {
  return many<ReportRow>(db, {
    name: "report_list",
    text: `select ${columns} from community.report r where r.state = $1 and ($2::uuid is null or r.id > $2) order by r.id limit $3`,
    values: [state, after, limit],
  });
}

/** Answers an open report; 0 when somebody did before. */
export function settleReport(
  tx: Db,
  { id, state, answer, handledBy }: { id: string; state: ReportState; answer: string; handledBy: string },
): Promise<number> {
  return run(tx, {
    name: "report_settle",
    text: `update community.report set state = $2, answer = $3, handled_by = $4, settled_at = now() where id = $1 and state = 'open'`,
    values: [id, state, answer, handledBy],
  });
}
