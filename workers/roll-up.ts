import { deleteOldSalts, dropMonths, findSalt, prepareMonths } from "../db/analytics-event.ts";
import {
  deleteOldHours,
  deriveRegistrations,
  findPending,
  lockProgress,
  rollDays,
  rollHours,
  rollTotals,
  settleProgress,
} from "../db/analytics-rollup.ts";
import type { Deps } from "../deps.ts";
import { hasCode } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { RollUp } from "../queues/roll-up.ts";

const dayMs = 24 * 3600_000;

/**
 * Counts anew each hour that rows were written to since the last run, late ones too, then its day; so a run that is repeated,
 * or killed anywhere, changes nothing. At the end what is too old goes: raw rows by whole months.
 */
export const handle: Handle<RollUp, "db" | "config"> = async ({ deps: { db, config }, signal, log }) => {
  await prepareMonths(db);
  await db.transaction(async (tx) => {
    await lockProgress(tx);
    await makeSalts(tx);
    await deriveRegistrations(tx);
  });
  const pending = await findPending(db);
  const days = Map.groupBy(pending.hours, (hour) => hour.toISOString().slice(0, 10));
  for (const [day, hours] of days) {
    signal.throwIfAborted();
    await db.transaction(async (tx) => {
      await lockProgress(tx);
      await rollHours(tx, hours);
      await rollDays(tx, [day]);
      await rollTotals(tx, [day]);
    });
  }
  await settleProgress(db, pending);
  const salts = await deleteOldSalts(db);
  const oldHours = await deleteOldHours(db, { afterDays: config.ANALYTICS_HOURLY_DAYS });
  const months = await dropOldMonths(db, config.ANALYTICS_RAW_DAYS);
  if (months.length > 0) log.info({ months }, "raw analytics are dropped");
  return { hours: pending.hours.length, days: days.size, salts, oldHours, months };
};

/** Today's and yesterday's: registrations are made whether anybody looks at a page or not. */
async function makeSalts(tx: Parameters<typeof findSalt>[0]): Promise<void> {
  for (const ago of [0, 1]) {
    const day = new Date(Date.now() - ago * dayMs).toISOString().slice(0, 10);
    await findSalt(tx, { day, fresh: crypto.getRandomValues(new Uint8Array(32)) });
  }
}

/** Left to the next run where somebody writes for long. */
async function dropOldMonths(db: Deps["db"], afterDays: number): Promise<string[]> {
  try {
    return await db.transaction((tx) => dropMonths(tx, { afterDays }));
  } catch (error) {
    if (hasCode(error, "55P03", "40P01")) return [];
    throw error;
  }
}
