import { Type as t } from "@sinclair/typebox";
import { insertDeliveries } from "../../db/delivery.ts";
import { findTargetDelivery, listTargetDeliveries, replayDelivery } from "../../db/delivery-log.ts";
import { insertNotifications } from "../../db/notification.ts";
import type { Db } from "../../db/query.ts";
import {
  deleteWebhook,
  findWebhook,
  insertWebhook,
  listWebhooks,
  updateWebhook,
  updateWebhookSecret,
  type WebhookOwner,
  type WebhookRow,
} from "../../db/webhook.ts";
import { Fault } from "../../fault.ts";
import { parseTarget } from "../../outbound-address.ts";
import type { Seal } from "../../seal.ts";
import { makeWebhookSecret } from "../../webhook-signature.ts";
import type { Api } from "../api.ts";
import { describeDelivery } from "../notifications/delivery.ts";
import type { DeliveryPage } from "../notifications/model.ts";
import { openNotificationSeal } from "../notifications/ways.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { MadeWebhook, NewWebhook, Tested, Webhook, WebhookChange } from "./model.ts";

type Hooks = Pick<Api, "db" | "config" | "mailbox">;
/** Whose webhooks are asked about; `lock` holds him in a transaction that changes them, or refuses. */
export type Owner = WebhookOwner & { lock: (tx: Db) => Promise<void> };
type Asked = { owner: Owner; id: string };

const mostWebhooks = 20;
const Cursor = t.Tuple([CursorId]);
const sealedFor = (id: string) => `webhook ${id}`;

export async function getWebhooks({ db, config }: Hooks, owner: Owner): Promise<{ items: Webhook[] }> {
  const seal = openNotificationSeal(config);
  return { items: (await listWebhooks(db, owner)).map((row) => describeWebhook(row, seal)) };
}

export async function getWebhook({ db }: { db: Db }, { owner, id }: Asked): Promise<WebhookRow> {
  const row = await findWebhook(db, { ...owner, id });
  if (!row) throw new Fault("not-found", "There is no such webhook");
  return row;
}

/** Makes a webhook. Its secret is shown once; address and secret are kept sealed. */
export async function createWebhook(
  { db, config }: Hooks,
  { owner, webhook }: { owner: Owner; webhook: typeof NewWebhook.static },
): Promise<typeof MadeWebhook.static> {
  const { name, url, format = "standard", locale = "en", kinds } = webhook;
  requireKinds(owner, kinds);
  const seal = openNotificationSeal(config);
  const id = Bun.randomUUIDv7();
  const secret = format === "standard" ? makeWebhookSecret() : null;
  const row = await db.transaction(async (tx) => {
    await owner.lock(tx);
    const { userId, organizationId, packId } = owner;
    const made = await insertWebhook(tx, {
      id,
      userId,
      organizationId,
      packId,
      name,
      address: seal.close(checkUrl(url), sealedFor(id)),
      secret: secret === null ? null : seal.close(secret, sealedFor(id)),
      format,
      locale,
      kinds,
      most: mostWebhooks,
    });
    if (made === 0)
      throw new Fault("quota-exceeded", `Cannot make a webhook: there are ${mostWebhooks}. Delete one first`);
    return getWebhook({ db: tx }, { owner, id });
  });
  return { ...describeWebhook(row, seal), secret };
}

/** Changes what is given; `enabled: true` takes up one again that was disabled. 412 when it was changed meanwhile. */
export async function changeWebhook(
  { db, config }: Hooks,
  { owner, id, revision, change }: Asked & { revision: number; change: typeof WebhookChange.static },
): Promise<WebhookRow> {
  const seal = openNotificationSeal(config);
  const { url, ...rest } = change;
  return db.transaction(async (tx) => {
    await owner.lock(tx);
    await getWebhook({ db: tx }, { owner, id });
    requireKinds(owner, change.kinds ?? []);
    const address = url === undefined ? {} : { address: seal.close(checkUrl(url), sealedFor(id)) };
    if ((await updateWebhook(tx, { id, revision, change: { ...rest, ...address } })) === 0)
      throw new Fault("changed-meanwhile", "The webhook was changed meanwhile: read it again and repeat your change");
    return getWebhook({ db: tx }, { owner, id });
  });
}

/** A new secret, shown once; the former signs nothing from now on. */
export async function renewSecret({ db, config }: Hooks, { owner, id }: Asked): Promise<{ secret: string }> {
  const secret = makeWebhookSecret();
  const sealed = openNotificationSeal(config).close(secret, sealedFor(id));
  await db.transaction(async (tx) => {
    await owner.lock(tx);
    await getWebhook({ db: tx }, { owner, id });
    if ((await updateWebhookSecret(tx, { id, secret: sealed })) === 0)
      throw new Fault("conflict", "Cannot renew the secret: this webhook signs nothing");
  });
  return { secret };
}

export async function removeWebhook({ db }: Hooks, { owner, id }: Asked): Promise<void> {
  await db.transaction(async (tx) => {
    await owner.lock(tx);
    await getWebhook({ db: tx }, { owner, id });
    await deleteWebhook(tx, id);
  });
}

/** Posts a test to a webhook, like anything else: the log says how it went. */
export async function testWebhook({ db, mailbox }: Hooks, { owner, id }: Asked): Promise<typeof Tested.static> {
  const { format, disabledAt } = await getWebhook({ db }, { owner, id });
  if (disabledAt) throw new Fault("conflict", "Cannot test the webhook: it is disabled. Enable it first");
  const [notificationId, deliveryId] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  const { userId, organizationId, packId } = owner;
  const nothing = { versionId: null, eventId: null, occurrenceId: null, registrationId: null };
  const asked = { kind: "test", reason: "asked", groupKey: `test:${deliveryId}`, critical: true, shown: false };
  await db.transaction(async (tx) => {
    await owner.lock(tx);
    const about = { ...nothing, organizationId, packId, subjectId: null, fields: [] };
    await insertNotifications(tx, [
      { id: notificationId, factId: notificationId, factAt: new Date(), userId, ...asked, ...about },
    ]);
    const way = { userId, medium: format === "discord" ? ("discord" as const) : ("webhook" as const), targetId: id };
    const due = { state: "queued" as const, why: null, dueAt: new Date(), digest: false };
    await insertDeliveries(tx, [{ id: deliveryId, notificationId, groupKey: asked.groupKey, ...way, ...due }]);
  });
  mailbox.hintTick("deliver-webhook");
  return { deliveryId };
}

/** What was posted to a webhook, newest first. */
export async function pageDeliveries(
  { db }: Hooks,
  { owner, id, limit = 50, cursor }: Asked & { limit?: number; cursor?: string },
): Promise<typeof DeliveryPage.static> {
  await getWebhook({ db }, { owner, id });
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listTargetDeliveries(db, { targetId: id, before, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeDelivery), nextCursor: last ? writeCursor([last.id]) : null };
}

/** Posts something once more, under its old id. 409 while it waits to be posted. */
export async function replay(
  { db, mailbox }: Hooks,
  { owner, id, delivery }: Asked & { delivery: string },
): Promise<typeof Tested.static> {
  const { disabledAt } = await getWebhook({ db }, { owner, id });
  if (!(await findTargetDelivery(db, { id: delivery, targetId: id })))
    throw new Fault("not-found", "There is no such delivery to this webhook");
  if (disabledAt) throw new Fault("conflict", "Cannot post to the webhook: it is disabled. Enable it first");
  await db.transaction(async (tx) => {
    await owner.lock(tx);
    if ((await replayDelivery(tx, { id: delivery, targetId: id })) === 0)
      throw new Fault("conflict", "Cannot post it once more: it waits to be posted");
  });
  mailbox.hintTick("deliver-webhook");
  return { deliveryId: delivery };
}

export function describeWebhook(row: WebhookRow, seal: Seal): Webhook {
  const { id, name, format, locale, kinds, disabledAt, disabledReason, createdAt } = row;
  const url = new URL(seal.open(row.address, sealedFor(id)));
  return {
    id,
    name,
    url: format === "discord" ? `${url.origin}/…` : url.href,
    format,
    locale,
    kinds,
    enabled: disabledAt === null,
    disabledReason,
    createdAt: createdAt.toISOString(),
  };
}

/** A pack is told of its versions: a webhook that waits for anything else would wait for ever. */
function requireKinds({ packId }: Owner, kinds: string[]): void {
  const others = kinds.filter((kind) => !kind.startsWith("version."));
  if (packId !== null && others.length > 0)
    throw new Fault(
      "invalid",
      `Cannot keep the webhook: a pack is not told of ${others.join(", ")}, only of version.…`,
      {
        errors: [{ pointer: "/kinds", detail: "is not about versions" }],
      },
    );
}

/** An address that may be posted to as far as one can tell without asking names: it is vetted again at each post. */
function checkUrl(url: string): string {
  try {
    return parseTarget(url).href;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault("invalid", error.message, { errors: [{ pointer: "/url", detail: "cannot be posted to" }] });
  }
}
