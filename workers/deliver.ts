import {
  type ClaimedDelivery,
  claimDelivery,
  type DeliveryMedium,
  postponeDelivery,
  releaseDelivery,
  settleDeliveries,
} from "../db/delivery.ts";
import type { Deps } from "../deps.ts";
import type { Log } from "../log.ts";
import { makeTraceId, withTrace } from "../trace.ts";

/** How one delivery ended: for good, or for now. `status` is what the other side answered. */
export type Outcome =
  | { state: "sent"; status?: number }
  | { state: "failed" | "skipped"; why: string; status?: number }
  | { state: "later"; why: string; status?: number; seconds?: number };

type Drain = {
  db: Deps["db"];
  media: DeliveryMedium[];
  /** So many are under way at once in one process. */
  lanes: number;
  signal: AbortSignal;
  log: Log;
};

type Send = (delivery: ClaimedDelivery) => Promise<Outcome>;

const staleSeconds = 3 * 24 * 3600;
/** Longer than one delivery may take: a claim that outlives it belongs to a run that is gone. */
const claimSeconds = 45;
/** After which try it is tried again, in seconds: over a day in all. */
const pauses = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 14_400, 14_400, 14_400, 14_400];

/**
 * Makes deliveries that are due until there are none. Each is claimed first and settled after it went out: at least once, under
 * an id that stays the same. A failure is tried again with growing pauses for a day; one of ours too, since nobody else waits for it.
 */
export async function drain({ db, media, lanes, signal, log }: Drain, send: Send): Promise<number> {
  let made = 0;
  const make = async (delivery: ClaimedDelivery) => {
    const outcome = await sendInTime(delivery, send).catch((error: unknown): Outcome => {
      log.warn({ err: error, delivery: delivery.id }, "a notification was not delivered");
      return { state: "later", why: "an error of this server" };
    });
    if (signal.aborted && outcome.state === "later") return void (await releaseDelivery(db, delivery.id));
    await settle(db, { delivery, outcome });
    log.info({ delivery: delivery.id, notification: delivery.notificationId, state: outcome.state }, "delivery");
  };
  const lane = async () => {
    for (;;) {
      signal.throwIfAborted();
      const [delivery] = await claimDelivery(db, { media, forSeconds: claimSeconds });
      if (!delivery) return;
      await withTrace({ id: delivery.traceId ?? makeTraceId() }, () => make(delivery));
      made += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return made;
}

/** What could not be sent for days, since there was no mail server or bot, is no news any more. */
async function sendInTime(delivery: ClaimedDelivery, send: Send): Promise<Outcome> {
  return delivery.lateSeconds > staleSeconds ? { state: "skipped", why: "too late" } : send(delivery);
}

async function settle(
  db: Deps["db"],
  { delivery: { id, attempts }, outcome }: { delivery: ClaimedDelivery; outcome: Outcome },
): Promise<void> {
  const { status = null } = outcome;
  if (outcome.state === "sent") await settleDeliveries(db, { ids: [id], state: "sent", status });
  else if (outcome.state !== "later")
    await settleDeliveries(db, { ids: [id], state: outcome.state, why: outcome.why, status });
  else {
    const pause = pauses[attempts - 1];
    if (pause === undefined) await settleDeliveries(db, { ids: [id], state: "failed", why: outcome.why, status });
    else
      await postponeDelivery(db, { id, forSeconds: Math.max(pause, outcome.seconds ?? 0), why: outcome.why, status });
  }
}

/** Whether this was the last try of a delivery. */
export const isLastTry = ({ attempts }: Pick<ClaimedDelivery, "attempts">) => attempts > pauses.length;
