import { actor, type Static, t } from "./actor.ts";

export const ExtendEvents = t.Object({ scope: t.Literal("all") });
export type ExtendEvents = Static<typeof ExtendEvents>;

/** Makes the next occurrences of series that go on, so that there are always those of more than a year ahead. */
export const extendEvents = actor({
  name: "extend-events",
  payload: ExtendEvents,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 10 * 60_000,
  needs: ["db"],
  every: (config) => config.SWEEP_EVERY_SECONDS,
  handler: () => import("../workers/extend-events.ts"),
});
