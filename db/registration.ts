import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";
import type { RegistrationState } from "./seats.ts";

export type RegistrationRow = {
  id: string;
  eventId: string;
  slug: string;
  title: Record<string, string>;
  occurrenceId: string;
  startsAt: Date;
  userId: string;
  login: string;
  displayName: string;
  state: RegistrationState;
  /** Place among those who wait, from 1; null for everybody else. */
  place: number | null;
  answers: Record<string, unknown>;
  offeredUntil: Date | null;
  createdAt: Date;
  updatedAt: Date;
};

const columns = `r.id, e.id as "eventId", e.slug, e.title, o.id as "occurrenceId", o.starts_at as "startsAt", u.id as "userId", u.login, u.display_name as "displayName", r.state,
  case when r.state = 'waitlisted' then (select count(*) from event.registration w where w.occurrence_id = o.id and w.state = 'waitlisted' and w.position <= r.position)::integer end as place,
  r.answers, r.offered_until as "offeredUntil", r.created_at as "createdAt", r.updated_at as "updatedAt"`;

/** What a registration needs to know of its event before seats are asked for. */
export type OpenEvent = {
  id: string;
  slug: string;
  questions: unknown;
  /** Those that are not over, soonest first. */
  occurrences: { id: string; startsAt: string }[];
};

/** An event that is published, whoever may see it: the seats engine decides for each person. */
export function findOpenEvent(db: Db, slug: string): Promise<OpenEvent | undefined> {
  return one<OpenEvent>(db, {
    name: "registration_find_event",
    text: `select e.id, e.slug, e.questions, coalesce((select jsonb_agg(jsonb_build_object('id', o.id, 'startsAt', o.starts_at) order by o.starts_at, o.id)
        from (select x.id, x.starts_at from event.occurrence x where x.event_id = e.id and x.ends_at > now() and x.cancelled_at is null order by x.starts_at, x.id limit 1000) o), '[]') as occurrences
      from event.event e where e.slug = $1 and e.deleted_at is null and e.state <> 'draft'`,
    values: [slug],
  });
}

/** The role of a reader in an event that he may read: "organizer", null, or no row. */
export function findEventRole(
  db: Db,
  { slug, reader }: { slug: string; reader: Reader },
): Promise<{ id: string; role: "organizer" | null } | undefined> {
  return one(db, {
    name: "registration_find_role",
    text: `select e.id, event.role_of(e, $2, $3) as role from event.event e where e.slug = $1 and event.can_read(e, $2, $3)`,
    values: [slug, reader.userId, reader.roles],
  });
}

/** A registration of an event, of whoever is not hidden. */
export function findRegistration(
  db: Db,
  { slug, id }: { slug: string; id: string },
): Promise<RegistrationRow | undefined> {
  return one<RegistrationRow>(db, {
    name: "registration_find",
    text: `select ${columns} from event.registration r join event.occurrence o on o.id = r.occurrence_id join event.event e on e.id = o.event_id
      join account."user" u on u.id = r.user_id and u.deleted_at is null where r.id = $1 and e.slug = $2 and e.deleted_at is null`,
    values: [id, slug],
  });
}

type Listed = {
  eventId: string;
  occurrenceId: string | null;
  state: RegistrationState | null;
  after: string | null;
  limit: number;
};

/** Registrations of an event in the order they were made; `after` is the id that the page before ended with. */
export function listRegistrations(
  db: Db,
  { eventId, occurrenceId, state, after, limit }: Listed,
): Promise<RegistrationRow[]> {
  return many<RegistrationRow>(db, {
    name: "registration_list",
    text: `select ${columns} from event.registration r join event.occurrence o on o.id = r.occurrence_id join event.event e on e.id = o.event_id
      join account."user" u on u.id = r.user_id and u.deleted_at is null
      where e.id = $1 and ($2::uuid is null or o.id = $2) and ($3::text is null or r.state = $3) and ($4::uuid is null or r.id > $4)
      order by r.id limit $5`,
    values: [eventId, occurrenceId, state, after, limit],
  });
}

/** Somebody's own registrations for events that he may see, newest first. */
export function listOwnRegistrations(
  db: Db,
  { userId, before, limit }: { userId: string; before: string | null; limit: number },
): Promise<RegistrationRow[]> {
  return many<RegistrationRow>(db, {
    name: "registration_list_own",
    text: `select ${columns} from event.registration r join event.occurrence o on o.id = r.occurrence_id join event.event e on e.id = o.event_id
      join account."user" u on u.id = r.user_id where r.user_id = $1 and ($2::uuid is null or r.id < $2) and event.can_read(e, u.id, u.roles) order by r.id desc limit $3`,
    values: [userId, before, limit],
  });
}

/** Somebody's registration by his login, for the occurrence that is on or begins within the hour; one that still counts before others. */
export function findRegistrationOf(
  db: Db,
  { eventId, login }: { eventId: string; login: string },
): Promise<{ id: string; state: RegistrationState } | undefined> {
  return one(db, {
    name: "registration_find_of",
    text: `select r.id, r.state from event.registration r join event.occurrence o on o.id = r.occurrence_id
      join account."user" u on u.id = r.user_id and u.deleted_at is null
      where o.event_id = $1 and u.login = $2 and o.cancelled_at is null and o.starts_at < now() + interval '1 hour' and o.ends_at > now() - interval '1 hour'
      order by r.state in ('declined', 'cancelled'), o.ends_at <= now(), o.starts_at limit 1`,
    values: [eventId, login],
  });
}

export type ChangeRow = {
  from: RegistrationState | null;
  to: RegistrationState;
  reason: string;
  by: string | null;
  note: string;
  at: Date;
};

/** What became of a registration, oldest first. */
export function listChanges(db: Db, registrationId: string): Promise<ChangeRow[]> {
  return many<ChangeRow>(db, {
    name: "registration_list_changes",
    text: `select c.from_state as "from", c.to_state as "to", c.reason, u.login as by, c.note, c.created_at as at
      from event.registration_change c left join account."user" u on u.id = c.actor_id and u.deleted_at is null
      where c.registration_id = $1 order by c.id limit 500`,
    values: [registrationId],
  });
}

/** Keeps the hash of a link that confirms an offered seat. 0 when it is offered no more. */
export function setConfirmToken(db: Db, { id, tokenHash }: { id: string; tokenHash: string }): Promise<number> {
  return run(db, {
    name: "registration_set_token",
    text: `update event.registration set token_hash = $2 where id = $1 and state = 'offered'`,
    values: [id, tokenHash],
  });
}

export function findByConfirmToken(
  db: Db,
  tokenHash: string,
): Promise<{ id: string; slug: string; userId: string } | undefined> {
  return one(db, {
    name: "registration_find_by_token",
    text: `select r.id, e.slug, r.user_id as "userId" from event.registration r join event.occurrence o on o.id = r.occurrence_id
      join event.event e on e.id = o.event_id where r.token_hash = $1 and r.state in ('offered', 'confirmed')`,
    values: [tokenHash],
  });
}

/** Whether an occurrence is one of that event. */
export function findOccurrenceOf(
  db: Db,
  { eventId, occurrenceId }: { eventId: string; occurrenceId: string },
): Promise<{ id: string } | undefined> {
  return one(db, {
    name: "registration_find_occurrence",
    text: `select id from event.occurrence where id = $2 and event_id = $1`,
    values: [eventId, occurrenceId],
  });
}

/** What a hidden user holds of times that are still to come. */
export function listHeldByHidden(db: Db, userId: string): Promise<{ id: string; occurrenceId: string }[]> {
  return many(db, {
    name: "registration_list_held",
    text: `select r.id, r.occurrence_id as "occurrenceId" from event.registration r join event.occurrence o on o.id = r.occurrence_id
      join account."user" u on u.id = r.user_id and u.deleted_at is not null
      where r.user_id = $1 and o.ends_at > now() and r.state in ('pending', 'confirmed', 'waitlisted', 'offered') order by r.id`,
    values: [userId],
  });
}
