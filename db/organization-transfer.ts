import { type Db, many, one, run } from "./query.ts";

export type TransferRow = {
  id: string;
  organizationId: string;
  slug: string;
  name: string;
  fromId: string;
  fromLogin: string | null;
  toId: string;
  toLogin: string;
  createdAt: Date;
  expiresAt: Date;
};

const columns = `t.id, t.organization_id as "organizationId", o.slug, o.name, t.from_id as "fromId",
  case when giver.deleted_at is null then giver.login end as "fromLogin", t.to_id as "toId", heir.login as "toLogin",
  t.created_at as "createdAt", t.expires_at as "expiresAt"`;
const open = `organization.transfer t join organization.organization o on o.id = t.organization_id and o.deleted_at is null
  join account."user" giver on giver.id = t.from_id join account."user" heir on heir.id = t.to_id
  where t.settled_at is null and t.expires_at > now() and heir.deleted_at is null`;

/** Offers ownership for two weeks; an offer whose time is over makes room. Throws a duplicate error while another one stands. */
export async function insertTransfer(
  tx: Db,
  { id, organizationId, fromId, toId }: Pick<TransferRow, "id" | "organizationId" | "fromId" | "toId">,
): Promise<void> {
  await run(tx, {
    name: "transfer_expire",
    text: `update organization.transfer set settled_at = now(), outcome = 'withdrawn' where organization_id = $1 and settled_at is null
      and (expires_at <= now() or to_id in (select u.id from account."user" u where u.id = to_id and u.deleted_at is not null))`,
    values: [organizationId],
  });
  await run(tx, {
    name: "transfer_insert",
    text: `insert into organization.transfer (id, organization_id, from_id, to_id, expires_at) values ($1, $2, $3, $4, now() + interval '14 days')`,
    values: [id, organizationId, fromId, toId],
  });
}

/** The offer of an organization that stands, if one does. */
export function findTransfer(db: Db, slug: string): Promise<TransferRow | undefined> {
  return one<TransferRow>(db, {
    name: "transfer_find",
    text: `select ${columns} from ${open} and o.slug = $1`,
    values: [slug],
  });
}

/** What is offered to somebody. */
export function listTransfersTo(db: Db, { userId, limit }: { userId: string; limit: number }): Promise<TransferRow[]> {
  return many<TransferRow>(db, {
    name: "transfer_list_to",
    text: `select ${columns} from ${open} and t.to_id = $1 order by t.id desc limit $2`,
    values: [userId, limit],
  });
}

/** Ends an offer; 0 when it was ended before. */
export function settleTransfer(
  tx: Db,
  { id, outcome }: { id: string; outcome: "accepted" | "declined" | "withdrawn" },
): Promise<number> {
  return run(tx, {
    name: "transfer_settle",
    text: `update organization.transfer set settled_at = now(), outcome = $2 where id = $1 and settled_at is null`,
    values: [id, outcome],
  });
}

/** Passes ownership on; the former owner stays as a manager. 0 when he is not the owner any more. */
export async function passOwnership(
  tx: Db,
  { organizationId, fromId, toId }: Pick<TransferRow, "organizationId" | "fromId" | "toId">,
): Promise<number> {
  const former = await run(tx, {
    name: "transfer_demote",
    text: `update organization.member set role = 'manager' where organization_id = $1 and user_id = $2 and role = 'owner'`,
    values: [organizationId, fromId],
  });
  if (former === 0) return 0;
  return run(tx, {
    name: "transfer_promote",
    text: `insert into organization.member (organization_id, user_id, role, is_public) values ($1, $2, 'owner', true)
      on conflict (organization_id, user_id) do update set role = 'owner', is_public = true`,
    values: [organizationId, toId],
  });
}
