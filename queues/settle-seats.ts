import { actor, type Static, t } from "./actor.ts";

export const SettleSeats = t.Object({ scope: t.Literal("all") });
export type SettleSeats = Static<typeof SettleSeats>;

/** Ends offers of seats whose time is over, and gives the seats to whoever waits longest. */
export const settleSeats = actor({
  name: "settle-seats",
  payload: SettleSeats,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "bus"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/settle-seats.ts"),
});
