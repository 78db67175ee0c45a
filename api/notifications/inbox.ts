import { Type as t } from "@sinclair/typebox";
import { listAllDeliveries, listDeliveries } from "../../db/delivery-log.ts";
import { countUnread, markRead } from "../../db/inbox.ts";
import { findNotificationReader } from "../../db/notification-reader.ts";
import { listInbox } from "../../db/notification-words.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { type NamedNotification, type Reader, tell } from "../../notification-words.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { describeDelivery } from "./delivery.ts";
import type { AllDeliveries, AllDeliveriesQuery, Deliveries, Inbox, Notification, Read, Reading } from "./model.ts";

const Cursor = t.Tuple([CursorId]);
const mostUnread = 100;

type Asked = { caller: Caller; limit?: number; cursor?: string; unread?: boolean };

/** The caller's inbox, newest first, in the words of his language: without what he may not be told any more. */
export async function pageInbox(
  { db }: Pick<Deps, "db">,
  { caller: { userId }, limit = 50, cursor, unread = false }: Asked,
): Promise<typeof Inbox.static> {
  const reader = await getReader({ db }, userId);
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const rows = await listInbox(db, { userId, before, unread, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => describeNotification(row, reader)),
    unread: await countUnread(db, { userId, limit: mostUnread }),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}

/** Marks notifications of the caller as read. Ids that are not his are nothing to him. */
export async function readInbox(
  { db, bus }: Pick<Deps, "db" | "bus">,
  { caller: { userId }, reading }: { caller: Caller; reading: typeof Reading.static },
): Promise<typeof Read.static> {
  const read = await markRead(db, { userId, ids: "ids" in reading ? reading.ids : null });
  if (read.length > 0) bus.publish("notification.changed", userId);
  return { read: read.length, unread: await countUnread(db, { userId, limit: mostUnread }) };
}

export function countUnreadOf({ db }: Pick<Deps, "db">, userId: string): Promise<number> {
  return countUnread(db, { userId, limit: mostUnread });
}

/** By which media a notification of the caller went, and how. 404 when it is not his. */
export async function getDeliveries(
  { db }: Pick<Deps, "db">,
  { caller: { userId }, id }: { caller: Caller; id: string },
): Promise<typeof Deliveries.static> {
  const rows = await listDeliveries(db, { notificationId: id, userId });
  if (rows.length === 0) throw new Fault("not-found", "There is no such notification of yours");
  return { items: rows.map(describeDelivery) };
}

/** Everybody's deliveries, newest first. */
export async function pageAllDeliveries(
  { db }: Pick<Deps, "db">,
  { limit = 50, cursor, state, medium }: typeof AllDeliveriesQuery.static,
): Promise<typeof AllDeliveries.static> {
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  const asked = { state: state ?? null, medium: medium ?? null, before, limit: limit + 1 };
  const rows = await listAllDeliveries(db, asked);
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => ({ ...describeDelivery(row), login: row.login })),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}

/** How a person reads: 404 for a caller who is none. */
export async function getReader({ db }: Pick<Deps, "db">, userId: string): Promise<Reader> {
  const reader = await findNotificationReader(db, userId);
  if (!reader) throw new Fault("not-found", "There is no account of yours: this token is for a service");
  return { language: reader.locale, timeZone: reader.timeZone };
}

export function describeNotification(named: NamedNotification, reader: Reader): Notification {
  const { id, kind, reason, critical, subject, fields, readAt, createdAt } = named;
  return {
    id,
    kind,
    ...tell(named, reader),
    reason,
    critical,
    subject: Object.fromEntries(Object.entries(subject)),
    fields,
    readAt: readAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
  };
}
