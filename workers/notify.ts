import { Value } from "@sinclair/typebox/value";
import { insertDeliveries, replaceWaiting } from "../db/delivery.ts";
import { planDigests } from "../db/digest.ts";
import {
  hideReplaced,
  insertNotifications,
  listRecipients,
  listTold,
  lockGroup,
  type NewNotification,
} from "../db/notification.ts";
import type { Candidate } from "../db/notification-audience.ts";
import { findFact } from "../db/outbox.ts";
import type { Db } from "../db/query.ts";
import { listThingWebhooks } from "../db/webhook.ts";
import type { Deps } from "../deps.ts";
import { type Fact, facts, isFactKind } from "../facts.ts";
import { type Kind, kinds, type Subject } from "../notification-kinds.ts";
import type { Handle } from "../queues/actor.ts";
import type { Notify } from "../queues/notify.ts";
import { type Plan, planNotifications, planWebhooks, type WebhookPlan } from "./notification-plans.ts";
import { type Decision, decide, decideWebhooks } from "./notification-ways.ts";

type Notifying = Pick<Deps, "db" | "bus" | "mailbox" | "config"> & { signal: AbortSignal };

const peopleAtOnce = 500;
const first = "00000000-0000-0000-0000-000000000000";

/** Tells everybody concerned by a fact. Another run of the same one finds whom it has told already. */
export const handle: Handle<Notify, "db" | "bus" | "mailbox" | "config"> = async ({ payload, deps, signal, log }) => {
  const row = await findFact(deps.db, payload.factId);
  if (!row || !isFact(row)) {
    log.warn({ fact: payload.factId, kind: row?.kind }, "a fact that is not in the list is told to nobody");
    return { told: 0 };
  }
  const notifying = { ...deps, signal };
  let told = 0;
  for (const plan of await planNotifications(deps.db, row)) told += await tellPlan(notifying, row, plan);
  const webhooks = await planWebhooks(deps.db, row);
  if (webhooks) await tellWebhooks(notifying, row, webhooks);
  return { told };
};

type FactWithId = Fact & { id: string; statedAt: Date };

function isFact(row: { id: string; kind: string; payload: unknown; statedAt: Date }): row is FactWithId {
  return isFactKind(row.kind) && Value.Check(facts[row.kind], row.payload);
}

/** One plan, page by page of its audience; each page is one transaction of a few statements, however many people it has. */
async function tellPlan(notifying: Notifying, fact: FactWithId, plan: Plan): Promise<number> {
  let told = 0;
  let after = first;
  for (;;) {
    notifying.signal.throwIfAborted();
    const page = await plan.list({ after, limit: peopleAtOnce });
    if (page.length > 0) told += await tellPage(notifying, { fact, plan, page });
    const last = page.at(-1);
    if (!last || page.length < peopleAtOnce) return told;
    after = last.userId;
  }
}

async function tellPage(
  { db, bus, mailbox, config }: Notifying,
  { fact, plan, page }: { fact: FactWithId; plan: Plan; page: Candidate[] },
): Promise<number> {
  const { kind, reason, subject } = plan;
  const { critical, waits } = kinds[kind];
  const group = (about: Subject) => plan.groupKey ?? kinds[kind].group(about);
  const decided = await db.transaction(async (tx) => {
    const groups = new Set(page.map((candidate) => group({ ...subject, ...placeOf(candidate) })));
    for (const key of [...groups].sort()) await lockGroup(tx, key);
    const drafts = page.map((candidate) =>
      draft({ fact, kind, reason, subject: { ...subject, ...placeOf(candidate) }, userId: candidate.userId }),
    );
    const already = await listTold(tx, { factId: fact.id, kind, userIds: page.map(({ userId }) => userId) });
    const told = new Set(already.map(({ userId }) => userId));
    const recipients = (await listRecipients(tx, { drafts, kind })).filter(({ userId }) => !told.has(userId));
    const userIds = recipients.map(({ userId }) => userId);
    const decisions: Decision[] = [];
    for (const groupKey of groups) {
      const replaced = await replaceWaiting(tx, {
        userIds,
        targetIds: [],
        groupKey,
        before: waits ? null : fact.statedAt,
        critical,
      });
      const seconds = waits ? config.COALESCE_SECONDS : 0;
      const hidden = waits ? await hideReplaced(tx, { userIds, groupKey, kind, withinSeconds: seconds }) : [];
      for (const recipient of recipients) {
        const own = { ...subject, ...placeOf(recipient) };
        if (group(own) !== groupKey) continue;
        const notification = { ...draft({ fact, kind, reason, subject: own, userId: recipient.userId }), groupKey };
        const before = [...replaced, ...hidden].filter(({ userId }) => userId === recipient.userId);
        notification.fields = [...new Set([...before.flatMap(({ fields }) => fields), ...plan.fields])];
        const waitSeconds = critical ? 0 : seconds;
        decisions.push(decide(recipient, { notification, replaced, waitSeconds, at: new Date() }));
      }
    }
    await write(tx, decisions);
    return decisions;
  });
  for (const { notification } of decided)
    if (notification.shown && notification.userId) bus.publish("notification.changed", notification.userId);
  hintDeliveries(mailbox, decided);
  return decided.length;
}

/** What the webhooks of an organization and of a pack are told: one notification of nobody, with a delivery to each. */
async function tellWebhooks(
  { db, mailbox, config }: Notifying,
  fact: FactWithId,
  { kind, organizationId, packId, subject, fields }: WebhookPlan,
): Promise<void> {
  const decided = await db.transaction(async (tx) => {
    const webhooks = await listThingWebhooks(tx, { organizationId, packId, kind });
    if (webhooks.length === 0) return [];
    const own = { ...subject, ...(organizationId !== null && { organizationId }) };
    const notification = draft({ fact, kind, reason: "webhooks", subject: own, userId: null });
    await lockGroup(tx, notification.groupKey);
    if ((await listTold(tx, { factId: fact.id, kind, userIds: [] })).length > 0) return [];
    const targetIds = webhooks.map(({ id }) => id);
    const replaced = await replaceWaiting(tx, {
      userIds: [],
      targetIds,
      groupKey: notification.groupKey,
      before: kinds[kind].waits ? null : fact.statedAt,
      critical: notification.critical,
    });
    notification.fields = [...new Set([...replaced.flatMap(({ fields }) => fields), ...fields])];
    const waitSeconds = kinds[kind].waits ? config.COALESCE_SECONDS : 0;
    const decision = decideWebhooks(webhooks, { notification, replaced, waitSeconds, at: new Date() });
    await write(tx, [decision]);
    return [decision];
  });
  hintDeliveries(mailbox, decided);
}

async function write(tx: Db, decisions: Decision[]): Promise<void> {
  if (decisions.length === 0) return;
  const inserted = await insertNotifications(
    tx,
    decisions.map(({ notification }) => notification),
  );
  const fresh = new Set(inserted.map(({ id }) => id));
  const deliveries = decisions.flatMap(({ deliveries }) => deliveries);
  await insertDeliveries(
    tx,
    deliveries.filter(({ notificationId }) => fresh.has(notificationId)),
  );
  const digests = deliveries.flatMap(({ digest, userId, dueAt }) => (digest && userId ? [{ userId, dueAt }] : []));
  if (digests.length > 0) await planDigests(tx, digests);
}

const actorOf = {
  mail: "deliver-mail",
  webhook: "deliver-webhook",
  discord: "deliver-webhook",
  telegram: "deliver-telegram",
  push: "deliver-push",
} as const;

/** What is due at once is sent at once; the rest is found by the ticks. */
function hintDeliveries(mailbox: Deps["mailbox"], decisions: Decision[]): void {
  const now = Date.now();
  for (const { deliveries } of decisions)
    for (const { medium, state, dueAt } of deliveries)
      if (medium !== "inbox" && state === "queued" && dueAt.getTime() <= now) mailbox.hintTick(actorOf[medium]);
}

const placeOf = ({ registrationId, occurrenceId }: Pick<Candidate, "registrationId" | "occurrenceId">): Subject => ({
  ...(registrationId !== null && { registrationId }),
  ...(occurrenceId !== null && { occurrenceId }),
});

type Draft = { fact: FactWithId; kind: Kind; reason: string; subject: Subject; userId: string | null };

function draft({ fact, kind, reason, subject, userId }: Draft): NewNotification {
  const { critical, group } = kinds[kind];
  return {
    id: Bun.randomUUIDv7(),
    factId: fact.id,
    factAt: fact.statedAt,
    userId,
    kind,
    reason,
    groupKey: group(subject),
    critical,
    packId: subject.packId ?? null,
    versionId: subject.versionId ?? null,
    eventId: subject.eventId ?? null,
    occurrenceId: subject.occurrenceId ?? null,
    registrationId: subject.registrationId ?? null,
    organizationId: subject.organizationId ?? null,
    subjectId: subject.subjectId ?? null,
    fields: [],
    shown: userId !== null,
  };
}
