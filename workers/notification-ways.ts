import type { NewDelivery, Replaced } from "../db/delivery.ts";
import type { NewNotification, Recipient } from "../db/notification.ts";
import { isKind, kinds, type Medium } from "../notification-kinds.ts";
import { afterQuietHours, nextDigest } from "./quiet-hours.ts";

/** What is written about one notification: itself, and its ways. */
export type Decision = { notification: NewNotification; deliveries: NewDelivery[] };

type Given = {
  notification: NewNotification;
  /** What waited in its group and gave way to it. */
  replaced: readonly Replaced[];
  /** How long changes are collected before they are told; 0: not at all. */
  waitSeconds: number;
  at: Date;
};

/**
 * Decides how a person is told: what he has switched off or muted is skipped, and the log says why; the rest is due at once,
 * after changes were collected, after his quiet hours, or with his digest. Critical ones are never skipped nor put off.
 */
export function decide(recipient: Recipient, { notification, replaced, waitSeconds, at }: Given): Decision {
  const { critical, groupKey } = notification;
  const { userId, muted, webhooks, subscriptions } = recipient;
  const add = (medium: NewDelivery["medium"], way: Partial<NewDelivery>): NewDelivery => ({
    id: Bun.randomUUIDv7(),
    notificationId: notification.id,
    userId,
    medium,
    targetId: null,
    groupKey,
    state: "queued",
    why: null,
    dueAt: at,
    digest: false,
    ...way,
  });
  const isLate = recipient.overtaken && isKind(notification.kind) && kinds[notification.kind].newestOnly;
  const skipReason = (medium: Medium): string | undefined =>
    critical
      ? undefined
      : isLate
        ? "overtaken"
        : muted
          ? "muted"
          : isOn(recipient, notification.kind, medium)
            ? undefined
            : "preference";
  const dueOf = (medium: NewDelivery["medium"], targetId: string | null = null): Date =>
    collectedUntil({ medium, targetId, userId, replaced, waitSeconds, at });
  const rings = (medium: "mail" | "telegram" | "push", targetId: string | null = null): Partial<NewDelivery> => {
    const why = skipReason(medium);
    if (why !== undefined) return { targetId, state: "skipped", why };
    const { digest, timeZone, digestDueAt, quietFrom, quietTo, offeredUntil } = recipient;
    // Better woken than too late.
    const inTime = (dueAt: Date) => offeredUntil === null || dueAt < offeredUntil;
    if (critical) return { targetId };
    if (medium === "mail" && digest !== "off") {
      const dueAt = digestDueAt ?? nextDigest(at, { timeZone, digest });
      if (inTime(dueAt)) return { targetId, digest: true, dueAt };
    }
    const due = dueOf(medium, targetId);
    if (quietFrom === null || quietTo === null) return { targetId, dueAt: due };
    const later = afterQuietHours(due, { timeZone, from: quietFrom, to: quietTo });
    return { targetId, dueAt: inTime(later) ? later : due };
  };
  const isMailed = !(isKind(notification.kind) && kinds[notification.kind].mailedElsewhere);
  const inboxWhy = skipReason("inbox");
  const deliveries = [
    add("inbox", inboxWhy === undefined ? { state: "sent" } : { state: "skipped", why: inboxWhy }),
    ...(isMailed
      ? [add("mail", recipient.hasMail ? rings("mail") : { state: "skipped", why: "no confirmed address" })]
      : []),
    ...(recipient.hasTelegram ? [add("telegram", rings("telegram"))] : []),
    ...subscriptions.map((id) => add("push", rings("push", id))),
    ...webhooks.map(({ id, format }) => {
      if (muted && !critical) return add(formatMedium(format), { targetId: id, state: "skipped", why: "muted" });
      if (isLate && format === "discord") return add("discord", { targetId: id, state: "skipped", why: "overtaken" });
      const medium = formatMedium(format);
      return add(medium, { targetId: id, dueAt: medium === "discord" ? dueOf(medium, id) : at });
    }),
  ];
  return { notification: { ...notification, shown: inboxWhy === undefined }, deliveries };
}

/** What the webhooks of an organization or a pack are told: programs of everything at once, a Discord channel as people are. */
export function decideWebhooks(
  webhooks: Recipient["webhooks"],
  { notification, replaced, waitSeconds, at }: Given,
): Decision {
  const deliveries = webhooks.map(({ id, format }): NewDelivery => {
    const way = { id: Bun.randomUUIDv7(), notificationId: notification.id, userId: null, targetId: id };
    const medium = formatMedium(format);
    const dueAt = medium === "discord" ? collectedUntil({ medium, targetId: id, replaced, waitSeconds, at }) : at;
    return { ...way, medium, groupKey: notification.groupKey, state: "queued", why: null, dueAt, digest: false };
  });
  return { notification: { ...notification, shown: false }, deliveries };
}

type Collected = Pick<Given, "replaced" | "waitSeconds" | "at"> & {
  medium: string;
  targetId: string | null;
  userId?: string;
};

/** When changes that are collected are told: so long after the first of them, or whoever keeps changing would put it off for ever. */
function collectedUntil({ medium, targetId, userId, replaced, waitSeconds, at }: Collected): Date {
  if (waitSeconds === 0) return at;
  const before = replaced.filter(
    (old) => old.medium === medium && old.targetId === targetId && (targetId !== null || old.userId === userId),
  );
  const earliest = Math.min(at.getTime() + waitSeconds * 1000, ...before.map(({ dueAt }) => dueAt.getTime()));
  return new Date(Math.max(at.getTime(), earliest));
}

const formatMedium = (format: "standard" | "discord") => (format === "discord" ? "discord" : "webhook");

function isOn({ chosen }: Recipient, kind: string, medium: Medium): boolean {
  return chosen[medium] ?? (isKind(kind) && kinds[kind].on.includes(medium));
}
