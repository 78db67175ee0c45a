import { actor, type Static, t } from "./actor.ts";

export const Notify = t.Object({ factId: t.String({ format: "uuid" }) });
export type Notify = Static<typeof Notify>;

/** Decides who is told of a fact, and how. */
export const notify = actor({
  name: "notify",
  payload: Notify,
  subject: ({ factId }) => factId,
  retry: { attempts: 5, backoffMs: 2_000 },
  concurrency: 4,
  timeoutMs: 10 * 60_000,
  needs: ["db", "bus", "mailbox", "config"],
  handler: () => import("../workers/notify.ts"),
});
