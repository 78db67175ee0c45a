import type { ClaimedDelivery } from "../db/delivery.ts";
import { findTellableTo, listTellable } from "../db/notification-words.ts";
import { disableWebhook, findOpenWebhook, noteWebhook, type WebhookRow } from "../db/webhook.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { type NamedNotification, tell } from "../notification-words.ts";
import { fetchOutbound, parseOutboundAllow } from "../outbound.ts";
import type { Handle } from "../queues/actor.ts";
import type { DeliverWebhook } from "../queues/deliver-webhook.ts";
import { openSeal, type Seal } from "../seal.ts";
import { signWebhook } from "../webhook-signature.ts";
import { drain, isLastTry, type Outcome } from "./deliver.ts";

type Posting = Pick<Deps, "db" | "config"> & { seal: Seal; signal: AbortSignal; log: Log };

const lanes = 8;
const timeoutMs = 15_000;
const maxAnswerBytes = 64 * 1024;
/** Discord's limits for one embed. */
const discordLimits = { title: 256, body: 4_000 };

/** Posts what is due, signed as Standard Webhooks are, or as Discord wants it. */
export const handle: Handle<DeliverWebhook, "db" | "config"> = async ({ deps: { db, config }, signal, log }) => {
  const secret = config.NOTIFICATION_SECRET;
  if (secret === undefined) return { state: "kept", reason: "NOTIFICATION_SECRET is not set" };
  const posting = { db, config, seal: openSeal(secret), signal, log };
  const posted = await drain({ db, media: ["webhook", "discord"], lanes, signal, log }, (delivery) =>
    postOne(posting, delivery),
  );
  return { posted };
};

async function postOne(posting: Posting, delivery: ClaimedDelivery): Promise<Outcome> {
  const { db } = posting;
  const webhook = delivery.targetId === null ? undefined : await findOpenWebhook(db, delivery.targetId);
  if (!webhook) return { state: "skipped", why: "the webhook is disabled or deleted" };
  // Looked at now: what its owner may not see any more is not told.
  const { userId, organizationId, packId } = webhook;
  const named =
    userId === null
      ? await findTellableTo(db, { id: delivery.notificationId, organizationId, packId })
      : (await listTellable(db, { userId, ids: [delivery.notificationId] }))[0];
  if (!named) return { state: "skipped", why: "not to be told any more" };
  const outcome = await post(posting, { delivery, webhook, named });
  await noteWebhook(db, { id: webhook.id, works: outcome.state === "sent" });
  if (outcome.state === "later" && isLastTry(delivery)) await disableWebhook(db, { id: webhook.id, reason: "failing" });
  return outcome;
}

type Post = { delivery: ClaimedDelivery; webhook: WebhookRow & { timeZone: string }; named: NamedNotification };

async function post({ db, config, seal, signal, log }: Posting, { delivery, webhook, named }: Post): Promise<Outcome> {
  const base = config.PUBLIC_URL ?? "";
  const body = JSON.stringify(
    webhook.format === "discord" ? describeForDiscord(webhook, { named, base }) : describeStandard(named),
  );
  const owner = `webhook ${webhook.id}`;
  const signature =
    webhook.secret === null
      ? {}
      : signWebhook(seal.open(webhook.secret, owner), {
          id: delivery.id,
          atSeconds: Math.floor(Date.now() / 1000),
          body,
        });
  try {
    const answer = await fetchOutbound(seal.open(webhook.address, owner), {
      allow: parseOutboundAllow(config.OUTBOUND_ALLOW),
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "Sunduk", ...signature },
      body,
      maxRedirects: 0,
      maxBytes: maxAnswerBytes,
      timeoutMs,
      signal,
    });
    answer.close();
    const { status } = answer;
    if (status >= 200 && status < 300) return { state: "sent", status };
    if (status === 410 || (webhook.format === "discord" && status === 404)) {
      await disableWebhook(db, { id: webhook.id, reason: "gone" });
      return { state: "failed", why: "the receiver is gone", status };
    }
    const seconds = Number(answer.headers.get("retry-after"));
    return { state: "later", why: "the receiver did not take it", status, ...(seconds > 0 && { seconds }) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    log.info({ delivery: delivery.id, webhook: webhook.id, code: error.code }, "a webhook was not reached");
    if (error.code === "not-allowed") return { state: "failed", why: "the address may not be reached from here" };
    return { state: "later", why: "the receiver does not answer" };
  }
}

/** What programs are told: a kind and ids. They ask for the rest with their own rights. */
function describeStandard({ kind, createdAt, subject, fields }: NamedNotification): object {
  return {
    type: kind,
    timestamp: createdAt.toISOString(),
    data: { ...subject, ...(fields.length > 0 && { fields }) },
  };
}

/** What a channel of Discord shows. Names are texts of strangers: they mention nobody. */
function describeForDiscord(
  { locale, timeZone }: WebhookRow & { timeZone: string },
  { named, base }: { named: NamedNotification; base: string },
): object {
  const { title, body, path } = tell(named, { language: locale, timeZone });
  const embed = {
    title: title.slice(0, discordLimits.title),
    description: body.slice(0, discordLimits.body),
    timestamp: named.createdAt.toISOString(),
    ...(base !== "" && { url: base + path }),
  };
  return { embeds: [embed], allowed_mentions: { parse: [] } };
}
