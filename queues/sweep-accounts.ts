import { actor, type Static, t } from "./actor.ts";

export const SweepAccounts = t.Object({ scope: t.Literal("all") });
export type SweepAccounts = Static<typeof SweepAccounts>;

/** Forgets what accounts leave behind: sessions that ended long ago, old revocations, links, mails and invites. */
export const sweepAccounts = actor({
  name: "sweep-accounts",
  payload: SweepAccounts,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 10 * 60_000,
  needs: ["db"],
  every: (config) => config.SWEEP_EVERY_SECONDS,
  handler: () => import("../workers/sweep-accounts.ts"),
});
