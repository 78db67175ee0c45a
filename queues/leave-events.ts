import { actor, type Static, t } from "./actor.ts";

export const LeaveEvents = t.Object({ userId: t.String() });
export type LeaveEvents = Static<typeof LeaveEvents>;

/** Gives up the seats of somebody who has deleted his account: others wait for them. */
export const leaveEvents = actor({
  name: "leave-events",
  payload: LeaveEvents,
  subject: ({ userId }) => userId,
  retry: { attempts: 5, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "bus"],
  handler: () => import("../workers/leave-events.ts"),
});
