import { type Db, many, run } from "./query.ts";

/** What is noted of people who act by virtue of their office. */
export const auditActions = [
  "user.changed",
  "user.exported",
  "user.erased",
  "users.imported",
  "admin.created",
  "invite.created",
  "invite.deleted",
  "link.made",
  "second-factor.removed",
  "report.answered",
  "digests.blocked",
  "storage.swept",
  "storage.verified",
  "images.rendered",
  "job.retried",
  "jobs.retried",
  "actor.paused",
  "actor.resumed",
  "board.used",
  "keys.rotated",
  "backup.created",
  "backup.restored",
  "doctor.fixed",
] as const;
export type AuditAction = (typeof auditActions)[number];

/** Somebody who signed in, or an operator on the command line by the name of his account there. */
export type AuditActor =
  | { via: "api" | "board"; actorId: string; trace: string }
  | { via: "cli"; operator: string; trace?: undefined };

/** What was done to what. `subject` is an id or a name; neither it nor `detail` holds secrets or addresses. */
export type Act = { action: AuditAction; subject?: string; detail?: Record<string, unknown> };

export type ActRow = {
  id: string;
  at: Date;
  actorId: string | null;
  login: string | null;
  via: "api" | "board" | "cli";
  operator: string | null;
  action: AuditAction;
  subject: string;
  detail: Record<string, unknown>;
  trace: string | null;
};

/** Notes an act, in the transaction that does it: neither is there without the other. */
export function insertAct(tx: Db, { actor, act }: { actor: AuditActor; act: Act }): Promise<number> {
  const { action, subject = "", detail = {} } = act;
  const [actorId, operator] = actor.via === "cli" ? [null, actor.operator] : [actor.actorId, null];
  return run(tx, {
    name: "act_insert",
    text: `insert into audit.act (id, actor_id, via, operator, action, subject, detail, trace) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      Bun.randomUUIDv7(),
      actorId,
      actor.via,
      operator,
      action,
      subject,
      JSON.stringify(detail),
      actor.trace ?? null,
    ],
  });
}

type Asked = {
  actorId: string | null;
  action: string | null;
  subject: string | null;
  from: string | null;
  to: string | null;
  before: string | null;
  limit: number;
};

/** Acts, newest first; `before` is the id that the page before ended with. */
export function listActs(db: Db, { actorId, action, subject, from, to, before, limit }: Asked): Promise<ActRow[]> {
  return many<ActRow>(db, {
    name: "act_list",
    text: `select a.id, a.at, a.actor_id as "actorId", u.login, a.via, a.operator, a.action, a.subject, a.detail, a.trace
      from audit.act a left join account."user" u on u.id = a.actor_id
      where ($1::uuid is null or a.actor_id = $1) and ($2::text is null or a.action = $2) and ($3::text is null or a.subject = $3)
        and ($4::timestamptz is null or a.at >= $4) and ($5::timestamptz is null or a.at < $5) and ($6::uuid is null or a.id < $6)
      order by a.id desc limit $7`,
    values: [actorId, action, subject, from, to, before, limit],
  });
}
