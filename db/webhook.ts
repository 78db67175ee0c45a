import { type Db, many, one, run } from "./query.ts";

/** Whose webhook it is: one of them. */
export type WebhookOwner = { userId: string | null; organizationId: string | null; packId: string | null };

export type WebhookRow = WebhookOwner & {
  id: string;
  name: string;
  /** Sealed. */
  address: string;
  /** Sealed; null with Discord. */
  secret: string | null;
  format: "standard" | "discord";
  locale: "ru" | "en";
  kinds: string[];
  revision: number;
  disabledAt: Date | null;
  disabledReason: "gone" | "failing" | "by-hand" | null;
  createdAt: Date;
};

const columns = `w.id, w.user_id as "userId", w.organization_id as "organizationId", w.pack_id as "packId", w.name, w.address, w.secret, w.format, w.locale, w.kinds, w.revision,
  w.disabled_at as "disabledAt", w.disabled_reason as "disabledReason", w.created_at as "createdAt"`;

type Written = Pick<WebhookRow, "id" | "name" | "address" | "secret" | "format" | "locale" | "kinds"> & WebhookOwner;

/** Makes a webhook unless its owner has so many already (0). The owner's row is locked by the caller. */
export function insertWebhook(tx: Db, { most, ...webhook }: Written & { most: number }): Promise<number> {
  return run(tx, {
    name: "webhook_insert",
    text: `insert into notification.webhook (id, user_id, organization_id, pack_id, name, address, secret, format, locale, kinds)
      select $1, $2, $3, $11, $4, $5, $6, $7, $8, $9
      where (select count(*) from notification.webhook w where w.user_id = $2 or w.organization_id = $3 or w.pack_id = $11) < $10`,
    values: [
      webhook.id,
      webhook.userId,
      webhook.organizationId,
      webhook.name,
      webhook.address,
      webhook.secret,
      webhook.format,
      webhook.locale,
      webhook.kinds,
      most,
      webhook.packId,
    ],
  });
}

export function listWebhooks(db: Db, { userId, organizationId, packId }: WebhookOwner): Promise<WebhookRow[]> {
  return many<WebhookRow>(db, {
    name: "webhook_list",
    text: `select ${columns} from notification.webhook w where w.user_id = $1 or w.organization_id = $2 or w.pack_id = $3 order by w.id limit 100`,
    values: [userId, organizationId, packId],
  });
}

/** A webhook of that owner. */
export function findWebhook(
  db: Db,
  { id, userId, organizationId, packId }: WebhookOwner & { id: string },
): Promise<WebhookRow | undefined> {
  return one<WebhookRow>(db, {
    name: "webhook_find",
    text: `select ${columns} from notification.webhook w where w.id = $1 and (w.user_id = $2 or w.organization_id = $3 or w.pack_id = $4)`,
    values: [id, userId, organizationId, packId],
  });
}

/** A webhook that is to be posted to. Undefined when it was deleted or disabled meanwhile. */
export function findOpenWebhook(db: Db, id: string): Promise<(WebhookRow & { timeZone: string }) | undefined> {
  return one<WebhookRow & { timeZone: string }>(db, {
    name: "webhook_find_open",
    text: `select ${columns}, coalesce(u.time_zone, 'UTC') as "timeZone" from notification.webhook w left join account."user" u on u.id = w.user_id
      where w.id = $1 and w.disabled_at is null`,
    values: [id],
  });
}

/** Those of an organization and of a pack that want to be told of a kind. */
export function listThingWebhooks(
  tx: Db,
  { organizationId, packId, kind }: Omit<WebhookOwner, "userId"> & { kind: string },
): Promise<{ id: string; format: "standard" | "discord" }[]> {
  return many(tx, {
    name: "webhook_list_of_things",
    text: `select w.id, w.format from notification.webhook w
      where (w.organization_id = $1 or w.pack_id = $2) and w.disabled_at is null and $3 = any (w.kinds) order by w.id`,
    values: [organizationId, packId, kind],
  });
}

export type WebhookChange = Partial<Pick<WebhookRow, "name" | "address" | "locale" | "kinds">> & {
  enabled?: boolean | undefined;
};

/** Changes what is given, when the revision is the one that the caller read: 0 else. */
export function updateWebhook(
  tx: Db,
  { id, revision, change }: { id: string; revision: number; change: WebhookChange },
): Promise<number> {
  return run(tx, {
    name: "webhook_update",
    text: `update notification.webhook set name = coalesce($3, name), address = coalesce($4, address), locale = coalesce($5, locale),
        kinds = coalesce($6, kinds), revision = revision + 1,
        disabled_at = case $7::boolean when true then null when false then coalesce(disabled_at, now()) else disabled_at end,
        disabled_reason = case $7::boolean when true then null when false then coalesce(disabled_reason, 'by-hand') else disabled_reason end,
        failing_since = case when $7 then null else failing_since end
      where id = $1 and revision = $2`,
    values: [
      id,
      revision,
      change.name ?? null,
      change.address ?? null,
      change.locale ?? null,
      change.kinds ?? null,
      change.enabled ?? null,
    ],
  });
}

/** A new secret: the former signs nothing any more. */
export function updateWebhookSecret(tx: Db, { id, secret }: { id: string; secret: string }): Promise<number> {
  return run(tx, {
    name: "webhook_update_secret",
    text: `update notification.webhook set secret = $2, revision = revision + 1 where id = $1 and secret is not null`,
    values: [id, secret],
  });
}

export function deleteWebhook(tx: Db, id: string): Promise<number> {
  return run(tx, { name: "webhook_delete", text: `delete from notification.webhook where id = $1`, values: [id] });
}

/** Disables a webhook that answers no more. */
export function disableWebhook(db: Db, { id, reason }: { id: string; reason: "gone" | "failing" }): Promise<number> {
  return run(db, {
    name: "webhook_disable",
    text: `update notification.webhook set disabled_at = now(), disabled_reason = $2, revision = revision + 1 where id = $1 and disabled_at is null`,
    values: [id, reason],
  });
}

/** Notes how a webhook answered: since when it has been failing, or that it works. */
export function noteWebhook(db: Db, { id, works }: { id: string; works: boolean }): Promise<number> {
  return run(db, {
    name: "webhook_note",
    text: `update notification.webhook set failing_since = case when $2 then null else coalesce(failing_since, now()) end
      where id = $1 and (failing_since is null) <> $2`,
    values: [id, works],
  });
}
