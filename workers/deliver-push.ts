import { Value } from "@sinclair/typebox/value";
import type { ClaimedDelivery } from "../db/delivery.ts";
import { findNotificationReader } from "../db/notification-reader.ts";
import { listTellable } from "../db/notification-words.ts";
import { deletePushSubscription, findPushSubscription } from "../db/push-subscription.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { tell } from "../notification-words.ts";
import { fetchOutbound, parseOutboundAllow } from "../outbound.ts";
import type { Handle } from "../queues/actor.ts";
import type { DeliverPush } from "../queues/deliver-push.ts";
import { openSeal } from "../seal.ts";
import { Subscription, writePush } from "../web-push.ts";
import { drain, type Outcome } from "./deliver.ts";

type Pushing = Pick<Deps, "db" | "config"> & { secret: string; signal: AbortSignal };

const lanes = 8;
const timeoutMs = 15_000;
const maxAnswerBytes = 64 * 1024;
const keptSeconds = 24 * 3600;
/** A push service takes 4,096 bytes, encrypted. */
const maxBody = 1_000;

/** Sends what is due to browsers. */
export const handle: Handle<DeliverPush, "db" | "config"> = async ({ deps: { db, config }, signal, log }) => {
  const secret = config.NOTIFICATION_SECRET;
  if (secret === undefined) return { state: "kept", reason: "NOTIFICATION_SECRET is not set" };
  const pushing = { db, config, secret, signal };
  return { pushed: await drain({ db, media: ["push"], lanes, signal, log }, (delivery) => pushOne(pushing, delivery)) };
};

async function pushOne(
  { db, config, secret, signal }: Pushing,
  { userId, targetId, notificationId }: ClaimedDelivery,
): Promise<Outcome> {
  const row = targetId === null ? undefined : await findPushSubscription(db, targetId);
  if (!row || userId === null) return { state: "skipped", why: "the browser is not subscribed any more" };
  const reader = await findNotificationReader(db, userId);
  const [named] = await listTellable(db, { userId, ids: [notificationId] });
  if (!reader || !named) return { state: "skipped", why: "not to be told any more" };
  const { title, body, path } = tell(named, { language: reader.locale, timeZone: reader.timeZone });
  const text = JSON.stringify({ id: named.id, kind: named.kind, title, body: body.slice(0, maxBody), path });
  const subscription = Value.Parse(Subscription, JSON.parse(openSeal(secret).open(row.sealed, `push ${userId}`)));
  // The service keeps one of each topic: what was told twice shows once.
  const topic = named.id.replaceAll("-", "");
  const message = { text, ttlSeconds: keptSeconds, topic, subject: contactOf(config), secret };
  const { endpoint, headers, body: bytes } = writePush(subscription, message);
  try {
    const answer = await fetchOutbound(endpoint, {
      allow: parseOutboundAllow(config.OUTBOUND_ALLOW),
      method: "POST",
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, `${value}`])),
      ...(bytes && { body: bytes }),
      maxRedirects: 0,
      maxBytes: maxAnswerBytes,
      timeoutMs,
      signal,
    });
    answer.close();
    const { status } = answer;
    if (status >= 200 && status < 300) return { state: "sent", status };
    if (status === 404 || status === 410) {
      await deletePushSubscription(db, { id: row.id, userId: null });
      return { state: "failed", why: "the browser is not subscribed any more", status };
    }
    if (status === 400 || status === 413) return { state: "failed", why: "the push service refused it", status };
    return { state: "later", why: "the push service did not take it", status };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === "not-allowed") return { state: "failed", why: "the address may not be reached from here" };
    return { state: "later", why: "the push service does not answer" };
  }
}

/** Whom a push service may write to about us (RFC 8292, 2.1). */
function contactOf({ PUBLIC_URL: base = "", MAIL_FROM: from }: Deps["config"]): string {
  const address = /([^\s<>]+@[^\s<>]+)/.exec(from ?? "")?.[1];
  if (address !== undefined) return `mailto:${address}`;
  return base.startsWith("https:") ? base : "mailto:operator@sunduk.invalid";
}
