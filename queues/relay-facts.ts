import { actor, type Static, t } from "./actor.ts";

export const RelayFacts = t.Object({ scope: t.Literal("all") });
export type RelayFacts = Static<typeof RelayFacts>;

/** Tells every receiver the facts of the outbox that wait for it, and states those that time alone makes. */
export const relayFacts = actor({
  name: "relay-facts",
  payload: RelayFacts,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "mailbox"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/relay-facts.ts"),
});
