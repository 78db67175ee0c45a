import type { ClaimedDelivery } from "../db/delivery.ts";
import { settleDeliveries } from "../db/delivery.ts";
import { claimDigest, listDigest, postponeDigest, settleDigest } from "../db/digest.ts";
import { findNotificationReader, type NotificationReader } from "../db/notification-reader.ts";
import { listTellable } from "../db/notification-words.ts";
import { setConfirmToken } from "../db/registration.ts";
import type { Deps } from "../deps.ts";
import type { Log } from "../log.ts";
import type { NamedNotification } from "../notification-words.ts";
import type { Handle } from "../queues/actor.ts";
import type { DeliverMail } from "../queues/deliver-mail.ts";
import { makeToken } from "./compose-mail.ts";
import { composeDigest, composeOne, type NotificationLetter } from "./compose-notification.ts";
import { drain, type Outcome } from "./deliver.ts";
import { makeInvitation } from "./invitation.ts";
import { type Letter, refusalOf, sendLetter } from "./letter.ts";

type Mailing = Pick<Deps, "db" | "config"> & { signal: AbortSignal; log: Log };

const lanes = 4;
const claimSeconds = 90;
const retryDigestSeconds = 600;
const mostInDigest = 100;

/** Mails what is due; digests too. Without SMTP_URL everything waits. */
export const handle: Handle<DeliverMail, "db" | "config"> = async ({ deps: { db, config }, signal, log }) => {
  if (!config.SMTP_URL) return { state: "kept", reason: "SMTP_URL is not set" };
  const mailing = { db, config, signal, log };
  const mailed = await drain({ db, media: ["mail"], lanes, signal, log }, (delivery) => mailOne(mailing, delivery));
  return { mailed, digests: await mailDigests(mailing) };
};

async function mailOne(mailing: Mailing, { id, userId, notificationId }: ClaimedDelivery): Promise<Outcome> {
  const { db, config } = mailing;
  if (userId === null) return { state: "skipped", why: "nobody to send it to" };
  const reader = await findNotificationReader(db, userId);
  if (reader?.email == null) return { state: "skipped", why: "no confirmed address" };
  // Looked at now: what he may not see any more is not told.
  const [named] = await listTellable(db, { userId, ids: [notificationId] });
  if (!named) return { state: "skipped", why: "not to be told any more" };
  const base = config.PUBLIC_URL ?? "";
  const link = base === "" ? undefined : await makeConfirmLink(db, { named, base });
  const calendar = await makeInvitation(db, named, {
    userId,
    email: reader.email,
    language: reader.locale,
    base,
    from: config.MAIL_FROM ?? "",
  });
  const letter = composeOne(named, { userId, reader, base, config, link });
  return post(mailing, { id, reader, base, letter: { ...letter, calendar } });
}

/** The link that takes an offered seat: made when it is sent, and only its hash is kept. */
async function makeConfirmLink(
  db: Deps["db"],
  { named, base }: { named: NamedNotification; base: string },
): Promise<string | undefined> {
  const { kind, subject } = named;
  if (kind !== "registration.offered" || subject.registrationId === undefined) return undefined;
  const { token, tokenHash } = makeToken();
  const kept = await setConfirmToken(db, { id: subject.registrationId, tokenHash });
  return kept > 0 ? `${base}/confirm#${token}` : undefined;
}

type Posting = {
  id: string;
  reader: NotificationReader;
  base: string;
  letter: NotificationLetter & Pick<Letter, "calendar">;
};

async function post({ config, signal, log }: Mailing, { id, reader, base, letter }: Posting): Promise<Outcome> {
  try {
    await sendLetter(config, { id, to: reader.email ?? "", ...letter, base, signal });
    return { state: "sent" };
  } catch (error) {
    const status = refusalOf(error);
    if (status !== undefined) return { state: "failed", why: "refused by the mail server", status };
    log.info({ err: error, delivery: id }, "the mail server did not take a notification");
    return { state: "later", why: "the mail server did not take it" };
  }
}

/** Each person whose digest is due gets one mail with all that waits for it, under the id of its first. */
async function mailDigests(mailing: Mailing): Promise<number> {
  const { db, config, signal } = mailing;
  let sent = 0;
  for (;;) {
    signal.throwIfAborted();
    const [due] = await claimDigest(db, { forSeconds: claimSeconds });
    if (!due) return sent;
    const { userId } = due;
    const waiting = await listDigest(db, { userId, limit: mostInDigest });
    const reader = await findNotificationReader(db, userId);
    const items = reader?.email
      ? await listTellable(db, { userId, ids: waiting.map(({ notificationId }) => notificationId) })
      : [];
    const tellable = new Set(items.map(({ id }) => id));
    const [gone, told] = [false, true].map((is) =>
      waiting.filter(({ notificationId }) => tellable.has(notificationId) === is).map(({ id }) => id),
    );
    if (gone?.length) await settleDeliveries(db, { ids: gone, state: "skipped", why: "not to be told any more" });
    const [first] = told ?? [];
    if (reader && told && first !== undefined) {
      const base = config.PUBLIC_URL ?? "";
      const letter = composeDigest(items, { userId, reader, base, config });
      const outcome = await post(mailing, { id: first, reader, base, letter });
      if (outcome.state === "later") {
        await postponeDigest(db, { userId, forSeconds: retryDigestSeconds });
        continue;
      }
      const { state, status = null } = outcome;
      await settleDeliveries(db, { ids: told, state, why: state === "sent" ? null : outcome.why, status });
      sent += 1;
    }
    await settleDigest(db, userId);
  }
}
