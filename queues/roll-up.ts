import { actor, type Static, t } from "./actor.ts";

export const RollUp = t.Object({ scope: t.Literal("all") });
export type RollUp = Static<typeof RollUp>;

/** Counts raw analytics into hours and days, and forgets what is too old. */
export const rollUp = actor({
  name: "roll-up",
  payload: RollUp,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 10 * 60_000,
  needs: ["db", "config"],
  every: (config) => config.ROLL_UP_EVERY_SECONDS,
  handler: () => import("../workers/roll-up.ts"),
});
