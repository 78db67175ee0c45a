import { insertFact } from "../../db/outbox.ts";
import { registerAll } from "../../db/seats.ts";
import type { Deps } from "../../deps.ts";
import type { Fact } from "../../facts.ts";
import { handle as notify } from "../../workers/notify.ts";
import { call, query } from "./arrange.ts";

const short = () => crypto.randomUUID().slice(0, 8);

type Person = { locale?: "ru" | "en"; timeZone?: string; roles?: string[]; email?: boolean };

/** Somebody with a proved address. */
export async function arrangePerson(
  deps: Deps,
  { locale = "en", timeZone = "UTC", roles = [], email = true }: Person = {},
) {
  const person = { id: Bun.randomUUIDv7() as string, login: `p-${short()}`, email: `p-${short()}@mail.example` };
  await query(
    deps,
    `insert into account."user" (id, login, password_hash, email, email_verified_at, locale, time_zone, roles) values ($1, $2, '', $3, now(), $4, $5, $6)`,
    [person.id, person.login, email ? person.email : null, locale, timeZone, roles],
  );
  return person;
}

export async function arrangeOrganization(deps: Deps, ownerId: string) {
  const organization = { id: Bun.randomUUIDv7() as string, slug: `o-${short()}` };
  await query(deps, `insert into organization.organization (id, slug, name) values ($1, $2, 'The Guild')`, [
    organization.id,
    organization.slug,
  ]);
  await query(deps, `insert into organization.member (organization_id, user_id, role) values ($1, $2, 'owner')`, [
    organization.id,
    ownerId,
  ]);
  return organization;
}

type Event = { ownerId: string; organizationId?: string; visibility?: string; state?: string; approval?: string };

/** An event of tomorrow with one occurrence. */
export async function arrangeEvent(
  deps: Deps,
  { ownerId, organizationId, visibility = "public", state = "published", approval = "instant" }: Event,
) {
  const event = { id: Bun.randomUUIDv7() as string, occurrenceId: Bun.randomUUIDv7() as string, slug: `e-${short()}` };
  await query(
    deps,
    `insert into event.event (id, slug, owner_id, organization_id, title, place, starts_at, ends_at, time_zone, visibility, state, approval)
      values ($1, $2, $3, $4, '{"ru": "Турнир", "en": "Tournament"}', '{"kind": "online"}', now() + interval '1 day', now() + interval '26 hours', 'UTC', $5, $6, $7)`,
    [event.id, event.slug, ownerId, organizationId ?? null, visibility, state, approval],
  );
  await query(
    deps,
    `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at) select $1, id, starts_at, starts_at, ends_at from event.event where id = $2`,
    [event.occurrenceId, event.id],
  );
  return event;
}

/** Registers people and forgets the facts of it. */
export async function arrangeRegistrations(deps: Deps, occurrenceId: string, people: { id: string }[]) {
  const applicants = people.map(({ id }) => ({ userId: id, registrationId: Bun.randomUUIDv7(), answers: {} }));
  // In one transaction: pods that run beside are never told.
  const registered = await deps.db.transaction(async (tx) => {
    const answers = await registerAll(tx, { occurrenceId, applicants });
    await query({ db: tx } as Pick<Deps, "db">, `update outbox.fact set relayed_at = now() where relayed_at is null`);
    return answers;
  });
  return registered.map(({ id }) => id ?? "");
}

/** States a fact and lets the actor tell it. */
export async function tellFact(deps: Deps, fact: Fact): Promise<{ factId: string; told: unknown }> {
  const id = await deps.db.transaction(async (tx) => {
    await insertFact(tx, fact);
    const text = `update outbox.fact set relayed_at = now() where relayed_at is null returning id`;
    const [row] = await query<{ id: string }>({ db: tx } as Pick<Deps, "db">, text);
    return row?.id ?? "";
  });
  return { factId: id, told: (await call(notify, deps, { factId: id }))?.told };
}

export type Log = {
  medium: string;
  state: string;
  why: string | null;
  digest: boolean;
  inSeconds: number;
  kind: string;
};

/** The log of deliveries to somebody, newest notification first. */
export async function listLog(deps: Deps, userId: string): Promise<Log[]> {
  return (await query(
    deps,
    `select d.medium, d.state, d.why, d.digest, n.kind, extract(epoch from d.due_at - now())::float8 as "inSeconds"
      from notification.delivery d join notification.notification n on n.id = d.notification_id where d.user_id = $1 order by n.id desc, d.id`,
    [userId],
  )) as Log[];
}

/** The inbox of somebody, newest first. */
export async function listShown(
  deps: Deps,
  userId: string,
): Promise<{ kind: string; fields: string[]; reason: string }[]> {
  return (await query(
    deps,
    `select kind, fields, reason from notification.notification where user_id = $1 and shown order by id desc`,
    [userId],
  )) as { kind: string; fields: string[]; reason: string }[];
}
